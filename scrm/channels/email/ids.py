"""Create and parse our signed Message-IDs, and derive threads from Message-IDs.

Our Message-IDs have the form `nonce.thread.mark@domain`. The mark is a signature that only we can
make. Thus nobody else can put a mail into a thread by inventing a Message-ID. Every recipient of a
mail knows its Message-ID, so a signed Message-ID alone does not prove that we sent a mail.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from scrm.db.encrypted import is_stamp, stamp

MAX_REFERENCES = 100
_ID = re.compile(r"<([^<>\s]{1,900})>")
_TOKEN = re.compile(r"[0-9a-f]{20}")
_OURS = re.compile(
    r"(?<![0-9a-f-])([0-9a-f-]{36})\.([0-9a-f]{20})\.([0-9a-f]{16})@([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)"
)
_DIGEST = re.compile(r"#[0-9a-f]{16}\Z")


@dataclass(frozen=True, slots=True)
class Ours:
    """One of our own Message-IDs, parsed: the nonce of the delivery and the token of the thread."""

    id: str
    nonce: str
    thread: str


def our_id(nonce: str, thread: str, domain: str) -> str:
    """Return the Message-ID, without brackets, of the mail with this nonce in this thread."""
    return f"{nonce}.{thread}.{stamp(f'{nonce}.{thread}@{domain}')}@{domain}"


def find_ours(text: str) -> Ours | None:
    """Return the first Message-ID in `text` that has our valid signature; None if there is none."""
    for found in _OURS.finditer(text.lower()):
        nonce, thread, mark, domain = found.groups()
        if is_stamp(f"{nonce}.{thread}@{domain}", mark):
            return Ours(found[0], nonce, thread)
    return None


def own_id(message_id: str, domain: str) -> Ours | None:
    """Parse a Message-ID that we made for this domain; return None for any other text."""
    found = find_ours(message_id)
    is_whole = found and found.id == message_id.lower() and found.id.endswith(f"@{domain}")
    return found if is_whole else None


def ids(header: str) -> tuple[str, ...]:
    """Return the Message-IDs in a header, in their order and without brackets."""
    found = _ID.findall(header)
    # some mail programs omit the brackets
    if not found and "@" in header and len(header.split()) == 1:
        found = [header.strip("<> \t\r\n")[:900]]
    return tuple(dict.fromkeys(found))[:MAX_REFERENCES]


def token(text: str) -> str:
    """Return the key of a thread as 20 hexadecimal digits, so that it fits into a Message-ID.

    If a text already has this form, it is returned unchanged. Any other text is hashed.
    """
    return text if _TOKEN.fullmatch(text) else sha256(text.encode()).hexdigest()[:20]


def thread(own: str, references: Sequence[str], author: str) -> str:
    """Return the key of the thread to which a mail belongs.

    If a mail refers to one of our mails, it belongs to the thread of our mail: its author must have
    received our mail. In all other cases, only mails of the same author share a thread, because
    anybody can copy a Message-ID that is not signed.
    own: the mail's own Message-ID, or its digest.
    """
    # Start with the last reference, which is the mail that is answered.
    for reference in reversed(references):
        if found := find_ours(reference):
            return found.thread
    return own_thread(own, references, author)


def own_thread(own: str, references: Sequence[str], author: str) -> str:
    """Return the key of a thread that only mails of one author can join."""
    root = references[0] if references else own
    return token(f"{root} {author}")


def key(message_id: str, digest: str) -> str:
    """Return the key of a mail that we did not send: its Message-ID and a digest.

    The sender chooses the Message-ID, so two different mails could have the same one. Therefore the
    key also contains a digest of the content. If we sent a mail, its key is only its Message-ID.
    """
    return f"{message_id}#{digest[:16]}"


def id_of(key: str) -> str:
    """Return the Message-ID in the key of a mail; "" if the mail had no Message-ID."""
    bare = _DIGEST.sub("", key)
    return bare if re.fullmatch(r"[^<>\s#]+@[^<>\s#]+", bare) and bare.isascii() else ""
