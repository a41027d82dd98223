"""Remove what a browser does not show of an HTML text, such as the preheader of a mail."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import unescape

from scrm.text.sanitizer import sanitized
from scrm.text.style_sheets import ZERO, StyleSheets, declarations, style_sheets

UNSEEN = {
    "audio", "canvas", "datalist", "iframe", "noembed", "noframes", "noscript", "script", "style",
    "template", "title", "video",
}  # fmt: skip
"""The elements whose content is no text of the page."""
RAW_TEXT = {"plaintext", "textarea", "xmp"}
"""The elements that show the tags in their content as text. Of these, only `textarea` may be kept:
HTML with another one cannot be written without raw text."""
_KEPT = {
    "a", "abbr", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br",
    "button", "caption", "center", "cite", "code", "dd", "del", "details", "dfn", "dialog",
    "dir", "div", "dl", "dt", "em", "fieldset", "figcaption", "figure", "font", "footer",
    "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "i", "img", "ins",
    "kbd", "label", "legend", "li", "listing", "main", "mark", "menu", "nav", "ol", "optgroup",
    "option", "p", "pre", "q", "s", "samp", "search", "section", "select", "small", "span",
    "strike", "strong", "sub", "summary", "sup", "table", "tbody", "td", "textarea", "tfoot",
    "th", "thead", "tr", "tt", "u", "ul", "var",
}  # fmt: skip
_ATTRIBUTES = {"*": {"style", "hidden", "class", "id"}, "a": {"href"}, "td": {"colspan", "rowspan"},
               "th": {"colspan", "rowspan"}}  # fmt: skip
_VOID = {"br", "hr", "img"}
_BLOCK_DISPLAYS = ("block", "flex", "grid", "list-item", "table")
_OUT_OF_FLOW = {"left", "right", "absolute", "fixed"}
_MAY_HIDE = re.compile(
    r"(?i)\shidden|display|visibility|overflow|opacity|max-height|float|position"
)
_SHOWS_TAGS = re.compile(
    r"""(?i)<(?:(/)xmp|plaintext|xmp)(?=[\s/>])((?:[^<>"']|"[^"<]*"|'[^'<]*')*+)>"""
)
_TAG = re.compile(r'<(/?)([a-z0-9]++)([^<>"]*+(?:"[^"]*+"[^<>"]*+)*+)>')
_ATTRIBUTE = re.compile(r'\s([a-z]+)="([^"]*)"')
_PREHEADER_PROPERTIES = ("font-size", "max-height", "opacity")
"""Properties of a preheader, if two of them are 0; `mso-hide` counts as one. A single one has other
uses: layout tables set the font size to 0, and scripts let a text fade in."""


@dataclass(frozen=True, slots=True)
class _Look:
    """How an element is shown.

    removed: the element and all its children are not shown.
    invisible: `visibility: hidden`, which children can undo.
    is_block: it begins and ends a line.
    blockifies_children: each of its children is a block, as in a flex or grid container.
    """

    removed: bool = False
    invisible: bool = False
    is_block: bool = False
    blockifies_children: bool = False


def visible(html: str) -> str:
    """Return `html` without the elements that their attributes and simple style sheets hide.

    A line feed is added around elements that `display` turns into blocks. The time is that of nh3;
    the caller limits the number of tags.
    """
    if not _MAY_HIDE.search(html):
        return html
    # nh3 closes every element, so that the end of a hidden one is certain.
    return _without_hidden(_well_formed(html), style_sheets(html))


def without_raw_text(html: str) -> str:
    """Return `html` with the content of the elements `RAW_TEXT` as escaped text.

    A `div` replaces `plaintext` and `xmp`. Otherwise a tag in their content could end or hide
    elements around them, though a browser shows it as text.
    """
    return _well_formed(_SHOWS_TAGS.sub(_in_div, html))


def _in_div(tag: re.Match[str]) -> str:
    """Return a `div` around the tag: nh3 escapes the content of the element and drops its tags."""
    return f"{tag[0]}</div>" if tag[1] else f"<div{tag[2]}>{tag[0]}"


def _well_formed(html: str) -> str:
    """Return `html` with all elements closed and attributes quoted, and without raw text."""
    return sanitized(
        html,
        tags=_KEPT,
        clean_content_tags=UNSEEN,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )


def _without_hidden(html: str, sheets: StyleSheets) -> str:
    kept: list[str] = []
    looks = [_Look()]
    end = 0
    for tag in _TAG.finditer(html):
        look = looks[-1]
        if not (look.removed or look.invisible):
            kept.append(html[end : tag.start()])
        end = tag.end()
        closes, name, attributes = tag.groups()
        if closes:
            if len(looks) > 1:
                looks.pop()
        else:
            look = _look(look, name, attributes, sheets)
            if name not in _VOID:
                looks.append(look)
        if not look.removed:
            kept.append(f"\n{tag[0]}" if look.is_block else tag[0])
    kept.append(html[end:])
    return "".join(kept)


def _look(parent: _Look, name: str, attributes: str, sheets: StyleSheets) -> _Look:
    if parent.removed or not attributes:
        return replace(parent, is_block=parent.blockifies_children, blockifies_children=False)
    found = {key: unescape(value) for key, value in _ATTRIBUTE.findall(attributes)}
    names = frozenset(f".{each}" for each in found.get("class", "").split())
    names |= {f"#{found['id']}"} if "id" in found else set()
    style = sheets.style(name, names, declarations(found.get("style", "")))
    display = style.get("display", "none" if "hidden" in found else "")
    visibility = style.get("visibility", "hidden" if parent.invisible else "")
    out = {style.get("float"), style.get("position")} & _OUT_OF_FLOW
    return _Look(
        removed=display == "none" or _has_no_room(style),
        invisible=visibility in ("hidden", "collapse"),
        is_block=bool(out or parent.blockifies_children or display.startswith(_BLOCK_DISPLAYS)),
        blockifies_children=display.endswith(("flex", "grid")),
    )


def _has_no_room(style: Mapping[str, str]) -> bool:
    """Return whether the element has the size 0, or two properties of a preheader."""
    zero = {name for name, value in style.items() if ZERO.fullmatch(value)}
    cut = style.get("overflow") == "hidden"
    sizes = {"height", "max-height", "width", "max-width"}
    signs = len(zero.intersection(_PREHEADER_PROPERTIES)) + (style.get("mso-hide") == "all")
    return bool(cut and zero & sizes) or signs >= 2
