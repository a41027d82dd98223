"""Describe a condition in plain English, and explain why it is met or not.

A leaf is a single condition, which tests one field. A group consists of leaves and other groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scrm.conditions.language import (
    POSITIVE,
    Condition,
    Facts,
    Group,
    Leaf,
    fact_of,
    listed,
    question,
)
from scrm.text.fold import places

MAX_SHOWN = 60


def _requirement(leaf: Leaf, *, quotes: bool = False) -> str:
    """Return what a leaf requires, without the leaf's label, for example "at least 10,000".

    The value of a text field is always put in quotation marks.
    quotes: whether the values of all other fields except numbers are put in quotation marks too.
    """
    value, quotes = leaf.value, quotes or leaf.field.type == "text"
    if isinstance(value, bool):
        return ""
    if leaf.field.type == "time" and isinstance(value, tuple):
        return f"between {value[0]} and {value[1]}"
    if isinstance(value, tuple):
        quoted = tuple(f"“{item}”" for item in value) if quotes else value
        return listed(quoted, "and" if leaf.op == "has all" else "or")
    if isinstance(value, str):
        return f"“{value}”" if quotes else value
    return f"{leaf.op} {value:,}"


def sentence(condition: Condition) -> str:
    """Return the condition in plain English: "topic is Brand and reach at least 10,000"."""
    if isinstance(condition, Leaf):
        return _leaf_sentence(condition)
    if not condition.members:
        return "always" if condition.kind != "any" else "never"
    parts = [
        f"({sentence(member)})"
        if isinstance(member, Group) and member.kind != "none"
        else sentence(member)
        for member in condition.members
    ]
    if condition.kind == "none":
        return f"not ({' or '.join(parts)})"
    return (" and " if condition.kind == "all" else " or ").join(parts)


def _leaf_sentence(leaf: Leaf) -> str:
    label, asked = leaf.field.label, _requirement(leaf)
    if leaf.field.type == "bool":
        return label if leaf.value else _denied(label)
    if leaf.field.type == "number":
        return f"{label} {asked}"
    if "contain" in leaf.op:
        return f"{label} {leaf.op.removesuffix(' any')} {asked}"
    return f"{label} is {'not ' if leaf.op in POSITIVE else ''}{asked}"


def _denied(label: str) -> str:
    """Negate the label of a yes-or-no field: "contact is not known", "not part of an issue"."""
    return label.replace(" is ", " is not ") if " is " in label else f"not {label}"


def _finding(leaf: Leaf, facts: Facts, *, wanted: bool) -> str:
    """Return how a fact compares with a leaf: "reach is 320 (rule needs at least 10,000)".

    wanted: whether the rule needs the leaf to be met. It is False inside a `none` group.
    """
    fact, label, asked = fact_of(leaf, facts), leaf.field.label, _requirement(leaf)
    met = question(leaf)(facts) != (leaf.op in POSITIVE)
    needed = wanted != (leaf.op in POSITIVE)
    if fact is None:
        unknown = "unknown" if leaf.field.type in ("number", "bool", "time") else "“unknown”"
        return f"{label} is {unknown}" + (_needs(leaf, needed=needed) if asked else "")
    if leaf.field.type == "bool":
        return label if fact else _denied(label)
    if leaf.field.type == "number":
        excluded = met and not needed
        return f"{label} is {fact:,}" + (f", {asked}" if excluded else _needs(leaf, needed=needed))
    if "contain" in leaf.op:
        named = [hit for hit, _span in hits(leaf, facts)]
        shown = listed(tuple(dict.fromkeys(named)), "and") if met and named else asked
        return f"{label} {'contains' if met else 'does not contain'} {shown}"
    found = _found(leaf, fact, met)
    return f"{label} is {found}" + ("" if met else _needs(leaf, needed=needed))


def _needs(leaf: Leaf, *, needed: bool) -> str:
    """Return what a leaf requires, in a form for the end of a sentence.

    needed: True if the rule needs the requirement to be met; False if the rule excludes it.
    """
    asked = _requirement(leaf, quotes=True)
    return f" (rule needs {asked})" if needed else f", not {asked}"


def hits(leaf: Leaf, facts: Facts) -> list[tuple[str, tuple[int, int]]]:
    """Return the words of a leaf that were found in the fact, and where they were found.

    Each result is (word in quotation marks, (start, end)). Start and end count code points; end is
    exclusive. The list is empty if the leaf does not look for words.
    """
    fact = fact_of(leaf, facts)
    if leaf.op not in ("contains", "contains any") or fact is None:
        return []
    asked = leaf.value if isinstance(leaf.value, tuple) else (str(leaf.value),)
    return [(f"“{phrase}”", span) for phrase in asked for span in places(fact, phrase)]


def _found(leaf: Leaf, fact: Any, met: bool) -> str:
    if isinstance(fact, str):
        shown = fact if len(fact) <= MAX_SHOWN else fact[: MAX_SHOWN - 1] + "…"
        return (
            f"“{shown}”" if leaf.field.type == "text" or (shown and not met) else shown or "blank"
        )
    if leaf.field.type == "time":
        return f"{fact // 60:02d}:{fact % 60:02d}"
    asked = leaf.value if isinstance(leaf.value, tuple) else ()
    named = [choice for choice in asked if choice in fact] if met else sorted(map(str, fact))
    return listed(tuple(named if met else (f"“{choice}”" for choice in named)), "and") or "empty"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reason why a condition is met or not.

    holds: whether the condition is met.
    leaves: the leaves because of which the condition is met or not, in order. If the condition is
      not met, pages show the first leaf as the reason: it was not met, or it was met inside a
      `none` group.
    sentence: how the facts compare with these leaves.
    """

    holds: bool
    leaves: tuple[Leaf, ...]
    sentence: str

    @property
    def leaf(self) -> Leaf | None:
        """Return the first leaf because of which the condition is not met.

        Returns None if the condition is met.
        """
        return None if self.holds or not self.leaves else self.leaves[0]


def explain(condition: Condition, facts: Facts, *, wanted: bool = True) -> Explanation:
    """Explain why a condition is met or not.

    The attribute `holds` of the result always equals `compile(condition)(facts)`.

    wanted: whether the rule needs the condition to be met. It is False inside a `none` group.
    """
    if isinstance(condition, Leaf):
        found_words = _finding(condition, facts, wanted=wanted)
        return Explanation(question(condition)(facts), (condition,), found_words)
    wanted = wanted != (condition.kind == "none")
    found: list[Explanation] = []
    for member in condition.members:
        found.append(explain(member, facts, wanted=wanted))
        if condition.kind == "all" and not found[-1].holds:
            return found[-1]
    if condition.kind == "all":
        return _together(True, found)
    held = [explanation for explanation in found if explanation.holds]
    if condition.kind == "any":
        return _together(True, held) if held else _none_of(found)
    if not held:
        return _together(True, found)
    return Explanation(False, held[0].leaves, f"{held[0].sentence}, which the rule excludes")


def _together(holds: bool, found: list[Explanation]) -> Explanation:
    leaves = tuple(leaf for explanation in found for leaf in explanation.leaves)
    return Explanation(holds, leaves, " and ".join(explanation.sentence for explanation in found))


def _none_of(found: list[Explanation]) -> Explanation:
    if not found:
        return Explanation(False, (), "the rule has no condition")
    if len(found) == 1:
        return found[0]
    return Explanation(
        False, found[0].leaves, f"none of {len(found)} conditions matches: {found[0].sentence}, …"
    )
