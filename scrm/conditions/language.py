"""The condition language of routing rules and business rules.

A condition is a leaf or a group. In JSON, a group is `{"all": [..]}`, `{"any": [..]}` or
`{"none": [..]}`. A leaf, which is a single condition, is
`{"field": "topics", "op": "has any", "value": ["Brand"]}`. If the whole condition is an empty
"all", it is always met.

An operator with "not", "none" or "does not" is negative: it is the exact negation of a positive
operator. A fact can be missing, be None, or have the wrong type. Such a fact does not satisfy any
positive operator, and therefore it satisfies every negative operator. Text is compared after
folding (see `fold`); choices and sets are compared exactly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

from scrm.text.clean import storable
from scrm.text.fold import beginning, fold

MAX_DEPTH, MAX_LEAVES, MAX_STRING, MAX_NUMBER = 8, 200, 500, 10**15

FieldType = Literal["text", "choice", "set", "number", "bool", "time"]
Value = str | int | float | bool | tuple[str, ...]
Facts = Mapping[str, object]
Predicate = Callable[[Facts], bool]
Path = tuple[str | int, ...]

OPERATORS: Mapping[FieldType, tuple[str, ...]] = {
    "text": ("is", "is not", "contains", "does not contain", "contains any"),
    "choice": ("is", "is not", "is one of"),
    "set": ("has any", "has all", "has none"),
    "number": ("at least", "at most"),
    "bool": ("is",),
    "time": ("between", "not between"),
}
"""Type → its operators. The first is the default, with which a form fills a new row."""
OPERATOR_LABELS = {
    "contains any": "contains any of",
    "has any": "has any of",
    "has all": "has all of",
    "has none": "has none of",
}
"""Operator → its label on screen, where the label differs from the stored operator."""
POSITIVE = {
    "is not": "is",
    "does not contain": "contains",
    "has none": "has any",
    "not between": "between",
}
_LISTED = {"is one of", "has any", "has all", "has none", "contains any"}
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_KINDS: tuple[Literal["all", "any", "none"], ...] = ("all", "any", "none")
_FACTS: Mapping[FieldType, type | tuple[type, ...]] = {
    "text": str, "choice": str, "set": Set, "number": (int, float), "bool": bool,
    "time": int,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """A fact that conditions may test.

    type: the fact of a field of type "time" is a number of minutes since midnight.
    label: the name of the field inside a sentence, in lower case: "reach", "contact is known".
    choices: the allowed values; () if any value is allowed.
    section: the heading under which forms list the field.
    """

    name: str
    type: FieldType
    label: str
    choices: tuple[str, ...] = ()
    section: str = ""


Schema = Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single condition, which tests one fact.

    value: the value that the fact is compared with. A list in JSON is stored as a tuple of strings.
    """

    field: Field
    op: str
    value: Value

    def to_json(self) -> dict[str, object]:
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return {"field": self.field.name, "op": self.op, "value": value}


@dataclass(frozen=True, slots=True)
class Group:
    """A group of conditions, of which `all`, `any` or `none` must be met.

    The kind `none` is the exact negation of `any`.
    """

    kind: Literal["all", "any", "none"]
    members: tuple[Condition, ...] = ()

    def to_json(self) -> dict[str, object]:
        return {self.kind: [member.to_json() for member in self.members]}


Condition = Leaf | Group


def _line(text: str) -> str:
    return " ".join(fold(text).split())


def _equals(value: str) -> Callable[[Any], bool]:
    wanted = _line(value)
    return lambda fact: _line(fact) == wanted


def _contains(value: str) -> Callable[[Any], bool]:
    """Return a function that says whether a fact contains `value` at the start of a word.

    In writing systems without spaces between words, `value` may be anywhere in the fact.
    """
    search = beginning(value).search
    return lambda fact: search(fold(fact)) is not None


def _contains_any(values: tuple[str, ...]) -> Callable[[Any], bool]:
    searches = [beginning(value).search for value in values]
    return lambda fact: any(search(folded) for folded in (fold(fact),) for search in searches)


def _between(values: tuple[str, ...]) -> Callable[[Any], bool]:
    """Return a function that says whether a time of day is in an interval.

    The start is included and the end is not. If the end is before the start, the interval crosses
    midnight.
    """
    start, end = (minutes(value) or 0 for value in values)
    if start < end:
        return lambda fact: start <= fact < end
    return lambda fact: fact >= start or fact < end


