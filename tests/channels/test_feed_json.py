"""JSON Feed 1.0 and 1.1."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from scrm.channels.feed.parse import MAX_RAW_BYTES, parse_feed

FEEDS = Path(__file__).parent / "payloads/feeds"
BASE = "https://news.example/feed.json"


def feed(*items: Any, **facts: Any) -> dict[str, Any]:
    text = {"version": "https://jsonfeed.org/version/1.1", "title": "T", "items": items, **facts}
    return parse_feed(json.dumps(text).encode(), BASE, "application/feed+json")


def one(**item: Any) -> dict[str, Any]:
    facts = feed({"id": "1", **item})
    assert facts["unreadable"] == []
    (entry,) = facts["entries"]
    found: dict[str, Any] = entry
    return found


def test_the_sample() -> None:
    facts = parse_feed((FEEDS / "jsonfeed.json").read_bytes(), BASE, "application/json")
    assert (facts["version"], facts["title"]) == ("json11", "Harbour")
    (entry,) = facts["entries"]
    assert entry["key"] == "1"
    assert (entry["url"], entry["text"]) == ("https://news.example/1", "Acme Pumps")


def test_all_facts_of_an_item() -> None:
    entry = one(
        title="A<B & C",
        content_html="<p>Hello <script>x</script></p>",
        url="/1",
        authors=[{"name": "Ann", "url": "https://ann.example/"}, {"name": "Bob"}],
        language="de",
        date_published="2020-01-07T10:00:00+01:00",
        date_modified="2020-01-08T10:00:00+01:00",
    )
    assert entry.pop("raw")
    assert entry.pop("content_hash")
    assert entry == {
        "key": "1",
        "title": "A<B & C",
        "text": "Hello",
        "html": "<p>Hello </p>",
        "url": "https://news.example/1",
        "author": "Ann, Bob",
        "author_url": "https://ann.example/",
        "language": "de",
        "in_reply_to": "",
        "occurred_at": "2020-01-07T09:00:00+00:00",
        "edited_at": "2020-01-08T09:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"content_text": "a < b\nc"}, "a < b\nc"),
        ({"content_html": "<img src=a>", "content_text": "Words"}, "Words"),
        ({"content_html": "", "summary": "Words"}, "Words"),
        ({"content_html": "<p>Words", "summary": "Teaser"}, "Words"),
        ({"content_text": [5], "summary": None}, ""),
        ({"content_html": "List<Pump>"}, "List<Pump>"),
    ],
)
def test_the_text(item: dict[str, Any], text: str) -> None:
    assert one(**item)["text"] == text


@pytest.mark.parametrize(
    ("item", "url"),
    [
        ({"url": "https://news.example/1"}, "https://news.example/1"),
        ({"external_url": "https://other.example/"}, "https://other.example/"),
        ({"url": "", "external_url": "https://other.example/"}, "https://other.example/"),
        ({"id": "https://news.example/1"}, "https://news.example/1"),
        ({"url": "javascript:alert(1)"}, ""),
        ({"url": ["https://news.example/1"]}, ""),
    ],
)
def test_the_link(item: dict[str, Any], url: str) -> None:
    assert one(**item)["url"] == url


@pytest.mark.parametrize(
    ("facts", "item", "author"),
    [
        ({}, {"author": {"name": "Ann"}}, "Ann"),
        ({"author": {"name": "Ann"}}, {}, "Ann"),
        ({"authors": [{"name": "Ann"}]}, {"authors": []}, "Ann"),
        ({"authors": [{"name": "Ann"}]}, {"authors": [{"name": "Bob"}]}, "Bob"),
        ({"authors": "Ann"}, {"authors": ["Bob", None, {"name": []}]}, "T"),
    ],
)
def test_the_authors(facts: dict[str, Any], item: dict[str, Any], author: str) -> None:
    (entry,) = feed({"id": "1", **item}, **facts)["entries"]
    assert entry["author"] == author


def test_ids_may_be_numbers_of_any_length() -> None:
    items = f'[{{"id": 4711}}, {{"id": 1.5}}, {{"id": {"9" * 5_000}}}]'
    text = f'{{"version": "https://jsonfeed.org/version/1", "items": {items}}}'
    entries = parse_feed(text.encode(), BASE)["entries"]
    assert [entry["key"] for entry in entries][:2] == ["4711", "1.5"]
    assert len(entries) == 3


def test_items_without_ids() -> None:
    keys = [entry["key"] for entry in feed({"title": "a"}, {"title": "b"})["entries"]]
    assert len(set(keys)) == 2


def test_an_item_that_is_none_is_set_apart() -> None:
    facts = feed({"id": "1"}, "text", None, {"id": "2"}, [])
    assert [entry["key"] for entry in facts["entries"]] == ["1", "2"]
    assert len(facts["unreadable"]) == 3
    assert facts["unreadable"][0]["raw"] == '"text"'


def test_a_feed_that_ends_early_is_read_up_to_there() -> None:
    items = [{"id": str(n), "content_text": "Words"} for n in range(3)]
    whole = json.dumps({"version": "https://jsonfeed.org/version/1", "items": items})
    facts = parse_feed(whole[:-30].encode(), BASE)
    assert [entry["key"] for entry in facts["entries"]] == ["0", "1"]
    assert len(facts["unreadable"]) == 1


def damaged(item: str) -> dict[str, Any]:
    """Return what is read of a feed whose second of three items is as written."""
    items = f'{{"id": "1"}}, {item}, {{"id": "3"}}'
    head = '"version": "https://jsonfeed.org/version/1"'
    return parse_feed(f'{{{head}, "items": [{items}], "title": "T"}}'.encode(), BASE)


@pytest.mark.parametrize("depth", [*range(900, 1_100, 9), 2_000, 100_000])
def test_an_item_that_is_nested_deeply_costs_no_other(depth: int) -> None:
    facts = damaged(f'{{"id": "2", "_x": {"[" * depth}{"]" * depth}}}')
    found = [entry["key"] for entry in facts["entries"]]
    assert [key for key in found if key != "2"] == ["1", "3"]
    assert len(found) + len(facts["unreadable"]) == 3
    assert facts["title"] == "T"


@pytest.mark.parametrize(
    "item",
    [
        r'{"id": "2", "title": "\x ]}"}',
        '{"id": "2", "title": }',
        '{"id": "2", "title": "a", "b"}',
        '{"id": "2", "tags": ["a" "b"]}',
    ],
)
def test_a_damaged_item_costs_no_other(item: str) -> None:
    facts = damaged(item)
    assert [entry["key"] for entry in facts["entries"]] == ["1", "3"]
    (bad,) = facts["unreadable"]
    assert bad["raw"] == item
    assert facts["title"] == "T"


def test_a_line_break_in_a_string_costs_nothing() -> None:
    facts = damaged('{"id": "2", "content_text": "a\n\tb"}')
    assert [entry["key"] for entry in facts["entries"]] == ["1", "2", "3"]
    assert facts["entries"][1]["text"].split() == ["a", "b"]
    assert facts["unreadable"] == []


def test_a_comma_too_many_is_no_item() -> None:
    facts = parse_feed(
        b'{"version": "https://jsonfeed.org/version/1", "items": [{"id": "1"},]}', BASE
    )
    assert [entry["key"] for entry in facts["entries"]] == ["1"]
    assert facts["unreadable"] == []


def test_the_title_of_the_feed_as_an_author_is_a_name() -> None:
    (entry,) = feed({"id": "1"}, title=f"A\n<b>B</b> {'c' * 5_000}")["entries"]
    assert entry["author"].startswith("A B ccc")
    assert len(entry["author"]) <= 500


def test_one_invalid_byte_costs_one_character() -> None:
    body = json.dumps(
        {"version": "https://jsonfeed.org/version/1", "items": [{"id": "1", "title": "Größe X"}]},
        ensure_ascii=False,
    )
    facts = parse_feed(body.encode().replace(b"X", b"\xff"), BASE)
    assert facts["version"] == "json1"
    assert facts["entries"][0]["title"] == "Größe \ufffd"


def test_more_than_2000_items() -> None:
    items = [{"id": str(n), "date_published": f"{2000 + n // 100}-01-01"} for n in range(2_100)]
    facts = feed(*items)
    assert facts["entries"][0]["key"] == "100"
    assert len(facts["entries"]) == 2_000
    assert "100 were left out" in facts["unreadable"][0]["reason"]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"version": "1"}',
        b'{"version": "https://jsonfeed.org/version/1.1"}',
        b'{"version": "https://jsonfeed.org/version/2", "items": []}',
        b'{"version": ["https://jsonfeed.org/version/1"], "items": []}',
        b"[1]",
        b"{",
        b'{"items": [',
    ],
)
def test_other_json_is_no_feed(body: bytes) -> None:
    facts = parse_feed(body, BASE, "application/json")
    assert (facts["version"], facts["entries"]) == ("", [])


@pytest.mark.parametrize(
    "body",
    [
        b'{"items":' + b" " * 200_000,
        b'{"items": [' * 50_000,
        b'{"items": [{' + b'"a":{' * 100_000,
        b'{"version": "https://jsonfeed.org/version/1", "items": [' + b"1," * 100_000,
        b'{"version": "https://jsonfeed.org/version/1", "items": [' + b"," * 500_000,
        b'{"version": "https://jsonfeed.org/version/1", "items": [' + b"[x]," * 100_000,
        b'{"version": "https://jsonfeed.org/version/1", "items": [' + b'{"' * 200_000,
        b'{"version": "https://jsonfeed.org/version/1", "items": [' + b'"\\' * 200_000,
        b'{"version": "https://jsonfeed.org/version/1", "items": [' + b"[" * 200_000 + b'"' * 9,
    ],
)
def test_hostile_json_takes_little_time(body: bytes) -> None:
    began = time.process_time()
    facts = parse_feed(body, BASE)
    assert time.process_time() - began < 3
    assert all(len(part["raw"]) <= MAX_RAW_BYTES for part in facts["unreadable"])
