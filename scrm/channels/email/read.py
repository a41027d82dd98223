"""Parse the bytes of a mail, in any charset and with any nesting of its parts.

`read` raises Unreadable if a mail is damaged, or if somebody made it to harm the parser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import Message
from email.utils import parsedate_to_datetime
from hashlib import sha256
from html import escape
from pathlib import PurePosixPath

from scrm.channels.base import File
from scrm.channels.email import ids
from scrm.channels.email.headers import (
    LONGEST_HEADER,
    Headers,
    file_name,
    read_headers,
    readable,
    unfold,
)
from scrm.channels.email.people import Person, person, split
from scrm.channels.email.quotes import marked
from scrm.text.clean import clean, storable
from scrm.text.decode import decode

MAX_FILES = 50
LONGEST_TEXT, LONGEST_HTML = 200_000, 400_000
_MAX_WORK = 30_000_000
"""The limit of boundaries times lines: the parser's time grows with this product."""
_MAX_DEPTH = 50
_LONGEST_SENDER = 1_000_000
_RETURNED = 20_000
_NOT_IN_ENDING = re.compile(r"[^a-z0-9]")
Part = Message


class Unreadable(Exception):
    """The bytes cannot be read as a mail. The error message is one sentence."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A parsed mail.

    message_id: without brackets; "" if there is none.
    digest: a hash of sender, date, subject and body, which is the same in every mailbox.
    text: the plain text; if the mail has only HTML, the text of the HTML.
    html: the whole mail as sanitised HTML; "" if the mail has no formatted text.
    original: the author (X-Original-From) if a mailing list put its own address into From.
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
    subject: str
    date: datetime | None
    text: str
    html: str
    files: tuple[File, ...]
    report: tuple[Headers, ...] = ()
    returned: str = ""

    def header(self, name: str) -> str:
        return next(iter(self.headers.get(name, ())), "")


def read(raw: bytes) -> Letter:
    """Parse a mail. Raises Unreadable."""
    # Checked before parsing, because a hostile mail could keep the parser busy for a long time.
    if raw.count(b"boundary") * raw.count(b"\n") > _MAX_WORK:
        raise Unreadable("The parts of the message are nested too deeply.")
    try:
        return _read(raw)
    except Unreadable:
        raise
    except RecursionError as error:
        raise Unreadable("The parts of the message are nested too deeply.") from error
    except Exception as error:  # a hostile mail can make the parser raise many kinds of errors
        raise Unreadable(f"The message is damaged and cannot be read: {error!r}"[:300]) from error


def _read(raw: bytes) -> Letter:
    message = message_from_bytes(raw, policy=policy.compat32)
    likely = _declared_charsets(message)
    headers = read_headers(message, likely)
    if not headers.keys() & {"from", "sender", "date", "subject", "message-id", "received"}:
        raise Unreadable("This is not an email: it has no headers.")
    found = _Found(likely)
    block = found.take(message)
    text = block.text.strip()
    if found.left_out:
        text += f"\n\n[{found.left_out} more files were left out.]"
    if found.guessed:
        names = ", ".join(found.guessed)
        text += f"\n\n[The email does not state its character encoding. It was read as {names}.]"
    message_id = next(iter(ids.ids(_first(headers, "message-id"))), "")
    answers = ids.ids(_first(headers, "in-reply-to"))
    named = dict.fromkeys((*ids.ids(_first(headers, "references")), *answers))
    return Letter(
        headers=headers,
        message_id=message_id,
        digest=_digest(headers, raw),
        references=tuple(named),
        sender=_person(message, "from", likely) or _person(message, "sender", likely),
        reply_to=_person(message, "reply-to", likely),
        original=_person(message, "x-original-from", likely),
        subject=_first(headers, "subject")[:1000],
        date=_moment(_first(headers, "date")),
        text=text[:LONGEST_TEXT],
        html=clean(block.html)[:LONGEST_HTML] if block.is_formatted else "",
        files=tuple(found.files),
        report=tuple(found.report),
        returned=found.returned,
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """One part of the text, as plain text and as HTML; html is "" if there is only plain text."""

    plain: str = ""
    html: str = ""

    @property
    def text(self) -> str:
        return self.plain if self.plain.strip() else marked(self.html)

    @property
    def is_formatted(self) -> bool:
        return "<" in self.html


class _Found:
    """Collects text, files and delivery reports while walking through the parts of a mail."""

    def __init__(self, likely: Sequence[str]) -> None:
        self.likely = likely
        self.guessed: dict[str, None] = {}
        self.files: list[File] = []
        self.left_out = 0
        self.report: list[Headers] = []
        self.returned = ""

    def take(self, part: Part, depth: int = 0) -> _Block:
        """Return the text of a part and all its children, and collect their files and reports."""
        if depth > _MAX_DEPTH:
            raise Unreadable("The parts of the message are nested too deeply.")
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            self._take_report(part)
            return _Block()
        if kind in ("message/rfc822", "text/rfc822-headers"):
            return self._take_letter(part, kind)
        if part.is_multipart():
            blocks = [self.take(child, depth + 1) for child in _parts(part)]
            return _preferred(blocks) if kind == "multipart/alternative" else _joined(blocks)
        if _is_text(part, kind):
            words = self._text_of(part, kind)
            return _Block(html=words) if kind == "text/html" else _Block(plain=_flowed(part, words))
        self._keep(part, kind, part.get_payload(decode=True))
        return _Block()

    def _take_report(self, part: Part) -> None:
        inside = _parts(part) if part.is_multipart() else []
        self.report += [read_headers(child, self.likely) for child in inside]

    def _take_letter(self, part: Part, kind: str) -> _Block:
        inside = next(iter(_parts(part)), None) if part.is_multipart() else None
        content = _as_bytes(inside) if inside is not None else part.get_payload(decode=True)
        content = content if isinstance(content, bytes) else b""
        if not self.returned:
            self.returned = storable(decode(content[:_RETURNED]).text)
        if kind == "message/rfc822":
            name = (
                read_headers(inside, self.likely).get("subject", ("",))[0]
                if inside is not None
                else ""
            )
            self._keep(part, kind, content, name=f"{name or 'letter'}.eml")
        return _Block()

    def _keep(self, part: Part, kind: str, content: object, name: str = "") -> None:
        if not isinstance(content, bytes) or not content:
            return
        if len(self.files) >= MAX_FILES:
            self.left_out += 1
            return
        self.files.append(File(self._file_name(part, kind, name), kind[:100], content))

    def _text_of(self, part: Part, kind: str) -> str:
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            return ""
        charset = part.get_content_charset() or ""
        found = decode(content, charset, markup=kind == "text/html", likely=self.likely)
        if found.guessed:
            self.guessed[found.codec] = None
        return _lines(found.text)

    def _file_name(self, part: Part, kind: str, fallback: str) -> str:
        """Return the name of a file without folders and control characters."""
        given = file_name(part, self.likely) or unfold(fallback)
        name = PurePosixPath(given.replace("\\", "/")).name
        name = "".join(sign for sign in name if sign.isprintable()).strip(". ")
        # Keep the end of a long name, because the end contains the extension.
        return name[-255:] or f"file.{_NOT_IN_ENDING.sub('', kind.partition('/')[2])[:10] or 'bin'}"


def _preferred(blocks: list[_Block]) -> _Block:
    """Return the last plain text and the last HTML among the alternatives.

    In MIME, the preferred alternative comes last.
    """
    words = [block.plain for block in blocks if block.plain.strip()]
    html = [block.html for block in blocks if block.html.strip()]
    return _Block(words[-1] if words else "", html[-1] if html else "")


def _joined(blocks: list[_Block]) -> _Block:
    blocks = [block for block in blocks if block.plain.strip() or block.html.strip()]
    if len(blocks) == 1:
        return blocks[0]
    whole = "\n\n".join(block.text.strip() for block in blocks)
    if not any(block.html for block in blocks):
        return _Block(whole)
    return _Block(whole, "<hr>".join(block.html or as_html(block.plain) for block in blocks))


def as_html(text: str) -> str:
    return f"<pre>{escape(text, quote=False)}</pre>"


def _parts(part: Part) -> list[Part]:
    return [child for child in part.get_payload() if isinstance(child, Message)]


def _is_text(part: Part, kind: str) -> bool:
    if kind not in ("text/plain", "text/html"):
        return False
    return part.get_content_disposition() != "attachment" and not file_name(part)


def _lines(text: str) -> str:
    """Return a text that can be stored, with line feeds as its line ends."""
    return storable(text).replace("\r\n", "\n").replace("\r", "\n")


def _declared_charsets(message: Part) -> tuple[str, ...]:
    """Return the charsets that the parts of a mail declare. Its other texts probably use them."""
    found = (part.get_content_charset() for part in message.walk())
    return tuple(dict.fromkeys(charset for charset in found if charset))[:5]


def _flowed(part: Part, text: str) -> str:
    """Join lines that the sender's mail program wrapped as `format=flowed` (RFC 3676)."""
    if str(part.get_param("format", "")).lower() != "flowed":
        return text
    joint = -1 if str(part.get_param("delsp", "")).lower() == "yes" else None
    lines: list[list[str]] = []
    continues = False
    for line in text.split("\n"):
        own = line[1:] if line.startswith(" ") else line
        joins = continues and not own.startswith(">") and own != "-- "
        if joins:
            lines[-1][-1] = lines[-1][-1][:joint]
            lines[-1].append(own)
        else:
            lines.append([own])
        continues = own.endswith(" ") and own != "-- " and not own.startswith(">")
    return "\n".join("".join(pieces).rstrip() for pieces in lines)


def _as_bytes(part: Part) -> bytes:
    try:
        return part.as_bytes()
    except (LookupError, UnicodeError, ValueError, TypeError, KeyError, AttributeError):
        return str(part.get_payload()).encode("utf-8", "replace")


def _first(headers: Headers, name: str) -> str:
    return next(iter(headers.get(name, ())), "")


def _person(message: Part, name: str, likely: Sequence[str]) -> Person | None:
    """Return the person in the headers called `name`; None if they name nobody.

    If the headers contain several addresses, the last one is used.
    """
    items = message.raw_items()  # type: ignore[attr-defined]
    header_text = ", ".join(str(value) for header, value in items if header.strip().lower() == name)
    if len(header_text) > _LONGEST_SENDER:
        raise Unreadable("The headers are too long to identify the sender.")
    found = split(readable(re.sub(r"[\r\n]+", " ", header_text), likely))
    return person(found[0], unfold(found[1][:LONGEST_HEADER])) if found else None


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