def minutes(text: str) -> int | None:
    """Return the minutes since midnight of a time such as "09:30", or None if it is no time."""
    found = _TIME.fullmatch(text)
    return int(found[1]) * 60 + int(found[2]) if found else None


# Evaluating


_TESTS: Mapping[tuple[FieldType, str], Callable[[Any], Callable[[Any], bool]]] = {
    ("text", "is"): _equals,
    ("text", "contains"): _contains,
    ("text", "contains any"): _contains_any,
    ("choice", "is"): lambda value: lambda fact: fact == value,
    ("choice", "is one of"): lambda value: lambda fact: fact in value,
    ("set", "has any"): lambda value: lambda fact: not fact.isdisjoint(value),
    ("set", "has all"): lambda value: lambda fact: all(member in fact for member in value),
    ("number", "at least"): lambda value: lambda fact: fact >= value,
    ("number", "at most"): lambda value: lambda fact: fact <= value,
    ("bool", "is"): lambda value: lambda fact: fact is value,
    ("time", "between"): _between,
}


def fact_of(leaf: Leaf, facts: Facts) -> Any:
    """Return the fact that `leaf` tests; None if the fact is not known or has the wrong type."""
    fact = facts.get(leaf.field.name)
    return fact if isinstance(fact, _FACTS[leaf.field.type]) else None


@lru_cache(maxsize=4096)
def question(leaf: Leaf) -> Predicate:
    test = _TESTS[leaf.field.type, POSITIVE.get(leaf.op, leaf.op)](leaf.value)
    negative = leaf.op in POSITIVE

    def holds(facts: Facts) -> bool:
        fact = fact_of(leaf, facts)
        return (fact is not None and test(fact)) != negative

    return holds


def compile(condition: Condition) -> Predicate:
    """Return a function that says whether facts (field name → value) meet the condition."""
    if isinstance(condition, Leaf):
        return question(condition)
    tests = tuple(compile(member) for member in condition.members)
    if condition.kind == "all":
        return lambda facts: all(test(facts) for test in tests)
    wanted = condition.kind == "any"
    return lambda facts: any(test(facts) for test in tests) == wanted


# Parsing


@dataclass(frozen=True, slots=True)
class ConditionError:
    """One error in a condition.

    path: the keys and indexes that lead to the error in the JSON, for example ("all", 0, "value").
    wrong, nearest: for a name that does not exist, this name and the most similar names that do.
    """

    path: Path
    message: str
    wrong: str = ""
    nearest: tuple[str, ...] = ()


class ConditionErrors(Exception):
    """All errors of a condition, each with its place and a message."""

    def __init__(self, errors: tuple[ConditionError, ...]) -> None:
        super().__init__(" ".join(error.message for error in errors))
        self.errors = errors


def parse(data: object, schema: Schema) -> Condition:
    """Read a condition from JSON. Raises ConditionErrors if the JSON is no valid condition.

    Invalid JSON data of any kind raises no other exception.
    """
    reader = _Reader(schema)
    condition = reader.read(data, ())
    if reader.errors or condition is None:
        raise ConditionErrors(tuple(reader.errors))
    return condition


