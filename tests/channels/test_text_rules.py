"""The length of a text is counted as its network counts it, and a thread loses no word."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.channels.text_rules import MAX_PARTS, TextRules

PLAIN = TextRules(max_length=500)
MASTODON = TextRules(max_length=500, link_length=23, short_mentions=True, threads=True)
BLUESKY = TextRules(max_length=300, unit="graphemes", threads=True)
X = TextRules(max_length=280, unit="weighted", link_length=23, bare_domains=True, threads=True)

FAMILY = "👩‍👩‍👧‍👦"
LINK = "https://news.example/2026/11/a-very-long-address-of-a-page?with=parameters"


@pytest.mark.parametrize(
    ("rules", "text", "units"),
    [
        (PLAIN, "Grüße", 5),
        (PLAIN, FAMILY, 7),
        (BLUESKY, FAMILY, 1),
        (BLUESKY, "e\u0301", 1),
        (BLUESKY, LINK, len(LINK)),
        (X, "Grüße", 5),
        (X, "日本", 4),
        (X, FAMILY, 2),
        (X, "👍🏽", 2),
        (X, "🇨🇭", 2),
        (X, "1️⃣", 2),
        (X, "123 #1", 6),
        (X, "“Quotes” – and…", 16),
        (X, f"See {LINK}.", 4 + 23 + 1),
        (X, "http://a.example and http://b.example", 23 + 5 + 23),
        (X, "see skyward.com", 4 + 23),
        (X, "see www.Skyward.CH/booking?a=1#b, please", 4 + 23 + 8),
        (X, "見skyward.com見て", 2 + 23 + 4),
        (X, "見て https://skyward.com/a見て", 5 + 23 + 4),
        (X, "https://skyward.com見て", 23 + 4),
        (X, "https://skyward.com/москва/é", 23),
        (X, "https://a.example,https://b.example", 23 + 1 + 23),
        (X, "skyward.com.unknown", 23 + 8),
        (X, "mail ann.me@skyward.com", len("mail ann.me@skyward.com")),
        (X, "at 10.30 e.g. in v1.2.exe", len("at 10.30 e.g. in v1.2.exe")),
        (MASTODON, f"See {LINK}", 4 + 23),
        (MASTODON, "see skyward.com", len("see skyward.com")),
        (MASTODON, "@ann@social.example hello", len("@ann hello")),
        (MASTODON, "mail ann@social.example", len("mail ann@social.example")),
    ],
)
def test_a_text_has_this_many_units(rules: TextRules, text: str, units: int) -> None:
    assert rules.count(text) == units


def test_a_text_that_fits_stays_one_post() -> None:
    assert X.split(" Thank you! ") == ("Thank you!",)


def test_a_thread_breaks_after_a_sentence_if_the_post_is_at_least_half_full() -> None:
    first = "We looked at your case and found the bag in Leeds. " + "It is on its way. " * 10
    parts = X.split(first + "The courier calls before noon. " * 4)
    assert len(parts) == 2
    assert parts[0].endswith(". 1/2")
    assert parts[1].endswith(". 2/2")


def test_without_threads_a_long_text_is_not_split() -> None:
    assert PLAIN.split("word " * 200) == ()


def test_a_word_that_is_longer_than_a_post_cannot_be_split() -> None:
    assert BLUESKY.split("Donau" * 100) == ()


def test_a_book_is_no_thread() -> None:
    assert BLUESKY.split("word " * 100 * MAX_PARTS) == ()


WORDS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"]), min_size=1, max_size=12),
        st.sampled_from([FAMILY, LINK, "end.", "日本語", "@ann@social.example"]),
    ),
    min_size=1,
    max_size=300,
)


@given(WORDS, st.sampled_from([MASTODON, BLUESKY, X]), st.sampled_from([" ", "\n\n", "\n"]))
def test_a_thread_loses_no_word_and_each_post_fits(
    words: list[str], rules: TextRules, between: str
) -> None:
    text = between.join(words)
    parts = rules.split(text)
    assert all(rules.excess(part) == 0 for part in parts)
    if len(parts) > 1:
        parts = tuple(re.sub(r" \d+/\d+$", "", part) for part in parts)
    if parts:
        assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "hostile",
    [
        "a" * 200_000,
        "a." * 100_000,
        "a.co" * 50_000,
        "a.com/" * 33_000,
        "http://" * 30_000,
        "@a@" * 70_000,
        "👍" * 200_000,
    ],
)
@pytest.mark.parametrize("rules", [MASTODON, BLUESKY, X])
def test_200_000_hostile_characters_are_counted_and_split_quickly(
    rules: TextRules, hostile: str
) -> None:
    started = time.process_time()
    assert rules.count(hostile) > 0
    rules.split(hostile)
    assert time.process_time() - started < 5
