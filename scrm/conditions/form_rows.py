"""Show conditions as rows of a form: convert posted fields to JSON, and JSON to rows.

The rows form a tree. Each row and group has a path, which is the numbers of its ancestors and its
own number: `1.0` is the first row of group 1. The path of the outermost group is "".

A row is posted as `cond-1.0-field`, `cond-1.0-op` and `cond-1.0-value`. A group is posted as
`cond-1-match` (all, any or none); the outermost group as `cond-match`. Rows without a field are
ignored. The buttons of the form change the rows and save nothing: they post `cond-add`,
`cond-add-group` or `cond-remove` with a path, or `cond-use` with a path, a wrong name and the name
that replaces it, as JSON. `templates/_condition_rows.html` renders the rows.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scrm.conditions.language import (
    MAX_DEPTH,
    OPERATOR_LABELS,
    OPERATORS,
    ConditionErrors,
    Field,
    Path,
    Schema,
)

MATCHES = ("all", "any", "none")
BUTTONS = ("cond-add", "cond-add-group", "cond-remove", "cond-use")
_FIELD = re.compile(r"cond-(\d{1,3}(?:\.\d{1,3}){0,7})-(field|match)", re.ASCII)
_TRUTH = {"yes": True, "true": True, "no": False, "false": False}
_LISTS = {"is one of", "has any", "has all", "has none", "contains any"}
_INTERVAL = re.compile(r"[-\u2013,]|\band\b|\bto\b")
_SHOWN_NAMES = 500
"""At most this many names are suggested for a field."""


@dataclass(slots=True)
class Row:
    """One row as the user typed it.

    type: the type of the field; "" if there is no such field.
    fixes: for each wrong name, the names that may replace it, as (name, value of the button).
    """

    path: str
    field: str = ""
    op: str = ""
    value: str = ""
    type: str = ""
    errors: list[str] = dataclasses.field(default_factory=list)
    fixes: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    is_group = False


@dataclass(slots=True)
class GroupRows:
    """A group of rows, of which all, any or none must be met."""

    path: str
    match: str = "all"
    members: list[Row | GroupRows] = dataclasses.field(default_factory=list)
    errors: list[str] = dataclasses.field(default_factory=list)

    is_group = True

    @property
    def may_nest(self) -> bool:
        """Return whether a group can be added inside this one."""
        return len(_numbers(self.path)) < MAX_DEPTH - 1

    @property
    def name(self) -> str:
        """Return the name of the form field that says which rows must be met."""
        return f"cond-{self.path}-match" if self.path else "cond-match"


@dataclass(slots=True)
class Rows:
    """All rows of a condition, with the data that the page needs to render them.

    errors: the errors that concern the whole condition and not a single row.
    names: name of a field → the names that exist, as suggestions.
    """

    schema: Schema
    root: GroupRows = dataclasses.field(default_factory=lambda: GroupRows(""))
    errors: list[str] = dataclasses.field(default_factory=list)
    names: Mapping[str, Iterable[str]] = dataclasses.field(default_factory=dict)

    @property
    def sections(self) -> list[tuple[str, list[Field]]]:
        """Return the fields under their headings."""
        found: dict[str, list[Field]] = {}
        for field in self.schema.values():
            found.setdefault(field.section, []).append(field)
        return list(found.items())

    @property
    def matches(self) -> list[tuple[str, str]]:
        return [(match, match.capitalize()) for match in MATCHES]

    @property
    def has_time(self) -> bool:
        return any(field.type == "time" for field in self.schema.values())

    @property
    def operators(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return (type, [(operator, label)]) for each type of the fields in the schema."""
        types = {field.type for field in self.schema.values()}
        return [
            (kind, [(op, OPERATOR_LABELS.get(op, op)) for op in OPERATORS[kind]])
            for kind in OPERATORS
            if kind in types
        ]

    @property
    def suggestions(self) -> list[tuple[str, list[str]]]:
        """Return (name of the field, values that the user can choose)."""
        found = []
        for name, field in self.schema.items():
            values = list(field.choices) or list(self.names.get(name, ()))[:_SHOWN_NAMES]
            found.append((name, ["yes", "no"] if field.type == "bool" else values))
        return [(name, values) for name, values in found if values]

    def say(self, errors: ConditionErrors) -> None:
        """Attach each error to the row or group that it concerns."""
        for error in errors.errors:
            node = _at(self.root, error.path)
            if node is self.root:
                self.errors.append(error.message)
                continue
            node.errors.append(error.message)
            if isinstance(node, Row):
                node.fixes += [
                    (name, json.dumps([node.path, error.wrong, name])) for name in error.nearest
                ]


def rows_from_post(data: Mapping[str, str], schema: Schema) -> tuple[dict[str, object], Rows]:
    """Return the posted condition in two forms: as JSON for `parse`, and as rows to show again.

    If a button of the rows was pressed, its change is made first; see `is_change`.
    """
    groups = {"": GroupRows("", _match(data, "cond-match"))}
    # Outer groups come first, so that the group of each row exists already.
    for path in sorted(_paths(data), key=lambda path: (len(_numbers(path)), _numbers(path))):
        parent = groups.get(path.rpartition(".")[0])
        if parent is None:
            continue
        if f"cond-{path}-match" in data:
            groups[path] = GroupRows(path, _match(data, f"cond-{path}-match"))
            parent.members.append(groups[path])
        else:
            field, op, value = (
                data.get(f"cond-{path}-{part}", "").strip() for part in ("field", "op", "value")
            )
            row = Row(path, field, op, value)
            if row.field or is_change(data):
                parent.members.append(row)
    _press(data, groups)
    rows = Rows(schema, groups[""])
    _number(rows.root, schema)
    return _group_json(rows.root, schema), rows


