"""The text that is sent to WordPress, and the keys of the posts there.

The tested functions have no side effects and accept any text and any guid (the id of an RSS item).
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from scrm.channels.permalink import (
    comment_key,
    comment_number,
    guid_key,
    place,
    post_number,
    site_scope,
)
from scrm.channels.wordpress.words import as_comment, as_html, slug_of, title_of
from scrm.text.clean import plain, storable

TEXT = st.text(max_size=400)
SPOKEN = st.text(st.sampled_from("ab <>&\"'[]/\n\r\t.:#éß漢🛫\u202e"), max_size=80)
FEED = "https://blog.example/feed/"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


def tags(html: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    parser = Tags()
    parser.feed(html)
    parser.close()
    return parser.found


class TestHtml:
    def test_paragraphs_breaks_and_links(self) -> None:
        assert as_html("Dear all,\nsorry.\n\n See https://a.example/?b=1&c=2.\n") == (
            "<p>Dear all,<br />sorry.</p>\n"
            '<p>See <a href="https://a.example/?b=1&amp;c=2">https://a.example/?b=1&amp;c=2</a>.</p>'
        )

    def test_what_staff_type_is_never_markup_nor_an_order(self) -> None:
        html = as_html('<script>x</script> [gallery ids="1"] <!-- wp:html -->')
        assert tags(html) == [("p", [])]
        assert "[" not in html
        assert "<!--" not in html

    @given(SPOKEN | TEXT)
    def test_nothing_but_paragraphs_breaks_and_links_comes_of_any_text(self, text: str) -> None:
        for tag, attributes in tags(as_html(text)):
            assert tag in {"p", "br", "a"}
            assert [name for name, _ in attributes] == (["href"] if tag == "a" else [])
            for _, value in attributes:
                assert re.match(r"https?://", value or "")

    @given(SPOKEN | TEXT)
    def test_no_word_is_lost_on_the_way_there_and_back(self, text: str) -> None:
        assert plain(as_html(text)).split() == storable(text).split()

    @given(SPOKEN | TEXT)
    def test_a_comment_and_a_title_hold_no_markup(self, text: str) -> None:
        assert tags(as_comment(text)) == []
        assert tags(title_of(text, text)) == []
        assert plain(as_comment(text)).split() == storable(text).split()

    def test_without_a_title_the_first_words_are_one(self) -> None:
        assert title_of("", "word " * 40) == "word " * 14 + "word…"
        assert title_of(" So  sorry ", "anything") == "So sorry"


class TestSlug:
    def test_it_can_be_read(self) -> None:
        nonce = "db7feb8e-17aa-4000-8000-000000000000"
        assert slug_of("Sorry & thanks, Zoë!", "", nonce) == "sorry-thanks-zoe-db7feb8e17"
        assert slug_of("", "We are sorry.", nonce) == "we-are-sorry-db7feb8e17"
        assert slug_of("飛行機", "", nonce) == "statement-db7feb8e17"

    @example("", "0-_0", UUID("e3e70682-c209-4cac-629f-6fbed82c07cd"))
    @given(TEXT, TEXT, st.uuids())
    def test_wordpress_leaves_it_as_it_is_and_so_finds_it(
        self, subject: str, text: str, nonce: UUID
    ) -> None:
        slug = slug_of(subject, text, str(nonce))
        assert re.fullmatch(r"[a-z0-9]+(-+[a-z0-9]+)+", slug)
        assert "--" not in slug
        assert len(slug) <= 80

    @given(TEXT, st.uuids(), st.uuids())
    def test_two_sendings_of_the_same_words_do_not_meet(
        self, text: str, one: UUID, other: UUID
    ) -> None:
        assume(one.hex[:10] != other.hex[:10])
        assert slug_of("", text, str(one)) != slug_of("", text, str(other))


class TestIdentity:
    @pytest.mark.parametrize(
        ("guid", "key"),
        [
            ("https://Blog.example/?p=5", "//blog.example/?p=5"),
            ("http://blog.example:80/?p=5", "//blog.example/?p=5"),
            ("http://blog.example/?post_type=x&#038;p=5", "//blog.example/?post_type=x&p=5"),
            ("https://blog.example/2026/11/so/#comment-3", "//blog.example/2026/11/so/#comment-3"),
            ("urn:uuid:5", ""),
            ("http://[::1", ""),
            ("", ""),
        ],
    )
    def test_the_scheme_is_no_part_of_a_guid(self, guid: str, key: str) -> None:
        assert guid_key(guid) == key

    def test_a_comment_stands_under_its_post(self) -> None:
        found = place("https://blog.example/?p=5#comment-3", feed=FEED, by_wordpress=False)
        assert found
        assert (found.scope, found.post) == ("wordpress:blog.example", "//blog.example/?p=5")
        assert found.is_comment
        assert found.key == comment_key(found.post, 3)

    def test_an_address_in_words_counts_where_the_feed_says_who_wrote_it(self) -> None:
        guid = "https://blog.example/2026/11/so/"
        assert place(guid, feed=FEED, by_wordpress=False) is None
        found = place(guid, feed=FEED, by_wordpress=True)
        assert found
        assert not found.is_comment

    @pytest.mark.parametrize(
        "guid",
        [
            "https://other.example/?p=5",
            "https://blog.example.evil.example/?p=5",
            "https://blog.example:8080/?p=5",
            "https://x@other.example/?p=5",
        ],
    )
    def test_no_site_speaks_for_another(self, guid: str) -> None:
        """A guid that names another host than the feed gives no key.

        Fails if a guid may name any host, because the feed of another site could then use the keys
        of our posts.
        """
        assert place(guid, feed=FEED, by_wordpress=True) is None

    @given(st.text(max_size=60), st.booleans())
    def test_any_guid_is_read_without_a_crash(self, guid: str, by_wordpress: bool) -> None:
        found = place(guid, feed=FEED, by_wordpress=by_wordpress)
        assert found is None or found.key.startswith("//blog.example/")

    @given(st.integers(1, 10**17), st.integers(1, 10**17))
    def test_numbers_come_back_out_of_keys(self, post: int, comment: int) -> None:
        key = guid_key(f"https://blog.example/?p={post}")
        assert post_number(key) == post_number(comment_key(key, comment)) == post
        assert comment_number(comment_key(key, comment)) == comment
        assert comment_number(key) is None

    @given(st.from_regex(r"[a-z]{1,50}(\.[a-z]{1,50}){1,4}", fullmatch=True))
    def test_a_scope_fits_an_account_however_long_the_host(self, host: str) -> None:
        assert len(site_scope(f"https://{host}/")) <= 60
        assert site_scope(f"https://{host}/") != site_scope(f"https://{host}x/")
