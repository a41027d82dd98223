"""Hostile and broken feeds: CPU time, memory and elapsed time are limited.

Each error message is one sentence.
"""

from __future__ import annotations

import contextlib
import gzip
import time
from datetime import UTC
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from scrm.channels import parser_process
from scrm.channels.base import Batch, ChannelError, FetchRequest, Item
from scrm.channels.feed import channel as feed
from scrm.channels.feed import child as feed_child
from scrm.channels.feed.gunzip import gunzip
from scrm.channels.feed.parse import parse_page
from scrm.channels.registry import channel
from scrm.net import http
from scrm.net.addresses import networks
from scrm.text.clean import storable

PAYLOADS = Path(__file__).parent / "payloads"
RSS = (PAYLOADS / "blog.rss.xml").read_bytes()
ATOM = (PAYLOADS / "blog.atom.xml").read_bytes()


@pytest.fixture(autouse=True)
def allow_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))


@pytest.fixture
def server(httpserver: HTTPServer) -> HTTPServer:
    return httpserver


def publish(
    server: HTTPServer, body: bytes, *, path: str = "/feed", status: int = 200, **headers: str
) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    server.clear_all_handlers()
    also(server, body, path=path, status=status, **named)
    return server.url_for(path)


def also(server: HTTPServer, body: bytes, *, path: str, status: int = 200, **headers: str) -> None:
    content_type = headers.pop("Content-Type", "application/xml")
    server.expect_request(path).respond_with_data(
        body, status=status, headers=headers, content_type=content_type
    )


def fetch(address: str, batch: Batch | None = None) -> Batch:
    listener = channel("feed").listener
    assert listener is not None
    return listener.listen(FetchRequest(address, cursor=batch.cursor if batch else {}))


def rss(*entries: str, head: str = "") -> bytes:
    items = "".join(f"<item>{entry}</item>" for entry in entries)
    return f'<rss version="2.0"><channel><title>T</title>{head}{items}</channel></rss>'.encode()


def entity_bomb() -> bytes:
    levels = "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise([f"l{n}" for n in range(12)])
    )
    doctype = f'<!DOCTYPE rss [<!ENTITY l0 "lol">{levels}]>'
    return doctype.encode() + rss("<title>&l11;</title>")


HOSTILE = {
    "author": rss(f"<author>{'a' * 200_000}</author>"),
    "author of the channel": rss("", head=f"<managingEditor>{'a.' * 100_000}</managingEditor>"),
    "entities": entity_bomb(),
    "nested elements": b"<rss><channel>" + b"<a>" * 100_000,
    "nested dates": b"<rss><channel>" + b"<pubDate>" * 500_000,
    "nested items": b"<rss><channel>" + b"<item>" * 100_000,
    "nested html": rss(f"<description>{'&lt;div&gt;' * 100_000}</description>"),
    "nested xhtml": b"<feed xmlns='http://www.w3.org/2005/Atom'><entry><content type='xhtml'>"
    + b"<div>" * 100_000,
    "attributes": b"<rss "
    + b" ".join(b'a%d="x"' % n for n in range(100_000))
    + b"><channel><item/></channel></rss>",
    "namespaces": b"<rss "
    + b" ".join(b'xmlns:a%d="x"' % n for n in range(50_000))
    + b"><channel><item/></channel></rss>",
    "unclosed tags": b"<rss><channel><item>" + b"<description" * 100_000,
    "long language": rss(*["<guid/>"] * 2_000, head=f"<language>{'x' * 1_000_000}</language>"),
    "ampersands": rss("<title>" + "&" * 500_000 + "</title>"),
    "dates": rss(*[f"<pubDate>{'1' * 50_000}</pubDate>"] * 20),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_feed_costs_bounded_cpu_and_the_next_feed_is_read(
    server: HTTPServer, name: str
) -> None:
    own, started = time.process_time(), time.monotonic()
    with contextlib.suppress(ChannelError):
        fetch(publish(server, HOSTILE[name]))
    assert time.process_time() - own < 2
    assert time.monotonic() - started < parser_process.WALL_SECONDS + 5
    assert len(fetch(publish(server, RSS)).items) == 3


def test_a_feed_that_costs_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_child, "CPU_SECONDS", 0.3)
    with pytest.raises(ChannelError, match=r"more than 0\.3 seconds of computing.*nothing was"):
        feed_child.parse("feed", HOSTILE["nested dates"], base="", content_type="")
    assert feed_child.parse("feed", RSS, base="", content_type="")["entries"]


