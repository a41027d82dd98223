from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scrm.web.params import number, place


@pytest.mark.parametrize(("typed", "read"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_a_key_is_read(typed: str, read: int) -> None:
    assert number(typed) == read


@pytest.mark.parametrize("typed", ["", "-1", "1.0", " 1", "1_0", "²", "٣", "9" * 19, "9" * 5000])
def test_anything_else_is_no_key(typed: str) -> None:
    """`number` returns None for a text that is too long or is not a number.

    `number` accepts at most 18 digits, so that the value fits a PostgreSQL key. Python refuses to
    convert texts of more than 4,300 digits.
    """
    assert number(typed) is None


def test_a_place_is_a_moment_and_a_key() -> None:
    assert place("2026-03-04T12:00:00+02:00,7") == (datetime(2026, 3, 4, 10, tzinfo=UTC), 7)


def test_a_place_never_has_an_offset_that_the_database_refuses() -> None:
    found = place("2026-03-04T12:00:00+23:59,7")
    assert found
    assert found[0].tzinfo is UTC


@pytest.mark.parametrize(
    "mark",
    [
        "",
        ",",
        "2026-03-04T12:00:00,7",
        "2026-03-04T12:00:00+00:00",
        "2026-13-04T12:00:00+00:00,7",
        "2026-03-04T12:00:00+00:00,x",
        "9999-12-31T23:59:59-23:59,7",
        "0001-01-01T00:00:00+23:59,7",
    ],
)
def test_anything_else_is_no_place(mark: str) -> None:
    assert place(mark) is None
