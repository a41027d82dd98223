"""Turn the bytes of other systems into text: mail, file names, CSV files, feeds, web pages.

All other modules call `decode`, so that a text is read the same way wherever it comes from. The
labels of charsets are those of the WHATWG Encoding Standard, as in browsers: a label stands for the
superset that programs really write, for example `iso-8859-1` for windows-1252. Labels that only
mail uses are those of Python.

A byte that is invalid in its charset becomes one U+FFFD. The rest of the text stays readable.
"""

from __future__ import annotations

import codecs
import encodings
import pkgutil
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from encodings.aliases import aliases

import webencodings
from webencodings.labels import LABELS

from scrm.text.charset_guess import guess

REPLACEMENT = "\ufffd"
_LONGEST_LABEL, _PRESCANNED = 60, 4096
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_ISO_2022_JP = "iso2022_jp_ext"
"""The codec that also knows the half-width katakana, which Windows writes."""
_CODECS = {
    "gbk": "gb18030",
    "iso-2022-jp": _ISO_2022_JP,
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
"""Python's codecs for names of the standard, where webencodings has another or a smaller one."""
_REPLACED = {"iso-2022-kr": "iso2022_kr", "csiso2022kr": "iso2022_kr", "hz-gb-2312": "hz"}
"""Charsets that browsers refuse, because of scripts in pages. In mail they are harmless."""
_ONLY_IN_MAIL = re.compile(
    r"big5hkscs|cp\d+|iso\w+|mac_\w+|koi8_\w+|utf_(?:7|32\w*)|hz|johab|ptcp154|kz1048"
)
"""Names of Python's codecs for charsets. Other codecs, such as punycode, are no charsets."""
_PYTHON_CODECS = {module.name for module in pkgutil.iter_modules(encodings.__path__)}
_ASCII = {"ascii", "us-ascii", "ansi_x3.4-1968", "iso646-us", "iso-ir-6"}
_XML_ENCODING = re.compile(rb"<\?xml[^>]{1,200}?encoding\s{0,9}=\s{0,9}[\"']([\w.:-]{1,40})")
_META_CHARSET = re.compile(
    rb"(?i)<meta\s[^>]{0,300}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{1,40})"
)
_NO_HTML = re.compile(
    rb"(?i)\{|<\?xml|<(?:[a-z][\w.-]{0,60}:)?(?:rss|feed|rdf|channel)\b|<!doctype\s{1,9}(?:rss|rdf)\b"
)
"""The start of XML or JSON. Only its own XML declaration counts, and no `meta` that it quotes."""
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_MULTI_BYTE = {"gb18030", "big5hkscs", "cp932", "cp949", "euc_jp", _ISO_2022_JP}
_NO_LEAD, _OUTSIDE_ASCII = re.compile(rb"[\x80\xff]+"), re.compile(rb"[\x80-\xff]+")
_UNKNOWN_PAIR = re.compile(rb"[\x81-\xfe][\x80-\xff]")
_PRIVATE_IN_CP932 = dict.fromkeys((0x80, 0xA0, *range(0xF8F0, 0xF8F4)), REPLACEMENT)
"""Python's cp932 decodes invalid bytes as these characters."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded text.

    codec: the name of Python's codec.
    guessed: whether the charset was guessed from the bytes.
    """

    text: str
    codec: str
    guessed: bool = False


def decode(
    raw: bytes,
    declared: str = "",
    *,
    markup: bool = False,
    likely: Sequence[str] = (),
    may_guess: bool = True,
) -> Decoded:
    """Decode a text whose charset is declared, or else is found out.

    A BOM counts more than the declared charset. If no charset is declared, or if the text cannot
    be in that charset, UTF-8 is tried, then the likely charsets, and then the charset is guessed.

    declared: the label of the charset, for example from the header Content-Type.
    markup: whether the text is HTML or XML, so that it may declare its charset itself.
    likely: labels of charsets, for example those of other texts by the same author.
    may_guess: whether a guess may take its time. If not, windows-1252 is assumed instead.
    """
    for bom, codec in _BOMS:
        if raw.startswith(bom):
            return Decoded(_decode(raw[len(bom) :], codec), codec)
    labels = [declared, _stated_charset(raw) if markup else ""]
    if declared.lower() in _ASCII:
        labels.reverse()  # programs write this label where they know no charset
    for label in labels:
        if found := _as_declared(raw, label):
            return found
    return _undeclared(raw, likely, may_guess=may_guess)


def decode_as(raw: bytes, label: str) -> str:
    """Decode a text in exactly this charset. Raises LookupError if the label is unknown."""
    codec = codec_of(label)
    if not codec:
        raise LookupError(label)
    if codec == "utf-16-le":
        codec = next((name for bom, name in _BOMS if raw.startswith(bom)), _utf_16(raw) or codec)
    return _decode(raw, codec).removeprefix("\ufeff")


def charset_of(content_type: str) -> str:
    """Return the label in a Content-Type; "" if there is none."""
    message = Message()
    message["Content-Type"] = content_type[:1000]
    return str(message.get_param("charset", "") or "")


def codec_of(label: str) -> str:
    """Return the name of Python's codec for a label; "" if it is no label of a charset."""
    label = label[:_LONGEST_LABEL].strip(" \t\r\n\f\"'").lower()
    python_name = encodings.normalize_encoding(label).lower() if label.isascii() else ""
    python_name = aliases.get(python_name, python_name)
    if label in _REPLACED:
        return _REPLACED[label]
    if python_name == "latin_1":
        return "cp1252"
    for alias in (label, label.replace("_", "-"), python_name.replace("_", "-")):
        if name := LABELS.get(alias):
            return _standard_codec(name)
    # Only names from Python's own table: Python remembers each unknown name for ever.
    known = python_name in _PYTHON_CODECS
    return python_name if known and _ONLY_IN_MAIL.fullmatch(python_name) else ""


def _standard_codec(name: str) -> str:
    if name in ("replacement", "x-user-defined"):
        return ""
    return _CODECS.get(name) or codecs.lookup(webencodings.PYTHON_NAMES.get(name, name)).name


def _stated_charset(raw: bytes) -> str:
    """Return the charset that an HTML or XML document declares; "" if it declares none."""
    head = _COMMENT.sub(b"", raw[:_PRESCANNED]).lstrip()
    # A feed may quote a page with its declaration.
    found = (_XML_ENCODING.match if _NO_HTML.match(head) else _META_CHARSET.search)(head)
    label = found[1].decode("ascii", "replace") if found else ""
    # A document in UTF-16 could not be read as ASCII up to here.
    return "utf-8" if codec_of(label).startswith(("utf-16", "utf_16")) else label


def _as_declared(raw: bytes, label: str) -> Decoded | None:
    """Decode a text by its label. Return None if it is unknown, or cannot be right."""
    if label.lower() in _ASCII and not raw.isascii():
        return None
    codec = codec_of(label)
    if not codec or (codec == _ISO_2022_JP and not raw.isascii() and b"\x1b" not in raw):
        return None  # ISO-2022-JP has escape sequences, and no bytes outside ASCII
    if label.strip().lower() == "utf-16":
        codec = _utf_16(raw) or codec
    try:
        # `_decode` accepts characters that the strict codec refuses; try the strict one first,
        # because it is faster.
        text = codecs.decode(raw, codec)
    except UnicodeError:
        text = _decode(raw, codec)
    else:
        return Decoded(_without_private(text, codec), codec)
    good, bad = _utf_8_characters(raw)
    if codec == "utf-8":
        # Not a single character of UTF-8: the label is false.
        return Decoded(text, codec) if good or _ends_early(raw) else None
    return Decoded(_decode(raw, "utf-8"), "utf-8") if good and not bad else Decoded(text, codec)


def _undeclared(raw: bytes, likely: Sequence[str], *, may_guess: bool) -> Decoded:
    codec = _utf_16(raw) or _iso_2022(raw)
    if not codec:
        good, bad = _utf_8_characters(raw)
        # Pairs of bytes in Chinese charsets are often valid UTF-8, but never nearly all.
        codec = "utf-8" if not bad or good > 3 * bad or (good and bad == 1) else ""
    if codec:
        return Decoded(_decode(raw, codec), codec)
    for label in likely:
        codec = "" if label.lower() in _ASCII else codec_of(label)
        if codec and REPLACEMENT not in (text := _decode(raw, codec)):
            return Decoded(text, codec)
    codec = guess(raw) if may_guess else "cp1252"
    return Decoded(_decode(raw, codec), codec, guessed=True)


def _utf_16(raw: bytes) -> str:
    """Return which UTF-16 a text without BOM is in: every second byte of ASCII text is NUL."""
    even, odd = raw[:400:2], raw[1:400:2]
    if len(odd) < 8:
        return ""
    if odd.count(0) > len(odd) // 2 and not even.count(0):
        return "utf-16-le"
    return "utf-16-be" if even.count(0) > len(even) // 2 and not odd.count(0) else ""


def _iso_2022(raw: bytes) -> str:
    """Return the charset of a text whose escape sequences name it; "" if it has none."""
    if not raw.isascii():
        return ""
    if b"\x1b$)C" in raw:
        return "iso2022_kr"
    return _ISO_2022_JP if b"\x1b$@" in raw or b"\x1b$B" in raw else ""


def _utf_8_characters(raw: bytes) -> tuple[int, int]:
    """Return how many characters outside ASCII are valid UTF-8, and how many are not."""
    text = _decode(raw, "utf-8")
    bad = text.count(REPLACEMENT) - raw.count(REPLACEMENT.encode())
    return len(text) - len(text.encode("ascii", "ignore")) - bad, bad


def _ends_early(raw: bytes) -> bool:
    """Return whether only the last character of a text in UTF-8 is incomplete."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(raw)
    except UnicodeDecodeError:
        return False
    return True


def _decode(raw: bytes, codec: str) -> str:
    # Python's own handler is faster, and right where each invalid byte stands alone.
    handler = _HANDLER if codec in _MULTI_BYTE else "replace"
    return _without_private(codecs.decode(raw, codec, handler), codec)


def _without_private(text: str, codec: str) -> str:
    return text.translate(_PRIVATE_IN_CP932) if codec == "cp932" else text


def _decode_invalid(error: UnicodeError) -> tuple[str, int]:
    """Return a character for bytes that a codec does not know, and where to continue."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    raw, start = error.object, error.start
    pair = raw[start : start + 2]
    if error.encoding == "gb18030" and pair[:1] == b"\x80":
        return "€", start + 1  # in Windows' code page 936
    is_jis = error.encoding == "euc_jp" or (error.encoding == _ISO_2022_JP and pair.isascii())
    if is_jis and (known := _nec_character(pair)):
        return known, start + 2
    # Skip both bytes of a pair, or all characters up to the next ASCII character would be wrong.
    if error.encoding != _ISO_2022_JP and _UNKNOWN_PAIR.match(pair):
        return REPLACEMENT, start + 2
    # All neighbours in one step: a call for each of a million invalid bytes takes seconds.
    never_valid = _OUTSIDE_ASCII if error.encoding == _ISO_2022_JP else _NO_LEAD
    run = never_valid.match(raw, start)
    end = run.end() if run else start + 1
    return REPLACEMENT * (end - start), end


def _nec_character(pair: bytes) -> str:
    """Return a character of JIS X 0208 that only NEC and IBM have, such as ①; "" if it is none.

    The conversion from JIS to Shift_JIS is that of the standards.
    """
    row, cell = (byte & 0x7F for byte in pair) if len(pair) == 2 else (0, 0)
    if not (0x21 <= row <= 0x7E and 0x21 <= cell <= 0x7E):
        return ""
    lead = (row + 1) // 2 + (0x70 if row <= 0x5E else 0xB0)
    trail = cell + (0x7E if row % 2 == 0 else 0x1F if cell <= 0x5F else 0x20)
    return bytes((lead, trail)).decode("cp932", "ignore")


_HANDLER = "scrm.one_character"
codecs.register_error(_HANDLER, _decode_invalid)
