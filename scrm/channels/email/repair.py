"""Repair damaged mails before Python's parser reads them.

The parser takes everything after the first invalid line for the body. It then finds no sender, and
no text in the right charset.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from email.utils import quote

_LONGEST_HEAD, _LINES_AHEAD = 1_000_000, 3
_END_OF_HEAD = re.compile(rb"\r\n(?=[\r\n])|\n(?=[\r\n])|\r(?=\r)")
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)?")
_HEADER = re.compile(rb"From (?![ \t]*:)|[!-9;-~]+:|[ \t]")
_SPACE_BEFORE_COLON = re.compile(rb"([!-9;-~]{1,80})[ \t]+:")
_KNOWN = re.compile(
    rb"(?i)(?:from|to|cc|subject|date|message-id|mime-version|content-[a-z-]+|received|sender|"
    rb"return-path|reply-to|delivered-to|in-reply-to|references|x-[a-z0-9-]+)[ \t]*:"
)
_BOUNDARY = re.compile(rb"^--([^\s-][^\r\n]{0,69}?)[ \t]*\r?\n(?=content-[a-z-]+:)", re.I | re.M)
_SEARCHED = 200_000
_NOT_IN_ENCODING = re.compile(r"\([^()]*\)|[^a-z0-9-]")
_SPACE_INSIDE = re.compile(r"\w[ \t]+\w")


def repair(raw: bytes) -> bytes:
    """Return a mail whose headers the parser can read."""
    raw = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if b"\r\r\n" in raw[:2000]:
        # Some programs convert line ends twice. Each line would look like the end of the headers.
        raw = raw.replace(b"\r\r\n", b"\r\n")
    end = _END_OF_HEAD.search(raw, 0, _LONGEST_HEAD)
    cut = end.end() if end else min(len(raw), _LONGEST_HEAD)
    lines = _LINE.findall(raw[:cut])
    if all(_HEADER.match(line) for line in lines if line):
        return raw
    return b"".join(_repaired(lines)) + raw[cut:]


def _repaired(lines: list[bytes]) -> Iterator[bytes]:
    """Yield the lines of the headers without the invalid lines between them.

    An invalid line that no header follows is left: there, the text begins without a blank line.
    """
    previous = b""
    for index, line in enumerate(lines):
        if not line or _HEADER.match(line):
            previous = line if line[:1] not in (b" ", b"\t") else previous
            yield line
        elif _SPACE_BEFORE_COLON.match(line):
            yield _SPACE_BEFORE_COLON.sub(rb"\1:", line, count=1)
        elif not any(_KNOWN.match(after) for after in lines[index + 1 : index + 1 + _LINES_AHEAD]):
            yield from lines[index:]
            return
        elif previous[:8].lower() == b"subject:":
            yield b" " + line  # a long subject that was folded without a space


def with_real_boundary(part: Message, content: bytes) -> bytes:
    """Return a part, not parsed, with the boundary that its text contains; b"" if it has none.

    part: a part of type multipart whose declared boundary does not occur.
    """
    found = _BOUNDARY.search(content, 0, _SEARCHED)
    if found is None:
        return b""
    boundary = quote(found[1].decode("latin-1")).encode("latin-1")
    head = b'Content-Type: %s; boundary="%s"\n\n' % (part.get_content_type().encode(), boundary)
    return head + content


def payload(part: Message) -> bytes:
    """Return the content of a part without its transfer encoding; b"" if it has parts itself."""
    given = str(part.get("content-transfer-encoding", "")).lower()
    encoding = _NOT_IN_ENCODING.sub("", given)
    body = part.get_payload()
    if encoding == "base64" and isinstance(body, str) and _SPACE_INSIDE.search(body[:2000]):
        encoding = "8bit"  # words with spaces are not Base64
    if encoding != given:
        del part["content-transfer-encoding"]
        part["Content-Transfer-Encoding"] = encoding
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""
