"""Repair the XML of a feed before feedparser reads it."""

from __future__ import annotations

import re

_REFERENCE = re.compile(r"(?i)&#(x[0-9a-f]{1,20}|[0-9]{1,20});?")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DECLARATION = re.compile(
    r"\A((?:[^<]|<!--(?:[^-]|-(?!->))*+-->|<(?=[^!?A-Za-z]))*+)<\?xml\b[^>]{0,500}\?>"
)
"""The declaration before the first element. A text may quote another one."""
_LONG_TAG = re.compile(r"<([A-Za-z][^\s<>/]{0,100})\s[^<>]{600,}+>")
_QUOTED = re.compile(r"\"[^\"]*+\"|'[^']*+'")
_MAX_ATTRIBUTES = 100
_SECTION_START, _SECTION_END = "<![CDATA[", "]]>"
_SECTION = re.compile(r"<!\[CDATA\[|\]\]>")
_END_IN_FEED = re.compile(
    r"</(?:[A-Za-z_][\w.-]{0,60}:)?"
    r"(?:item|entry|guid|description|encoded|pubDate|published|updated|author|category)\s{0,9}>"
)
"""The end of an element of feeds that HTML does not have."""


def well_formed(text: str) -> str:
    """Return the XML without what would spoil it, and without its declaration.

    Left out are characters that XML forbids, the attributes of a tag that has too many, and the
    start of CDATA sections and comments without an end, which would hide all entries after them.
    The declaration states the charset of the feed before it was decoded.
    """
    text = _NO_XML.sub("", _REFERENCE.sub(_character, text))
    text = _without_endless_sections(text)
    # An empty comment in HTML, but the start of a comment in XML.
    text = text.replace("<!-->", "")
    end = text.rfind("-->") + 1
    text = text[:end] + text[end:].replace("<!--", "&lt;!--")
    text = _LONG_TAG.sub(_without_attributes, text)
    return _DECLARATION.sub(r"\1", text.lstrip(), count=1)


def _without_endless_sections(text: str) -> str:
    """Return the text without the start of each CDATA section that does not end in its element.

    Such a section contains the ends of other elements and the start of the next section.
    """
    parts: list[str] = []
    last = 0
    start: int | None = None
    searched = 0
    for found in _SECTION.finditer(text):
        if found[0] == _SECTION_END:
            start = None
        elif start is None:
            start = searched = found.start()
        elif not _END_IN_FEED.search(text, searched, found.start()):
            # An end of an element contains no start of a section: it cannot begin before here.
            searched = found.start()
        else:
            parts.append(text[last:start])
            last = start + len(_SECTION_START)
            start = searched = found.start()
    if start is not None:
        parts.append(text[last:start])
        last = start + len(_SECTION_START)
    return "".join([*parts, text[last:]])


def _without_attributes(tag: re.Match[str]) -> str:
    """Return a tag without its attributes if they are many: feedparser takes quadratic time."""
    if tag[0].count("=") <= _MAX_ATTRIBUTES:
        return tag[0]
    # Not the parameters of an address, which is quoted.
    is_many = _QUOTED.sub("", tag[0]).count("=") > _MAX_ATTRIBUTES
    return f"<{tag[1]}>" if is_many else tag[0]


def _character(reference: re.Match[str]) -> str:
    """Return the character reference if it stands for a character that XML allows, else ""."""
    digits = reference[1].lower()
    number = int(digits[1:], 16) if digits.startswith("x") else int(digits)
    if number in (9, 10, 13) or 0x1F < number < 0xD800 or 0xDFFF < number < 0x110000:
        return "" if number in (0xFFFE, 0xFFFF) else reference[0]
    return ""
