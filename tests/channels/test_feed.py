from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from scrm.channels.base import Batch, ChannelError, FetchRequest, Found
from scrm.channels.feed import channel as feed
from scrm.channels.feed import child as feed_child
from scrm.channels.feed import entries
from scrm.channels.feed.parse import parse_feed, parse_page
from scrm.channels.registry import channel
from scrm.net import http
from scrm.net.addresses import networks
from scrm.text.clean import storable
from tests.standins.failing import failing

PAYLOADS = Path(__file__).parent / "payloads"
RSS = (PAYLOADS / "blog.rss.xml").read_bytes()
ATOM = (PAYLOADS / "blog.atom.xml").read_bytes()
PAGE = (PAYLOADS / "page.html").read_bytes()


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


def discover(address: str) -> list[Found]:
    return feed.FeedListener().discover(address)


def rss(*entries: str, head: str = "") -> bytes:
    items = "".join(f"<item>{entry}</item>" for entry in entries)
    return f'<rss version="2.0"><channel><title>T</title>{head}{items}</channel></rss>'.encode()


class TestEntriesBecomeItems:
    def test_an_rss_entry_with_all_its_facts(self, server: HTTPServer) -> None:
        address = publish(server, RSS)
        space = "feed:" + address.removeprefix("http://")
        first = fetch(address).items[0]
        assert (first.scope, first.key) == (space, "planetalk-1")
        assert first.title == "Skyward Air puts a director off"
        assert first.text == "He said: “no”\n\nSee more."
        assert "onclick" not in first.html
        assert "alert" not in first.html
        assert first.url == "https://planetalk.example/2010/02/off"
        assert first.occurred_at == datetime(2010, 2, 14, 2, 30, tzinfo=UTC)
        assert first.language == "en-GB"
        assert first.author.name == "Ann Reader"
        assert first.author.key == f"{space.removeprefix('feed:')}#Ann Reader"
        assert first.author.network == "feed"
        assert first.author.url == "https://planetalk.example/"
        assert (first.kind, first.visibility) == ("post", "public")
        assert b"planetalk-1" in first.raw

    def test_an_entry_that_lacks_nearly_everything(self, server: HTTPServer) -> None:
        second = fetch(publish(server, RSS)).items[1]
        assert second.key
        assert second.url == ""
        assert second.occurred_at is None
        assert second.author.name == "Plane Talk & more"
        assert second.text == "No title, no id, no date"

    def test_an_answer_names_what_it_answers_and_an_absurd_date_is_dropped(
        self, server: HTTPServer
    ) -> None:
        third = fetch(publish(server, RSS)).items[2]
        assert third.in_reply_to == "planetalk-1"
        assert third.occurred_at is None

    def test_an_atom_entry_takes_the_author_and_language_of_its_feed(
        self, server: HTTPServer
    ) -> None:
        (entry,) = fetch(publish(server, ATOM)).items
        assert entry.key == "tag:flugblatt.example,2010:1"
        assert entry.title == "Sitze < Menschen"
        assert entry.text == "Über Sitze"
        assert entry.language == "de"
        assert (entry.author.name, entry.author.url) == (
            "Bea Muster",
            "https://flugblatt.example/bea",
        )
        assert entry.occurred_at == datetime(2010, 2, 14, 8, 0, tzinfo=UTC)

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
    def test_any_encoding_is_read(self, server: HTTPServer, encoding: str) -> None:
        text = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>' + (
            rss("<title>Zürich</title>").decode()
        )
        assert fetch(publish(server, text.encode(encoding))).items[0].title == "Zürich"

    def test_broken_xml_with_entries_is_read(self, server: HTTPServer) -> None:
        body = rss("<title>a & b</title>", "<title>two</title><guid>2</guid><link>")
        assert [item.title for item in fetch(publish(server, body)).items] == ["a & b", "two"]

    def test_a_bare_number_as_id_stays_the_same_wherever_the_feed_moves(self) -> None:
        body = rss("<guid>17</guid>")
        for base in ("http://example.org/a/feed", "https://example.org/b/feed"):
            (entry,) = parse_feed(body, base)["entries"]
            assert (entry["key"], entry["url"]) == ("17", "")

    def test_one_poisoned_entry_is_unreadable_and_the_rest_is_kept(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = rss("<guid>1</guid>", "<guid>2</guid><title>poison &amp;amp;</title>")
        monkeypatch.setattr(entries, "plain", failing(entries.plain, "poison", ValueError))
        facts = parse_feed(body)
        assert [entry["key"] for entry in facts["entries"]] == ["1"]
        assert "cannot be read" in facts["unreadable"][0]["reason"]
        assert '"id":"2"' in facts["unreadable"][0]["raw"]

    @pytest.mark.parametrize("error", [IndexError, OverflowError, RecursionError])
    def test_a_title_of_a_feed_or_a_link_that_cannot_be_read_is_empty(
        self, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        monkeypatch.setattr(entries, "plain", failing(entries.plain, "poison", error))
        facts = parse_feed(
            b'<feed xmlns="http://www.w3.org/2005/Atom"><title>poison &amp;amp;</title>'
            b"<entry><id>1</id></entry>"
            b"<entry><id>2</id><title>poison &amp;amp;</title></entry></feed>"
        )
        assert facts["title"] == ""
        assert [entry["key"] for entry in facts["entries"]] == ["1"]
        assert len(facts["unreadable"]) == 1
        link = b'<link rel="alternate" type="application/rss+xml" href="/f" title="poison &amp;">'
        assert parse_page(link, "http://a.test/")["links"] == [("http://a.test/f", "")]

    def test_a_visit_brings_no_more_than_its_cap(self) -> None:
        facts = parse_feed(rss(*(f"<guid>{n}</guid>" for n in range(2_100))))
        assert len(facts["entries"]) == 2_000

    def test_a_key_too_long_for_an_index_becomes_its_hash(self) -> None:
        keys = [e["key"] for e in parse_feed(rss("<guid>" + "x" * 5_000 + "</guid>"))["entries"]]
        assert keys[0].startswith("sha256:")
        assert len(keys[0]) < 100

    def test_a_reference_to_no_character_costs_only_itself(self, server: HTTPServer) -> None:
        titles = ["a&#0;b", "a&#xD800;b", "a&#56320;b", "a&#x110000;b", "a&#99999999999999999;b"]
        body = rss(*(f"<title>{title}</title>" for title in titles))
        for item in fetch(publish(server, body)).items:
            assert storable(item.title) == item.title
            assert (item.title[0], item.title[-1]) == ("a", "b")


class TestVisits:
    def test_an_unchanged_feed_is_asked_for_with_its_marks(self, server: HTTPServer) -> None:
        address = publish(server, RSS, ETag='"v1"', Last_Modified="Sat, 13 Feb 2010 00:00:00 GMT")
        first = fetch(address)
        server.clear_all_handlers()
        server.expect_request(
            "/feed",
            headers={
                "If-None-Match": '"v1"',
                "If-Modified-Since": "Sat, 13 Feb 2010 00:00:00 GMT",
            },
        ).respond_with_data(status=304)
        second = fetch(address, first)
        assert (second.unchanged, second.items) == (True, ())
        assert second.cursor == first.cursor

    def test_the_same_bytes_are_not_parsed_again(
        self, server: HTTPServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = publish(server, RSS)
        first = fetch(address)
        assert not first.unchanged
        assert first.size == len(RSS)
        monkeypatch.setattr(feed_child, "parse", None)
        assert fetch(address, first).unchanged

    def test_new_bytes_bring_all_entries(self, server: HTTPServer) -> None:
        first = fetch(publish(server, rss("<guid>1</guid>"), ETag="a"))
        second = fetch(publish(server, rss("<guid>1</guid>", "<guid>2</guid>"), ETag="b"), first)
        assert [item.key for item in second.items] == ["1", "2"]
        assert second.cursor["etag"] == "b"

    def test_a_feed_that_moved_is_remembered_and_its_entries_stay_the_same(
        self, server: HTTPServer
    ) -> None:
        address = publish(server, RSS)
        first = fetch(address)
        publish(server, b"", status=301, Location="/new")
        also(server, RSS.replace(b"A teaser", b"Another"), path="/new")
        second = fetch(address, first)
        assert second.cursor["address"] == server.url_for("/new")
        assert {i.scope for i in second.items} == {i.scope for i in first.items}
        server.clear_all_handlers()
        also(server, RSS, path="/new")
        assert fetch(address, second).items

    def test_if_the_new_address_is_gone_the_first_one_is_fetched(self, server: HTTPServer) -> None:
        address = publish(server, b"", status=301, Location="/new")
        also(server, RSS, path="/new", ETag="x")
        first = fetch(address)
        publish(server, RSS)
        also(server, b"gone", path="/new", status=410)
        second = fetch(address, first)
        assert second.cursor["address"] == address
        publish(server, b"gone", status=410)
        also(server, b"gone", path="/new", status=410)
        with pytest.raises(ChannelError, match="removed for good"):
            fetch(address, first)

    def test_a_passing_redirect_is_not_remembered(self, server: HTTPServer) -> None:
        address = publish(server, b"", status=302, Location="/elsewhere")
        also(server, RSS, path="/elsewhere")
        assert fetch(address).cursor["address"] == address

    def test_a_cursor_of_another_address_is_not_used(self, server: HTTPServer) -> None:
        first = fetch(publish(server, RSS, path="/one", ETag="x"))
        other = publish(server, ATOM, path="/two")
        assert fetch(other, first).items[0].key.startswith("tag:flugblatt")

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, 900),
            ({"Cache_Control": "public, max-age=1800"}, 1800),
            ({"Cache_Control": "max-age=60"}, 900),
            ({"Cache_Control": "max-age=999999999"}, 3600),
        ],
    )
    def test_a_feed_says_when_to_come_again(
        self, server: HTTPServer, headers: dict[str, str], seconds: float
    ) -> None:
        assert fetch(publish(server, RSS, **headers)).next_after == seconds

    def test_a_feed_that_says_nothing_is_visited_at_our_rhythm(self, server: HTTPServer) -> None:
        assert fetch(publish(server, ATOM)).next_after is None

    def test_http_and_https_and_the_case_of_a_host_make_one_scope(self) -> None:
        same = {
            feed.scope(address)
            for address in (
                "http://Example.org/feed",
                "https://example.org:443/feed#top",
                "http://example.org:80/feed",
                "https://EXAMPLE.ORG./feed",
            )
        }
        assert same == {"feed:example.org/feed"}
        assert feed.scope("https://www.example.org/feed") not in same
        assert feed.scope("https://example.org/feed?a=1") not in same


