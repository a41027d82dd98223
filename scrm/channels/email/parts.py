"""Walk through the parts of a mail (MIME): find its text, and collect files and reports.

No words may be lost. If a mail has no text, the first part that contains words becomes its text,
even if it has the name of a file or an unknown type. What cannot be read is named in a note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from functools import cached_property
from html import escape
from itertools import count
from pathlib import PurePosixPath
from typing import Any, cast

from scrm.channels.base import File
from scrm.channels.email.calendar import describe
from scrm.channels.email.charsets import Charsets
from scrm.channels.email.headers import (
    SHORT_PARAMETERS,
    Headers,
    file_name,
    read_headers,
    readable,
    unfold,
)
from scrm.channels.email.quotes import marked
from scrm.channels.email.repair import payload, repair, with_real_boundary
from scrm.channels.email.smime import signed_content
from scrm.text.clean import shown, storable
from scrm.text.csv_file import ENCODINGS

MAX_FILES = 50
_MAX_WORK = 30_000_000
"""The limit of boundaries times lines: the parser's time grows with this product."""
MAX_PARTS, _MAX_PARTS_INSIDE = 5000, 500
"""The number of parts of a mail, and of a mail or a part that is parsed on its own afterwards."""
_MAX_DEPTH, _MAX_REPARSED, _MAX_FORWARDED = 50, 5, 5
_RETURNED, _LONGEST_PART, _LONGEST_MARKUP = 20_000, 1_000_000, 4_000_000
_NOT_IN_ENDING = re.compile(r"[^a-z0-9]")
_BOILERPLATE = re.compile(r"(?i)\bMIME\b|multi-?part message")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_PGP = re.compile(r"^-----BEGIN PGP MESSAGE-----", re.MULTILINE)
_TEXT, _MARKUP = "text/plain", {"text/html", "text/enriched", "text/richtext", "text/x-amp-html"}
_CALENDAR = {"text/calendar", "application/ics"}
_SMIME = {"application/pkcs7-mime", "application/x-pkcs7-mime"}
_CODE = {"text/rtf", "text/css", "text/javascript"}
ENCRYPTED = (
    "This email is encrypted and cannot be read here. Ask the sender to send it without encryption."
)
TNEF = (
    "The file winmail.dat is in a format of Microsoft Outlook (TNEF) that cannot be read here. It "
    "may contain the text and the files of this email."
)


class Unreadable(Exception):
    """The bytes cannot be read as a mail. The error message is one sentence."""


def parse_message(raw: bytes, *, max_parts: int = MAX_PARTS) -> Message:
    """Parse a mail into its parts. Raises Unreadable."""
    # Checked before parsing, because a hostile mail could keep the parser busy for a long time.
    if raw.count(b"boundary") * raw.count(b"\n") > _MAX_WORK:
        raise Unreadable("The parts of the message are nested too deeply.")
    made = count(1)

    def next_part(policy: Any) -> Message:
        if next(made) > max_parts:
            raise Unreadable(f"The message has more than {max_parts} parts.")
        return Message(policy=policy)

    # typeshed declares the factory without its argument.
    return message_from_bytes(repair(raw), cast("Any", next_part), policy=SHORT_PARAMETERS)


@dataclass(frozen=True)
class Block:
    """One part of the text, as plain text and as HTML; html is "" if there is only plain text."""

    plain: str = ""
    html: str = ""

    @cached_property  # long HTML costs seconds
    def text(self) -> str:
        return self.plain if self.plain.strip() else marked(self.html)

    @property
    def has_words(self) -> bool:
        return bool(self.text.strip())

    @property
    def is_formatted(self) -> bool:
        return "<" in self.html


