"""Dataclasses as JSON and bytes, with their types checked on the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from scrm.channels.plain_data import from_plain, to_plain


@dataclass(frozen=True, slots=True)
class Inner:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Outer:
    text: str
    number: int
    flag: bool
    when: datetime | None
    one: Inner | None
    many: tuple[Inner, ...]
    fields: Mapping[str, tuple[str, ...]]


FULL = Outer(
    "a\u00fc\U0001f6e9", 3, True, datetime(2026, 12, 1, tzinfo=UTC), Inner("x", b"\x00\xff"),
    (Inner("y", b""), Inner("z", b"1")), {"to": ("a", "b")},
)  # fmt: skip
EMPTY = Outer("", 0, False, None, None, (), {})


@pytest.mark.parametrize("value", [FULL, EMPTY])
def test_a_value_comes_back(value: Outer) -> None:
    blobs: list[bytes] = []
    plain = json.loads(json.dumps(to_plain(value, blobs)))
    assert from_plain(Outer, plain, blobs) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", 1), ("text", None), ("text", ["a"]), ("number", True), ("number", "1"),
        ("flag", 1), ("when", 5), ("when", "soon"), ("one", "x"), ("one", {"name": "x"}),
        ("one", {"name": "x", "content": "bytes"}), ("one", {"name": "x", "content": 99}),
        ("many", {}), ("many", [None]), ("fields", []), ("fields", {"to": "a"}),
        ("fields", {"to": [1]}),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(name: str, value: Any) -> None:
    blobs: list[bytes] = []
    plain = to_plain(FULL, blobs) | {name: value}
    with pytest.raises((TypeError, ValueError, LookupError)):
        from_plain(Outer, plain, blobs)


def test_more_fields_than_expected_are_left_out() -> None:
    assert from_plain(Inner, {"name": "a", "content": 0, "more": 1}, [b"x"]) == Inner("a", b"x")