def assert_storable(items: tuple[Item, ...]) -> None:
    for item in items:
        for text in (item.key, item.title, item.text, item.html, item.url, item.language):
            assert storable(text) == text
        assert storable(item.author.key + item.author.name + item.author.url) == (
            item.author.key + item.author.name + item.author.url
        )
        assert item.key
        assert len(item.raw) <= 64 * 1024
        assert item.occurred_at is None or item.occurred_at.tzinfo is UTC


def read(body: bytes) -> tuple[Item, ...]:
    response = http.Response(200, "http://example.org/feed", "", {}, body)
    facts = feed._read_feed(response)
    return tuple(feed._items(facts, "feed:example.org/feed"))


def reading_trouble(body: bytes) -> str:
    try:
        assert_storable(read(body))
    except ChannelError as error:
        return error.message
    return ""


BOUNDED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@BOUNDED
@given(st.binary(max_size=400))
def test_any_bytes_give_items_or_a_sentence(body: bytes) -> None:
    trouble = reading_trouble(body)
    assert not trouble or trouble.endswith(".")


@BOUNDED
@given(
    st.sampled_from([RSS, ATOM]),
    st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=12)), min_size=1, max_size=8),
)
def test_any_damage_to_a_feed_gives_items_or_a_sentence(
    body: bytes, damages: list[tuple[int, bytes]]
) -> None:
    for place, piece in damages:
        body = body[:place] + piece + body[place + len(piece) // 2 :]
    trouble = reading_trouble(body)
    assert not trouble or trouble.endswith(".")


@BOUNDED
@given(st.binary(max_size=300))
def test_any_bytes_as_a_page_give_web_addresses_or_nothing(body: bytes) -> None:
    wrapped = b"<link rel=alternate type=application/rss+xml href='" + body + b"'>"
    for address, _ in parse_page(wrapped, "http://example.org/")["links"]:
        assert address.startswith(("http://", "https://"))


def test_a_compressed_feed_is_read(server: HTTPServer) -> None:
    address = publish(server, gzip.compress(RSS), Content_Encoding="gzip")
    assert len(fetch(address).items) == 3


def test_a_compressed_bomb_is_refused(server: HTTPServer) -> None:
    address = publish(server, gzip.compress(bytes(100_000_000)), Content_Encoding="gzip")
    with pytest.raises(ChannelError, match="more than 10 MB"):
        fetch(address)


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(RSS),
        gzip.compress(RSS)[:-8],
        gzip.compress(RSS, mtime=1),
        gzip.compress(RSS) + b"\0\0",
        gzip.compress(RSS[:200]) + gzip.compress(RSS[200:900]) + gzip.compress(RSS[900:]),
        gzip.compress(RSS[:200]) + bytes(512) + gzip.compress(RSS[200:]) + bytes(512),
        b"".join(gzip.compress(RSS[n : n + 1]) for n in range(len(RSS))),
        gzip.compress(RSS) + b"no gzip",
        gzip.compress(RSS.decode().encode("utf-16")),
    ],
)
def test_a_compressed_feed_without_a_header_is_read(server: HTTPServer, body: bytes) -> None:
    for content_type in ("application/xml", "application/gzip"):
        address = publish(server, body, **{"Content-Type": content_type})
        assert len(fetch(address).items) == 3


def test_a_compressed_bomb_without_a_header_is_refused(server: HTTPServer) -> None:
    with pytest.raises(ChannelError, match="more than 10 MB"):
        fetch(publish(server, gzip.compress(bytes(100_000_000))))


def test_a_bomb_in_many_compressed_parts_is_refused(server: HTTPServer) -> None:
    with pytest.raises(ChannelError, match="more than 10 MB"):
        fetch(publish(server, gzip.compress(bytes(1_000_000)) * 11))


def test_many_compressed_parts_take_little_time(server: HTTPServer) -> None:
    began = time.process_time()
    assert len(fetch(publish(server, gzip.compress(RSS) + gzip.compress(b"") * 400_000)).items) == 3
    assert time.process_time() - began < 3


def test_much_padding_takes_little_time() -> None:
    packed = gzip.compress(b"first") + bytes(20_000_000) + gzip.compress(b"second")
    began = time.process_time()
    assert gunzip(packed, 1_000) == b"firstsecond"
    assert time.process_time() - began < 0.5


def test_a_file_that_only_begins_like_a_compressed_one(server: HTTPServer) -> None:
    with pytest.raises(ChannelError, match="not a feed"):
        fetch(publish(server, b"\x1f\x8b\x08 no gzip"))
