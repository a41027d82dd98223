"""Read headers of mails: raw bytes, encoded words (RFC 2047), and names of files (RFC 2231).

Much mail violates these standards, so every function reads what it can. Text that cannot be decoded
stays as it is. A long header is cut, because the time to read it may grow faster than its length.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from email.policy import Compat32
from itertools import groupby

from scrm.channels.email.charsets import Charsets
from scrm.text.clean import storable
from scrm.text.decode import codec_of

LONGEST_HEADER = 20_000
_LONGEST_PARAMETERS, _MAX_PARAMETERS = 2000, 100
_MAX_NAMES, _MAX_OF_ONE_NAME = 1000, 100
"""The headers of a mail that are kept. A mail has some dozens."""
Headers = Mapping[str, tuple[str, ...]]
"""Headers by lower-case name: decoded, unfolded, in order."""
_START = re.compile(r"=\?([^\s?=]{1,60})\?([bq])\?", re.IGNORECASE)
_FOLD = re.compile(r"[\r\n]+[ \t]*")
_CONTROL = re.compile(r"[\x01-\x1f\x7f]+")


class _ShortParameters(Compat32):
    """Parses headers, and cuts those that have parameters, such as Content-Type.

    Python's parser reads parameters itself, and takes quadratic time.
    """

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        if name.strip().lower() in ("content-type", "content-disposition"):
            value = value[:_LONGEST_PARAMETERS]
            value = ";".join(value.split(";", _MAX_PARAMETERS)[:_MAX_PARAMETERS])
        return name, value


SHORT_PARAMETERS = _ShortParameters()


class _Headers(Mapping[str, tuple[str, ...]]):
    """Headers that are decoded when they are used first, because a mail may have thousands."""

    def __init__(self, raw: Mapping[str, Sequence[str]], charsets: Charsets) -> None:
        self._raw, self._charsets = raw, charsets
        self._decoded: dict[str, tuple[str, ...]] = {}

    def __getitem__(self, name: str) -> tuple[str, ...]:
        if name not in self._decoded:
            self._decoded[name] = tuple(
                unfold(readable(value[:LONGEST_HEADER], self._charsets), self._charsets)
                for value in self._raw[name]
            )
        return self._decoded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


def read_headers(part: Message, charsets: Charsets) -> Headers:
    """Return the headers of a mail or a part."""
    found: dict[str, list[str]] = {}
    for name, value in part.raw_items():  # type: ignore[attr-defined]
        values = found.setdefault(name.strip().lower(), [])
        if len(values) < _MAX_OF_ONE_NAME:
            values.append(str(value))
        if len(found) == _MAX_NAMES:
            break
    return _Headers(found, charsets)


def readable(header: str, charsets: Charsets) -> str:
    """Return a header in which bytes outside ASCII, and those of ISO-2022-JP, are decoded.

    Python's parser represents such bytes as lone surrogates.
    """
    if header.isascii() and "\x1b" not in header:
        return header
    return charsets.decode(header.encode("utf-8", "surrogateescape")).text


def unfold(header: str, charsets: Charsets) -> str:
    """Return a header as one line with its encoded words decoded."""
    value = _FOLD.sub(" ", header)
    if "=?" in value:
        value = "".join(_decoded_pieces(value, charsets))
    return storable(_CONTROL.sub(" ", value)).strip()


def file_name(part: Message, charsets: Charsets) -> str:
    """Return the name that a part gives to its file, decoded; "" if it gives none."""
    for header, parameter in (("content-disposition", "filename"), ("content-type", "name")):
        # A new message, because Python would replace the undecoded bytes of this one.
        decoded = Message()
        for name, value in part.raw_items():  # type: ignore[attr-defined]
            if name.strip().lower() == header:
                decoded[header] = _FOLD.sub(" ", readable(str(value)[:LONGEST_HEADER], charsets))
                break
        given = _parameter(decoded, header, parameter, charsets)
        if given:
            return unfold(given, charsets)
    return ""


def _parameter(message: Message, header: str, name: str, charsets: Charsets) -> str:
    """Return a parameter of a header; "file" if it cannot be decoded, "" if there is none."""
    try:
        value = message.get_param(name, "", header)
    except (LookupError, UnicodeError, ValueError, TypeError):
        return "file"
    if not isinstance(value, tuple):
        return str(value)
    charset, _language, text = value
    # Python has decoded each percent sign to the character with the number of the byte.
    return charsets.decode(text.encode("raw-unicode-escape"), charset or "").text


def _decoded_pieces(header: str, charsets: Charsets) -> Iterator[str]:
    """Yield the pieces of a header: plain text, and the text of encoded words.

    The bytes of neighbouring words in one charset are joined before they are decoded, because many
    programs split a character between two words.
    """
    for charset, group in groupby(_pieces(header), key=lambda piece: piece[0]):
        pieces = [content for _charset, content in group]
        if charset is None:
            yield "".join(piece for piece in pieces if isinstance(piece, str))
        else:
            content = b"".join(piece for piece in pieces if isinstance(piece, bytes))
            yield charsets.decode(content, charset).text


def _pieces(header: str) -> Iterator[tuple[str | None, str | bytes]]:
    """Yield (None, plain text) or (charset, bytes) for each piece of a header.

    White space between two encoded words is left out.
    """
    position, after_word = 0, False
    while start := _START.search(header, position):
        end = header.find("?=", start.end())
        if end < 0:
            break
        content = _word(start[1], start[2], header[start.end() : end])
        plain = header[position : start.start()]
        if content is None:
            # Continue inside, because another word may begin there.
            yield None, header[position : start.end()]
            position, after_word = start.end(), False
            continue
        if plain.strip() or not after_word:
            yield None, plain
        yield start[1].partition("*")[0].lower(), content
        position, after_word = end + 2, True
    yield None, header[position:]


def _word(charset: str, encoding: str, text: str) -> bytes | None:
    """Return the bytes of an encoded word; None if it is broken."""
    if "=?" in text:
        return None
    if encoding in "qQ":
        raw = text.encode(codec_of(charset) or "utf-8", "replace")
        return binascii.a2b_qp(raw.replace(b" ", b"_"), header=True)
    text = re.sub(r"[\s=]", "", text)
    try:
        return binascii.a2b_base64(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:  # one character too many, or a character that is not in Base64
        return None
