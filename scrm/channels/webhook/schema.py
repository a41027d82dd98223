"""Check a JSON value against the published schema, and say in words what is wrong and where.

Only the keywords of JSON Schema that `schema.json` uses are implemented, except `anyOf`, which
`read.py` checks. The `title` of each part of the schema says what is expected there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from scrm.text.clean import safe_url, storable

SCHEMA_TEXT = (Path(__file__).parent / "schema.json").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads(SCHEMA_TEXT)
_SHOWN = 40
"""Characters of a wrong value or of an unknown name that an error message repeats."""
_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str, "null": type(None)}
_WORDS = {dict: "an object", list: "a list", bool: "true or false", type(None): "nothing"}


def schema_errors(value: Any, schema: Any = SCHEMA, path: str = "body") -> Iterator[str]:
    """Yield one sentence for each place at which a JSON value does not fit the schema.

    A sentence names the path and what is expected there, for example "items[0].id: expected a
    text". The value is never searched deeper than the schema describes it.
    """
    if not any(_is(value, name) for name in _type_names(schema)):
        yield _expected(path, schema, value)
    elif isinstance(value, dict):
        yield from _object_errors(value, schema, "" if path == "body" else f"{path}.")
    elif isinstance(value, list):
        yield from _list_errors(value, schema, path)
    elif value is not None and not _fits(value, schema):
        yield _expected(path, schema, value)


def _object_errors(value: dict[str, Any], schema: Any, prefix: str) -> Iterator[str]:
    known, other = schema.get("properties", {}), schema["additionalProperties"]
    if len(value) > schema.get("maxProperties", len(value)):
        yield _expected(prefix.rstrip("."), schema, value)
        return
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{prefix}{name}: missing; expected {known[name]['title']}"
    for name, part in value.items():
        if name in known:
            yield from schema_errors(part, known[name], f"{prefix}{name}")
        elif other:
            yield from schema_errors(part, other, f"{prefix}{_short(name)}")
        else:
            yield f"{prefix}{_short(name)}: unknown field; the fields are {', '.join(known)}"


def _list_errors(value: list[Any], schema: Any, path: str) -> Iterator[str]:
    if not schema["minItems"] <= len(value) <= schema["maxItems"]:
        yield f"{path}: expected {schema['title']}, got {len(value)}"
        return
    for number, part in enumerate(value):
        yield from schema_errors(part, schema["items"], f"{path}[{number}]")


def _fits(value: Any, schema: Any) -> bool:
    """Return whether a text, number or boolean of the right type keeps the other rules."""
    if value not in schema.get("enum", (value,)):
        return False
    if isinstance(value, str):
        # Look at the length first: the rest of a text that is too long is not worth the time.
        most = schema.get("maxLength", len(value))
        return schema.get("minLength", 0) <= len(value) <= most and _has_format(value, schema)
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _has_format(value: str, schema: Any) -> bool:
    if schema.get("format") == "uri":
        return safe_url(value) != ""
    if schema.get("format") == "date-time":
        try:
            return datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            return False
    return True


def _type_names(schema: Any) -> list[str]:
    names = schema["type"]
    return names if isinstance(names, list) else [names]


def _is(value: Any, name: str) -> bool:
    """Return whether a JSON value has the type with this name in JSON Schema."""
    if isinstance(value, bool):  # in Python, True is a number too
        return name == "boolean"
    if isinstance(value, int | float):
        if isinstance(value, int):
            return name in ("integer", "number")
        return (name == "integer" and value.is_integer()) or (name == "number" and isfinite(value))
    return name in _TYPES and isinstance(value, _TYPES[name])


def _expected(path: str, schema: Any, value: Any) -> str:
    return f"{path}: expected {schema['title']}, got {_got(value)}"


def _got(value: Any) -> str:
    if isinstance(value, str):
        return f"“{_short(value)}”" if len(value) <= _SHOWN else f"{len(value)} characters"
    return _WORDS.get(type(value), "another number")


def _short(text: str) -> str:
    clean = storable(text)
    return clean if len(clean) <= _SHOWN else f"{clean[:_SHOWN]}…"
