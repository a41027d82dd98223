"""Parse the bytes of a mail, in any charset and with any nesting of its parts.

`read` raises Unreadable if a mail is damaged, or if somebody made it to harm the parser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from hashlib import sha256

from scrm.channels.base import File
from scrm.channels.email import ids
from scrm.channels.email.charsets import Charsets
from scrm.channels.email.headers import LONGEST_HEADER, Headers, read_headers, readable, unfold
from scrm.channels.email.parts import Parts, Unreadable, parse_message
from scrm.channels.email.people import Person, person, split
from scrm.channels.email.recipients import LONGEST_LIST, first_pieces
from scrm.text.clean import clean

LONGEST_TEXT, LONGEST_HTML = 200_000, 400_000
_LONGEST_SENDER = 1_000_000


@dataclass(frozen=True, slots=True)
class Letter:
    """A parsed mail.

    message_id: without brackets; "" if there is none.
    digest: a hash of sender, date, subject and body, which is the same in every mailbox.
    text: the plain text; if the mail has only HTML, the text of the HTML.
    html: the whole mail as sanitised HTML; "" if the mail has no formatted text.
    original: the author (X-Original-From) if a mailing list put its own address into From.
    author: the author by the header Author (RFC 9057) or X-Original-Sender, which few lists set, so
    that the sender may have set it.
    to, cc: the people in these headers, at most `MAX_RECIPIENTS` each.
    report: the fields of a delivery report, one mapping for each recipient.
    returned: the headers of the undelivered mail, if this mail is a bounce.
    """

    headers: Headers
    message_id: str
    digest: str
    references: tuple[str, ...]
    sender: Person | None
    reply_to: Person | None
    original: Person | None
    author: Person | None
    subject: str
    date: datetime | None
    text: str
    html: str
    files: tuple[File, ...]
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    report: tuple[Headers, ...] = ()
    returned: str = ""

    def header(self, name: str) -> str:
        return next(iter(self.headers.get(name, ())), "")


def read(raw: bytes) -> Letter:
    """Parse a mail. Raises Unreadable.

    A hostile mail may take much time or memory: outside tests, this function runs in the parser
    process.
    """
    try:
        return _read(raw)
    except (Unreadable, MemoryError):
        raise
    except RecursionError as error:
        raise Unreadable("The parts of the message are nested too deeply.") from error
    except Exception as error:  # a hostile mail can make the parser raise many kinds of errors
        raise Unreadable(f"The message is damaged and cannot be read: {error!r}"[:300]) from error


def _read(raw: bytes) -> Letter:
    message = parse_message(raw)
    found = Parts(message)
    headers = read_headers(message, found.charsets)
    if not headers.keys() & {"from", "sender", "date", "subject", "message-id", "received"}:
        raise Unreadable("This is not an email: it has no headers.")
    notes = "".join(f"\n\n[{note}]" for note in found.notes)
    message_id = next(iter(ids.ids(_first(headers, "message-id"))), "")
    answers = ids.ids(_first(headers, "in-reply-to"))
    named = dict.fromkeys((*ids.ids(_first(headers, "references")), *answers))
    return Letter(
        headers=headers,
        message_id=message_id,
        digest=_digest(headers, raw),
        references=tuple(named),
        sender=_person(message, "from", found.charsets)
        or _person(message, "sender", found.charsets),
        reply_to=_person(message, "reply-to", found.charsets),
        original=_person(message, "x-original-from", found.charsets),
        author=_person(message, "author", found.charsets)
        or _person(message, "x-original-sender", found.charsets),
        subject=_first(headers, "subject")[:1000],
        date=_moment(_first(headers, "date")),
        text=(found.text[: LONGEST_TEXT - len(notes)] + notes).strip(),
        html=clean(found.block.html)[:LONGEST_HTML] if found.block.is_formatted else "",
        files=tuple(found.files),
        to=_people(message, "to", found.charsets),
        cc=_people(message, "cc", found.charsets),
        report=tuple(found.report),
        returned=found.returned,
    )


def _first(headers: Headers, name: str) -> str:
    return next(iter(headers.get(name, ())), "")


def _person(message: Message, name: str, charsets: Charsets) -> Person | None:
    """Return the person in the headers called `name`; None if they name nobody.

    If the headers contain several addresses, the last one is used.
    """
    header_text = _joined(message, name)
    if len(header_text) > _LONGEST_SENDER:
        raise Unreadable("The headers are too long to identify the sender.")
    return _parsed(readable(header_text, charsets), charsets)


def _people(message: Message, name: str, charsets: Charsets) -> tuple[Person, ...]:
    """Return the people in the headers called `name`, without repeats."""
    header_text = readable(_joined(message, name)[:LONGEST_LIST], charsets)
    found = (_parsed(piece, charsets) for piece in first_pieces(header_text))
    return tuple({each.address: each for each in reversed([*found]) if each}.values())[::-1]


def _joined(message: Message, name: str) -> str:
    items = message.raw_items()  # type: ignore[attr-defined]
    header_text = ", ".join(str(value) for header, value in items if header.strip().lower() == name)
    return re.sub(r"[\r\n]+", " ", header_text)


def _parsed(header: str, charsets: Charsets) -> Person | None:
    found = split(header)
    return person(found[0], unfold(found[1][:LONGEST_HEADER], charsets)) if found else None


def _moment(header: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(header)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _digest(headers: Headers, raw: bytes) -> str:
    """Return a hash of the sender, date, subject and body, which mail servers do not change."""
    hashed_headers = "\n".join(_first(headers, name) for name in ("from", "date", "subject"))
    body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    return sha256(hashed_headers.encode("utf-8", "replace") + b"\n\n" + body.strip()).hexdigest()
