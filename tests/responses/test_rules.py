"""Business rules: the strictest wins, every reason is kept, an approval signs exact content."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from responses.rules import (
    OUTCOMES,
    SCHEMA,
    WEEKDAYS,
    Facts,
    Outcome,
    Reason,
    ResponseRule,
    content_hash,
    judge,
)
from scrm.conditions import compile as predicate
from scrm.conditions import parse

DRAFT = Facts(
    audience="one",
    visibility="public",
    channel="x",
    text="We are sorry about your second seat",
    length=35,
    department="Customer service",
    author="mia@skyward.example",
    author_is_lead=False,
    issue=True,
    priority="high",
    contact_kind="customer",
    topics=frozenset({"Seat policy"}),
    hour=23,
    weekday="sunday",
)
CONDITIONS: tuple[dict[str, object], ...] = (
    {"all": []},
    {"field": "audience", "op": "is", "value": "many"},
    {"field": "text", "op": "contains", "value": "second seat"},
    {"field": "author_is_lead", "op": "is", "value": False},
    {"any": [
        {"field": "hour", "op": "at least", "value": 22},
        {"field": "hour", "op": "at most", "value": 6},
    ]},
)  # fmt: skip


def _rule(pk: int, condition: object, verdict: Outcome, reason: str = "") -> ResponseRule:
    return ResponseRule(pk, f"rule {pk}", parse(condition, SCHEMA), verdict, reason)


rule = st.builds(
    _rule, st.integers(1, 99), st.sampled_from(CONDITIONS), st.sampled_from(OUTCOMES), st.just("")
)
rules = st.lists(rule, max_size=6, unique_by=lambda each: each.pk)
drafts = st.builds(
    replace,
    st.just(DRAFT),
    audience=st.sampled_from(("one", "few", "many")),
    text=st.sampled_from(("hello", "your second seat")),
    author_is_lead=st.booleans(),
    hour=st.integers(0, 23),
    weekday=st.sampled_from(WEEKDAYS),
)
places = st.lists(st.tuples(st.integers(1, 5), st.text(max_size=3)), max_size=4)
contents = st.tuples(
    st.text(max_size=5),
    st.text(max_size=5),
    st.sampled_from(("one", "few", "many")),
    st.sampled_from(("private", "public")),
    places.map(sorted),
)


def test_the_schema_names_every_fact_and_nothing_else() -> None:
    assert list(SCHEMA) == [field.name for field in fields(Facts)]


@given(drafts, rules, st.randoms())
def test_the_order_of_rules_changes_nothing(
    draft: Facts, some: list[ResponseRule], random: Any
) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)
    assert judge(draft, shuffled) == judge(draft, some)


@given(drafts, rules, rule)
def test_one_more_rule_never_makes_it_laxer(
    draft: Facts, some: list[ResponseRule], more: ResponseRule
) -> None:
    before, after = judge(draft, some).outcome, judge(draft, [*some, more]).outcome
    assert OUTCOMES.index(after) >= OUTCOMES.index(before)


@given(drafts, rules)
def test_every_rule_that_holds_gives_its_reason(draft: Facts, some: list[ResponseRule]) -> None:
    facts = {field.name: getattr(draft, field.name) for field in fields(draft)}
    hit = {each.pk for each in some if predicate(each.condition)(facts)}
    verdict = judge(draft, some)
    assert {reason.rule for reason in verdict.reasons} == hit
    assert all(reason.sentence for reason in verdict.reasons)
    assert {verdict.outcome} == {reason.verdict for reason in verdict.reasons[:1]} or {"allow"}


def test_without_rules_everything_may_go_out() -> None:
    verdict = judge(DRAFT, [_rule(1, CONDITIONS[1], "refuse")])
    assert (verdict.outcome, verdict.reasons) == ("allow", ())


def test_the_strictest_wins_and_says_so_first() -> None:
    moved = replace(_rule(3, CONDITIONS[2], "move", "Seats are private."), move_to="email")
    held, allowed = _rule(1, CONDITIONS[3], "hold"), _rule(2, CONDITIONS[0], "allow")
    verdict = judge(DRAFT, [allowed, held, moved])
    assert verdict.outcome == "move"
    assert verdict.reasons == (
        Reason(3, "rule 3", "move", "Seats are private.", "email"),
        Reason(1, "rule 1", "hold", "not written by a team lead", ""),
        Reason(2, "rule 2", "allow", "This rule always applies.", ""),
    )
    refused = judge(DRAFT, [moved, held, _rule(4, CONDITIONS[4], "refuse")])
    assert refused.outcome == "refuse"
    assert refused.reasons[0].sentence == "hour of the day is 23, at least 22"


@given(contents, st.randoms())
def test_the_hash_does_not_depend_on_the_order_of_destinations(content: Any, random: Any) -> None:
    text, subject, audience, visibility, destinations = content
    shuffled = list(destinations)
    random.shuffle(shuffled)
    again = content_hash(text, subject, audience, visibility, iter(shuffled))
    assert again == content_hash(*content)


@given(contents, contents)
def test_two_contents_share_a_hash_only_if_they_are_the_same(one: Any, other: Any) -> None:
    assert (content_hash(*one) == content_hash(*other)) == (one == other)


@given(contents, st.integers(0, 4))
def test_a_change_in_any_part_changes_the_hash(content: Any, part: int) -> None:
    changed = list(content)
    changed[part] = changed[part] + ([(1, "new")] if part == len(content) - 1 else "+")
    assert content_hash(*changed) != content_hash(*content)


def test_text_cannot_pass_for_other_parts() -> None:
    assert content_hash("a", "b", "one", "public", []) != content_hash(
        "ab", "", "one", "public", []
    )
    assert content_hash('a","b', "", "", "", []) != content_hash("a", "b", "", "", [])
    assert content_hash("\ud83d\ude00", "", "", "", []) != content_hash("😀", "", "", "", [])
