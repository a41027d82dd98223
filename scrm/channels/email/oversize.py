"""Fetch the headers, the text and the small files of a mail that is too large to be fetched whole.

The server describes the parts of the mail (BODYSTRUCTURE, RFC 3501). Of these, the texts are
fetched up to a limit, and the files that fit into another. The result is a mail of the same
structure without the other files, which is read like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import takewhile
from typing import Any

from scrm.channels.email import bounded
from scrm.channels.email.wire import LineTooLong, Mailbox
from scrm.channels.missing_file import MissingFile
from scrm.channels.unreadable import UNREADABLE
from scrm.net.http import MEGABYTE

MAX_TEXT, MAX_TEXTS, MAX_FILES_SIZE = 1_000_000, 4_000_000, 24 * MEGABYTE
"""The bytes of one text, of all texts together and of all files together that are fetched."""
_MAX_HEAD, _MAX_PART_HEAD = 1_000_000, 20_000
_MAX_PARTS, _MAX_DEPTH, _MAX_NAMED = 100, 40, 20
_TOKEN = re.compile(rb'\s*+(?:([()])|"((?:[^"\\]++|\\.)*+)"|\{(\d{1,9})\+?\}\r\n|([^\s()"{]++))')
_DECLARATION = re.compile(
    rb"(?im)^content-(?:type|transfer-encoding)[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+\n?"
)
_SUBTYPE = re.compile(rb"[a-z0-9.+-]{1,40}")


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a mail, as the server describes it.

    section: its number as in IMAP, such as "2.1"; "" for the whole mail.
    kind: its media type in lower case. size: its bytes in the mail. encoding: its content transfer
    encoding in lower case.
    """

    section: str
    kind: bytes
    size: int = 0
    encoding: str = ""
    is_text: bool = False
    children: tuple[_Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Partial:
    """A mail without some of its files.

    left_out: a note that names the files. If it is "", the server did not describe the parts, and
    `raw` is only the headers. files: the first of these files, which can be fetched later.
    """

    raw: bytes
    left_out: str = ""
    files: tuple[MissingFile, ...] = ()


@dataclass(slots=True)
class _Fetch:
    """Fetches the parts of a mail, and counts the bytes."""

    box: Mailbox
    uid: int
    boundary: bytes = b""
    texts_size: int = 0
    files_size: int = 0
    text_is_cut: bool = False
    missing: list[tuple[bytes, _Part]] = field(default_factory=list)
    """The headers and the parts of the files that were not fetched."""
    parts: int = 0

    def section(self, name: str, limit: int = 0) -> bytes:
        """Return the bytes of a section, up to the limit; b"" if it does not exist."""
        what = f"BODY.PEEK[{name}]" + (f"<0.{limit}>" if limit else "")
        _, lines = self.box.client.uid("FETCH", str(self.uid), f"(UID {what})")
        return next((line[1] for line in lines if isinstance(line, tuple)), b"")

    def whole(self, head: bytes, root: _Part) -> bytes:
        """Return the mail with these headers."""
        if not root.children:
            return head + (self.content(root, head) or b"")
        head = _DECLARATION.sub(b"", head).rstrip(b"\r\n") + b"\r\n"
        return head.lstrip(b"\r\n") + self.multipart(root)

    def multipart(self, part: _Part) -> bytes:
        """Return a part with its children, starting with the header Content-Type."""
        boundary = b"%s-%s" % (self.boundary, part.section.encode() or b"0")
        pieces = [b'Content-Type: %s; boundary="%s"\r\n' % (part.kind, boundary)]
        for child in part.children:
            found = self.multipart(child) if child.children else self.leaf(child)
            if found is not None:
                pieces.append(b"\r\n--%s\r\n%s" % (boundary, found))
        return b"".join(pieces) + b"\r\n--%s--\r\n" % boundary

    def leaf(self, part: _Part) -> bytes | None:
        """Return a part with its headers; None if it is not fetched."""
        self.parts += 1
        if self.parts > _MAX_PARTS:
            self.missing.append((b"", part))
            return None
        head = self.section(f"{part.section}.MIME", _MAX_PART_HEAD)
        content = self.content(part, head)
        return None if content is None else head + content

    def content(self, part: _Part, head: bytes) -> bytes | None:
        """Return the content of a part; None, and keep its headers, if it is not fetched."""
        section = part.section or "TEXT"
        if part.is_text:
            limit = min(MAX_TEXT, MAX_TEXTS - self.texts_size)
            self.text_is_cut |= part.size > limit
            text = self.section(section, limit) if limit > 0 else b""
            self.texts_size += len(text)
            return text
        if self.files_size + part.size > MAX_FILES_SIZE:
            self.missing.append((head, part))
            return None
        self.files_size += part.size
        return self.section(section)


def fetch_without_files(box: Mailbox, uid: int, size: int) -> Partial:
    """Fetch a mail of this size without its large files. The result is b"" if it was deleted."""
    fetch = _Fetch(box, uid)
    head = fetch.section("HEADER", _MAX_HEAD)
    if not head:
        return Partial(b"")
    try:
        root = _described(box, uid)
    except (LineTooLong, *UNREADABLE):
        return Partial(head)
    # The same mail in another mailbox must become the same bytes: they are part of its key.
    fetch.boundary = b"part-" + sha256(head).hexdigest()[:32].encode()
    raw = fetch.whole(head, root)
    files = _files(fetch)
    return Partial(raw, _note(fetch, files, size), files)


def parts_of(box: Mailbox, uid: int) -> list[_Part]:
    """Return the parts of a mail that have no children.

    Raises LineTooLong or one of the errors UNREADABLE if the server does not describe them.
    """
    return [*_leaves(_described(box, uid))]


def _leaves(part: _Part) -> Iterator[_Part]:
    if not part.children:
        yield part
    for child in part.children:
        yield from _leaves(child)


def _described(box: Mailbox, uid: int) -> _Part:
    _, lines = box.client.uid("FETCH", str(uid), "(UID BODYSTRUCTURE)")
    return _structure(_joined(lines))


def _files(fetch: _Fetch) -> tuple[MissingFile, ...]:
    """Return the first files that were not fetched."""
    few = fetch.missing[:_MAX_NAMED]
    names = bounded.file_names([head for head, _part in few])
    return tuple(
        MissingFile(
            part.section or "TEXT",
            name,
            part.size,
            part.kind.decode("latin-1")[:100],
            part.encoding,
        )
        for name, (_head, part) in zip(names, few, strict=True)
    )


def _note(fetch: _Fetch, files: tuple[MissingFile, ...], size: int) -> str:
    """Return the sentences that say what was not fetched."""
    sentences = [f"This email has {_megabytes(size)}."]
    if fetch.text_is_cut:
        sentences.append("Only the beginning of its text was fetched.")
    if fetch.missing:
        named = [f"{file.name} ({_megabytes(file.size)})" for file in files]
        if len(fetch.missing) > len(files):
            named.append(f"and {len(fetch.missing) - len(files)} more")
        count = len(fetch.missing)
        start = "1 file was" if count == 1 else f"{count} files were"
        sentences.append(f"{start} not fetched: {', '.join(named)}.")
    return " ".join([*sentences, "The whole email is in the mailbox."])


def _megabytes(size: int) -> str:
    if size < MEGABYTE:
        return f"{max(size // 1024, 1)} KB"
    return f"{size / MEGABYTE:.0f} MB"


def _joined(lines: list[Any]) -> bytes:
    """Return an answer of the server as it was sent: imaplib splits it at literals."""
    pieces = (line if isinstance(line, tuple) else (line,) for line in lines)
    return b"".join(b"\r\n".join(piece) for piece in pieces)


def _structure(answer: bytes) -> _Part:
    """Return the parts of a mail. Raises one of the errors UNREADABLE if they are not described."""
    _number, facts = _parsed(answer)
    return _part(facts[facts.index(b"BODYSTRUCTURE") + 1], "", 0)


def _part(facts: list[Any], section: str, depth: int) -> _Part:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(facts[0], list):
        bodies = [*takewhile(lambda item: isinstance(item, list), facts)]
        prefix = f"{section}." if section else ""
        children = (
            _part(body, f"{prefix}{number}", depth + 1) for number, body in enumerate(bodies, 1)
        )
        subtype = facts[len(bodies)].lower()
        subtype = subtype if _SUBTYPE.fullmatch(subtype) else b"mixed"
        return _Part(section, b"multipart/" + subtype, children=tuple(children))
    kind = b"%s/%s" % (facts[0].lower(), facts[1].lower())
    is_text = kind in (b"text/plain", b"text/html") and not (section and _is_file(facts))
    encoding = facts[5].lower().decode("latin-1")[:40]
    return _Part(section, kind, int(facts[6]), encoding, is_text)


def _is_file(facts: list[Any]) -> bool:
    """Return whether a part has a name, or is declared as an attachment."""
    words = {word.lower().partition(b"*")[0] for word in _words(facts[2]) if word}
    for item in facts[7:]:
        if isinstance(item, list) and item and isinstance(item[0], bytes):
            words |= {word.lower().partition(b"*")[0] for word in _words(item)}
    return bool(words & {b"name", b"filename", b"attachment"})


def _words(facts: Any) -> Iterator[bytes]:
    """Yield the words in a list and in the lists in it: a disposition has its parameters there."""
    for item in facts if isinstance(facts, list) else ():
        if isinstance(item, bytes):
            yield item
        else:
            yield from (word for word in item if isinstance(word, bytes))


def _parsed(answer: bytes) -> list[Any]:
    """Return an answer of IMAP as lists, of which each item is bytes or a list.

    Raises ValueError if the answer is damaged.
    """
    stack: list[list[Any]] = [[]]
    position, end = 0, len(answer.rstrip())
    while position < end:
        found = _TOKEN.match(answer, position)
        if found is None:
            raise ValueError(f"no answer of IMAP: {answer[position : position + 50]!r}")
        position = found.end()
        bracket, quoted, length, atom = found.groups()
        if bracket == b"(":
            stack.append([])
        elif bracket:
            inner = stack.pop()
            stack[-1].append(inner)
        elif length is not None:
            stack[-1].append(answer[position : position + int(length)])
            position += int(length)
        else:
            stack[-1].append(atom if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted))
    return stack[0]