class TestTroubleInWords:
    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize("asked", ["120", "date", "soon"])
    def test_a_server_that_asks_for_patience_gets_it(
        self, server: HTTPServer, status: int, asked: str
    ) -> None:
        moment = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
        value = moment if asked == "date" else asked
        with pytest.raises(ChannelError) as failure:
            fetch(publish(server, b"", status=status, Retry_After=value))
        seconds = failure.value.retry_after
        assert seconds is None if asked == "soon" else 110 < (seconds or 0) <= 120
        assert not failure.value.permanent

    @pytest.mark.parametrize(
        ("status", "words", "permanent"),
        [
            (410, "removed for good", True),
            (404, "nothing at", False),
            (403, "denies access", False),
            (500, r"error \(500\)", False),
        ],
    )
    def test_an_error_status(
        self, server: HTTPServer, status: int, words: str, permanent: bool
    ) -> None:
        with pytest.raises(ChannelError, match=words) as failure:
            fetch(publish(server, b"", status=status))
        assert failure.value.permanent is permanent

    @pytest.mark.parametrize(
        ("body", "content_type", "words"),
        [
            (b"<!doctype html><html><p>Hi</p></html>", "text/html", "a web page, not a feed"),
            (b"\n<HTML><p>Hi</p></HTML>", "text/xml", "a web page, not a feed"),
            (b"<p>Hi</p>", "text/html; charset=utf-8", "a web page, not a feed"),
            (b" \n", "text/xml", "returns an empty page"),
            (b"\x89PNG\r\n\x1a\n\0\0\0", "image/png", "not a feed"),
            (b'{"version": "1"}', "application/json", "not a feed"),
            (b"\xff\xfe" + "<html><p>Hi</p>".encode("utf-16-le"), "", "a web page, not a feed"),
            (b"<svg/>", "image/svg+xml", "not a feed"),
        ],
    )
    def test_what_is_not_a_feed(
        self, server: HTTPServer, body: bytes, content_type: str, words: str
    ) -> None:
        with pytest.raises(ChannelError, match=words) as failure:
            fetch(publish(server, body, **{"Content-Type": content_type}))
        assert failure.value.permanent

    def test_an_address_that_cannot_be_reached(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        for ask in (fetch, discover):
            with pytest.raises(ChannelError, match="cannot be reached"):
                ask(f"http://127.0.0.1:{port}/feed")

    def test_a_private_address(self) -> None:
        for ask in (fetch, discover):
            with pytest.raises(ChannelError, match="private or reserved"):
                ask("http://10.0.0.1/feed")

    def test_a_slow_server(self, server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(feed, "VISIT_SECONDS", 0.3)
        monkeypatch.setattr(feed, "DISCOVER_SECONDS", 0.3)

        def dawdle(_: Request) -> Response:
            time.sleep(1)
            return Response(RSS)

        server.expect_request("/feed").respond_with_handler(dawdle)
        for ask in (fetch, discover):
            with pytest.raises(ChannelError, match="too slow"):
                ask(server.url_for("/feed"))

    def test_a_huge_feed(self, server: HTTPServer) -> None:
        address = publish(server, b" " * (feed.MAX_BYTES + 1))
        for ask in (fetch, discover):
            with pytest.raises(ChannelError, match="more than 10 MB"):
                ask(address)

    def test_an_address_that_is_none(self) -> None:
        for typed in ("", "   ", "ftp://example.org/", "http://[", "mailto:a@b.example", "\0"):
            with pytest.raises(ChannelError):
                discover(typed)


JSON = b'{"version": "https://jsonfeed.org/version/1.1", "title": "J", "items": [{"id": "1"}]}'
RDF = (
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    b'xmlns="http://purl.org/rss/1.0/"><channel><title>R</title></channel>'
    b'<item rdf:about="https://news.example/1"><title>T</title></item></rdf:RDF>'
)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (RSS, "planetalk-1"),
        (b"\xff\xfe" + RSS.decode().replace("utf-8", "utf-16").encode("utf-16-le"), "planetalk-1"),
        (ATOM, "tag:flugblatt.example,2010:1"),
        (JSON, "1"),
        (RDF, "https://news.example/1"),
    ],
)
@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/octet-stream"])
def test_a_feed_with_a_wrong_type(
    server: HTTPServer, body: bytes, key: str, content_type: str
) -> None:
    address = publish(server, body, **{"Content-Type": content_type})
    assert fetch(address).items[0].key == key
    assert discover(address)[0].items[0].key == key


