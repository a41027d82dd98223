"""The dates of feeds, in every form that feedparser and gofeed read."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scrm.channels.feed.dates import moment, parse
from scrm.channels.feed.parse import parse_feed

FEEDS = Path(__file__).parent / "payloads/feeds"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
NINE = datetime(2020, 1, 7, 9, tzinfo=UTC)

AT_15_04_05 = [
    "Mon, 02 Jan 2006 15:04:05 Z", "Mon, 02 Jan 2006 15:04:05 UT", "Mon, 2 Jan 2006 15:04:05",
    "Mon, 02 Jan 2006 15:04:05 00", "Jan 2, 2006 3:04:05 PM", "Jan 02 2006 03:04:05PM",
    "2.1.2006 15:04:05", "02.01.2006 15:04:05", "2006-1-2T15:04:05Z", "2006-1-2 15:04:05",
    "2006-01-02T15:04:05:00", "2006-01-02 at 15:04:05", "2006-01-02 15:04:05Z",
    "2006-01-02 00:00:00.0 15:04:05.0 +0000", "1/2/2006 3:04:05 PM", "02/01/2006 15:04:05",
    "Mon Jan  2 15:04:05 2006", "Monday, 02-Jan-06 15:04:05 GMT", "20060102T150405Z",
    "2006-01-02T15:04:05.123456Z", "2006-01-02T15:04:05,5Z", "Mon, 2006/01/02 15:04:05 GMT",
    "2006년 01월 03일 00:04:05", "2006-01-03 오전 00:04:05", "2006年1月2日 15時04分05秒",
    "２００６－０１－０２ １５：０４：０５", "Mon Jan 2 15:04:05 UTC 2006",
]  # fmt: skip
AT_22_04_05 = [
    "Mon, January 2 2006 15:04:05 -0700", "Mon, Jan 2 2006 15:04:05 -700",
    "Mon Jan 02 2006 15:04:05 GMT-0700 (MST)", "Monday, 2 January 2006 15:04:05 -0700",
    "Mon, 2 Jan 2006 3:04:05 PM -0700", "Mon, 2 Jan 2006 15:4:5 -0700 GMT",
    "Mon, 2 Jan 2006 15:04:05 -0700 MST", "Mon, 2 Jan 2006 15:04:05-0700",
    "Mon, 2 Jan 2006 15:04:05-07:00", "Mon, 2 Jan 06 15:04:05 -0700",
    "Mon, 02 Jan 2006 15:04:05 MST-07:00", "Mon, 02 Jan 2006 15:04:05 --0700",
    "Mon, 02 Jan 2006 15:04:05 -07", "2006-01-02T15:04:05-07:00:00", "2006-01-02T15:04:05:-0700",
    "2006-01-02 15:04:05 -0700", "Mon Jan 2 15:04:05 2006 MST", "Mon, Jan 02,2006 15:04:05 MST",
    "Mon, 2 Jan 2006 15:04:05MST", "Mon , 02 Jan 2006 15:04:05 MST",
    "Monday, 02-Jan-06 15:04:05 MST", "Mon Jan 02 15:04:05 -0700 2006",
    "2006-01-02 15:04:05 America/Denver", "Mon, 02 Jan 2006 15:04:05 MT",
    "2006-01-02T15:04:05-07:00[America/Denver]",
]  # fmt: skip
AT_15_04 = [
    "Mon Jan 2 15:04 2006", "Mon Jan 02, 2006 3:04 pm", "Monday, January 2, 2006 03:04 PM",
    "Mon, 2, Jan 2006 15:4", "January 2, 2006, 3:04 p.m.", "06/1/2 15:04", "06-1-2 15:04",
    "2006-01-02T15:04Z", "02 Monday, Jan 2006 15:04", "02/01/2006 - 15:04", "01/02/2006 3:04 PM",
    "15:04 02.01.2006", "02 Jan 06 15:04 UTC", "le 2 janvier 2006 à 15h04",
    "2006年1月2日下午3:04", "2. Januar 2006, 15:04 Uhr", "Mon, 02 Jan 2006 17 +0156",
]  # fmt: skip
MIDNIGHT = [
    "2006-01-02", "20060102", "06-01-02", "060102", "2006-002", "2006002", "06-002", "06002",
    "2006/01/02", "2.1.2006", "2/1/2006", "2-1-2006", "2006 January 02", "January 2, 2006",
    "Mon, 2 January 2006", "Mon,2 Jan 2006", "2 Jan 2006", "2006-W01-1", "٢/١/٢٠٠٦",
    "2006-01-01T24:00:00Z",
]  # fmt: skip


@pytest.mark.parametrize(
    ("forms", "at"),
    [
        (AT_15_04_05, (15, 4, 5)),
        (AT_22_04_05, (22, 4, 5)),
        (AT_15_04, (15, 4)),
        (MIDNIGHT, (0, 0)),
    ],
)
def test_a_form(forms: list[str], at: tuple[int, ...]) -> None:
    expected = datetime(2006, 1, 2, *at, tzinfo=UTC)  # type: ignore[misc, arg-type]
    assert {form: parse(form) for form in forms if parse(form) != expected} == {}


@pytest.mark.parametrize(
    ("written", "year_and_month"),
    [("2003-12", (2003, 12)), ("2003", (2003, 1)), ("-03-12", (2003, 12)), ("-0312", (2003, 12))],
)
def test_a_part_of_a_date(written: str, year_and_month: tuple[int, int]) -> None:
    assert parse(written) == datetime(*year_and_month, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "Tue,07 Jan 2020 10:00:00 +0100", "Tue, 07 Jan 2020 10:00:00 CET",
        "Tue, 07 Jan 2020 10:00:00 BST", "Tue, 07 Jan 2020 10:00:00 UTC+1",
        "2020-01-07T100000+01:00", "Tue, 07 Jan 2020 10:00:00 GMT+01:00",
        "Tue, 07 Jan 2020 10:00:00 MEZ", "Tue, 07 Jan 2020 11:00:00 CEST",
        "Tue, 07 Jan 2020 11:00:00 EET", "Tue, 07 Jan 2020 12:00:00 MSK",
        "Tue, 07 Jan 2020 14:30:00 IST", "Tue, 07 Jan 2020 18:00:00 JST",
        "Tue, 07 Jan 2020 20:00:00 AEDT", "Tue, 07 Jan 2020 04:00:00 EST",
        "Tue, 07 Jan 2020 01:00:00 PST", "Tue, 07 Jan 2020 04:00:00 ET",
        "Tue, 07 Jan 2020 09:00:00 Etc/GMT", "Tue, 07 Jan 2020 09:00:00 XYZ",
    ],
)  # fmt: skip
def test_a_zone(written: str) -> None:
    assert parse(written) == NINE


@pytest.mark.parametrize(
    "written",
    [
        "mar., 7 janv. 2020 10:00:00 +0100", "Di, 07 Jän 2020 10:00:00 +0100",
        "mar, 07 ene 2020 10:00:00 +0100", "mar, 7 gennaio 2020 10:00:00 +0100",
        "ter, 07 jan 2020 10:00:00 +0100", "di, 07 jan 2020 10:00:00 +0100",
        "tir, 07 januar 2020 10:00:00 +0100", "ti, 7 tammikuuta 2020 10:00:00 +0100",
        "wt., 07 stycznia 2020 10:00:00 +0100", "út, 07 ledna 2020 10:00:00 +0100",
        "2020-január-07T10:00+01:00", "mar., 07 ian. 2020 10:00:00 +0100",
        "Sal, 07 Oca 2020 10:00:00 +0100", "Вт, 07 янв 2020 10:00:00 +0100",
        "вт, 07 січня 2020 10:00:00 +0100", "Τρι, 07 Ιαν 2020 10:00:00 +0100",
    ],
)  # fmt: skip
def test_a_month_in_another_language(written: str) -> None:
    assert parse(written) == NINE


def test_months_whose_names_are_alike() -> None:
    months = {
        "7 мая 2020": 5, "7 máj 2020": 5, "7 Μάι 2020": 5, "7 maart 2020": 3, "7 marras 2020": 11,
        "7 juin 2020": 6, "7 juillet 2020": 7, "7 června 2020": 6, "7 července 2020": 7,
        "7 lipca 2020": 7, "7 listopada 2020": 11, "7 août 2020": 8, "7 Mai 2020": 5,
    }  # fmt: skip
    found = {written: at.month for written in months if (at := parse(written))}
    differing = {
        written: found.get(written) for written in months if found.get(written) != months[written]
    }
    assert differing == {}


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("7 Aralık 2026 Pazartesi 10:00", (2026, 12, 7, 10)),
        ("2025. december 10., szerda", (2025, 12, 10)),
        ("2026.11.02. szerda", (2026, 11, 2)),
        ("2.11.2026 Pazartesi", (2026, 11, 2)),
        ("Tue Jun 30 2026 10:00:00 GMT+0300 (Arabian Standard Time)", (2026, 6, 30, 7)),
        ("mar. 10 févr. 2026 10:00", (2026, 2, 10, 10)),
        ("3 září 2026", (2026, 9, 3)),
    ],
)
def test_a_weekday_or_a_zone_is_no_month(written: str, at: tuple[int, ...]) -> None:
    assert parse(written) == datetime(*at, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("10:30 - 12 Dec 2016", (2016, 12, 12, 10, 30)),
        ("1 Nov 2026 10:00 - 12:00", (2026, 11, 1, 10)),
        ("1 Nov 2026 10:00 - 2 Nov", (2026, 11, 1, 10)),
        ("1 Nov 2026 10:00 + 0200", (2026, 11, 1, 8)),
        ("1 Nov 2026 10:00 - 0200", (2026, 11, 1, 12)),
        ("1 Nov 2026 10:00 +02", (2026, 11, 1, 8)),
        ("10 AM 1 Nov 2026", (2026, 11, 1, 10)),
        ("Nov 1, 2026 3 p.m. EST", (2026, 11, 1, 20)),
        ("1 Nov 2026 10:00 Etc/GMT-3", (2026, 11, 1, 7)),
    ],
)
def test_what_belongs_to_the_time(written: str, at: tuple[int, ...]) -> None:
    assert parse(written) == datetime(*at, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("01.12.26", (2026, 12, 1)),
        ("1.12.26", (2026, 12, 1)),
        ("Freitag, 06.11.26 - 10:00 Uhr", (2026, 11, 6, 10)),
        ("11/12/25 3:00 PM", None),
        ("01/12/26", None),
        ("06/1/2", (2006, 1, 2)),
        ("06.11.26 szerda", (2026, 11, 6)),
        ("6 Nov 2026 10.30.00", (2026, 11, 6)),
        ("06-01-02", (2006, 1, 2)),
    ],
)
def test_a_year_of_two_digits(written: str, at: tuple[int, ...] | None) -> None:
    expected = datetime(*at, tzinfo=UTC) if at else None  # type: ignore[misc, arg-type]
    assert parse(written) == expected


@pytest.mark.parametrize(
    "written",
    ["", "hello", "10:00", "31 Feb 2020", "2020-13-45", "Mon, 2 Jan 15:04:05 MST",
     "25:61 2020-01-07", "9" * 99, "2020-01-07" * 20, "0000-00-00 00:00:00", "\u0669" * 50],
)  # fmt: skip
def test_no_date(written: str) -> None:
    assert parse(written) is None


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (["2038-01-05T09:00:00Z"], None),
        (["2026-12-01T12:00:01Z"], None),
        (["2026-12-01T12:00:00Z"], NOW),
        (["2038-01-05", "2020-01-07T09:00:00Z"], NINE),
        (["soon", "2020-01-07T09:00:00Z"], NINE),
        (["1970-01-01T00:00:00Z"], None),
        (["1969-12-31T19:00:00-05:00"], None),
        (["1899-12-30"], None),
        (["-0001-11-30T00:00:00"], None),
        (["9999-12-31T23:59:59-12:00"], None),
        (["0001-01-01T00:00:00+14:00"], None),
        ([], None),
    ],
)
def test_a_date_that_cannot_be_true_is_none(written: list[str], found: datetime | None) -> None:
    assert moment(written, NOW) == found


def test_leap_seconds_are_the_second_before() -> None:
    assert parse("2016-12-31T23:59:60Z") == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_the_samples() -> None:
    entries = parse_feed((FEEDS / "dates.xml").read_bytes())["entries"]
    found = [datetime.fromisoformat(entry["occurred_at"]) for entry in entries]
    assert found[:5] == [NINE] * 5
    assert found[5].date() == NINE.date()


def test_the_sample_of_many_zones() -> None:
    entries = parse_feed((FEEDS / "dates-of-many-zones.xml").read_bytes())["entries"]
    found = {entry["title"]: entry["occurred_at"] for entry in entries}
    two_past_one = "2026-11-29T13:02:42+00:00"
    for title in ("PST name", "CET name", "french month", "offset with colon", "Z suffix 24h"):
        assert found[title] == two_past_one
    assert found["MESZ german"] == "2026-11-29T14:02:00+00:00"
    assert {found[title] for title in ("far future", "epoch 1970", "none")} == {None}


def test_hostile_dates_take_little_time() -> None:
    began = time.process_time()
    for text in ("1:" * 50, "a" * 99, "1-" * 50, "+-" * 50, " 1" * 50, "年" * 99, "1h" * 50):
        for _ in range(200):
            parse(text)
    assert time.process_time() - began < 2