class Parts:
    """Collects text, files and delivery reports while walking through the parts of a mail.

    block, text: the text of the mail, as a block and as plain text.
    left_out: the number of files above the limit.
    notes: sentences about what cannot be read, and about charsets that were guessed.
    report, returned: as in `Letter`.
    """

    def __init__(self, message: Message, depth: int = 0, charsets: Charsets | None = None) -> None:
        self.charsets = charsets or Charsets(_declared_charsets(message))
        self.files: list[File] = []
        self.left_out = 0
        self.report: list[Headers] = []
        self.returned = ""
        self._notes: dict[str, None] = {}
        self._guessed: dict[str, None] = {}
        self._calendar = ""
        self._spare = Block()
        """The first words outside the text, for a mail without text."""
        self._attached: tuple[Message, int] | None = None
        """The first attached mail, and its depth."""
        self._reparsed = 0
        self.block = self._take(message, depth)
        self.text = self.block.text.strip()
        self._add_spare_words()

    @property
    def notes(self) -> list[str]:
        notes = [*self._notes]
        if self.left_out:
            notes.append(f"{self.left_out} more files were left out.")
        if self._guessed:
            names = ", ".join(str(ENCODINGS.get(codec, codec)) for codec in self._guessed)
            notes.append(
                f"The email does not state its character encoding. It was read as {names}."
            )
        return notes

    def _add_spare_words(self) -> None:
        """Add the description of an invitation, or the first words of a mail without text."""
        if event := describe(self._calendar, self.text):
            self.block = _joined([self.block, Block(event)]) if self.text else Block(event)
        elif not self.text and self._spare.has_words:
            self.block = self._spare
        elif not self.text and self._attached and not self.report:
            inside = Parts(*self._attached, self.charsets)
            self.block = inside.block
            self._notes |= inside._notes
            self._guessed |= inside._guessed
        self.text = self.block.text.strip()

    def _take(self, part: Message, depth: int = 0) -> Block:
        """Return the text of a part and all its children, and collect their files and reports."""
        if depth > _MAX_DEPTH:
            raise Unreadable("The parts of the message are nested too deeply.")
        kind = part.get_content_type()
        if kind in ("message/delivery-status", "message/feedback-report"):
            self._take_report(part)
            return Block()
        if kind in ("message/rfc822", "text/rfc822-headers"):
            return self._take_letter(part, kind, depth)
        if kind == "multipart/encrypted":
            self._notes[ENCRYPTED] = None
        if part.is_multipart():
            return self._take_children(part, kind, depth)
        if kind.startswith("multipart/"):
            return self._take_without_parts(part, depth)
        if _is_text(part, kind, self.charsets, whole=not depth):
            return self._text_of(part, kind, payload(part))
        return self._take_file(part, kind, depth)

    def _take_children(self, part: Message, kind: str, depth: int) -> Block:
        blocks = [self._take(child, depth + 1) for child in _children(part)]
        preamble = readable((part.preamble or "")[:_RETURNED], self.charsets)
        if not self._spare.has_words and not _BOILERPLATE.search(preamble[:1000]):
            self._spare = Block(_lines(preamble))
        return _preferred(blocks) if kind == "multipart/alternative" else _joined(blocks)

    def _take_without_parts(self, part: Message, depth: int) -> Block:
        """Take a part of type multipart whose boundary does not occur."""
        content = payload(part)
        if self._may_reparse() and (found := with_real_boundary(part, content)):
            return self._take(parse_message(found, max_parts=_MAX_PARTS_INSIDE), depth + 1)
        kind = "text/html" if content[:1000].lstrip().startswith(b"<") else _TEXT
        return self._text_of(part, kind, content)

    def _may_reparse(self) -> bool:
        self._reparsed += 1
        return self._reparsed <= _MAX_REPARSED

    def _take_file(self, part: Message, kind: str, depth: int) -> Block:
        """Take a part that is no text of the mail. A signed mail inside it is taken as a part."""
        content, name = payload(part), file_name(part, self.charsets)
        # Other files of this type are signed documents, such as fattura.xml.p7m.
        if name.lower() == "smime.p7m" or (kind in _SMIME and (not name or not depth)):
            signed = signed_content(content) if self._may_reparse() else b""
            if signed:
                return self._take(parse_message(signed, max_parts=_MAX_PARTS_INSIDE), depth + 1)
            self._notes[ENCRYPTED] = None
        if kind in ("application/ms-tnef", "application/vnd.ms-tnef") or name == "winmail.dat":
            self._notes[TNEF] = None
        if kind == "application/pgp-encrypted":
            return Block()  # it contains only a version number
        if kind in _CALENDAR:
            self._calendar = self._calendar or self._decoded(part, kind, content)
            name = name or "invite.ics"
        elif not self._spare.has_words and _may_be_words(kind, name, content):
            self._spare = self._text_of(part, kind, content)
        # The same invitation is often attached twice.
        if kind not in _CALENDAR or all(file.content != content for file in self.files):
            self._keep(part, kind, content, name)
        return Block()

    def _take_report(self, part: Message) -> None:
        inside = _children(part) if part.is_multipart() else []
        self.report += [read_headers(child, self.charsets) for child in inside]

    def _take_letter(self, part: Message, kind: str, depth: int) -> Block:
        inside = next(iter(_children(part)), None) if part.is_multipart() else None
        content = _as_bytes(inside) if inside is not None else payload(part)
        if not self.returned:
            self.returned = storable(self.charsets.decode(content[:_RETURNED]).text)
        if inside and not self._attached and depth < _MAX_FORWARDED:
            self._attached = inside, depth + 1
        if kind == "message/rfc822":
            subject = read_headers(inside, self.charsets).get("subject", ("",))[0] if inside else ""
            self._keep(part, kind, content, name=f"{subject or 'letter'}.eml")
        return Block()

    def _keep(self, part: Message, kind: str, content: bytes, name: str = "") -> None:
        if not content:
            return
        if len(self.files) >= MAX_FILES:
            self.left_out += 1
            return
        self.files.append(File(name_of_file(part, self.charsets, name), kind[:100], content))

    def _text_of(self, part: Message, kind: str, content: bytes) -> Block:
        words = self._decoded(part, kind, content)
        if kind in _MARKUP:
            return Block(html=words)
        if _PGP.search(words):
            self._notes[ENCRYPTED] = None
        return Block(plain=_flowed(part, words))

    def _decoded(self, part: Message, kind: str, content: bytes) -> str:
        markup = kind in _MARKUP
        content = content[: _LONGEST_MARKUP if markup else _LONGEST_PART]
        charset = part.get_content_charset() or ""
        found = self.charsets.decode(content, charset, markup=markup)
        if found.guessed:
            self._guessed[found.codec] = None
        return _lines(found.text)


