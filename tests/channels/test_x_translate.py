"""The search query that is sent to X finds every post that matches the topic.

The query is never longer than X allows. The tests evaluate the queries with the model of X's search
in `tests/standins/x_query.py`, and compare the result with the matcher of topics.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from listening import matching
from scrm.channels.base import Terms
from scrm.channels.search_query import Untranslatable
from scrm.channels.x.translate import translate
from tests.standins.x_query import Text, compile_query

WORDS = (
    "acme", "Acme", "phone", "Café", "cafe", "MÜLLER", "or", "AND", "not", "foo_bar", "x1", "日本",
    "東京", "ไทย", "#acme", "#100", "@acme", "$ACME", "AT&T", "C++", "don’t", "coca-cola",
    "e\u0301te", "is:retweet", "(", ")", "OR", "“quoted”", '"x"', "-acme", "🎉party", "#日本",
    "from:acme",
)  # fmt: skip
words = st.sampled_from(WORDS)
phrases = st.lists(words, min_size=1, max_size=3).map(" ".join)
terms = st.lists(phrases, max_size=4).map(tuple)


def matches(topic: Terms, text: str) -> bool:
    query = matching.TopicQuery(1, topic.any_of, topic.all_of, topic.none_of)
    return bool(matching.compile([query]).match("", text))


def has_words(topic: Terms) -> bool:
    return all(any(c.isalnum() for c in t) for t in (*topic.any_of, *topic.all_of, *topic.none_of))


@st.composite
def topics_and_texts(draw: st.DrawFn) -> tuple[Terms, str]:
    """Return a topic and a text. Most words of the topic are taken from the text."""
    parts = draw(st.lists(words, min_size=1, max_size=10))

    def taken() -> tuple[str, ...]:
        starts = draw(st.lists(st.integers(0, len(parts) - 1), max_size=3))
        return tuple(" ".join(parts[at : at + draw(st.integers(1, 3))]) for at in starts)

    return Terms((*draw(terms), *taken()), taken(), draw(terms)), " ".join(parts)


@pytest.mark.slow
@given(topics_and_texts(), st.sampled_from([60, 120, 512]))
@settings(max_examples=400, suppress_health_check=[HealthCheck.filter_too_much])
def test_everything_that_the_topic_matches_is_found(drawn: tuple[Terms, str], longest: int) -> None:
    """If the topic matches a text, the search query for the topic also finds the text.

    Fails, for example, if the query leaves out an alternative or excludes a phrase.
    """
    topic, text = drawn
    assume(has_words(topic) and matches(topic, text))
    try:
        found = translate(topic, max_length=longest)
    except Untranslatable:
        return
    assert compile_query(found.queries[0])(Text(text)), found.queries[0]


@given(st.builds(Terms, terms, terms, terms), st.integers(40, 512))
@settings(max_examples=150)
def test_a_query_fits_and_can_be_read(topic: Terms, longest: int) -> None:
    assume(has_words(topic))
    try:
        found = translate(topic, max_length=longest)
    except Untranslatable:
        return
    assert len(found.queries[0]) <= longest
    compile_query(found.queries[0])
    assert found.queries[0].endswith(" -is:retweet")


@pytest.mark.parametrize(
    ("topic", "query"),
    [
        (Terms(("acme",)), "acme -is:retweet"),
        (Terms(("acme", "apex corp")), '(acme OR "apex corp") -is:retweet'),
        (Terms(("a1", "b2"), ("c3", "d4"), ("e5",)), "(a1 OR b2) c3 d4 -e5 -is:retweet"),
        (Terms((), ("#acme", "@acme", "$ACME")), "#acme @acme $ACME -is:retweet"),
        (Terms(("OR", "or")), '("OR" OR "or") -is:retweet'),
        (Terms(('say "hi"',)), '"say hi" -is:retweet'),
        (Terms(("from:me",)), '"from:me" -is:retweet'),
    ],
)
def test_the_operators_of_x_are_used(topic: Terms, query: str) -> None:
    assert translate(topic).queries[0] == query


def test_what_x_cannot_express_is_left_to_us_with_a_reason() -> None:
    found = translate(Terms(("C++",), (), ("used", "second hand", "#ad")))
    assert found.queries[0] == '"C++" -used -is:retweet'
    assert [reason.partition("”")[0] for reason in found.left_to_us] == [
        "X ignores the signs in “C++", "“second hand", "“#ad",
    ]  # fmt: skip


def test_conditions_that_do_not_fit_are_left_to_us() -> None:
    many = tuple(f"word{number}" for number in range(100))
    found = translate(Terms(many, ("acme",), ("used",)))
    assert found.queries[0] == "acme -used -is:retweet"
    assert found.left_to_us == (
        "The alternatives are compared here: they are too long for one query of X.",
    )
    found = translate(Terms(("acme",), many, ()))
    assert found.queries[0].startswith("acme word0 word1 ")
    assert len(found.left_to_us) == sum(f"word{n} " not in found.queries[0] for n in range(100))


@pytest.mark.parametrize("topic", [Terms(), Terms(none_of=("acme",)), Terms((" ",))])
def test_a_topic_without_words_is_explained(topic: Terms) -> None:
    with pytest.raises(Untranslatable, match="at least one word"):
        translate(topic)


def test_alternatives_that_do_not_fit_are_explained() -> None:
    with pytest.raises(Untranslatable, match="Split it"):
        translate(Terms(tuple(f"word{number}" for number in range(100))))
