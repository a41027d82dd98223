"""The form fields of conditions, as a browser posts them if the user changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from scrm.conditions.form_rows import GroupRows, Row, rows_from_json
from scrm.conditions.language import Schema


def nodes(group: GroupRows) -> Iterator[Row | GroupRows]:
    for member in group.members:
        yield member
        if isinstance(member, GroupRows):
            yield from nodes(member)


def posted(data: object, schema: Schema) -> dict[str, str]:
    root = rows_from_json(data, schema).root
    fields = {root.name: root.match}
    for node in nodes(root):
        if isinstance(node, GroupRows):
            fields[node.name] = node.match
        else:
            fields[f"cond-{node.path}-field"] = node.field
            fields[f"cond-{node.path}-op"] = node.op
            fields[f"cond-{node.path}-value"] = node.value
    return fields
