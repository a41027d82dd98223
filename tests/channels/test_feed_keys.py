"""The keys of entries stay the same from one fetch to the next, whatever ids a feed has."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrm.channels.feed.parse import parse_feed

FEEDS = Path(__file__).parent / "payloads/feeds"
BASE = "https://news.example/feed"


def rss(*items: str) -> bytes:
    inside = "".join(f"<item>{item}</item>" for item in items)
    head = "<title>T</title><link>https://news.example/</link>"
    return f'<rss version="2.0"><channel>{head}{inside}</channel></rss>'.encode()


def keys(body: bytes) -> list[str]:
    return [entry["key"] for entry in parse_feed(body, BASE)["entries"]]


SHARED = {
    "one link for all": "<link>https://news.example/list</link>",
    "the link of the site": "<link>https://news.example/</link>",
    "the link of the site without its slash": "<link>http://news.example</link>",
    "the link of the feed": "<link>https://news.example/feed</link>",
    "one guid for all": "<guid isPermaLink='false'>4711</guid>",
    "one guid and one link for all": "<guid isPermaLink='false'>1</guid>"
    "<link>https://news.example/a</link>",
    "the site as the guid": "<guid>https://news.example/</guid>",
    "no ids at all": "",
}


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("titles", [True, False])
def test_a_new_item_is_new_and_the_others_stay_known(shared: str, titles: bool) -> None:
    def item(n: int) -> str:
        title = f"<title>Tender {n}</title>" if titles else ""
        return f"{title}{SHARED[shared]}<description>Words {n}</description>"

    before = keys(rss(item(3), item(2), item(1)))
    after = keys(rss(item(4), item(3), item(2), item(1)))
    assert len(set(before)) == 3
    assert after[1:] == before
    assert after[0] not in before
    assert keys(rss(item(5), item(4), item(3)))[1:] == after[:2]


def test_the_sample() -> None:
    body = (FEEDS / "same-link-no-guid.xml").read_bytes()
    known = keys(body)
    assert len(set(known)) == 3
    site = b"<link>https://news.example/</link>"
    fourth = b"<item><title>Tender 4</title>" + site + b"<description>Words 4</description></item>"
    after = keys(body.replace(b"<item>", fourth + b"<item>", 1))
    assert after[1:] == known
    assert after[0] not in known


def dated(n: int, ids: str) -> str:
    return f"{ids}<title>Tender {n}</title><pubDate>2020-01-0{n}</pubDate>"


TWINS = {
    "guid": ("g", "<guid isPermaLink='false'>g</guid><link>https://news.example/{}</link>"),
    "link": ("https://news.example/t", "<link>https://news.example/t</link>"),
}


@pytest.mark.parametrize("kind", TWINS)
def test_an_entry_keeps_its_key_if_a_twin_appears_or_goes(kind: str) -> None:
    key, ids = TWINS[kind]
    first, second = (dated(n, ids.format(n)) for n in (1, 2))
    assert keys(rss(first)) == [key]
    for items in ((first, second), (second, first)):
        found = dict(zip(items, keys(rss(*items)), strict=True))
        assert found[first] == key
        assert found[second] != key


@pytest.mark.parametrize("kind", TWINS)
def test_no_entry_takes_the_key_of_an_older_one_that_has_gone(kind: str) -> None:
    ids = TWINS[kind][1]
    items = [dated(n, ids.format(n)) for n in range(6, 0, -1)]
    before, after = keys(rss(*items[2:])), keys(rss(*items[:4]))
    assert after[2:] == before[:2]
    assert not set(after[:2]) & set(before)


@pytest.mark.parametrize(
    ("item", "key"),
    [
        ("<guid>a</guid><link>https://news.example/1</link>", "a"),
        ("<link>https://news.example/1</link>", "https://news.example/1"),
        ("<link>https://news.example/#1</link>", "https://news.example/#1"),
        ("<link>https://news.example/?p=1</link>", "https://news.example/?p=1"),
        ("<guid>  a\n</guid>", "a"),
        ("<guid></guid><link>https://news.example/1</link>", "https://news.example/1"),
    ],
)
def test_an_own_id_or_link_is_the_key_whatever_the_words(item: str, key: str) -> None:
    for words in ("Words", "Corrected words"):
        assert keys(rss(f"{item}<title>{words}</title>"))[0] == key


def test_links_count_where_all_items_have_one_guid() -> None:
    items = [f"<guid>x</guid><link>https://news.example/{n}</link>" for n in (1, 2)]
    assert keys(rss(*items)) == ["https://news.example/1", "https://news.example/2"]


def test_an_entry_that_a_feed_contains_twice_is_one() -> None:
    item = "<guid>a</guid><link>https://news.example/1</link><title>T</title>"
    assert keys(rss(item, item)) == ["a", "a"]


def test_versions_of_an_atom_entry_are_one() -> None:
    """RFC 4287, section 4.1.2: entries with one id are the same entry."""
    entry = "<entry><id>urn:1</id><title>T</title><content>{}</content></entry>"
    feed = (
        f'<feed xmlns="http://www.w3.org/2005/Atom">{entry.format("a")}{entry.format("b")}</feed>'
    )
    assert keys(feed.encode()) == ["urn:1", "urn:1"]


def test_versions_of_an_atom_entry_with_another_title_are_one() -> None:
    entry = '<entry><id>urn:1</id><link href="https://news.example/1"/><title>{}</title></entry>'
    both = entry.format("New") + entry.format("Old")
    feed = f'<feed xmlns="http://www.w3.org/2005/Atom">{both}</feed>'
    assert keys(feed.encode()) == ["urn:1", "urn:1"]


@pytest.mark.parametrize(
    "link",
    ["http://news.example/über uns", "https://news.example/a'b", "ftp://news.example/1"],
)
def test_a_link_is_the_key_as_it_is_written(link: str) -> None:
    """The link that is shown is cleaned; the keys of stored entries are not."""
    assert keys(rss(f"<link> {link}\n</link>", "<guid>2</guid>"))[0] == link


def test_the_same_words_on_two_days_are_two_items() -> None:
    item = "<title>All is well</title><pubDate>{}</pubDate>"
    body = rss(item.format("2020-01-02"), item.format("2020-01-01"))
    assert len(set(keys(body))) == 2


def test_a_picture_that_changes_is_no_new_item() -> None:
    item = '<title>T</title><description>Words &lt;img src="/count?{}"&gt;</description>'
    assert keys(rss(item.format(1))) == keys(rss(item.format(2)))
