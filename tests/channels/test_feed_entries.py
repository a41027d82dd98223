"""What is read from the entries of RSS and Atom feeds: text, title, link, authors and key."""

from __future__ import annotations

import json
import re
import time
from base64 import encodebytes
from html import escape
from pathlib import Path
from typing import Any

import pytest

from scrm.channels import parser_main
from scrm.channels.feed import elements, parse
from scrm.channels.feed.parse import parse_feed
from scrm.channels.feed.well_formed import well_formed
from scrm.text.visible import RAW_TEXT, UNSEEN
from tests.standins.failing import failing

FEEDS = Path(__file__).parent / "payloads/feeds"
BASE = "https://news.example/feed"
NAMESPACES = (
    'xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"'
)
MANY_PARAMETERS = ";".join(f"p{n}={n}" for n in range(150))
JSON_FEED = b"""{"version": "https://jsonfeed.org/version/1", "items": [
    {"id": "1", "date_published": "2020-01-01", "date_modified": "2020-01-02"}]}"""
CAPTION = "<media:description>A man on the quay.</media:description>"


def rss(*items: str, head: str = "") -> bytes:
    inside = "".join(f"<item>{item}</item>" for item in items)
    site = "<title>T</title><link>https://news.example/</link>"
    text = f'<rss version="2.0" {NAMESPACES}><channel>{site}{head}{inside}</channel></rss>'
    return text.encode()


def atom(*entries: str, head: str = "") -> bytes:
    inside = "".join(f"<entry>{entry}</entry>" for entry in entries)
    start = f'<feed xmlns="http://www.w3.org/2005/Atom" {NAMESPACES}><title>T</title>'
    return f"{start}{head}{inside}</feed>".encode()


def read(body: bytes, base: str = BASE) -> list[dict[str, Any]]:
    facts = parse_feed(body, base, "application/xml")
    assert facts["unreadable"] == []
    entries: list[dict[str, Any]] = facts["entries"]
    return entries


def one(body: bytes, base: str = BASE) -> dict[str, Any]:
    (entry,) = read(body, base)
    return entry


def sample(name: str) -> list[dict[str, Any]]:
    return read((FEEDS / name).read_bytes())


