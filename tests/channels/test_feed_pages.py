"""The feeds to which web pages link."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from scrm.channels.feed.parse import parse_page

PAYLOADS = Path(__file__).parent / "payloads"
SITE = "https://site.example/blog/"


def links(page: bytes | str, content_type: str = "text/html") -> list[str]:
    body = page.encode() if isinstance(page, str) else page
    return [address for address, _title in parse_page(body, SITE, content_type)["links"]]


def link(href: str, kind: str = "application/rss+xml", rel: str = "alternate") -> str:
    return f'<link rel="{rel}" type="{kind}" href="{href}">'


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("page-utf16.html", "https://site.example/f.xml"),
        ("page-two-bases.html", "https://a.example/f.xml"),
        ("page-entity-in-address.html", "https://site.example/?feed=rss&copy=1"),
    ],
)
def test_a_sample(name: str, found: str) -> None:
    assert links((PAYLOADS / name).read_bytes()) == [found]


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "shift_jis"])
def test_a_charset(charset: str) -> None:
    page = f"<html><head><title>水漏れ</title>{link('/水.xml')}</head>"
    named = "utf-8" if charset == "utf-8-sig" else charset.removesuffix("-le")
    found = links(page.encode(charset), f"text/html; charset={named}")
    assert found == ["https://site.example/水.xml"]


@pytest.mark.parametrize(
    "kind",
    [
        "application/rss+xml", "application/atom+xml", "application/rdf+xml",
        "application/feed+json", "application/json", "APPLICATION/RSS+XML; charset=utf-8",
    ],
)  # fmt: skip
def test_a_type(kind: str) -> None:
    assert links(link("/f", kind)) == ["https://site.example/f"]


@pytest.mark.parametrize(
    "tag",
    [
        link("/style.css", "text/css", "stylesheet"),
        link("/f", rel="stylesheet"),
        link("/de/", "text/html"),
        link("/wp-json/wp/v2/pages/2", "application/json"),
        link("/?rest_route=/wp/v2/pages/2", "application/json"),
        link("/oembed", "application/json+oembed"),
        link("javascript:alert(1)"),
        link(""),
        f"<!-- {link('/f')} -->",
        f"<script>'{link('/f')}'</script>",
    ],
)
def test_what_is_no_link_to_a_feed(tag: str) -> None:
    assert links(tag) == []


@pytest.mark.parametrize(
    ("bases", "found"),
    [
        ('<base href="https://a.example/">', "https://a.example/f.xml"),
        ('<base target="_top"><base href="https://a.example/">', "https://a.example/f.xml"),
        ('<base href="/other/">', "https://site.example/other/f.xml"),
        ('<base href="">', "https://site.example/blog/f.xml"),
        ('<base href="javascript:alert(1)">', "https://site.example/blog/f.xml"),
        ('<base href=" https://a.example/x/y ">', "https://a.example/x/f.xml"),
    ],
)
def test_the_first_base_counts_wherever_it_is(bases: str, found: str) -> None:
    assert links(f"{bases}{link('f.xml')}") == [found]
    assert links(f"{link('f.xml')}{bases}") == [found]


@pytest.mark.parametrize(
    ("written", "query"),
    [
        ("a=1&copy=2", "a=1&copy=2"),
        ("a=1&amp;copy=2", "a=1&copy=2"),
        ("a=1&copyright=2", "a=1&copyright=2"),
        ("a=1&lt=2&not=3&reg=4", "a=1&lt=2&not=3&reg=4"),
        ("a=1&#38;b=2", "a=1&b=2"),
        ("a=1&notes;b", "a=1&notes;b"),
        ("a=%C2%A9&amp;amp;b", "a=%C2%A9&amp;b"),
    ],
)
def test_an_entity_in_an_address(written: str, query: str) -> None:
    assert links(link(f"/?{written}")) == [f"https://site.example/?{query}"]


def test_each_address_once_and_no_more_than_twenty() -> None:
    assert links(link("/f") * 3) == ["https://site.example/f"]
    assert len(links("".join(link(f"/{n}") for n in range(50)))) == 20


@pytest.mark.parametrize(
    "kind", ["application/rss+xml", "application/atom+xml", "application/feed+json"]
)
def test_a_plain_json_link_comes_last(kind: str) -> None:
    """It may be an API, as that of WordPress or Ghost."""
    page = link("/api/posts/1", "application/json") * 2 + link("/f", kind)
    assert links(page) == ["https://site.example/f", "https://site.example/api/posts/1"]
    many = "".join(link(f"/api/{n}", "application/json") for n in range(30))
    assert links(many + link("/f", kind))[0] == "https://site.example/f"


def test_the_link_relation_feed() -> None:
    assert links('<link rel="feed" href="/f">') == ["https://site.example/f"]


@pytest.mark.parametrize("piece", ["&a", "&", "<link ", "<base href=a ", "<!--", "&copy;"])
def test_a_hostile_page_takes_little_time(piece: str) -> None:
    began = time.process_time()
    parse_page((piece * 512 * 1024)[: 512 * 1024].encode(), SITE)
    assert time.process_time() - began < 3