def is_change(data: Mapping[str, str]) -> bool:
    """Return whether a button of the rows was pressed, which changes them and saves nothing."""
    return any(button in data for button in BUTTONS)


def rows_from_json(data: object, schema: Schema) -> Rows:
    """Return a stored condition as rows. A single leaf becomes a group with one member."""
    data = data if isinstance(data, dict) else {}
    if not any(kind in data for kind in MATCHES):
        data = {"all": [data] if data else []}
    rows = Rows(schema, _group(data))
    _number(rows.root, schema)
    return rows


def _paths(data: Mapping[str, str]) -> set[str]:
    return {found[1] for name in data if (found := _FIELD.fullmatch(name))}


def _numbers(path: str) -> list[int]:
    return [int(number) for number in path.split(".")] if path else []


def _match(data: Mapping[str, str], name: str) -> str:
    match = data.get(name, "all")
    return match if match in MATCHES else "all"


def _press(data: Mapping[str, str], groups: Mapping[str, GroupRows]) -> None:
    """Make the change of the button that was pressed, if any."""
    if group := groups.get(data.get("cond-add", "-")):
        group.members.append(Row("new"))
    nesting = groups.get(data.get("cond-add-group", "-"))
    if nesting and nesting.may_nest:
        nesting.members.append(GroupRows("new", "any", [Row("new")]))
    removed = data.get("cond-remove", "")
    for group in groups.values():
        group.members = [member for member in group.members if member.path != removed]
    _use(data.get("cond-use", ""), groups)


def _use(pressed: str, groups: Mapping[str, GroupRows]) -> None:
    """Replace a wrong name in a row. Anything else than the value of such a button is ignored."""
    try:
        path, wrong, name = map(str, json.loads(pressed))
    except (ValueError, TypeError, RecursionError):
        return
    for group in groups.values():
        for row in group.members:
            if isinstance(row, Row) and row.path == path:
                values = [part.strip() for part in row.value.split(",")]
                row.value = ", ".join(name if value == wrong else value for value in values)


def _number(group: GroupRows, schema: Schema) -> None:
    """Give all rows and groups inside the group new paths, without gaps, and the rows a type."""
    for place, member in enumerate(group.members):
        member.path = f"{group.path}.{place}" if group.path else str(place)
        if isinstance(member, GroupRows):
            _number(member, schema)
        elif member.field in schema:
            member.type = schema[member.field].type


def _at(root: GroupRows, path: Path) -> Row | GroupRows:
    """Return the row or group that a path in the JSON leads to.

    Rows without a field are not in the JSON, so they are not counted.
    """
    node: Row | GroupRows = root
    for place in path:
        if isinstance(place, int) and isinstance(node, GroupRows):
            filled = [row for row in node.members if isinstance(row, GroupRows) or row.field]
            if place >= len(filled):
                break
            node = filled[place]
    return node


def _group_json(group: GroupRows, schema: Schema) -> dict[str, object]:
    members = [
        _group_json(member, schema) if isinstance(member, GroupRows) else _leaf_json(member, schema)
        for member in group.members
        if isinstance(member, GroupRows) or member.field
    ]
    return {group.match: members}


def _leaf_json(row: Row, schema: Schema) -> dict[str, object]:
    return {"field": row.field, "op": _operator(row, schema), "value": _value(row, schema)}


def _operator(row: Row, schema: Schema) -> str:
    """Return the operator of a row.

    If the user chose a field and left the operator blank, it is the default of the field's type.
    """
    known = schema.get(row.field)
    return OPERATORS[known.type][0] if known and not row.op else row.op


def _value(row: Row, schema: Schema) -> object:
    """Convert the typed text to the type of the row's field.

    Text that cannot be converted is returned unchanged, so that `parse` refuses the text.
    """
    known = schema.get(row.field)
    if known and known.type == "bool":
        return _TRUTH.get(row.value.lower(), row.value)
    if known and known.type == "number":
        return _amount(row.value)
    if known and known.type == "time":
        return [time.strip().rjust(5, "0") for time in _INTERVAL.split(row.value)]
    if _operator(row, schema) in _LISTS:
        return [part.strip() for part in row.value.split(",") if part.strip()]
    return row.value


def _amount(typed: str) -> int | float | str:
    plain = typed.replace(",", "").replace(" ", "")
    for read in (int, float):
        try:
            return read(plain)
        except ValueError:
            continue
    return typed


def _group(data: Mapping[str, object]) -> GroupRows:
    match = next(kind for kind in MATCHES if kind in data)
    members = data[match] if isinstance(data[match], list) else []
    return GroupRows("", match, [_member(member) for member in members])  # type: ignore[attr-defined]


def _member(member: object) -> Row | GroupRows:
    if isinstance(member, dict) and any(kind in member for kind in MATCHES):
        return _group(member)
    leaf = member if isinstance(member, dict) else {}
    field, op = str(leaf.get("field", "")), str(leaf.get("op", ""))
    return Row("", field, op, _typed(leaf.get("value", ""), op))


def _typed(value: object, op: str) -> str:
    """Return a stored value in the form in which a user types it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ("-" if "between" in op else ", ").join(map(str, value))
    return str(value)