class TestText:
    def test_a_caption_does_not_replace_the_article(self) -> None:
        (entry,) = sample("photo-caption-replaces-article.xml")
        assert entry["text"] == "The article itself: Acme Pumps drained the quay."

    @pytest.mark.parametrize(
        "parts",
        [
            "<description>Teaser</description>{media}<content:encoded>Words</content:encoded>",
            "<content:encoded>Words</content:encoded><description>Teaser</description>{media}",
            "{media}<content:encoded>Words</content:encoded>",
            "<itunes:summary>Podcast</itunes:summary><content:encoded>Words</content:encoded>",
            "<description>Words</description><itunes:summary>Podcast</itunes:summary>",
            "<itunes:summary>Podcast</itunes:summary><description>Words</description>",
            "<description>Words</description>{media}",
            "{media}<description>Words</description>",
            "<media:group>{media}</media:group><description>Words</description>",
            "<description/>{media}<itunes:summary>Words</itunes:summary>",
            (
                "<image><title>I</title><description>Logo</description></image>"
                "<description>Words</description>"
            ),
        ],
    )
    def test_the_fullest_text_counts(self, parts: str) -> None:
        media = f'<media:content url="https://news.example/a.jpg">{CAPTION}</media:content>'
        entry = one(rss(f"<guid>1</guid>{parts.format(media=media)}"))
        assert entry["text"] == "Words"

    @pytest.mark.parametrize(
        "picture",
        [
            '<p><img src="https://news.example/a.jpg"></p>',
            "<p>&nbsp;</p>",
            '<div><a href="https://news.example/"><img src="a.png" alt=""></a></div>',
            "<!-- nothing -->",
            '<iframe src="https://video.example/1"></iframe>',
        ],
    )
    def test_a_content_without_words_does_not_hide_the_description(self, picture: str) -> None:
        content = f"<content:encoded>{escape(picture)}</content:encoded>"
        assert one(rss(f"{content}<description>Words</description>"))["text"] == "Words"

    def test_a_caption_is_better_than_nothing(self) -> None:
        assert one(rss(f"<guid>1</guid>{CAPTION}"))["text"] == "A man on the quay."

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ('<content type="text">a &lt; b\nc</content>', "a < b\nc"),
            ('<content type="html">&lt;p&gt;a&lt;/p&gt;</content>', "a"),
            (
                (
                    '<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>a</p></div>'
                    "</content>"
                ),
                "a",
            ),
            (
                f'<content type="image/png">{"iVBORw0KGgo" * 20}</content><summary>a</summary>',
                "a",
            ),
            ('<content src="https://news.example/1.mp4"/><summary>a</summary>', "a"),
            ('<content type="application/octet-stream">YSA8Yj5iPC9iPg==</content>', "a b"),
            (f"<content>{'iVBORw0KGgo' * 20}</content><summary>a</summary>", "a"),
        ],
    )
    def test_each_type_of_an_atom_content(self, content: str, words: str) -> None:
        assert one(atom(f"<id>urn:1</id>{content}"))["text"] == words

    @pytest.mark.parametrize(
        "words",
        [
            "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft/Donau",
            "Hilfe\n" * 20 + "Hilfe",
            "A" * 100,
            "/9/" * 30,
            "0123456789" * 10,
        ],
    )
    def test_words_with_the_letters_of_base64_are_kept(self, words: str) -> None:
        entry = f"<guid>1</guid><description>{words}</description>"
        assert one(rss(entry))["text"] == words
        assert one(atom(f"<id>1</id><content>{words}</content>"))["text"] == words

    @pytest.mark.parametrize(
        "file",
        [
            b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF", b"%PDF-1.7",
            b"PK\x03\x04", b"\x1f\x8b\x08\0", b"ID3\x04", b"OggS", b"\0\0\0\x20ftyp", b"<svg",
        ],
    )  # fmt: skip
    def test_a_file_in_base64_is_no_text(self, file: bytes) -> None:
        packed = encodebytes(file + bytes(range(256))).decode()
        content = f"<content:encoded>{packed}</content:encoded><description>a</description>"
        assert one(rss(content))["text"] == "a"

    def test_lines_of_a_plain_text_stay_lines(self) -> None:
        entry = one(atom('<id>urn:1</id><content type="text">a\nb</content>'))
        assert (entry["text"], entry["html"]) == ("a\nb", "a<br>b")


