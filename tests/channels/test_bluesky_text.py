"""Functions of the Bluesky channel that send no requests.

They find marks (links, mentions and hashtags) in texts, create record keys and search queries, and
decide which pages of a list are read (`sweep`).
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrm.channels.base import ChannelError, Terms
from scrm.channels.bluesky.channel import CHANNEL
from scrm.channels.bluesky.keys import Uri, record_key
from scrm.channels.bluesky.richtext import check, expanded, facets, first_link, mentioned
from scrm.channels.bluesky.search import queries, translate
from scrm.channels.bluesky.sweep import Page, sweep
from scrm.channels.search_query import Untranslatable

PIECES = st.sampled_from([
    "https://skyward.example/a?b=c#d", "@skycare.test", "#bags", "é", "👩‍👩‍👧", " ", "\n", ".",
    "http://", "@nobody.test", "#12", "ümläut", "@", "#", "word", ")", "…", "/",
])  # fmt: skip
TID = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")


def did(handle: str) -> str:
    return "did:plc:care" if handle == "skycare.test" else ""


def marked(text: str) -> list[tuple[str, dict[str, str]]]:
    """Return the marked part of the text and the feature of each mark.

    A mark gives the position of its part in bytes, so the function also decodes these bytes.
    """
    raw = text.encode()
    return [
        (raw[mark["index"]["byteStart"] : mark["index"]["byteEnd"]].decode(), mark["features"][0])
        for mark in facets(text, did)
    ]


class TestMarks:
    @given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=80))
    def test_every_mark_covers_exactly_its_bytes(self, text: str) -> None:
        places = []
        for shown, feature in marked(text):
            wanted = feature.get("uri") or (
                f"#{feature['tag']}" if "tag" in feature else "@skycare.test"
            )
            assert shown == wanted
        for mark in facets(text, did):
            places += [mark["index"]["byteStart"], mark["index"]["byteEnd"]]
        assert places == sorted(places), "marks must not overlap"

    def test_links_mentions_and_tags_are_found(self) -> None:
        text = "Hé @skycare.test: see (https://skyward.example/a), #bags #2026 @nobody.test"
        assert [shown for shown, _ in marked(text)] == [
            "@skycare.test", "https://skyward.example/a", "#bags",
        ]  # fmt: skip
        assert first_link(text) == "https://skyward.example/a"

    def test_a_mail_address_is_no_mention(self) -> None:
        assert marked("Write to care@skycare.test") == []

    def test_a_shortened_link_is_shown_in_full(self) -> None:
        text = "Ünd skyward.example/abc... and more"
        uri = "https://skyward.example/abcdef?x=1"
        start = text.encode().index(b"skyward")
        facet = {
            "index": {"byteStart": start, "byteEnd": start + len("skyward.example/abc...")},
            "features": [{"$type": "app.bsky.richtext.facet#link", "uri": uri}],
        }
        assert expanded(text, [facet]) == f"Ünd {uri} and more"

    def test_a_link_that_pretends_to_be_another_is_not_expanded(self) -> None:
        facet = {
            "index": {"byteStart": 0, "byteEnd": 11},
            "features": [{"uri": "https://evil.example/bank.exampl"}],
        }
        assert expanded("bank.exa...", [facet]) == "bank.exa..."
        assert expanded("bank.exa...", [facet | {"features": [{"uri": "javascript:bank"}]}]) == (
            "bank.exa..."
        )

    @given(
        st.text(max_size=40),
        st.lists(
            st.dictionaries(
                st.sampled_from(["index", "features"]),
                st.none() | st.integers() | st.lists(st.none() | st.dictionaries(
                    st.sampled_from(["uri", "did"]), st.text(max_size=5) | st.none()), max_size=2)
                | st.dictionaries(st.sampled_from(["byteStart", "byteEnd"]),
                                  st.integers(-3, 50) | st.none() | st.text(max_size=2)),
            ),
            max_size=4,
        ) | st.none() | st.text(max_size=3),
    )  # fmt: skip
    def test_hostile_marks_change_nothing_and_raise_nothing(self, text: str, marks: Any) -> None:
        assert isinstance(mentioned(marks), list)
        if not any("�" in part for part in (text, expanded(text, marks))):
            assert expanded(text, marks) == text

    def test_a_text_of_300_families_fits_and_301_do_not(self) -> None:
        assert check("👪" * 300) == "👪" * 300
        with pytest.raises(ChannelError, match="301 characters; Bluesky accepts 300"):
            check("👪" * 301)
        with pytest.raises(ChannelError, match="bytes; Bluesky accepts 3000"):
            check("👩‍👩‍👧‍👦" * 200)
        with pytest.raises(ChannelError, match="empty"):
            check(" \n")


class TestKeys:
    @given(st.text(max_size=50), st.integers(0, 49))
    def test_a_key_is_a_tid_and_the_same_at_every_attempt(self, nonce: str, position: int) -> None:
        key = record_key(nonce, position)
        assert TID.fullmatch(key)
        assert key == record_key(nonce, position)
        assert key < record_key(nonce, position + 1)

    def test_different_texts_have_different_keys(self) -> None:
        keys = {record_key(f"nonce {n}", part) for n in range(5_000) for part in range(3)}
        assert len(keys) == 15_000

    @pytest.mark.parametrize("text", ["", "at://", "at://did:plc:a/b", 5, None, "at://a/b/c/d", {}])
    def test_what_is_no_address_is_refused(self, text: object) -> None:
        with pytest.raises(ValueError, match="not the address of a record"):
            Uri.parse(text)


class TestQueries:
    def test_every_alternative_is_a_query_of_its_own(self) -> None:
        terms = Terms(any_of=("skyward", "sky ward"), all_of=("bag",), none_of=("job",))
        assert queries("", terms) == ["bag skyward", 'bag "sky ward"']

    def test_a_term_is_never_an_operator(self) -> None:
        terms = Terms(any_of=("from:jo", "-bag", 'a "b" c'))
        assert queries("", terms) == ['"from:jo"', '"-bag"', '"a b c"']

    def test_typed_words_stay_as_they_are(self) -> None:
        assert queries(" from:jo.test bag ", None) == ["from:jo.test bag"]
        assert queries("", Terms()) == []

    def test_a_translation_says_what_bluesky_cannot_search_for(self) -> None:
        found = translate(Terms(any_of=("sky", "air"), none_of=("led",)))
        assert found.queries == ("sky", "air")
        excluded, alternatives = found.left_to_us
        assert "“led” are read and left out by scrm" in excluded
        assert "2 queries are asked" in alternatives

    def test_a_topic_without_words_cannot_be_translated(self) -> None:
        with pytest.raises(Untranslatable, match="at least one word"):
            translate(Terms(none_of=("led",)))


class Ordered:
    """A fake list of the network, with rows that have a date, newest first. Cursors are dates.

    heard: the keys that the completed fetches have found. state: the state after the last completed
    fetch.
    """

    def __init__(self, count: int) -> None:
        self.rows = [(float(at), f"row {at}") for at in range(count)][::-1]
        self.count = count
        self.heard: set[str] = set()
        self.state: dict[str, Any] = {}

    def page_at(self, cursor: str, limit: int) -> Page:
        below = float(cursor) if cursor else float("inf")
        cut = [row for row in self.rows if row[0] < below][:limit]
        return Page({key: key for _, key in cut}, repr(cut[-1][0]) if cut else "")

    def new(self, many: int) -> None:
        for _ in range(many):
            self._add(self.count + 1_000.0)

    def late(self, place: int) -> None:
        """Add a row with an older date, as a post whose author states an older date."""
        if self.rows:
            older = self.rows[min(place, len(self.rows) - 1)][0]
            self._add(older - 0.5 / (self.count + 2))

    def delete(self, place: int) -> None:
        del self.rows[place % 50 : place % 50 + 3]

    def fetch(self, _: int = 0) -> None:
        swept = sweep(self.page_at, self.state, depth=1000, whole=True)
        self.heard.update(swept.found)
        self.state = swept.state

    def killed(self, _: int) -> None:
        sweep(self.page_at, self.state, depth=1000, whole=True)

    def _add(self, at: float) -> None:
        self.count += 1
        self.rows.append((at, f"row {self.count}"))
        self.rows.sort(reverse=True)


STEPS = st.tuples(
    st.sampled_from(["new", "late", "delete", "fetch", "killed"]), st.integers(1, 400)
)


@settings(max_examples=60)
@given(st.integers(0, 700), st.lists(STEPS, max_size=25))
def test_a_sweep_loses_nothing_in_any_order_of_events(
    start: int, steps: list[tuple[str, int]]
) -> None:
    """In any order of events, the sweep finds all rows of the list.

    The events are new rows, rows with an old date, deletions and killed fetches. Fails if no older
    pages are read. Fails also if a sweep that was interrupted begins again at the newest row.
    """
    listed = Ordered(start)
    for what, number in steps:
        getattr(listed, what)(number)
    for _ in range(listed.count // 100 + 40):
        listed.fetch()
    assert [key for _, key in listed.rows[:800] if key not in listed.heard] == []
    assert sweep(listed.page_at, listed.state, depth=1000, whole=True).found == []


def test_a_list_with_holes_is_read_to_its_end() -> None:
    """A list is read to its end even if some of its pages are empty.

    The network first divides the list into pages and then leaves out entries, so a page can be
    empty.
    """
    pages = {"": ([], "a"), "a": ([], "b"), "b": (["x"], "c"), "c": (["y"], "")}

    def page_at(cursor: str, _: int) -> Page:
        keys, following = pages[cursor]
        return Page(dict.fromkeys(keys, keys[0] if keys else ""), following)

    first = sweep(page_at, {}, depth=10, whole=True)
    assert (first.found, first.more) == (["x"], True)
    second = sweep(page_at, first.state, depth=10, whole=True)
    assert (second.found, second.more) == (["y"], False)


def test_a_search_reads_only_the_newest_of_the_past() -> None:
    listed = Ordered(5_000)
    state: dict[str, Any] = {}
    found: list[str] = []
    while True:
        swept = sweep(listed.page_at, state, depth=300, whole=False)
        state, found = swept.state, [*found, *swept.found]
        if not swept.more:
            break
    assert 300 <= len(found) <= 400


def test_a_text_of_few_characters_and_many_bytes_is_measured_by_its_bytes() -> None:
    """Fails if scrm shows that a text fits and Bluesky then refuses it, or if its parts are so."""
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
    text = " ".join([family] * 150)
    rules = CHANNEL.text
    assert (len(text.encode()), rules.count(text), rules.excess(text)) == (3899, 390, 90)
    with pytest.raises(ChannelError, match="bytes"):
        check(text)
    parts = rules.split(text)
    assert len(parts) == 2
    assert [check(part) for part in parts] == list(parts)
