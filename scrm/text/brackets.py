"""Keep words in angle brackets that are no HTML tags, such as `Queue<Pump>` or `<jo@a.example>`.

Programs write such words into HTML without escaping them, and an HTML parser drops them.
"""

from __future__ import annotations

import re

from scrm.text.visible import RAW_TEXT, UNSEEN

_TAG = re.compile(
    r"<(/?)(?:([A-Za-z][A-Za-z0-9:_.-]{0,60})(?=[\s/>])"
    r"((?:[^<>\"']|\"[^\"]{0,1000}+\"|'[^']{0,1000}+'){0,1000}+>|[^<>]{0,1000}+>?))?"
    r"(?=([A-Za-z/]?))"
)
_NAMES = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:_.-]{0,60})(?=[\s/>])")
_BREAKS = {"br", "hr", "wbr"}
_ELEMENTS = UNSEEN | RAW_TEXT | _BREAKS | {
    "a", "abbr", "acronym", "address", "applet", "area", "article", "aside", "b", "base",
    "basefont", "bdi", "bdo", "bgsound", "big", "blink", "blockquote", "body", "button", "caption",
    "center", "cite", "code", "col", "colgroup", "data", "dd", "del", "details", "dfn", "dialog",
    "dir", "div", "dl", "dt", "em", "embed", "fieldset", "figcaption", "figure", "font", "footer",
    "form", "frame", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup",
    "html", "i", "img", "input", "ins", "kbd", "label", "legend", "li", "link", "listing", "main",
    "map", "mark", "marquee", "math", "menu", "meta", "meter", "nav", "nobr", "object", "ol",
    "optgroup", "option", "output", "p", "param", "picture", "pre", "progress", "q", "rp", "rt",
    "ruby", "s", "samp", "search", "section", "select", "slot", "small", "source", "span",
    "strike", "strong", "sub", "summary", "sup", "svg", "table", "tbody", "td", "tfoot", "th",
    "thead", "time", "tr", "track", "tt", "u", "ul", "var",
}  # fmt: skip


def escape_words(html: str, *, is_title: bool = False) -> str:
    """Return `html` with `&lt;` for each bracket that begins no HTML tag.

    A tag has the name of an HTML element. An element with another name counts if it is also closed,
    as custom elements are.
    is_title: whether the text is short and rarely contains HTML. Then an element counts only if it
    is closed, or if it is a line break or an empty element with attributes.
    """
    if "<" not in html:
        return html
    names: dict[str, set[str]] = {"": set(), "/": set()}
    for slash, name in _NAMES.findall(html):
        names[slash].add(name.lower())
    closed = names[""] & names["/"]

    def judge(found: re.Match[str]) -> str:
        _slash, name, rest, next_letter = found.groups()
        if not name:
            return f"&lt;{found[0][1:]}" if next_letter and not found[1] else found[0]
        is_tag = _is_tag(name.lower(), rest, closed, is_title=is_title)
        return found[0] if is_tag else f"&lt;{found[0][1:]}"

    return _TAG.sub(judge, html)


def _is_tag(name: str, rest: str, closed: set[str], *, is_title: bool) -> bool:
    if name in closed and (name in _ELEMENTS or not is_title):
        return True
    if name not in _ELEMENTS:
        return False
    has_attributes = "=" in rest
    if is_title:
        return rest.endswith(">") and (name in _BREAKS or has_attributes)
    return has_attributes or not rest.strip("/> \t\r\n")