class TestTitle:
    def test_angle_brackets_keep_their_words(self) -> None:
        (entry,) = sample("angle-brackets-in-title.xml")
        assert entry["title"] == "Queue<Pump> is slow, A<B"

    @pytest.mark.parametrize(
        ("written", "title"),
        [
            ("Use <b> for bold", "Use <b> for bold"),
            ("<b>Bold</b> move", "Bold move"),
            ("Map<String, List<Pump>>", "Map<String, List<Pump>>"),
            ("if a<b and c>d", "if a<b and c>d"),
            ("One<br>two", "One two"),
            ("I <3 pumps", "I <3 pumps"),
            ("Write to <jo@firm.example>", "Write to <jo@firm.example>"),
            ("AT&amp;T &lt;b&gt;", "AT&T <b>"),
            ('<img src="a.png"> Pump', "Pump"),
        ],
    )
    def test_only_html_is_taken_for_html(self, written: str, title: str) -> None:
        assert one(rss(f"<guid>1</guid><title>{escape(written)}</title>"))["title"] == title
        html = f'<title type="html">{escape(written)}</title>'
        assert one(atom(f"<id>1</id>{html}"))["title"] == title

    @pytest.mark.parametrize(
        ("written", "words"),
        [
            ("See <Pump> and <jo@firm.example>", "See <Pump> and <jo@firm.example>"),
            ("<p>List<int> fails", "List<int> fails"),
            ("<o:p>a</o:p> <x-y>b</x-y>", "a b"),
            ("<https://news.example/1>", "<https://news.example/1>"),
            ("<ul><li>a<li>b</ul>", "a\nb"),
            ("Quote <?xml version='1.0' encoding='utf-16'?> it", None),
            ("a<?xml:namespace prefix = o />b", "ab"),
        ],
    )
    def test_words_in_brackets_stay_in_a_description(self, written: str, words: str | None) -> None:
        entry = one(rss(f"<guid>1</guid><description>{escape(written)}</description>"))
        assert entry["text"].replace("\n\n", "\n") == (words or written)

    # Not "plaintext", which an HTML parser never ends.
    @pytest.mark.parametrize("name", sorted((UNSEEN | RAW_TEXT) - {"plaintext"}))
    @pytest.mark.parametrize(
        ("written", "words"),
        [
            ("<p>Put <{}> in the head</p>", "Put <{}> in the head"),
            ("<p>a <{} src='x'> b</p> c", "a b\nc"),
            ("<p>a <{} src='x'/> b</p> c", "a b\nc"),
            ("<{0}>x</{0}><p>a <{0}> b</p>", "a <{0}> b"),
            ("a </{0}> b <{0}> c", "a b <{0}> c"),
        ],
    )
    def test_an_element_without_an_end_hides_no_words(
        self, name: str, written: str, words: str
    ) -> None:
        written, words = written.format(name), words.format(name)
        for text in (escape(written), f"<![CDATA[{written}]]>"):
            first, second = read(
                rss(f"<guid>1</guid><description>{text}</description>",
                    "<guid>2</guid><description>second</description>")
            )  # fmt: skip
            assert first["text"].removeprefix("x").strip() == words
            assert second["text"] == "second"

    def test_a_comment_without_an_end_hides_no_words(self) -> None:
        written = "a <!-- b --> c <!-- d"
        entry = one(rss(f"<guid>1</guid><description>{escape(written)}</description>"))
        assert entry["text"] == "a c <!-- d"

    @pytest.mark.parametrize(
        "parts",
        [
            "<title>Words</title><media:title>Picture</media:title>",
            "<media:title>Picture</media:title><title>Words</title>",
            (
                "<media:content url='a.jpg'><media:title>Picture</media:title></media:content>"
                "<title>Words</title>"
            ),
            "<title>Words</title><image><url>a.png</url><title>Picture</title></image>",
            "<image><title>Picture</title><url>a.png</url></image><title>Words</title>",
            "<media:group><media:title>Picture</media:title></media:group><title>Words</title>",
        ],
    )
    def test_the_title_of_a_picture_is_not_that_of_the_entry(self, parts: str) -> None:
        assert one(rss(f"<guid>1</guid>{parts}"))["title"] == "Words"

    def test_the_title_of_the_source_is_not_that_of_the_entry(self) -> None:
        entry = "<id>1</id><source><title>Source</title><id>2</id></source><title>Words</title>"
        found = one(atom(entry))
        assert (found["title"], found["key"]) == ("Words", "1")


