"""Make text safe to store and show: storable code points, sanitised HTML, plain text."""

from __future__ import annotations

import re
from html import unescape

from scrm.text.sanitizer import sanitized
from scrm.text.visible import RAW_TEXT, UNSEEN, visible, without_raw_text

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# No pattern here may search beyond the next "<", which takes quadratic time on "<br<br<br".
_BLOCK = re.compile(
    r"(?i)<(?=/?(?:blockquote|br|caption|dd|div|dl|dt|h[1-6]|hr|li|ol|p|pre|table|tbody|td|tfoot|"
    r"th|thead|tr|ul)\b)"
)
_NAME = re.compile(r"</?([A-Za-z][^\s<>/]*)")
_OTHER_BLOCKS = {
    "address", "article", "aside", "center", "details", "dialog", "dir", "fieldset", "figcaption",
    "figure", "footer", "form", "header", "hgroup", "legend", "listing", "main", "menu", "nav",
    "optgroup", "option", "search", "section", "select", "summary", "textarea",
}  # fmt: skip
"""Blocks that become `div`: their tags would do something on our page, or are for old browsers."""
_CELLS = {"caption", "tbody", "td", "tfoot", "th", "thead", "tr"}
_TAG = re.compile(r"<[^<>]*>")
_UNSEEN_CONTENT = re.compile(r"(?is)<(script|style|title)\b(?:(?!</\1).)*")
_TAG_STARTS = re.compile(r"<[A-Za-z/]")
_ENDLESS_TAG = re.compile(r"<[^<>]{8000}")
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")
_LINK = re.compile(r"(?i)https?://[^\x00-\x20\x7f\s<>\"'\\]+\Z")
_ABSOLUTE = re.compile(r"(?i)(?:https?://[^/\\]|mailto:)")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ALLOWED = {
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "div", "dl", "dt", "em",
    "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "li", "ol", "p", "pre", "q", "s", "small",
    "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}
_MAX_LENGTH, _MAX_TAGS = 1_000_000, 4_000


def storable(text: str) -> str:
    """Return `text` without NUL and lone surrogates, which PostgreSQL does not store."""
    return _UNSTORABLE.sub("", text)


def without_bidi(text: str) -> str:
    """Return `text` without the characters that control the direction of text.

    They could make a name, a subject or a file name look like another one: with U+202E before its
    end, `gpj.exe` is shown as `exe.jpg`.
    """
    return _BIDI.sub("", text)


def clean(html: str) -> str:
    """Return `html` with only the allowed tags: no images, scripts, styles, ids or classes.

    What a browser does not show is left out. Other block elements become `div`, so that words stay
    apart. Relative links lose their address, because they would lead to our own pages.
    """
    return sanitized(
        shown(html),
        tags=_ALLOWED,
        clean_content_tags=UNSEEN,
        attributes=_ATTRIBUTES,
        attribute_filter=_absolute,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )


def shown(html: str) -> str:
    """Return `html` without the parts that a browser does not show. The result is not safe."""
    return _blocks(visible(_parseable(html)))


def _parseable(html: str) -> str:
    """Return `html` with `bdi` for unknown elements, and `div` for cells that are in no table.

    An HTML parser drops the tags of such cells. Unknown elements are those like `o:p` of Outlook;
    `bdi` is an inline element too, and rare. Tags that are shown as text are escaped.
    """
    html = _tame(storable(html))
    names = {name.lower() for name in _NAME.findall(html)}
    html = _renamed(html, {name for name in names if not name.isalnum()}, "bdi")
    if "table" not in names:
        html = _renamed(html, names & _CELLS, "div")
    return without_raw_text(html) if names & RAW_TEXT else html


def _blocks(html: str) -> str:
    names = {name.lower() for name in _NAME.findall(html)}
    return _renamed(html, names & _OTHER_BLOCKS, "div")


def _renamed(html: str, names: set[str], new: str) -> str:
    """Return `html` with the name `new` for the elements with these names in lower case."""
    if not names:
        return html
    return _NAME.sub(
        lambda tag: f"{tag[0][: -len(tag[1])]}{new}" if tag[1].lower() in names else tag[0], html
    )


def _absolute(_tag: str, attribute: str, value: str) -> str | None:
    """Return the value of an attribute; None if it is a link that depends on the page around it.

    A browser reads `https:path` as a path on the site that shows the link.
    """
    if attribute != "href":
        return value
    return value if _ABSOLUTE.match(value.strip()) else None


def plain(html: str, *, hidden: bool = False) -> str:
    """Return the text of `html`, as a browser shows it.

    Block elements, table cells and list items begin and end lines, character references are
    resolved, and white space is collapsed.
    hidden: whether the text of hidden elements is included.
    """
    whole = _blocks(_parseable(html)) if hidden else shown(html)
    apart = _BLOCK.sub("\n<", whole)
    text = sanitized(apart, tags=set(), clean_content_tags=UNSEEN, attributes={}, link_rel=None)
    words = storable(unescape(text))
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
    text = _BLOCK.sub("\n<", _UNSEEN_CONTENT.sub("", html))
    return _TAG.sub(" ", text).replace("<", "&lt;")
