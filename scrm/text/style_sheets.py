"""Read from the style sheets of an HTML text what may hide its elements.

Only rules are used of which it is certain that they count: selectors of one element with classes or
an id, outside of media queries. A class that another rule may show again, for example on a phone,
hides nothing: no word that a reader sees may be lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

PROPERTIES = frozenset({
    "display", "font", "font-size", "height", "max-height", "max-width", "mso-hide", "opacity",
    "overflow", "visibility", "width",
})  # fmt: skip
"""The properties that may hide an element."""
ZERO = re.compile(r"[+-]?(?:0++(?:\.0*+)?|\.0++)(?:[a-z]+|%)?")
_MAX_RULES = 500
_SKIPPED = re.compile(
    r"(?is)<!--(?:-?>|(?:[^-]|-(?!->))*+)"
    r"|<(style|script|title|textarea|template|iframe|noembed|noframes)\b([^<>]*+)>"
    r"((?:[^<]|<(?!/\1))*+)"
)
"""A comment, or an element whose content is no HTML. A style sheet in one of them is none."""
_COMMENT = re.compile(r"/\*(?:[^*]|\*(?!/))*+(?:\*/)?|<!--|-->")
_PIECE = re.compile(r"([^{};]*+)([{};]|\Z)")
_SIMPLE = re.compile(r"([a-z][a-z0-9]*+)?((?:[.#][\w-]++)++)")
_NAME = re.compile(r"[.#][\w-]++")
_MAX_NAMES = 5

Declarations = Mapping[str, tuple[str, bool]]
"""Maps the name of a property to its value in lower case, and whether it is `!important`."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """A declaration of a style sheet. names: the classes and ids that an element must have."""

    tag: str
    names: frozenset[str]
    weight: tuple[int, int, int]
    property: str
    value: str
    important: bool


@dataclass(slots=True)
class StyleSheets:
    """The rules of all style sheets of an HTML text; none if there are too many."""

    rules: list[_Rule] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    """Classes and ids, with their sign, that a rule may show under some condition."""

    def style(self, tag: str, names: frozenset[str], inline: Declarations) -> dict[str, str]:
        """Return the properties of an element.

        names: its classes and its id, as in ".x" and "#x". inline: its attribute `style`.
        """
        found = [rule for rule in self.rules if rule.names <= names and rule.tag in ("", tag)]
        found.sort(key=lambda rule: rule.weight)
        style: dict[str, str] = {}
        for important in (False, True):
            style |= {rule.property: rule.value for rule in found if rule.important == important}
            style |= {name: value for name, (value, it_is) in inline.items() if it_is == important}
        return style


def style_sheets(html: str) -> StyleSheets:
    """Return the rules of the elements `style`. The time is linear in the length of `html`."""
    sheets = StyleSheets()
    for found in _SKIPPED.finditer(html):
        name, attributes, content = found.groups()
        if name and name.lower() == "style" and "media" not in attributes.lower():
            _read(_COMMENT.sub(" ", content), sheets)
    if len(sheets.rules) > _MAX_RULES:
        return StyleSheets()
    sheets.rules = [rule for rule in sheets.rules if sheets.shown.isdisjoint(rule.names)]
    return sheets


def declarations(style: str) -> Declarations:
    """Return the declarations of an attribute `style`; the last one of a property counts."""
    return dict(_declaration(each) for each in style.split(";"))


def _declaration(text: str) -> tuple[str, tuple[str, bool]]:
    name, _, value = text.lower().partition(":")
    value, _, mark = value.partition("!")
    return name.strip(), (value.strip(), "important" in mark)


def _read(css: str, sheets: StyleSheets) -> None:
    blocks: list[str] = []
    for piece in _PIECE.finditer(css):
        text, end = piece.groups()
        if end == "{":
            blocks.append(text.strip())
            continue
        name, (value, important) = _declaration(text)
        if blocks and name in PROPERTIES:
            _add(blocks, name, value, sheets, important=important)
        if end == "}" and blocks:
            blocks.pop()


def _add(blocks: list[str], name: str, value: str, sheets: StyleSheets, *, important: bool) -> None:
    """Add a declaration of the innermost block.

    blocks: the selectors and conditions of the blocks around it, the outermost first.
    """
    hides = value in ("none", "hidden", "collapse", "all") or bool(ZERO.fullmatch(value))
    for tag, names in _selectors(blocks):
        if names:
            ids = sum(each.startswith("#") for each in names)
            weight = (ids, len(names) - ids, bool(tag))
            sheets.rules.append(_Rule(tag, names, weight, name, value, important))
        elif not hides:
            sheets.shown.update(_NAME.findall(tag))


def _selectors(blocks: list[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the tag and the names of each simple selector; of another one its text and no names."""
    for selector in blocks[-1].split(","):
        found = _SIMPLE.fullmatch(selector.strip()) if len(blocks) == 1 else None
        names = _NAME.findall(found[2]) if found else []
        if 0 < len(names) <= _MAX_NAMES:
            yield (found[1] or "") if found else "", frozenset(names)
        else:
            yield selector, frozenset()
