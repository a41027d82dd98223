"""Exports of listening tools: recognised by their headings, and read row by row as items."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scrm.channels.base import Item
from scrm.channels.csv_import import columns
from scrm.channels.csv_import.read import Plan, Reading, read, read_rows
from scrm.text.csv_file import Unreadable, written

NOW = datetime(2026, 11, 30, tzinfo=UTC)
RADIAN6 = (
    "Article Id,Media Type,Author,Publish Date,Sentiment,URL,Topic Profile,Source Tags,Post Tags,"
    "Headline,Content\n"
    "1,TWITTER,ronc,11/24/2026 2:30 PM,Negative,https://twitter.com/ronc/status/1,Skyward Air,,vip,"
    ",Skyward Air lost my bag\n"
    "2,BLOGS,Marta,11/05/2026 9:00 AM,Neutral,http://www.blog.example/a,Skyward Air,,,A flight,"
    '"Long, but good"\n'
)
BRANDWATCH = (
    "Report: Weekly\nBrand: Skyward\n\n"
    "Query Id,Query Name,Date,Title,Snippet,Url,Page Type,Language,Country,Author,Full Name,"
    "Twitter Followers,Full Text\n"
    "7,Skyward,2026-11-24 14:30:00.0,Bag,lost,https://x.com/ronc/status/1,twitter,en,Germany,"
    'ronc,Ron Calder,"1,234",Skyward lost my bag\n'
)
TALKWALKER = (
    "url;published;title;content;title_snippet;content_snippet;domain_url;lang;sentiment;"
    "source_type;extra_author_attributes.name;extra_author_attributes.short_name;"
    "extra_author_attributes.url\n"
    "https://forum.example/t/1#p2;2026-11-24 14:30;Bag;Lost it;B;L;http://forum.example/;de;-5;"
    "MESSAGEBOARD;Ron Calder;ronc;https://forum.example/u/ronc\n"
)


def plan(sheet: Any, **facts: Any) -> Plan:
    contents = columns.preset(sheet.heading).contents(sheet.heading)
    known = {
        "encoding": sheet.encoding,
        "delimiter": sheet.delimiter,
        "heading": bool(sheet.heading),
        "columns": tuple(contents) or ("text",) + ("",) * (sheet.width - 1),
        "order": "",
        "zone": "UTC",
    }
    return Plan(**{**known, **facts})


def reading(raw: str | bytes, **facts: Any) -> Reading:
    sheet = read(raw if isinstance(raw, bytes) else raw.encode())
    return read_rows(sheet, plan(sheet, **facts), now=NOW)


def items(raw: str | bytes, **facts: Any) -> list[Item]:
    found = reading(raw, **facts)
    assert found.bad == []
    return [item for _line, item in found.items]


def test_an_export_of_radian6_is_recognised() -> None:
    assert columns.preset(read(RADIAN6.encode()).heading).tool == "Radian6"
    tweet, post = items(RADIAN6, order="month", zone="America/New_York")
    assert tweet.text == "Skyward Air lost my bag"
    assert tweet.occurred_at == datetime(2026, 11, 24, 19, 30, tzinfo=UTC)
    assert (tweet.scope, tweet.key) == ("csv:twitter.com", "twitter.com/ronc/status/1")
    assert (tweet.author.network, tweet.author.key) == ("csv:twitter.com", "ronc")
    assert (post.title, post.text) == ("A flight", "Long, but good")
    assert (post.scope, post.url) == ("csv:blog.example", "http://www.blog.example/a")
    assert ["Sentiment", "Neutral"] in json.loads(post.raw)


def test_an_export_of_brandwatch_is_recognised_below_its_first_lines() -> None:
    sheet = read(BRANDWATCH.encode())
    assert columns.preset(sheet.heading).tool == "Brandwatch"
    assert [row.line for row in sheet.rows] == [5]
    (item,) = items(BRANDWATCH)
    assert (item.text, item.title, item.language) == ("Skyward lost my bag", "Bag", "en")
    author = item.author
    assert (author.name, author.handle, author.reach) == ("Ron Calder", "ronc", 1234)
    assert author.place == "Germany"


def test_an_export_of_talkwalker_is_recognised() -> None:
    assert columns.preset(read(TALKWALKER.encode()).heading).tool == "Talkwalker"
    (item,) = items(TALKWALKER)
    assert (item.title, item.text) == ("Bag", "Lost it")
    assert item.author.key == "forum.example/u/ronc"
    assert item.key == "forum.example/t/1#p2"


def test_an_unknown_file_is_guessed_from_its_headings() -> None:
    (item,) = items("Datum;Autor;Text;Link\n4.3.2026;Jörg;Schön;https://x.example/1\n")
    assert (item.text, item.author.name) == ("Schön", "Jörg")
    assert item.occurred_at == datetime(2026, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_encoding_is_read(encoding: str) -> None:
    (item,) = items("text;author;date\nSchön hier;Jörg;2026-03-04\n".encode(encoding))
    assert (item.text, item.author.name) == ("Schön hier", "Jörg")


@pytest.mark.parametrize(
    ("row", "heading", "says"),
    [
        (",,,,", "", ""),
        (",2026-03-04,https://x.example/1,Ron,", "text", "neither a text nor a title"),
        ("Good,soon,,,", "date", "is not a date"),
        ("Good,03/04/2026,,,", "date", "ambiguous"),
        ("Good,2027-01-01,,,", "date", "in the future"),
        ("Good,0001-01-01,,,", "date", "before 1990"),
        ("Good,9999-12-31 23:59,,,", "date", "in the future"),
        ("Good,,ftp://x.example,,", "url", "not a web address"),
        ("Good,,https://exa mple.com,,", "url", "not a web address"),
        ("Good,,https://[::1,,", "url", "not a web address"),
        ("Good,,,,1.5K", "reach", "not a whole number"),
        ("Good,,,,-1", "reach", "not a whole number"),
        ("Good,,," + "n" * 301 + ",", "author", "The limit is 300"),
        ("x" * 100_001 + ",,,,", "text", "The limit is 100,000"),
        ("x" * 200_000 + ",,,,", "", "longer than 131,072"),
        ("a,b,c,d,e,f", "", "6 cells"),
    ],
)
def test_each_wrong_cell_is_named(row: str, heading: str, says: str) -> None:
    found = reading(f"text,date,url,author,reach\nGood,2026-03-04,,,\n{row}\n")
    assert len(found.items) == 1
    assert found.bad_rows == (1 if says else 0)
    for bad in found.bad:
        assert (bad.row.line, bad.column) == (3, heading)
        assert says in bad.why
        assert len(bad.value) <= 60


def test_a_row_with_two_errors_is_one_bad_row() -> None:
    found = reading("text,date,reach\nGood,soon,many\n")
    assert (found.bad_rows, len(found.bad)) == (1, 2)


def test_a_url_that_differs_only_in_scheme_and_www_is_the_same_mention() -> None:
    found = reading(
        "text,url\nGood,https://www.X.example/1?a=2\nGood,http://x.example/1?a=2\n"
        "Good,https://x.example/2?a=2\n"
    )
    assert (len(found.items), found.repeated, found.bad) == (2, 1, [])


def test_an_apostrophe_in_a_url_is_kept_safely() -> None:
    (item,) = items("text,url\nGood,https://x.example/levi's\n")
    assert item.url == "https://x.example/levi%27s"


def test_two_texts_at_one_url_are_not_dropped_silently() -> None:
    raw = "text,url\nGood,https://x.example/1\nBad,https://x.example/1\n"
    (bad,) = reading(raw).bad
    assert (bad.row.line, bad.column) == (3, "url")
    assert "another text" in bad.why
    assert len(items(raw, columns=("text", "page"))) == 2


def test_without_a_url_a_mention_is_its_author_date_and_text() -> None:
    row = "Good,Ron,2026-03-04 12:00\n"
    others = "Good,Rita,2026-03-04 12:00\nGood,Ron,2026-03-05 12:00\nFine,Ron,2026-03-04 12:00\n"
    found = reading("text,author,date\n" + row + row + others)
    assert (len(found.items), found.repeated) == (4, 1)


def test_the_time_zone_is_no_part_of_the_identity() -> None:
    raw = "text,author,date\nGood,Ron,2026-03-04 12:00\n"
    (here,), (there,) = items(raw), items(raw, zone="Asia/Tokyo")
    assert here.key == there.key
    assert here.occurred_at != there.occurred_at


def test_authors_without_a_name_are_not_one_person() -> None:
    one, two = items("text,date\nGood,2026-03-04\nFine,2026-03-04\n")
    assert one.author.key != two.author.key
    assert one.author.name == "Unknown author"


def test_authors_of_the_same_name_on_two_sites_are_two_people() -> None:
    one, two = items("text,url,author\nA,https://a.example/1,admin\nB,https://b.example/1,admin\n")
    assert one.author.network != two.author.network


@given(st.binary(max_size=2000))
@example(b"\xff\xfe\x00")
@example(b"text\n" + b'"' * 500)
@example(b"text,date\n\xc2\xa0,1" + b"\xc2\xb2" * 50)
def test_any_bytes_are_rows_or_an_error(raw: bytes) -> None:
    try:
        sheet = read(raw)
    except Unreadable:
        return
    found = read_rows(sheet, plan(sheet), now=NOW)
    assert len(found.items) + found.repeated + found.bad_rows == len(sheet.rows)


CELLS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["2026-03-04", "31/12/2026", "https://x.example/1", "https://\u2488.example",
                     "http://x.example:99999/", "1,234", "=1+1"]),
)  # fmt: skip
HEADING = ("text", "title", "date", "url", "author", "handle", "author url", "reach", "network",
           "language", "country")  # fmt: skip


@given(st.lists(st.lists(CELLS, min_size=11, max_size=11), min_size=1, max_size=5))
def test_any_cells_are_items_or_errors(rows: list[list[str]]) -> None:
    try:
        sheet = read(written([HEADING, *rows]))
    except Unreadable:
        return
    found = read_rows(sheet, plan(sheet), now=NOW)
    assert len(found.items) + found.repeated + found.bad_rows == len(sheet.rows)
