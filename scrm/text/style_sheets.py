"""Read from the style sheets of an HTML text what may hide its elements.

Only rules are used of which it is certain that they count: selectors of one element with classes or
an id, outside of conditions such as media queries. They hide nothing that another rule may show
again, for example on a phone: no word that a reader sees may be lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

PROPERTIES = frozenset({
    "display", "font-size", "height", "max-height", "max-width", "mso-hide", "opacity", "overflow",
    "visibility", "width",
})  # fmt: skip
"""The properties that may hide an element."""
_HIDING = {
    ("display", "none"), ("mso-hide", "all"), ("overflow", "hidden"), ("visibility", "hidden"),
    ("visibility", "collapse"),
}  # fmt: skip
ZERO = re.compile(r"[+-]?(?:0++(?:\.0*+)?|\.0++)(?:[a-z]+|%)?")
_MAX_RULES = 500
"""The largest number of pairs of a selector and a declaration. With more, no rule counts."""
_RAW_CONTENT = re.compile(
    r"(?is)<!--(?:-?>|(?:[^-]|-(?!->))*+)"
    r"|<(style|script|title|textarea|template|iframe|noembed|noframes)\b([^<>]*+)>"
    r"((?:[^<]|<(?!/\1))*+)"
)
"""A comment, or an element whose content is not HTML. A `<style>` inside is not a style sheet."""
_COMMENT = re.compile(r"/\*(?:[^*]|\*(?!/))*+(?:\*/)?|<!--|-->")
_PIECE = re.compile(r"([^{};]*+)([{};]|\Z)")
_SIMPLE = re.compile(r"([a-z][a-z0-9]*+)?((?:[.#][\w-]++)++)")
_TAGS = re.compile(r"[\w\s>+~*-]*+")
"""A selector of tags alone: any rule for a class outweighs it, unless it is `!important`."""
_COMBINATOR = re.compile(r"[\s>]|[+~](?!=)")
_COMPOUND = re.compile(
    r"""(?i)(?:\*|[a-z][a-z0-9]*+)?"""
    r"""(?:[.#][\w-]++|\[(?:class|id)~?=["']?[\w-]++["']?\]|:{1,2}+[\w-]++)*+"""
)
_NAME = re.compile(r"""(?i)(?:([.#])|\[(class|id)~?=["']?)([\w-]++)""")
_SIGNS = {"class": ".", "id": "#"}
_MAX_NAMES = 5

Declarations = Mapping[str, tuple[str, bool]]
"""Maps the name of a property to its value in lower case, and whether it is `!important`."""


@dataclass(frozen=True, slots=True)
class _Selector:
    """A selector of a rule.

    names: the classes and ids that an element must have; empty if they cannot be determined.
    is_simple: whether it consists only of an optional tag and at most five classes or ids.
    is_weak: it states only tags.
    weight: the number of its ids, of its classes and of its tags.
    """

    tag: str = ""
    names: frozenset[str] = frozenset()
    is_simple: bool = False
    is_weak: bool = False
    weight: tuple[int, int, int] = (0, 0, 0)


_ANY = frozenset({_Selector()})


@dataclass(frozen=True, slots=True)
class _Block:
    """What stands in braces. certain: it is inside of no other block and under no condition."""

    selectors: frozenset[_Selector] = frozenset()
    certain: bool = False


@dataclass(frozen=True, slots=True)
class _Rule:
    """A declaration of a style sheet for a simple selector."""

    selector: _Selector
    property: str
    value: str
    important: bool
    hides: bool


@dataclass(slots=True)
class StyleSheets:
    """The rules of all style sheets of an HTML text; none if there are too many.

    may_be_shown: (property, class or id) pairs for which another rule may undo the hiding.
    uncertain: properties for which another rule may undo the hiding of any element.
    count: the number of pairs of a selector and a declaration.
    """

    rules: list[_Rule] = field(default_factory=list)
    may_be_shown: set[tuple[str, str]] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    count: int = 0

    def style(self, tag: str, names: frozenset[str], inline: Declarations) -> dict[str, str]:
        """Return the properties of an element.

        names: its classes and its id, as in ".x" and "#x". inline: its attribute `style`.
        """
        found = [
            rule
            for rule in self.rules
            if rule.selector.names <= names and rule.selector.tag in ("", tag)
        ]
        if any(rule.hides for rule in found):
            kept = self.uncertain | {
                property_ for property_, name in self.may_be_shown if name in names
            }
            found = [rule for rule in found if not (rule.hides and rule.property in kept)]
        found.sort(key=lambda rule: rule.selector.weight)
        style: dict[str, str] = {}
        for important in (False, True):
            style |= {rule.property: rule.value for rule in found if rule.important == important}
            style |= {
                name: value
                for name, (value, is_important) in inline.items()
                if is_important == important
            }
        return style


def style_sheets(html: str) -> StyleSheets:
    """Return the rules of the elements `style`. The time is linear in the length of `html`."""
    sheets = StyleSheets()
    for found in _RAW_CONTENT.finditer(html):
        name, attributes, content = found.groups()
        if name and name.lower() == "style":
            around = [_Block()] if "media" in attributes.lower() else []
            _read(_COMMENT.sub(" ", content), around, sheets)
        if sheets.count > _MAX_RULES:
            return StyleSheets()
    return sheets


def declarations(style: str) -> Declarations:
    """Return the declarations of an attribute `style`; the last one of a property counts."""
    return dict(_declaration(each) for each in style.split(";"))


def _declaration(text: str) -> tuple[str, tuple[str, bool]]:
    name, _, value = text.lower().partition(":")
    value, _, mark = value.partition("!")
    name = name.strip()
    # The shorthand sets the size too. Its value is no plain number, so that it hides nothing.
    return "font-size" if name == "font" else name, (value.strip(), "important" in mark)


def _read(css: str, blocks: list[_Block], sheets: StyleSheets) -> None:
    """Add the rules of a style sheet. blocks: the conditions around it."""
    for piece in _PIECE.finditer(css):
        text, end = piece.groups()
        if end == "{":
            blocks.append(_block(text.strip(), blocks))
            continue
        name, (value, important) = _declaration(text)
        if blocks and name in PROPERTIES:
            _add(blocks[-1], name, value, sheets, important=important)
        if sheets.count > _MAX_RULES:
            return
        if end == "}" and blocks:
            blocks.pop()


def _block(text: str, around: list[_Block]) -> _Block:
    """Return the block that `text` opens. around: the blocks around it, the outermost first."""
    outer = around[-1].selectors if around else frozenset()
    if "keyframes" in text or (outer and not text.startswith("@")):
        return _Block(_ANY)
    if text.startswith("@"):
        return _Block(outer)
    selectors = frozenset(_selector(each.strip()) for each in text.split(","))
    return _Block(selectors, certain=not around)


def _selector(text: str) -> _Selector:
    found = _SIMPLE.fullmatch(text)
    # Only the last element of a selector is the one that the rule shows.
    last = _COMBINATOR.split(text)[-1]
    named = _NAME.findall(last) if _COMPOUND.fullmatch(last) else []
    names = frozenset(f"{sign or _SIGNS[key.lower()]}{name}" for sign, key, name in named)
    tag = (found[1] or "") if found else ""
    ids = sum(name.startswith("#") for name in names)
    return _Selector(
        tag=tag,
        names=names,
        is_simple=bool(found) and len(names) <= _MAX_NAMES,
        is_weak=bool(_TAGS.fullmatch(text)),
        weight=(ids, len(names) - ids, bool(tag)),
    )


def _add(block: _Block, name: str, value: str, sheets: StyleSheets, *, important: bool) -> None:
    """Add a declaration of the block."""
    hides = (name, value) in _HIDING or bool(ZERO.fullmatch(value))
    if hides and not block.certain:
        return
    sheets.count += len(block.selectors)
    if sheets.count > _MAX_RULES:
        return
    # A child can undo `visibility: hidden`.
    is_inherited = name == "visibility"
    for selector in block.selectors:
        if block.certain and selector.is_simple:
            sheets.rules.append(_Rule(selector, name, value, important, hides))
        elif hides:
            continue
        elif selector.names and not is_inherited:
            sheets.may_be_shown.update((name, each) for each in selector.names)
        elif important or is_inherited or not selector.is_weak:
            sheets.uncertain.add(name)
