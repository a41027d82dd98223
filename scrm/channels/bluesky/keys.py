"""Addresses of records, and record keys that are the same at every attempt to send.

The network accepts only a TID as the key of a post: 53 bits of microseconds and 10 bits that tell
writers apart, in 13 characters. Our keys must follow from the nonce, so that a second attempt uses
the same key and the server refuses a second post. Therefore the time in them is not the time of
sending: a hash of the nonce chooses it within the years 2020 to 2025. The network orders posts by
the date in the record, not by the key. The keys of a thread's parts follow one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

POST = "app.bsky.feed.post"
SITE = "https://bsky.app"
_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
_LENGTH = 13
_EARLIEST, _SPAN = 1_600_000_000_000_000, 1 << 47
_CLOCK_BITS = 10


@dataclass(frozen=True, slots=True)
class Uri:
    """The address of a record: at://repo/collection/rkey."""

    repo: str
    collection: str
    rkey: str

    @classmethod
    def parse(cls, text: object) -> Uri:
        """Raises ValueError if the text is not the address of a record."""
        parts = text.split("/") if isinstance(text, str) and len(text) <= 1000 else []
        if len(parts) != 5 or parts[:2] != ["at:", ""] or not all(parts[2:]):
            raise ValueError(f"not the address of a record: {str(text)[:100]!r}")
        return cls(*parts[2:])

    def __str__(self) -> str:
        return f"at://{self.repo}/{self.collection}/{self.rkey}"

    @property
    def url(self) -> str:
        return f"{SITE}/profile/{self.repo}/post/{self.rkey}"


def record_key(seed: str, position: int = 0) -> str:
    """Return the record key for a nonce. position: the number of a thread's part."""
    number = int.from_bytes(sha256(seed.encode()).digest()[:8])
    moment = _EARLIEST + (number >> _CLOCK_BITS) % _SPAN + position
    return _encoded(moment << _CLOCK_BITS | number % (1 << _CLOCK_BITS))


def _encoded(number: int) -> str:
    signs = []
    for _ in range(_LENGTH):
        number, value = divmod(number, 32)
        signs.append(_ALPHABET[value])
    return "".join(reversed(signs))