class TestDiscovery:
    @pytest.mark.parametrize(
        ("kind", "body", "version"),
        [
            ("application/rdf+xml", RDF, "rss10"),
            ("application/feed+json", JSON, "json11"),
            ("application/json", JSON, "json11"),
        ],
    )
    def test_a_page_links_to_another_kind_of_feed(
        self, server: HTTPServer, kind: str, body: bytes, version: str
    ) -> None:
        page = f'<html><head><link rel="alternate" type="{kind}" href="/f">'
        address = publish(server, page.encode(), path="/", **{"Content-Type": "text/html"})
        also(server, body, path="/f")
        (found,) = discover(address)
        assert (found.address, found.kind) == (server.url_for("/f"), version)

    def test_a_page_in_utf_16_without_a_type(self, server: HTTPServer) -> None:
        page = '<!doctype html><link rel="alternate" type="application/rss+xml" href="/f">'
        address = publish(server, page.encode("utf-16"), path="/", **{"Content-Type": ""})
        also(server, RSS, path="/f")
        assert discover(address)[0].address == server.url_for("/f")

    def test_the_address_of_a_feed_itself(self, server: HTTPServer) -> None:
        (found,) = discover(publish(server, RSS))
        assert (found.address, found.title, found.kind) == (
            server.url_for("/feed"),
            "Plane Talk & more",
            "rss20",
        )
        assert len(found.items) == 3

    def test_an_address_typed_without_its_scheme(self, server: HTTPServer) -> None:
        address = publish(server, RSS)
        (found,) = discover(" " + address.removeprefix("http://"))
        assert found.address == address

    def test_a_page_leads_to_the_feeds_it_links(self, server: HTTPServer) -> None:
        address = publish(server, PAGE, path="/blog", **{"Content-Type": "text/html"})
        also(server, RSS, path="/sub/posts.xml")
        also(server, ATOM, path="/comments.xml")
        assert [(found.address, found.title) for found in discover(address)] == [
            (server.url_for("/sub/posts.xml"), "Plane Talk & more"),
            (server.url_for("/comments.xml"), "Flugblatt"),
        ]

    def test_a_page_without_links_is_tried_at_the_usual_places(self, server: HTTPServer) -> None:
        address = publish(server, b"<html></html>", path="/", **{"Content-Type": "text/html"})
        also(server, ATOM, path="/atom.xml")
        (found,) = discover(address)
        assert found.address == server.url_for("/atom.xml")

    def test_a_page_that_leads_nowhere(self, server: HTTPServer) -> None:
        address = publish(server, b"<html></html>", path="/", **{"Content-Type": "text/html"})
        with pytest.raises(ChannelError, match="without a link to a feed"):
            discover(address)

    def test_a_page_whose_feed_is_broken(self, server: HTTPServer) -> None:
        page = b'<html><link rel=alternate type=application/rss+xml href="/bad.xml"></html>'
        address = publish(server, page, path="/", **{"Content-Type": "text/html"})
        also(server, b"", path="/bad.xml", status=404)
        with pytest.raises(ChannelError, match="links to a feed, but: There is nothing at"):
            discover(address)

    def test_a_page_cannot_lead_into_a_private_network(self, server: HTTPServer) -> None:
        link = '<html><link rel=alternate type=application/rss+xml href="http://169.254.169.254/">'
        address = publish(server, link.encode(), path="/", **{"Content-Type": "text/html"})
        with pytest.raises(ChannelError, match="private or reserved"):
            discover(address)

    def test_no_more_than_twenty_entries_are_shown(self, server: HTTPServer) -> None:
        address = publish(server, rss(*(f"<guid>{n}</guid>" for n in range(50))))
        assert len(discover(address)[0].items) == 20


