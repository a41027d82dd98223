"""Topics match whole words and phrases in any writing system.

The matcher returns the positions of the hits in the original text.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from listening.matching import (
    MAX_TERM,
    MAX_TERMS,
    Hit,
    Span,
    TopicQuery,
    validate_terms,
)
from listening.matching import compile as matcher_of
from scrm.text.fold import fold, origins

TERMS = (
    "art", "seat policy", "@SkywardAir", "#fail", "c++", "AT&T", "Zoë", "Straße", "東京", "กา",
    "й", "한국", "O'Brien", "e-mail",
)  # fmt: skip
anything = st.text(st.characters(exclude_categories=()), max_size=40)
terms = st.sampled_from(TERMS)
pieces = terms | st.sampled_from((" ", "\n", "party", "_", "é", "@", "™", "\u200b")) | anything
texts = st.lists(pieces, max_size=8).map(" ".join) | st.lists(pieces, max_size=8).map("".join)
queries = st.builds(
    TopicQuery,
    st.just(1),
    st.lists(terms, max_size=3).map(tuple),
    st.lists(terms, max_size=2).map(tuple),
    st.lists(terms, max_size=2).map(tuple),
)


def _match(query: TopicQuery, text: str, title: str = "") -> list[Hit]:
    return matcher_of([query]).match(title, text)


def _found(term: str, text: str) -> list[str]:
    """Return the parts of the original text that match `term`."""
    hits = _match(TopicQuery(1, any_of=(term,)), text)
    return [text[span.start : span.end] for hit in hits for span in hit.spans]


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        # Whole words.
        ("art", "a party of art.", ["art"]),
        ("acme", "ACME! acme_corp, acme2; acmes", ["ACME"]),
        ("acme", "#acme, @acme and acme's", ["acme", "acme", "acme"]),
        ("acme", "Acme™ and Acme®", ["Acme", "Acme"]),
        # Symbols.
        ("#acme", "acme @acme #acme ＃Acme", ["#acme", "＃Acme"]),
        ("@acme", "joe@acme.com @acme_x (@acme)", ["@acme"]),
        ("@SkywardAir", "thanks @skywardair!", ["@skywardair"]),
        ("c++", "C++, c, c+ and c++17", ["C++"]),
        ("AT&T", "at&t, AT & T", ["at&t"]),
        (".net", "asp.net or .NET", [".NET"]),
        ("O'Brien", "Mr O’Brien", ["O’Brien"]),
        ("e-mail", "e\u2011mail, e mail", ["e\u2011mail"]),
        # Phrases.
        ("seat policy", "the Seat\r\n  POLICY. seat, policy", ["Seat\r\n  POLICY"]),
        ("seat policy", "seat\u00a0policy seatpolicy", ["seat\u00a0policy"]),
        # Case and accents.
        ("Zoë", "zoe ZOË Zoe\u0308", ["zoe", "ZOË", "Zoe\u0308"]),
        ("istanbul", "İSTANBUL ıstanbul", ["İSTANBUL", "ıstanbul"]),
        ("straße", "STRASSE Straße STRAẞE", ["STRASSE", "Straße", "STRAẞE"]),
        ("fine", "ﬁne", ["ﬁne"]),
        ("acme", "Ａｃｍｅ 𝐀𝐜𝐦𝐞", ["Ａｃｍｅ", "𝐀𝐜𝐦𝐞"]),
        ("σας", "ΣΑΣ", ["ΣΑΣ"]),
        ("skyward", "Sky\u00adward", ["Sky\u00adward"]),
        # Letters that must not be taken for each other.
        ("мои", "мой мои", ["мои"]),
        ("мой", "мои\u0306", ["мои\u0306"]),
        ("한국", "한국 한국어 \u1112\u1161\u11ab국", ["한국", "\u1112\u1161\u11ab국"]),
        ("हिन्दी", "हिन्दी हिन्द", ["हिन्दी"]),
        # Scripts without spaces.
        ("東京", "私は東京都に", ["東京"]),
        ("acme", "昨日acmeで", ["acme"]),
        ("@acme", "昨日@acmeで", ["@acme"]),
        ("ガ", "ｶﾞ カ", ["ｶﾞ"]),
        ("การ", "ทำการบ้าน", ["การ"]),
        ("ที", "ที่นี่", []),
        ("น้ำ", "ดื่มน้ำ", ["น้ำ"]),
        ("会社", "㍿acme", ["㍿"]),
    ],
)
def test_a_term_hits_where_a_reader_would_see_it(term: str, text: str, found: list[str]) -> None:
    assert _found(term, text) == found


@given(anything)
@example("İ\u200b\u0301\ud800ｶﾞ\u1112\u1161 ﬁ")
def test_every_folded_character_knows_where_it_came_from(text: str) -> None:
    found = origins(text)
    assert len(found) == len(fold(text))
    assert found == sorted(found)
    assert all(0 <= start < end <= len(text) for start, end in found)


@given(queries, texts, texts)
def test_spans_point_at_the_terms(query: TopicQuery, title: str, text: str) -> None:
    wanted = query.any_of + query.all_of
    for hit in _match(query, text, title):
        assert hit.spans
        for span in hit.spans:
            original = title if span.field == "title" else text
            place = original[span.start : span.end]
            assert any(_found(term, place) for term in wanted)


@given(queries, texts, texts)
def test_spans_are_sorted_and_disjoint(query: TopicQuery, title: str, text: str) -> None:
    for hit in _match(query, text, title):
        places = [(span.field == "text", span.start, span.end) for span in hit.spans]
        assert all(start < end for _, start, end in places)
        assert all(a[0] < b[0] or a[2] <= b[1] for a, b in pairwise(places))


@given(queries, texts, terms)
def test_a_none_of_term_that_occurs_kills(query: TopicQuery, text: str, term: str) -> None:
    stricter = TopicQuery(1, query.any_of, query.all_of, (*query.none_of, term))
    assert _match(stricter, f"{text} {term}") == []
    assert _match(stricter, text, title=term) == []


@given(st.lists(terms, max_size=6), st.lists(st.sampled_from("áé\u0301ZŽß İñ"), max_size=6))
def test_case_does_not_change_what_hits(words: list[str], between: list[str]) -> None:
    text = " ".join([*words, *between])
    matcher = matcher_of(TopicQuery(i, any_of=(term,)) for i, term in enumerate(TERMS))
    hits = {hit.key for hit in matcher.match("", text)}
    for other in (text.upper(), text.lower(), text.title(), fold(text)):
        assert {hit.key for hit in matcher.match("", other)} == hits


@given(st.lists(terms, max_size=6), st.sampled_from("\u0301\u0308\u0327"))
def test_accents_on_latin_letters_do_not_change_what_hits(words: list[str], mark: str) -> None:
    text = " ".join(words)
    accented = "".join(c + mark if c.isascii() and c.isalpha() else c for c in text)
    matcher = matcher_of(TopicQuery(i, any_of=(term,)) for i, term in enumerate(TERMS))
    plain, marked = matcher.match("", text), matcher.match("", accented)
    assert [hit.key for hit in plain] == [hit.key for hit in marked]


@given(st.lists(queries, max_size=6), texts, texts)
def test_a_query_alone_matches_as_among_others(
    many: list[TopicQuery], title: str, text: str
) -> None:
    keyed = [TopicQuery(i, q.any_of, q.all_of, q.none_of) for i, q in enumerate(many)]
    alone = [hit for query in keyed for hit in _match(query, text, title)]
    assert matcher_of(keyed).match(title, text) == alone


@given(anything, anything, st.lists(anything, max_size=3).map(tuple))
def test_any_text_and_any_terms_are_taken(title: str, text: str, some: tuple[str, ...]) -> None:
    _match(TopicQuery(1, any_of=some, none_of=some), text, title)
    assert all(isinstance(hit, Hit) for hit in _match(TopicQuery(1, all_of=some), text, title))


def test_all_of_must_occur_somewhere_in_title_and_text() -> None:
    query = TopicQuery(7, any_of=("seat", "chair"), all_of=("skyward", "refund"))
    spans = (Span("title", 0, 7), Span("text", 2, 6), Span("text", 11, 17))
    assert _match(query, "a seat and refund", title="Skyward") == [Hit(7, spans)]
    assert _match(query, "a seat", title="Skyward") == []
    assert _match(query, "a refund", title="Skyward") == []


def test_all_of_alone_is_enough_and_none_of_alone_is_not() -> None:
    assert _match(TopicQuery(1, all_of=("art",)), "art")
    assert _match(TopicQuery(1, none_of=("spam",)), "art") == []


def test_overlapping_places_become_one_span() -> None:
    query = TopicQuery(1, any_of=("seat", "seat policy", "policy makers"))
    assert _match(query, "seat policy makers") == [Hit(1, (Span("text", 0, 18),))]


def test_a_term_without_words_never_hits() -> None:
    assert _match(TopicQuery(1, any_of=("!!!",)), "!!!") == []
    assert _match(TopicQuery(1, any_of=("art",), all_of=("",)), "art") == []
    assert _match(TopicQuery(1, any_of=("art",), none_of=("!!!",)), "art !!!")


def test_terms_are_checked_in_words() -> None:
    assert validate_terms(["art", "c++", "東京"]) == []
    wrong = validate_terms([" ", "!!!", "x" * (MAX_TERM + 1)])
    assert wrong[0].startswith("A term is blank.")
    assert wrong[1] == "“!!!” has no letter or digit, so it cannot be found as a word."
    assert "201 characters" in wrong[2]
    assert "501 terms" in validate_terms(["a"] * (MAX_TERMS + 1))[0]
