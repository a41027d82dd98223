"""Message-IDs: ours, which prove themselves, and the threads that all of them tell of. Pure.

Ours is `nonce.thread.mark@domain`. The mark covers the rest and can be made by us alone, so that
nobody can put a letter into a thread that they never took part in. Every recipient of a letter
knows its Message-ID, so that an ID alone does not prove that a letter is from us.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from scrm.db.encrypted import is_stamp, stamp

MOST_REFERENCES = 100
_ID = re.compile(r"<([^<>\s]{1,900})>")
_TOKEN = re.compile(r"[0-9a-f]{20}")
_OURS = re.compile(
    r"(?<![0-9a-f-])([0-9a-f-]{36})\.([0-9a-f]{20})\.([0-9a-f]{16})@([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)"
)
_DIGEST = re.compile(r"#[0-9a-f]{16}\Z")


@dataclass(frozen=True, slots=True)
class Ours:
    """One of our own Message-IDs, taken apart: the sending's nonce and the thread's token."""

    id: str
    nonce: str
    thread: str


def our_id(nonce: str, thread: str, domain: str) -> str:
    """The Message-ID, without its brackets, of what is sent under `nonce` in a thread."""
    return f"{nonce}.{thread}.{stamp(f'{nonce}.{thread}@{domain}')}@{domain}"


def find_ours(text: str) -> Ours | None:
    """The first Message-ID in `text` that we made, wherever it stands there."""
    for found in _OURS.finditer(text.lower()):
        nonce, thread, mark, domain = found.groups()
        if is_stamp(f"{nonce}.{thread}@{domain}", mark):
            return Ours(found[0], nonce, thread)
    return None


def own_id(message_id: str, domain: str) -> Ours | None:
    """The whole Message-ID as one that we made for a domain, or None."""
    found = find_ours(message_id)
    is_whole = found and found.id == message_id.lower() and found.id.endswith(f"@{domain}")
    return found if is_whole else None


def ids(header: str) -> tuple[str, ...]:
    """The Message-IDs in a header, without their brackets, in their order."""
    found = _ID.findall(header)
    if not found and "@" in header and len(header.split()) == 1:  # some forget the brackets
        found = [header.strip("<> \t\r\n")[:900]]
    return tuple(dict.fromkeys(found))[:MOST_REFERENCES]


def token(text: str) -> str:
    """A thread's key: of a fixed form, so that it fits into a Message-ID."""
    return text if _TOKEN.fullmatch(text) else sha256(text.encode()).hexdigest()[:20]


def thread(own: str, references: Sequence[str], author: str) -> str:
    """The thread of a letter → its key.

    Whoever names one of our own letters got it, and joins its thread. Else it is one author's
    thread: a Message-ID that anybody may copy lets nobody in.
    """
    for reference in reversed(references):
        if found := find_ours(reference):
            return found.thread
    return own_thread(own, references, author)


def own_thread(own: str, references: Sequence[str], author: str) -> str:
    """The thread of one author's letters alone."""
    root = references[0] if references else own
    return token(f"{root} {author}")


def key(message_id: str, digest: str) -> str:
    """The identity of a letter that is not ours. A Message-ID is chosen by its sender, so that it
    alone cannot be trusted to say that two letters are one: what is in them counts as well. No
    such key is one of ours, whose key is the Message-ID alone."""
    return f"{message_id}#{digest[:16]}"


def id_of(key: str) -> str:
    """The Message-ID in a letter's identity, or "" where it had none."""
    bare = _DIGEST.sub("", key)
    return bare if re.fullmatch(r"[^<>\s#]+@[^<>\s#]+", bare) and bare.isascii() else ""