class _Reader:
    """Reads one condition and collects all errors.

    If there is an error, the methods record it and return None or an incomplete value.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.errors: list[ConditionError] = []
        self.leaves = 0

    def wrong(self, path: Path, message: str) -> Condition | None:
        """Record an error and return None."""
        self.errors.append(ConditionError(path, message))
        return None

    def read(self, data: object, path: Path) -> Condition | None:
        if isinstance(data, dict) and any(kind in data for kind in _KINDS):
            return self.group(data, path)
        self.leaves += 1
        # Stop at once: to read the rest of a huge condition would take too much time.
        if self.leaves > MAX_LEAVES:
            self.wrong(path, f"A rule can have at most {MAX_LEAVES} conditions. Split it in two.")
            raise ConditionErrors(tuple(self.errors))
        if isinstance(data, dict):
            return self.leaf(data, path)
        return self.wrong(path, "A condition needs a field, an operator and a value.")

    def group(self, data: dict[str, object], path: Path) -> Condition | None:
        kind = next(kind for kind in _KINDS if kind in data)
        members, inside = data[kind], (*path, kind)
        if len(data) > 1:
            return self.wrong(path, f"A group can only have the key “{kind}”. Remove the others.")
        if not isinstance(members, list):
            return self.wrong(inside, f"“{kind}” needs a list of conditions.")
        if len(path) // 2 >= MAX_DEPTH:
            return self.wrong(path, f"Groups can be nested at most {MAX_DEPTH} deep.")
        if not members and (path or kind != "all"):
            self.leaves += 1
            return self.wrong(inside, "This group is empty. Add a condition or remove the group.")
        read = [self.read(member, (*inside, place)) for place, member in enumerate(members)]
        return Group(kind, tuple(member for member in read if member is not None))

    def leaf(self, data: dict[str, object], path: Path) -> Condition | None:
        if data.keys() != {"field", "op", "value"}:
            return self.wrong(path, "A condition needs exactly a field, an operator and a value.")
        name, op = data["field"], data["op"]
        field = self.schema.get(name) if isinstance(name, str) else None
        if field is None:
            return self.wrong(
                (*path, "field"),
                f"There is no field {_quoted(name)}. Choose a field from the list.",
            )
        if not isinstance(op, str) or op not in OPERATORS[field.type]:
            known = _choices(
                OPERATOR_LABELS.get(operator, operator) for operator in OPERATORS[field.type]
            )
            return self.wrong((*path, "op"), f"Use {known} with {field.label.capitalize()}.")
        before, value = len(self.errors), cast(Any, data["value"])
        if field.type == "bool":
            self.boolean(value, (*path, "value"))
        elif field.type == "number":
            self.number(value, (*path, "value"))
        elif field.type == "time":
            value = self.interval(value, (*path, "value"))
        elif op in _LISTED:
            value = self.strings(value, field, (*path, "value"))
        else:
            self.string(value, field, (*path, "value"))
        return Leaf(field, op, value) if len(self.errors) == before else None

    def boolean(self, value: object, path: Path) -> None:
        if not isinstance(value, bool):
            self.wrong(path, "Choose yes or no.")

    def number(self, value: object, path: Path) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.wrong(path, "Enter a number.")
        elif not -MAX_NUMBER <= value <= MAX_NUMBER:
            self.wrong(path, f"Enter a number between {-MAX_NUMBER:,} and {MAX_NUMBER:,}.")

    def interval(self, value: object, path: Path) -> tuple[str, ...]:
        """Read a list of two times of day, such as ["09:00", "17:30"]."""
        times = value if isinstance(value, list) else []
        known = [time for time in times if isinstance(time, str) and minutes(time) is not None]
        if len(times) != 2 or len(known) != 2:
            self.wrong(path, "Enter two times, such as 09:00-17:30.")
        elif known[0] == known[1]:
            self.wrong(path, "The two times are equal. Enter two different times.")
        return tuple(known)

    def strings(self, value: object, field: Field, path: Path) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            self.wrong(path, "Enter at least one value.")
            return ()
        if len(value) > MAX_LEAVES:
            self.wrong(path, f"Enter at most {MAX_LEAVES} values.")
            return ()
        for place, item in enumerate(value):
            self.string(item, field, (*path, place))
        return tuple(value)

    def string(self, value: object, field: Field, path: Path) -> None:
        if not isinstance(value, str):
            self.wrong(path, "Enter a text.")
        elif len(value) > MAX_STRING:
            self.wrong(path, f"This has {len(value):,} characters; the limit is {MAX_STRING}.")
        elif storable(value) != value:
            self.wrong(path, "This has characters that cannot be stored. Type it again.")
        elif not fold(value).strip():
            self.wrong(path, "Enter a value.")
        elif field.choices and value not in field.choices:
            known = listed(field.choices, "or")
            self.wrong(path, f"{_quoted(value)} is not a valid {field.label}. Choose {known}.")


def _quoted(value: object) -> str:
    return f"“{storable(value)[:40]}”" if isinstance(value, str) else "like that"


def _choices(values: Iterable[str]) -> str:
    """Join values as alternatives in quotation marks, for example “any”, “all” or “none”."""
    *first, last = (f"“{value}”" for value in values)
    return f"{', '.join(first)} or {last}" if first else last


def listed(values: tuple[str, ...], link: str) -> str:
    """Join values with `link`, which is “and” or “or”."""
    return f" {link} ".join(values)
