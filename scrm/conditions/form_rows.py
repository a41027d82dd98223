"""Show conditions as rows of a form: convert posted fields to JSON, and JSON to rows.

A form posts `cond-match` (all, any or none) and, for the first row, `cond-0-field`, `cond-0-op` and
`cond-0-value`. Further rows have higher numbers. A row without a field is ignored. A nested group
is posted as JSON in `cond-0-group`. If `cond-0-drop` is posted too, the group is removed.
`templates/_condition_rows.html` renders the rows.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scrm.conditions.explain import sentence
from scrm.conditions.language import (
    OPERATOR_LABELS,
    OPERATORS,
    ConditionErrors,
    Schema,
    parse,
)

MATCHES = ("all", "any", "none")
SPARE = 2
"""The number of blank rows below the filled ones."""
_FIELD = re.compile(r"cond-(\d{1,3})-(?:field|group)")
_TRUTH = {"yes": True, "true": True, "no": False, "false": False}
_LISTS = {"is one of", "has any", "has all", "has none", "contains any"}


@dataclass(slots=True)
class Row:
    """One row as the user typed it.

    group: a nested group as JSON; "" if the row is a single condition.
    said: the nested group in plain English.
    """

    field: str = ""
    op: str = ""
    value: str = ""
    group: str = ""
    said: str = ""
    errors: list[str] = dataclasses.field(default_factory=list)


@dataclass(slots=True)
class Rows:
    """All rows of a condition, with the data that the page needs to render them.

    match: whether all, any or none of the rows must be met.
    errors: the errors that concern the whole condition and not a single row.
    """

    schema: Schema
    match: str = "all"
    rows: list[Row] = dataclasses.field(default_factory=list)
    errors: list[str] = dataclasses.field(default_factory=list)

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the filled rows, then over the blank rows."""
        yield from self.rows
        for _ in range(SPARE):
            yield Row()

    @property
    def fields(self) -> list[tuple[str, str]]:
        return [(name, field.label) for name, field in self.schema.items()]

    @property
    def operators(self) -> list[tuple[str, str]]:
        """Return the operators of the fields in the schema, each with its label on screen."""
        types = {field.type for field in self.schema.values()}
        named = [op for type in OPERATORS if type in types for op in OPERATORS[type]]
        return [(op, OPERATOR_LABELS.get(op, op)) for op in dict.fromkeys(named)]

    @property
    def values(self) -> list[str]:
        """Return the allowed values of all fields, as suggestions for the user."""
        closed = [value for field in self.schema.values() for value in field.choices]
        return list(dict.fromkeys([*closed, "yes", "no"]))

    def say(self, errors: ConditionErrors) -> None:
        """Attach each error to the row that the error concerns."""
        for error in errors.errors:
            place = error.path[1] if len(error.path) > 1 else None
            if isinstance(place, int) and place < len(self.rows):
                self.rows[place].errors.append(error.message)
            else:
                self.errors.append(error.message)


def rows_from_post(data: Mapping[str, str], schema: Schema) -> tuple[dict[str, object], Rows]:
    """Return the posted condition in two forms: as JSON for `parse`, and as rows to show again."""
    places = sorted({int(found[1]) for name in data if (found := _FIELD.fullmatch(name))})
    posted = [_posted(data, place, schema) for place in places]
    rows = [row for row in posted if row.field or row.group]
    match = data.get("cond-match", "all")
    match = match if match in MATCHES else "all"
    return {match: [_json(row, schema) for row in rows]}, Rows(schema, match, rows)


def rows_from_json(data: object, schema: Schema) -> Rows:
    """Return a stored condition as rows. A single leaf becomes a group with one member."""
    data = data if isinstance(data, dict) else {}
    match = next((kind for kind in MATCHES if kind in data), "")
    members = data[match] if match else [data] if data else []
    return Rows(schema, match or "all", [_row(member, schema) for member in members])


def _posted(data: Mapping[str, str], place: int, schema: Schema) -> Row:
    def typed(part: str) -> str:
        return data.get(f"cond-{place}-{part}", "").strip()

    group = "" if typed("drop") else typed("group")
    return Row(typed("field"), typed("op"), typed("value"), group, _group_sentence(group, schema))


def _group_sentence(group: str, schema: Schema) -> str:
    try:
        return sentence(parse(json.loads(group), schema)) if group else ""
    except (ValueError, RecursionError, ConditionErrors):
        return group


def _json(row: Row, schema: Schema) -> object:
    if row.group:
        try:
            return json.loads(row.group)
        except (ValueError, RecursionError):
            return row.group
    return {"field": row.field, "op": row.op, "value": _value(row, schema)}


def _value(row: Row, schema: Schema) -> object:
    """Convert the typed text to the type of the row's field.

    Text that cannot be converted is returned unchanged, so that `parse` refuses the text.
    """
    known = schema.get(row.field)
    if known and known.type == "bool":
        return _TRUTH.get(row.value.lower(), row.value)
    if known and known.type == "number":
        return _number(row.value)
    if row.op in _LISTS:
        return [part.strip() for part in row.value.split(",") if part.strip()]
    return row.value


def _number(typed: str) -> int | float | str:
    plain = typed.replace(",", "").replace(" ", "")
    for read in (int, float):
        try:
            return read(plain)
        except ValueError:
            continue
    return typed


def _row(member: object, schema: Schema) -> Row:
    if isinstance(member, dict) and "field" in member:
        return Row(str(member["field"]), str(member["op"]), _typed(member["value"]))
    group = json.dumps(member, ensure_ascii=False)
    return Row(group=group, said=_group_sentence(group, schema))


def _typed(value: object) -> str:
    """Return a stored value in the form in which a user types it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