class TestLink:
    def test_the_samples(self) -> None:
        assert sample("link-type-with-charset.xml")[0]["url"] == "https://news.example/1"
        assert sample("guid-that-is-no-address.xml")[0]["url"] == ""

    @pytest.mark.parametrize(
        ("link", "url"),
        [
            ('<link href="1"/>', "https://news.example/1"),
            ('<link rel="alternate" type="TEXT/HTML;charset=utf-8" href="/1"/>',
             "https://news.example/1"),
            ('<link type="application/xhtml+xml; charset=utf-8" href="/1"/>',
             "https://news.example/1"),
            ('<link href=" https://news.example/a b "/>', "https://news.example/a%20b"),
            ('<link href="https://news.example/a\tb"/>', "https://news.example/a%20b"),
            ('<link href="//news.example/1"/>', "https://news.example/1"),
            ('<link rel="self" href="/feed"/><link href="/1"/>', "https://news.example/1"),
            ('<link rel="alternate" type="application/json" href="/1.json"/><link href="/1"/>',
             "https://news.example/1"),
            ('<link rel="enclosure" href="/1.mp3"/>', ""),
            ('<link href="javascript:alert(1)"/>', ""),
            (f'<link href="/1?{MANY_PARAMETERS}"/>', f"https://news.example/1?{MANY_PARAMETERS}"),
            (f"<link rel='alternate' href='/1?{MANY_PARAMETERS}'/>",
             f"https://news.example/1?{MANY_PARAMETERS}"),
            ('<link href="http://["/>', ""),
            ('<link rel="http://www.iana.org/assignments/relation/alternate" href="/1"/>',
             "https://news.example/1"),
        ],
    )  # fmt: skip
    def test_a_link_of_atom(self, link: str, url: str) -> None:
        assert one(atom(f"<id>urn:1</id>{link}"))["url"] == url

    @pytest.mark.parametrize(
        ("item", "url"),
        [
            ("<link>https://news.example/1</link>", "https://news.example/1"),
            ("<link>\n  https://news.example/1\n</link>", "https://news.example/1"),
            ("<link>https://news.example/a b</link>", "https://news.example/a%20b"),
            ("<link>/1</link>", "https://news.example/1"),
            ("<link>https://news.example/?a=1&amp;copy=2</link>",
             "https://news.example/?a=1&copy=2"),
            ("<guid>https://news.example/1</guid>", "https://news.example/1"),
            ('<guid isPermaLink="true">https://news.example/1</guid>', "https://news.example/1"),
            ('<guid isPermaLink="false">https://news.example/1</guid>', ""),
            ("<guid>4711</guid>", ""),
            ("<guid>tag:news.example,2020:1</guid>", ""),
            ("<guid>news.example 2020 1</guid>", ""),
            ("<guid>/2020/1</guid>", ""),
            ("<guid>urn:uuid:1</guid><link>/1</link>", "https://news.example/1"),
        ],
    )  # fmt: skip
    def test_a_link_of_rss(self, item: str, url: str) -> None:
        assert one(rss(item))["url"] == url

    @pytest.mark.parametrize(
        ("attribute", "url"),
        [
            ('xml:base="https://other.example/blog/"', "https://other.example/blog/1"),
            ('xml:base="/blog/"', "https://news.example/blog/1"),
            ('xml:base="javascript:alert(1)"', "https://news.example/1"),
            ('xml:base="http://["', "https://news.example/1"),
            ('xml:base=""', "https://news.example/1"),
        ],
    )
    def test_a_base(self, attribute: str, url: str) -> None:
        body = atom('<id>urn:1</id><link href="1"/>').replace(
            b"<entry>", f"<entry {attribute}>".encode()
        )
        assert one(body)["url"] == url


class TestEditedAt:
    @pytest.mark.parametrize(
        ("body", "edited"),
        [
            (atom("<id>1</id><published>2020-01-01</published><updated>2020-01-02</updated>"),
             "2020-01-02T00:00:00+00:00"),
            (atom("<id>1</id><published>2020-01-01</published>"), None),
            (rss("<guid>1</guid><pubDate>2020-01-01</pubDate>"), None),
            (JSON_FEED, "2020-01-02T00:00:00+00:00"),
        ],
    )  # fmt: skip
    def test_what_the_feed_states(self, body: bytes, edited: str | None) -> None:
        entry = one(body)
        assert (entry["occurred_at"], entry["edited_at"]) == ("2020-01-01T00:00:00+00:00", edited)


class TestAuthor:
    def test_the_samples(self) -> None:
        assert sample("two-authors.xml")[0]["author"] == "Ann First, Bob Second"
        found = [entry["author"] for entry in sample("author-mail-with-long-ending.xml")]
        assert found == ["jo@firm.online", "jo@firm.agency"]

    @pytest.mark.parametrize(
        ("item", "author"),
        [
            ("<author>jo@firm.online (Jo Doe)</author>", "Jo Doe"),
            ("<author>Jo Doe &lt;jo@firm.engineering&gt;</author>", "Jo Doe"),
            ("<author>Jo Doe (jo@firm.agency)</author>", "Jo Doe"),
            ("<author>mailto:jo@firm.photography</author>", "jo@firm.photography"),
            ("<author>jo@xn--e1afmkfd.xn--p1ai</author>", "jo@xn--e1afmkfd.xn--p1ai"),
            ("<dc:creator>Ann</dc:creator><dc:creator>Bob</dc:creator>", "Ann, Bob"),
            ("<author>jo@firm.online</author><dc:creator>Jo</dc:creator>", "Jo"),
            ("<author>jo@firm.online (Jo)</author><itunes:author>Jo</itunes:author>", "Jo"),
            ("<author>Ann and Bob</author>", "Ann and Bob"),
            ("<author/>", "T"),
            ("<dc:creator>@jo</dc:creator>", "@jo"),
        ],
    )
    def test_an_author_of_rss(self, item: str, author: str) -> None:
        assert one(rss(f"<guid>1</guid>{item}"))["author"] == author

    @pytest.mark.parametrize(
        ("entry", "author", "url"),
        [
            (("<author><name>Ann</name><uri>https://ann.example/</uri></author>"
             "<author><name>Bob</name></author>"), "Ann, Bob", "https://ann.example/"),
            ("<author><email>jo@firm.online</email></author>", "jo@firm.online", ""),
            ("<author><name>Jo</name><email>jo@firm.online</email></author>", "Jo", ""),
            ("<source><author><name>Sam</name></author></source>", "Sam", ""),
            ("", "Feed Author", ""),
            ("<contributor><name>Con</name></contributor>", "Feed Author", ""),
        ],
    )  # fmt: skip
    def test_an_author_of_atom(self, entry: str, author: str, url: str) -> None:
        head = "<author><name>Feed Author</name></author>"
        found = one(atom(f"<id>1</id>{entry}", head=head))
        assert (found["author"], found["author_url"]) == (author, url)