def name_of_file(part: Message, charsets: Charsets, fallback: str = "") -> str:
    """Return the name of a file without folders and control characters."""
    given = file_name(part, charsets) or unfold(fallback, charsets)
    name = PurePosixPath(given.replace("\\", "/")).name
    name = "".join(sign for sign in name if sign.isprintable()).strip(". ")
    # Keep the end of a long name, because the end contains the extension.
    subtype = _NOT_IN_ENDING.sub("", part.get_content_subtype())[:10]
    return name[-255:] or f"file.{subtype or 'bin'}"


def _preferred(blocks: list[Block]) -> Block:
    """Return the last plain text and the last HTML among the alternatives.

    In MIME, the preferred alternative comes last.
    """
    words = [block.plain for block in blocks if block.plain.strip()]
    html = [block.html for block in blocks if block.html.strip()]
    return Block(words[-1] if words else "", html[-1] if html else "")


def _joined(blocks: list[Block]) -> Block:
    blocks = [block for block in blocks if block.plain.strip() or block.html.strip()]
    if len(blocks) == 1:
        return blocks[0]
    whole = "\n\n".join(block.text.strip() for block in blocks)
    if not any(block.html for block in blocks):
        return Block(whole)
    # Without its style sheets, a part cannot hide words of another one.
    parts = [shown(block.html) or block.html for block in blocks]
    joined = (html or as_html(block.plain) for html, block in zip(parts, blocks, strict=True))
    return Block(whole, "<hr>".join(joined))


def as_html(text: str) -> str:
    return f"<pre>{escape(text, quote=False)}</pre>"


def _children(part: Message) -> list[Message]:
    return [child for child in part.get_payload() if isinstance(child, Message)]


def _is_text(part: Message, kind: str, charsets: Charsets, *, whole: bool) -> bool:
    """Return whether a part is text of the mail, and no file.

    whole: whether the mail consists of this part only. Then it is text even if it has a file name.
    """
    if kind not in (_TEXT, "text/html"):
        return False
    if whole:
        return True
    return part.get_content_disposition() != "attachment" and not file_name(part, charsets)


def _may_be_words(kind: str, name: str, content: bytes) -> bool:
    """Return whether a file may contain the words of a mail that has no text."""
    if kind.startswith("text/"):
        return kind not in _CODE
    is_unknown = kind.startswith("plain/") or (kind == "application/octet-stream" and not name)
    return is_unknown and not _CONTROL.search(content[:4000])


def _lines(text: str) -> str:
    """Return a text that can be stored, with line feeds as its line ends."""
    return storable(text).replace("\r\n", "\n").replace("\r", "\n")


def _declared_charsets(message: Message) -> tuple[str, ...]:
    """Return the charsets that the parts of a mail declare. Its other texts probably use them."""
    found = (part.get_content_charset() for part in message.walk())
    return tuple(dict.fromkeys(charset for charset in found if charset))[:5]


def _flowed(part: Message, text: str) -> str:
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


def _as_bytes(part: Message) -> bytes:
    try:
        return part.as_bytes()
    except (LookupError, UnicodeError, ValueError, TypeError, KeyError, AttributeError):
        return str(part.get_payload()).encode("utf-8", "replace")
