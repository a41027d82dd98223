"""Dates and times as people and programs write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scrm.text.dates import Ambiguous, guess_order, parse

AT = datetime(2026, 3, 4, 14, 30)


@pytest.mark.parametrize(
    ("cell", "is_"),
    [
        ("2026-03-04 14:30", AT),
        ("2026-03-04 14:30:00.0", AT),
        ("2026-03-04T14:30:00Z", AT.replace(tzinfo=UTC)),
        ("2026-03-04 14:30 UTC", AT.replace(tzinfo=UTC)),
        ("4.3.2026 14:30", AT),
        ("Mar 4, 2026 2:30 PM", AT),
        ("March 4, 2026, 14:30", AT),
        ("04-Mar-2026 14:30", AT),
        ("4 March 2026 14:30", AT),
        ("Wed, 4 Mar 2026 14:30:00 GMT", AT.replace(tzinfo=UTC)),
        ("2026-03-04T16:30:00+02:00", AT.replace(tzinfo=UTC)),
    ],
)
def test_many_formats_are_read(cell: str, is_: datetime) -> None:
    found = parse(cell)
    assert (found.tzinfo is None) == (is_.tzinfo is None)
    assert found.astimezone(UTC) == is_ if found.tzinfo else found == is_


@pytest.mark.parametrize("cell", ["", "soon", "4 Mai 2026", "31.02.2026", "1" * 100_000, "9/9"])
def test_other_text_is_no_date(cell: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse(cell)


def test_an_ambiguous_date_needs_the_order() -> None:
    with pytest.raises(Ambiguous):
        parse("03/04/2026")
    assert parse("03/04/2026", "day") == datetime(2026, 4, 3)
    assert parse("03/04/2026 2:30 pm", "month") == AT


def test_dates_that_contradict_each_other_leave_the_order_open() -> None:
    assert guess_order(["31/12/2025", "12/31/2025", "30/11/2025"]) == ""


def test_the_order_of_dates_is_guessed_where_one_shows_it() -> None:
    assert guess_order(["03/04/2026", "31/12/2025"]) == "day"
    assert guess_order(["03/04/2026", "12/31/2025"]) == "month"
    assert guess_order(["03/04/2026", "2026-03-04"]) == ""
