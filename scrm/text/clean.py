"""Make text safe to store and show: storable code points, sanitised HTML, plain text."""

from __future__ import annotations

import re
from html import unescape

import nh3

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# No pattern here may search beyond the next "<", which takes quadratic time on "<br<br<br".
_BLOCK = re.compile(
    r"(?i)</?(?:br|hr|p|div|li|t[dhr]|h[1-6]|blockquote|pre|ul|ol|dl|dt|dd|table|section|article)"
    r"\b[^<>]*>"
)
_TAG = re.compile(r"<[^<>]*>")
_TAG_STARTS = re.compile(r"<[A-Za-z/]")
_ENDLESS_TAG = re.compile(r"<[^<>]{8000}")
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")
_LINK = re.compile(r"(?i)https?://[^\x00-\x20\x7f\s<>\"'\\]+\Z")
_ALLOWED = {
    "a", "abbr", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "i", "li", "ol", "p", "pre", "q", "s", "small", "strong", "sub", "sup", "u", "ul",
}  # fmt: skip
_MAX_LENGTH, _MAX_TAGS = 1_000_000, 4_000


def storable(text: str) -> str:
    """Return `text` without NUL and lone surrogates, which PostgreSQL does not store."""
    return _UNSTORABLE.sub("", text)


def clean(html: str) -> str:
    """Return `html` with only the allowed tags: no images, scripts, styles, ids or classes."""
    return nh3.clean(
        _tame(storable(html)),
        tags=_ALLOWED,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def plain(html: str) -> str:
    """Return the text of `html`.

    The ends of block elements become line ends, character references are resolved, and white space
    is collapsed.
    """
    broken = _BLOCK.sub("\n", _tame(storable(html)))
    words = storable(unescape(nh3.clean(broken, tags=set(), attributes={}, link_rel=None)))
    lines = (_SPACES.sub(" ", line).strip() for line in words.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def safe_url(url: str) -> str:
    """Return `url` if it is a plain http or https URL, else "".

    No other URL may become a link.
    """
    url = storable(url).strip()
    return url if _LINK.match(url) else ""


def _tame(html: str) -> str:
    """Return the first million code points of `html`.

    The tags are removed if cleaning would take too long. The time that nh3 needs is quadratic in
    nested tags and in attributes: 100,000 nested `div` cost a minute of CPU.
    """
    html = html[:_MAX_LENGTH]
    tags = sum(1 for _ in _TAG_STARTS.finditer(html))
    if tags <= _MAX_TAGS and not _ENDLESS_TAG.search(html):
        return html
    return _TAG.sub(" ", _BLOCK.sub("\n", html)).replace("<", "&lt;")