def test_one_invalid_byte_costs_one_character_of_a_feed() -> None:
    found = parse_feed((PAYLOADS / "one-cut-character.xml").read_bytes(), "", "application/xml")
    titles = " ".join(entry["title"] for entry in found["entries"])
    assert "Größe “ok”" in titles
    assert "Насос „Волна“ течёт" in titles
    assert "".join(entry["text"] for entry in found["entries"]).count("\ufffd") == 1


@pytest.mark.parametrize(
    ("content_type", "declared", "charset"),
    [
        ("application/xml", "Shift_JIS", "cp932"),
        ("application/rss+xml; charset=x-sjis", "", "cp932"),
        ("application/xml; charset=utf-8", "Shift_JIS", "utf-8"),
        ("text/xml", "gb2312", "gbk"),
        ("text/xml", "", "utf-8"),
        ("text/xml", "utf-16", "utf-8"),
        ("", "utf-16", "utf-16"),
        ("", "EUC-JP", "euc_jis_2004"),
    ],
)
def test_a_feed_in_any_charset(content_type: str, declared: str, charset: str) -> None:
    """Characters of NEC count, which are in no table of the label's strict meaning."""
    title = "水漏①" if charset != "gbk" else "朱镕基"
    encoding = f' encoding="{declared}"' if declared else ""
    feed_text = (
        f'<?xml version="1.0"{encoding}?><rss version="2.0"><channel><item>'
        f"<title>{title}</title></item></channel></rss>"
    )
    found = parse_feed(feed_text.encode(charset), "", content_type)
    assert [entry["title"] for entry in found["entries"]] == [title]


def test_a_circled_digit_in_shift_jis() -> None:
    body = (PAYLOADS / "shift-jis-with-circled-digit.xml").read_bytes()
    assert parse_feed(body, "", "application/xml")["entries"][0]["title"] == "水漏れ①"


def test_the_feed_of_a_page_in_utf_16_is_found() -> None:
    body = (PAYLOADS / "page-utf16.html").read_bytes()
    links = parse_page(body, "https://site.example/", "text/html")["links"]
    assert [address for address, _title in links] == ["https://site.example/f.xml"]