@pytest.mark.parametrize(
    ("href", "found"),
    [
        ("/1", 'href="https://news.example/1"'),
        ("1?a=b", 'href="https://news.example/1?a=b"'),
        ("https://other.example/", 'href="https://other.example/"'),
        ("mailto:jo@firm.example", 'href="mailto:jo@firm.example"'),
        ("javascript:alert(1)", "<a rel="),
    ],
)
def test_a_link_in_a_text_is_absolute_and_words_in_brackets_stay(href: str, found: str) -> None:
    html = escape(f'<p>Queue<Pump>: <a href="{href}">here</a></p>')
    entry = one(rss(f"<guid>1</guid><description>{html}</description>"))
    assert found in entry["html"]
    assert entry["text"] == "Queue<Pump>: here"


def test_the_language_of_the_entry() -> None:
    language = "<dc:language>nl</dc:language>"
    assert one(rss(f"<guid>1</guid>{language}<description>a</description>"))["language"] == "nl"
    assert one(rss(f"<guid>1</guid><title>a</title>{language}"))["language"] == "nl"
    assert one(atom('<id>1</id><title xml:lang="fi">a</title>'))["language"] == "fi"


class TestDamage:
    def test_what_feedparser_cannot_read_is_set_apart(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        poisoned = failing(elements.feedparser.parse, "poison", IndexError)
        monkeypatch.setattr(elements.feedparser, "parse", poisoned)
        items = [f"<guid>{n}</guid><title>t{n}</title>" for n in range(9)]
        facts = parse_feed(rss(*items[:4], "<guid>x</guid><title>poison</title>", *items[4:]))
        assert [entry["key"] for entry in facts["entries"]] == [str(n) for n in range(9)]
        (unreadable,) = facts["unreadable"]
        assert unreadable["raw"] == "<item><guid>x</guid><title>poison</title></item>"
        assert unreadable["reason"] == "This entry cannot be read: poison"
        assert facts["title"] == "T"

    @pytest.mark.parametrize(
        "poison",
        [
            "<title>a\x01b\x1f</title>",
            "<title>a&#1;&#xD800;&#xFFFE;b</title>",
            "<link>http://[</link>",
            '<description xml:base="http://[">&lt;a href="x"&gt;y&lt;/a&gt;</description>',
            "<pubDate>" + "9" * 99 + "</pubDate>",
            "<foo:bar>x</foo:bar>",
            "<title>a&nbsp;&b</title>",
            "<title>a</description>",
            f"<link>http://{'ü' * 70}.example/</link>",
        ],
    )
    def test_a_poisoned_entry_costs_no_other_entry(self, poison: str) -> None:
        facts = parse_feed(rss("<guid>1</guid>", f"<guid>2</guid>{poison}", "<guid>3</guid>"), BASE)
        keys = [entry["key"] for entry in facts["entries"]]
        assert {"1", "3"} <= set(keys)
        assert len(keys) + len(facts["unreadable"]) == 3

    # Each of them makes feedparser itself fail.
    @pytest.mark.parametrize(
        "element",
        [
            "<gml:pos>1 2</gml:pos>",
            "<gml:posList>1 2 3 4</gml:posList>",
            "<textInput><title>Search</title><link>/s</link></textInput>",
            '<textInput><itunes:category text="x"/></textInput>',
            "<content:encoded>Text<media:player/></content:encoded>",
            "<content:encoded>Text<width/></content:encoded>",
        ],
    )
    def test_an_element_in_an_unusual_place_costs_only_itself(self, element: str) -> None:
        known = 'xmlns:gml="http://www.opengis.net/gml"'
        entry = f"<guid>1</guid>{element}<title>Words</title><description>Text</description>"
        for head in ("", element):
            body = rss(entry, "<guid>2</guid>", head=head).replace(
                b"<rss", f"<rss {known}".encode()
            )
            first, second = read(body)
            assert (first["title"], first["text"]) == ("Words", "Text")
            assert (first["key"], second["key"]) == ("1", "2")

    @pytest.mark.parametrize(
        "damage",
        [
            "<![CDATA[words", "<!-- words", "<!--> words", "<svg> words", "<math> words",
            "<svg><title>words", "<script> words", "<plaintext> words", "<table><tr><td> words",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("others", ["{}", "<![CDATA[{}]]>"])
    def test_an_element_without_an_end_hides_no_later_entry(self, damage: str, others: str) -> None:
        texts = [f"First {damage}", others.format("Second"), others.format("Third")]
        entries = read(
            rss(*(f"<guid>{n}</guid><description>{t}</description>" for n, t in enumerate(texts)))
        )
        assert [entry["key"] for entry in entries] == ["0", "1", "2"]
        assert [entry["text"] for entry in entries[1:]] == ["Second", "Third"]
        assert {"First", "words"} <= set(re.findall(r"\w+", entries[0]["text"]))

    def test_a_title_without_an_end_hides_nothing_after_it(self) -> None:
        words = "<guid>1</guid><description><![CDATA[Words]]></description>"
        first, second = read(rss(f"<title><![CDATA[Title</title>{words}", "<guid>2</guid>"))
        assert (first["title"], first["text"]) == ("Title", "Words")
        assert [first["key"], second["key"]] == ["1", "2"]

    def test_many_sections_in_one_without_an_end_take_linear_time(self) -> None:
        began = time.process_time()
        well_formed("<![CDATA[" + "<![CDATA[x" * 50_000)
        assert time.process_time() - began < 1

    def test_an_entry_with_many_attributes_costs_no_other_entry(self) -> None:
        attributes = " ".join(f'a{n}="x"' for n in range(20_000))
        began = time.process_time()
        entries = read(rss("<guid>1</guid>", f"<guid>2</guid><x {attributes}/>"))
        assert [entry["key"] for entry in entries] == ["1", "2"]
        assert time.process_time() - began < 2

    @pytest.mark.parametrize("charset", ["utf-8", "shift_jis", "euc-jp", "gb18030", "euc-kr"])
    def test_an_invalid_byte_costs_one_character(self, charset: str) -> None:
        words = "水漏" if charset != "euc-kr" else "누수"
        item = f"<guid>1</guid><title>{words}X{words}</title><description>{words}</description>"
        text = f'<?xml version="1.0" encoding="{charset}"?>{rss(item).decode()}'
        body = text.encode(charset).replace(b"X", b"\xff")
        assert one(body)["title"] == f"{words}\ufffd{words}"
        assert one(body)["text"] == words

    def test_an_answer_in_other_letters_is_not_too_large(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = rss("<guid>1</guid><description>" + "насос" * 50_000 + "</description>")
        monkeypatch.setattr(parser_main, "MAX_ANSWER_BYTES", int(2.5 * len(body)))
        arguments = {"base": BASE, "content_type": "application/xml"}
        [line] = parser_main._answer(parse.feed, body, arguments)
        assert "error" not in json.loads(line)


class TestTooMany:
    def feed(self, count: int, dates: Any) -> dict[str, Any]:
        items = (
            f"<guid>{n}</guid><pubDate>{dates(n)}</pubDate>" if dates(n) else f"<guid>{n}</guid>"
            for n in range(count)
        )
        return parse_feed(rss(*items), BASE)

    @pytest.mark.parametrize(
        ("name", "dates", "kept"),
        [
            ("oldest first", lambda n: f"2020-01-01 {n // 60:02}:{n % 60:02}", range(300, 1300)),
            ("newest first", lambda n: f"20{50 - n // 50}-01-01", range(1000)),
            ("no dates", lambda _n: "", [*range(500), *range(800, 1300)]),
            ("some dates", lambda n: f"20{n // 100 + 10}-01-01" if n % 100 == 0 else "",
             range(300, 1300)),
            ("no real dates", lambda _n: "soon", [*range(500), *range(800, 1300)]),
        ],
    )  # fmt: skip
    def test_the_newest_are_kept(
        self, monkeypatch: pytest.MonkeyPatch, name: str, dates: Any, kept: Any
    ) -> None:
        monkeypatch.setattr(parse, "MAX_ENTRIES", 1_000)
        facts = self.feed(1_300, dates)
        assert [int(entry["key"]) for entry in facts["entries"]] == list(kept), name
        (note,) = facts["unreadable"]
        assert note["reason"].startswith("This feed has 1,300 entries, which is too many: 300 were")

    @pytest.mark.parametrize(
        ("namespace", "wrapped"),
        [
            ("http://www.w3.org/2005/Atom", "<p:entry>{}</p:entry>"),
            ("http://purl.org/atom/ns#", "<p:entry>{}</p:entry>"),
            ("http://purl.org/rss/1.0/", "<p:item>{}</p:item>"),
        ],
    )
    def test_the_newest_are_kept_if_the_tags_have_a_prefix(
        self, namespace: str, wrapped: str
    ) -> None:
        entries = "".join(
            wrapped.format(
                f"<p:id>{n}</p:id><p:title>{n}</p:title>"
                f"<p:updated>2020-01-01T{n // 60:02}:{n % 60:02}Z</p:updated>"
            )
            for n in range(1_300)
        )
        root = "rdf:RDF" if "item" in wrapped else "p:feed"
        feed = (
            f'<{root} xmlns:p="{namespace}" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
            f">{entries}</{root}>"
        )
        text, cut = feed.encode(), "300 were left out"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parse, "MAX_ENTRIES", 1_000)
            facts = parse_feed(text, BASE)
        assert [int(entry["title"]) for entry in facts["entries"]] == [*range(300, 1_300)]
        assert cut in facts["unreadable"][0]["reason"]

    def test_an_element_of_another_namespace_is_no_entry(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parse, "MAX_ENTRIES", 2)
        parts = '<x:item xmlns:x="http://shop.example/ns">a</x:item>' * 3
        facts = parse_feed(rss(f"<guid>1</guid>{parts}", "<guid>2</guid>"))
        assert [entry["key"] for entry in facts["entries"]] == ["1", "2"]
        assert facts["unreadable"] == []

    def test_unusual_tags_are_counted_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parse, "MAX_ENTRIES", 2)
        body = rss("<guid>1</guid>", "<guid>2</guid>", "<guid>3</guid>")
        facts = parse_feed(body.replace(b"item>", b"ITEM>").replace(b"<ITEM", b"<ITEM") + b"&")
        assert [entry["key"] for entry in facts["entries"]] == ["1", "3"]
        assert "1 was left out" in facts["unreadable"][0]["reason"]

    def test_a_feed_that_fits_says_nothing(self) -> None:
        assert self.feed(2_000, lambda _n: "")["unreadable"] == []

    def test_the_last_of_2001_entries_without_dates_is_kept(self) -> None:
        facts = self.feed(2_001, lambda _n: "")
        assert facts["entries"][-1]["key"] == "2000"
        assert len(facts["entries"]) == 2_000

    @pytest.mark.parametrize("backwards", [False, True])
    def test_a_huge_feed_is_cut_at_its_older_end(self, backwards: bool) -> None:
        count = 12_000
        facts = self.feed(
            count, lambda n: f"{2000 + (count - n if backwards else n) // 1_000}-01-01"
        )
        assert facts["entries"][0]["key"] == ("0" if backwards else "10000")
        assert len(facts["entries"]) == 2_000

    def test_an_entry_in_a_quoted_text_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parse, "MAX_ENTRIES", 2)
        quoted = "<description><![CDATA[ <item> <item> <item> ]]></description>"
        facts = parse_feed(rss(f"<guid>1</guid>{quoted}", "<guid>2</guid><!-- <item> -->"))
        assert [entry["key"] for entry in facts["entries"]] == ["1", "2"]
        assert facts["unreadable"] == []
