"""The condition language: parsing, evaluating, explaining and describing conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unicodedata import combining

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from scrm.conditions.explain import explain, hits, sentence
from scrm.conditions.language import (
    MAX_DEPTH,
    MAX_LEAVES,
    MAX_STRING,
    OPERATORS,
    Condition,
    ConditionErrors,
    Field,
    FieldType,
    Group,
    Leaf,
    Path,
    Schema,
    parse,
)
from scrm.conditions.language import compile as predicate
from scrm.text.fold import fold, places

SCHEMA: Schema = {
    "text": Field("text", "text", "text"),
    "stance": Field("stance", "choice", "source type", ("for us", "about us")),
    "topics": Field("topics", "set", "topic"),
    "reach": Field("reach", "number", "reach"),
    "known": Field("known", "bool", "contact is known"),
    "time": Field("time", "time", "time of day"),
}
LISTED = ("is one of", "contains any")
WORDS = ("art", "party", "Zoë", "東京", "seat policy", "a.b")
NAMES = ("Brand", "Brand, angry", "Seat policy")

_values: Mapping[FieldType, st.SearchStrategy[Any]] = {
    "text": st.sampled_from(WORDS),
    "choice": st.sampled_from(("for us", "about us")),
    "set": st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
    "number": st.integers(-3, 3) | st.floats(-3, 3),
    "bool": st.booleans(),
    "time": st.lists(
        st.sampled_from(("00:00", "09:30", "23:59")), min_size=2, max_size=2, unique=True
    ),
}


@st.composite
def _leaf(draw: st.DrawFn) -> dict[str, object]:
    field = draw(st.sampled_from(list(SCHEMA.values())))
    op = draw(st.sampled_from(OPERATORS[field.type]))
    value = draw(_values[field.type])
    return {"field": field.name, "op": op, "value": [value] if op in LISTED else value}


def _group(members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, object]]:
    some = st.lists(members, min_size=1, max_size=3)
    return st.tuples(st.sampled_from(("all", "any", "none")), some).map(lambda pair: dict([pair]))


conditions = (
    st.recursive(_leaf(), _group, max_leaves=12).map(lambda data: parse(data, SCHEMA))
    | st.just(Group("all"))
)  # fmt: skip
facts = st.fixed_dictionaries(
    {},
    optional={
        "text": st.none() | st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join),
        "stance": st.sampled_from(("for us", "about us", "")),
        "topics": st.frozensets(st.sampled_from(NAMES)),
        "reach": st.none() | st.integers(-3, 3),
        "known": st.booleans(),
        "time": st.integers(0, 24 * 60 - 1),
    },
)
json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(("all", "any", "none", "field", "op", "value", "x")), inner, max_size=4
        )
    ),
)


def _leaf_of(name: str, op: str, value: object) -> dict[str, object]:
    return {"field": name, "op": op, "value": value}


def _holds(name: str, op: str, value: object, **known: object) -> bool:
    return predicate(parse(_leaf_of(name, op, value), SCHEMA))(known)


def _errors(data: object) -> dict[Path, str]:
    with pytest.raises(ConditionErrors) as caught:
        parse(data, SCHEMA)
    assert caught.value.errors
    return {error.path: error.message for error in caught.value.errors}


# Properties


@given(conditions, facts)
def test_an_explanation_agrees_with_the_predicate(condition: Condition, known: Any) -> None:
    assert explain(condition, known).holds == predicate(condition)(known)


@given(conditions)
def test_what_is_written_reads_back_as_the_same(condition: Condition) -> None:
    again = parse(condition.to_json(), SCHEMA)
    assert again == condition
    assert hash(again) == hash(condition)


@given(st.lists(conditions, max_size=4), facts)
def test_none_denies_any_and_de_morgan_holds(members: list[Condition], known: Any) -> None:
    either, neither = Group("any", tuple(members)), Group("none", tuple(members))
    denied = Group("all", tuple(Group("none", (member,)) for member in members))
    assert predicate(neither)(known) != predicate(either)(known)
    assert predicate(neither)(known) == predicate(denied)(known)


def _is_under_odd_nones(condition: Condition, leaf: Leaf, odd: bool = False) -> set[bool]:
    if isinstance(condition, Leaf):
        return {odd} if condition == leaf else set()
    inside = odd != (condition.kind == "none")
    return {
        each for member in condition.members for each in _is_under_odd_nones(member, leaf, inside)
    }


@given(conditions, facts)
def test_the_named_leaf_fails_or_holds_under_none(condition: Condition, known: Any) -> None:
    explanation = explain(condition, known)
    if explanation.holds:
        assert explanation.leaf is None
    else:
        assert explanation.leaf is not None
        assert predicate(explanation.leaf)(known) in _is_under_odd_nones(
            condition, explanation.leaf
        )
        assert explanation.sentence


@given(_leaf().map(lambda data: parse(data, SCHEMA)), facts)
def test_a_leaf_says_different_things_when_it_holds_and_when_not(leaf: Leaf, known: Any) -> None:
    denied = explain(Group("none", (leaf,)), known)
    assert denied.holds != explain(leaf, known).holds
    assert denied.leaves == (leaf,)


@given(json)
@example({"all": [{"all": []}]})
@example(_leaf_of("reach", "at least", float("nan")))
@example(_leaf_of("reach", "at least", 10**400))
def test_reading_any_json_gives_a_condition_or_errors(data: object) -> None:
    try:
        condition = parse(data, SCHEMA)
    except ConditionErrors:
        assert all(message.endswith(".") for message in _errors(data).values())
    else:
        assert parse(condition.to_json(), SCHEMA) == condition


@given(conditions, json)
def test_facts_of_the_wrong_type_are_unknown_facts(condition: Condition, junk: object) -> None:
    wrong: dict[str, object] = {name: [junk] for name in SCHEMA}
    assert predicate(condition)(wrong) == predicate(condition)({})
    assert sentence(condition)


# Operators


@pytest.mark.parametrize(
    ("needle", "text", "found"),
    [
        ("sue", "I will SUE you", True),
        ("sue", "you will be sued", True),
        ("sue", "an issue", False),
        ("zoe", "Ask Zoë.", True),
        ("seat policy", "the seat\n  policy", True),
        ("京", "東京へ", True),
        ("acme", "東京acme", True),
        ("#seat", "my#seat", True),
        ("a.b", "axb", False),
        ("и", "й", False),
    ],
)
def test_contains_begins_at_a_word_and_is_blind_to_case_and_accents(
    needle: str, text: str, found: bool
) -> None:
    assert _holds("text", "contains", needle, text=text) == found
    assert _holds("text", "does not contain", needle, text=text) != found


LETTERS = st.text(st.sampled_from("aAäÄ ﬁfi東ßsS\u00ad\u0301İ-'\n\t™"), max_size=12)


def _begins_with_a_letter(word: str) -> bool:
    """Return whether the word begins with a letter after `fold` is applied.

    The result is False for an empty word and for a word that begins with a combining mark.
    """
    seen = fold(word).strip()
    return bool(seen) and not combining(seen[0])


@given(LETTERS, st.lists(LETTERS.filter(_begins_with_a_letter), min_size=1, max_size=3))
def test_words_are_found_where_they_stand(text: str, words: list[str]) -> None:
    """`hits` returns positions of words exactly if the condition matches the text.

    The page highlights the text at these positions. The text at each position must begin with the
    word that was found.
    """
    field = SCHEMA["text"]
    found = hits(Leaf(field, "contains any", tuple(words)), {"text": text})
    assert bool(found) == predicate(Leaf(field, "contains any", tuple(words)))({"text": text})
    for said, (start, end) in found:
        assert 0 <= start < end <= len(text)
        shown = " ".join(fold(text[start:end]).split())
        assert shown.startswith(" ".join(fold(said[1:-1]).split()))  # “ß” is highlighted for “s”


@pytest.mark.parametrize(
    ("text", "words", "whole", "found"),
    [
        ("He had TWO\n seats, two seatsful", "two seats", False, ["TWO\n seats", "two seats"]),
        ("He had two seatsful", "two seats", True, []),
        ("Straße 5, Strasse 5", "strasse 5", True, ["Straße 5", "Strasse 5"]),
        ("e\u0301te\u0301 ete", "été", True, ["e\u0301te\u0301", "ete"]),
        ("二席目の予約", "予約", True, ["予約"]),
        ("nothing", "seat", False, []),
    ],
)
def test_places_are_those_of_the_original(
    text: str, words: str, whole: bool, found: list[str]
) -> None:
    assert [text[start:end] for start, end in places(text, words, whole=whole)] == found


@pytest.mark.parametrize(
    ("name", "op", "value", "fact", "held"),
    [
        ("text", "contains any", ["zoe", "rob"], "dear Röbin", True),
        ("text", "contains any", ["zoe", "rob"], "dear Anna", False),
        ("text", "is", "zoe", " ZOË ", True),
        ("text", "is", "zoe", "zoe b", False),
        ("stance", "is", "for us", "for us", True),
        ("stance", "is", "for us", "For us", False),
        ("stance", "is one of", ["for us", "about us"], "about us", True),
        ("topics", "has any", ["Brand", "Seat policy"], frozenset({"Seat policy"}), True),
        ("topics", "has all", ["Brand", "Seat policy"], frozenset({"Seat policy"}), False),
        ("topics", "has none", ["Brand"], frozenset({"Brand", "Seat policy"}), False),
        ("reach", "at least", 10, 10, True),
        ("reach", "at most", 10, 11, False),
        ("known", "is", False, False, True),
    ],
)
def test_operators_mean_what_they_say(
    name: str, op: str, value: object, fact: object, held: bool
) -> None:
    assert _holds(name, op, value, **{name: fact}) == held


def test_an_unknown_fact_satisfies_only_negative_operators() -> None:
    assert not _holds("reach", "at most", 10)
    assert not _holds("known", "is", False)
    assert not _holds("stance", "is", "for us", stance=None)
    assert _holds("stance", "is not", "for us", stance=None)
    assert _holds("topics", "has none", ["Brand"])
    assert _holds("text", "does not contain", "art")


def test_an_empty_all_always_holds() -> None:
    assert predicate(parse({"all": []}, SCHEMA))({})


# Errors


def test_every_error_is_listed_with_its_place() -> None:
    data = {
        "all": [
            _leaf_of("reach", "at least", "many"),
            {"any": []},
            _leaf_of("mood", "is", "angry"),
            _leaf_of("topics", "is", ["Brand"]),
            _leaf_of("topics", "has any", ["", 7]),
            {"none": [_leaf_of("stance", "is", "against us")]},
            {"field": "reach"},
            12,
            {"any": "x"},
            {"any": [], "x": 1},
        ]
    }
    errors = _errors(data)
    assert list(errors) == [
        ("all", 0, "value"),
        ("all", 1, "any"),
        ("all", 2, "field"),
        ("all", 3, "op"),
        ("all", 4, "value", 0),
        ("all", 4, "value", 1),
        ("all", 5, "none", 0, "value"),
        ("all", 6),
        ("all", 7),
        ("all", 8, "any"),
        ("all", 9),
    ]
    assert errors["all", 2, "field"] == "There is no field “mood”. Choose a field from the list."
    assert errors["all", 3, "op"] == ("Use “has any of”, “has all of” or “has none of” with Topic.")
    assert errors["all", 5, "none", 0, "value"].endswith("Choose for us or about us.")


def test_it_refuses_what_is_too_deep_too_many_or_too_long() -> None:
    deep: dict[str, object] = _leaf_of("known", "is", True)
    for _ in range(MAX_DEPTH):
        deep = {"all": [deep]}
    parse(deep, SCHEMA)
    assert "nested" in next(iter(_errors({"all": [deep]}).values()))
    leaves = [_leaf_of("known", "is", True)] * MAX_LEAVES
    parse({"any": leaves}, SCHEMA)
    assert "at most 200" in _errors({"any": [*leaves, *leaves]})["any", MAX_LEAVES]
    assert "501" in _errors(_leaf_of("text", "is", "x" * (MAX_STRING + 1)))["value",]


def test_depth_cannot_exhaust_the_stack() -> None:
    bottomless: dict[str, object] = {"all": []}
    for _ in range(100_000):
        bottomless = {"any": [bottomless]}
    assert len(_errors(bottomless)) == 1


@pytest.mark.parametrize("value", ["", " \u200b", "a\x00b", "\ud800"])
def test_it_refuses_a_value_that_is_blank_or_cannot_be_stored(value: str) -> None:
    assert list(_errors(_leaf_of("text", "contains", value))) == [("value",)]


def test_a_number_is_finite_and_no_boolean() -> None:
    for value in (True, float("nan"), float("inf"), 10**400):
        assert list(_errors(_leaf_of("reach", "at least", value))) == [("value",)]


# Descriptions of conditions as sentences


BIG = _leaf_of("reach", "at least", 10_000)
BRAND = _leaf_of("topics", "has any", ["Brand"])
REFUND = _leaf_of("text", "contains", "refund")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"all": []}, "always"),
        (
            {"all": [BRAND, BIG]},
            "topic is Brand and reach at least 10,000",
        ),
        (
            {"all": [
                {"any": [_leaf_of("known", "is", False), REFUND]},
                {"none": [_leaf_of("topics", "has all", ["Brand", "Party"])]},
            ]},
            "(contact is not known or text contains “refund”) and not (topic is Brand and Party)",
        ),
        (
            _leaf_of("stance", "is one of", ["for us", "about us"]),
            "source type is for us or about us",
        ),
        (_leaf_of("topics", "has none", ["Brand"]), "topic is not Brand"),
        (_leaf_of("text", "contains any", ["a", "b"]), "text contains “a” or “b”"),
    ],
)  # fmt: skip
def test_a_condition_reads_as_plain_english(data: object, said: str) -> None:
    assert sentence(parse(data, SCHEMA)) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"all": [REFUND, BIG]}, "reach is 320 (rule needs at least 10,000)"),
        (
            {"any": [BIG, BRAND]},
            "none of 2 conditions matches: reach is 320 (rule needs at least 10,000), …",
        ),
        ({"none": [BIG, REFUND]}, "text contains “refund”, which the rule excludes"),
        (BRAND, "topic is “Party” and “Seat policy” (rule needs “Brand”)"),
        (_leaf_of("stance", "is", "for us"), "source type is “unknown” (rule needs “for us”)"),
        (_leaf_of("known", "is", True), "contact is not known"),
        (_leaf_of("topics", "has none", ["Seat policy", "Brand"]), "topic is Seat policy"),
        (_leaf_of("text", "does not contain", "refund"), "text contains “refund”"),
        (_leaf_of("text", "is", "hi"), "text is “a refund” (rule needs “hi”)"),
        (_leaf_of("text", "contains any", ["x", "y"]), "text does not contain “x” or “y”"),
    ],
)
def test_it_says_what_decided_against(data: object, said: str) -> None:
    known = {
        "reach": 320, "text": "a refund", "known": False,
        "topics": frozenset({"Party", "Seat policy"}),
    }  # fmt: skip
    explanation = explain(parse(data, SCHEMA), known)
    assert not explanation.holds
    assert explanation.sentence == said


def test_it_says_what_decided_for() -> None:
    known = {"reach": 12_000, "topics": frozenset({"Brand"}), "text": "hello"}
    explanation = explain(parse({"all": [{"any": [REFUND, BRAND]}, BIG]}, SCHEMA), known)
    assert explanation.sentence == "topic is Brand and reach is 12,000 (rule needs at least 10,000)"
    assert [leaf.field.name for leaf in explanation.leaves] == ["topics", "reach"]


# Comparison without case and accents


@given(st.text(st.characters(exclude_categories=())))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("İstanbul", "istanbul"),
        ("Straße", "strasse"),
        ("ﬁne", "fine"),
        ("Ａｃｍｅ", "acme"),
        ("й", "й"),
        ("и\u0306", "й"),
        ("한국", "한국"),
        ("\u1112\u1161\u11ab", "한"),
        ("ΆΣ", "ας".replace("ς", "σ")),
        ("Acme™", "acme "),
        ("Sky\u00adward", "skyward"),
        ("ｶﾞ", "ガ"),
    ],
)
def test_folding_keeps_what_is_a_letter_of_its_own(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.integers(0, 24 * 60 - 1), st.integers(0, 24 * 60 - 1), st.integers(0, 24 * 60 - 1))
def test_a_time_is_between_the_start_and_before_the_end_also_across_midnight(
    start: int, end: int, fact: int
) -> None:
    assume(start != end)
    clock = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in (start, end)]
    condition = parse({"field": "time", "op": "between", "value": clock}, SCHEMA)
    inside, minute = set(), start
    while minute != end:
        inside.add(minute)
        minute = (minute + 1) % (24 * 60)
    assert predicate(condition)({"time": fact}) == (fact in inside)
    assert not predicate(condition)({"time": None})


def test_times_are_said_as_people_write_them() -> None:
    late = parse({"field": "time", "op": "not between", "value": ["09:00", "17:30"]}, SCHEMA)
    assert sentence(late) == "time of day is not between 09:00 and 17:30"
    office = parse({"field": "time", "op": "between", "value": ["09:00", "17:30"]}, SCHEMA)
    found = explain(office, {"time": 18 * 60 + 5})
    assert found.sentence == "time of day is 18:05 (rule needs between 09:00 and 17:30)"


@pytest.mark.parametrize("value", [[], ["9:00", "17:00"], ["09:00"], ["25:00", "26:00"], "09:00"])
def test_what_is_no_interval_is_refused(value: object) -> None:
    with pytest.raises(ConditionErrors, match="Enter two times"):
        parse({"field": "time", "op": "between", "value": value}, SCHEMA)
