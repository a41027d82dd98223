"""The cells of an imported table: dates, numbers and addresses, written in any script.

Each invalid cell gets a clear error message.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from routing.offline.cells import Unclear, mail, moment, phone, reach, voice

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cell", "is_"),
    [
        ("2026-03-04", datetime(2026, 3, 4, tzinfo=UTC)),
        ("2026-03-04 14:30", datetime(2026, 3, 4, 14, 30, tzinfo=UTC)),
        ("2026-03-04T14:30:15Z", datetime(2026, 3, 4, 14, 30, 15, tzinfo=UTC)),
        ("2026-03-04T14:30:00+02:00", datetime(2026, 3, 4, 12, 30, tzinfo=UTC)),
        ("2026/3/4", datetime(2026, 3, 4, tzinfo=UTC)),
        ("4.3.2026 9:05", datetime(2026, 3, 4, 9, 5, tzinfo=UTC)),
        ("04.03.26", datetime(2026, 3, 4, tzinfo=UTC)),
        ("31/12/2025", datetime(2025, 12, 31, tzinfo=UTC)),
        ("12/31/2025 11:59 PM", datetime(2025, 12, 31, 23, 59, tzinfo=UTC)),
        ("3/3/2026 12:10 am", datetime(2026, 3, 3, 0, 10, tzinfo=UTC)),
        ("٢٠٢٦-٠٣-٠٤", datetime(2026, 3, 4, tzinfo=UTC)),
        ("२०२६-०३-०४", datetime(2026, 3, 4, tzinfo=UTC)),
        ("\uff12\uff10\uff12\uff16-03-04", datetime(2026, 3, 4, tzinfo=UTC)),
        ("2026–03–04", datetime(2026, 3, 4, tzinfo=UTC)),
    ],
)
def test_a_day_is_read_as_people_write_it(cell: str, is_: datetime) -> None:
    assert moment(cell, now=NOW) == is_


def test_nothing_is_no_day() -> None:
    assert moment("", now=NOW) is None


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("03/04/2026", "Day and month are ambiguous."),
        ("31.02.2026", "is not a date"),
        ("yesterday", "is not a date"),
        ("45012", "is not a date"),
        ("2026-03-04 25:00", "is not a date"),
        ("13/13/2026", "is not a date"),
        ("0000-00-00", "is not a date"),
        ("9999-12-31", "in the future"),
        ("2026-12-24", "in the future"),
        ("0001-01-01", "before 1900"),
        ("0001-01-01T00:00+14:00", "is not a date"),
        ("2" * 5000, "is not a date"),
    ],
)
def test_what_is_no_day_is_said(cell: str, says: str) -> None:
    with pytest.raises(Unclear, match=says.replace("?", r"\?")):
        moment(cell, now=NOW)


def test_the_order_settles_what_could_be_either() -> None:
    assert moment("03/04/2026", now=NOW, order="day") == datetime(2026, 4, 3, tzinfo=UTC)
    assert moment("03/04/2026", now=NOW, order="month") == datetime(2026, 3, 4, tzinfo=UTC)


def test_a_number_of_the_workspace_s_country_needs_no_country_code() -> None:
    assert phone("020 7946 0958", "GB") == "+442079460958"
    assert reach("٠٢٠ ٧٩٤٦ ٠٩٥٨", "GB") == ("+442079460958", "")
    with pytest.raises(Unclear, match="has no country code"):
        phone("020 7946 0958")
    assert phone("") == ""


def test_an_address_is_in_lower_case() -> None:
    assert mail(" Ron@Calder.EXAMPLE ") == "ron@calder.example"
    assert reach("Ron@Calder.example") == ("", "ron@calder.example")
    assert reach("+1 212 555 0100") == ("+12125550100", "")
    assert mail("Eva@Straße.test") == "eva@xn--strae-oqa.test"
    assert mail("Jörg@Straße.test") == "jörg@xn--strae-oqa.test"


@pytest.mark.parametrize(
    "cell",
    ["@ron", "ron@", "ron@calder example", "a" * 400 + "@b.example", "a@☃.test", "ö@", "ö@a b"],
)
def test_what_is_no_address_is_said(cell: str) -> None:
    with pytest.raises(Unclear, match="is not an email address"):
        reach(cell)


def test_all_that_is_wrong_is_said_at_once() -> None:
    cells = {"text": " ", "name": "x" * 301, "phone": "no", "mail": "no", "when": "no"}
    _found, wrong = voice(cells, now=NOW)
    assert set(wrong) == {"text", "name", "phone", "mail", "when"}


# Fails without `without_bidi`.
def test_directions_are_removed_from_names() -> None:
    assert voice({"text": "x", "name": "\u202eRon\u2069"}, now=NOW)[0].name == "Ron"


def test_what_breaks_a_database_is_taken_out() -> None:
    found, wrong = voice({"text": "a\x00b\ud800", "name": " Ron \n Calder "}, now=NOW)
    assert (found.text, found.name, wrong) == ("ab", "Ron Calder", {})
