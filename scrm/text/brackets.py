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
_INSTRUCTION = re.compile(r"<\?(?!xml:)")
"""The start of an XML declaration or of PHP code, which a text quotes. `<?xml:namespace … />` is
from Word."""
_HIDES_THE_REST = UNSEEN | RAW_TEXT
"""If one of these elements is not closed, an HTML parser hides or distorts all that follows."""
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

    If a comment or an element such as `script` is not closed, the text after it is kept. The tag of
    such an element is left out if it has attributes or ends in `/>`; otherwise it is kept as a
    word, as in "put it into <script>".
    """
    if "<" not in html:
        return html
    html = _INSTRUCTION.sub("&lt;?", _without_endless_comment(html))
    opened: set[str] = set()
    last_end: dict[str, int] = {}
    for tag in _NAMES.finditer(html):
        if tag[1]:
            last_end[tag[2].lower()] = tag.start()
        else:
            opened.add(tag[2].lower())
    closed = opened & last_end.keys()

    def judge(found: re.Match[str]) -> str:
        slash, name, rest, next_letter = found.groups()
        if not name:
            return f"&lt;{found[0][1:]}" if next_letter and not found[1] else found[0]
        name = name.lower()
        if name in _HIDES_THE_REST and not slash:
            is_empty = rest.endswith("/>")
            if is_empty or (found.start() > last_end.get(name, -1) and rest.endswith(">")):
                return "" if is_empty or "=" in rest else f"&lt;{found[0][1:]}"
        is_tag = _is_tag(name, rest, closed, is_title=is_title)
        return found[0] if is_tag else f"&lt;{found[0][1:]}"

    return _TAG.sub(judge, html)


def _without_endless_comment(html: str) -> str:
    """Return `html` with `&lt;` for each bracket that begins a comment without an end."""
    end = html.rfind("-->") + 1
    return html[:end] + html[end:].replace("<!--", "&lt;!--")


def _is_tag(name: str, rest: str, closed: set[str], *, is_title: bool) -> bool:
    if name in closed and (name in _ELEMENTS or not is_title):
        return True
    if name not in _ELEMENTS:
        return False
    has_attributes = "=" in rest
    if is_title:
        return rest.endswith(">") and (name in _BREAKS or has_attributes)
    return has_attributes or not rest.strip("/> \t\r\n")
