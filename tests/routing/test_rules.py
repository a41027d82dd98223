"""The first routing rule that matches a case routes it.

For every other rule, the reason why it was not used is reported.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.rules import (
    EFFECT_LABELS,
    PRIORITIES,
    SCHEMA,
    Facts,
    Inbound,
    Router,
    Rule,
    Status,
    after_inbound,
    route,
)
from scrm.conditions.language import compile as predicate
from scrm.conditions.language import parse

FALLBACK = 99
NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
WINDOW = timedelta(days=30)
_BY_HAND = "this rule opens no case, and this message needs one"


def _rule(revision: int, condition: object, **rest: object) -> Rule:
    parsed = parse(condition, SCHEMA)
    return Rule(revision, f"rule {revision}", parsed, department=revision * 10, **rest)  # type: ignore[arg-type]


def _always(revision: int, condition: object, **rest: object) -> Rule:
    parsed = parse(condition, SCHEMA)
    rest = {"priority": "", "always": True} | rest
    return Rule(revision, f"rule {revision}", parsed, None, **rest)  # type: ignore[arg-type]


def _about(topic: str) -> dict[str, object]:
    return {"field": "topics", "op": "has any", "value": [topic]}


LOUD = {"field": "reach", "op": "at least", "value": 10_000}
ALWAYS: dict[str, object] = {"all": []}

rules = st.lists(
    st.builds(
        _rule,
        st.integers(1, 9),
        st.sampled_from((_about("Brand"), _about("Seat policy"), LOUD, {"none": [LOUD]}, ALWAYS)),
    ),
    max_size=6,
)
always_run = st.lists(
    st.builds(
        _always,
        st.integers(10, 19),
        st.sampled_from((_about("Brand"), LOUD, ALWAYS)),
        tags=st.lists(st.sampled_from(("vip", "loud", "press")), unique=True).map(tuple),
        priority=st.sampled_from(("", "urgent", "high", "low")),
        issue=st.none() | st.integers(1, 3),
        notify=st.lists(st.integers(1, 5), unique=True).map(tuple),
        notify_leads=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda rule: rule.revision,
)
facts = st.builds(
    Facts,
    topics=st.frozensets(st.sampled_from(("Brand", "Seat policy"))),
    reach=st.none() | st.integers(0, 20_000),
)


def test_the_schema_names_every_fact_and_nothing_else() -> None:
    assert list(SCHEMA) == [field.name for field in fields(Facts)]


@given(facts, rules)
def test_the_first_rule_that_holds_wins(known: Facts, ordered: list[Rule]) -> None:
    mapping = {"topics": known.topics, "reach": known.reach}
    first = next((rule for rule in ordered if predicate(rule.condition)(mapping)), None)
    verdict = route(known, ordered, FALLBACK)
    assert verdict.revision == (first.revision if first else None)
    assert verdict.department == (first.department if first else FALLBACK)


@given(facts, rules)
def test_every_other_rule_says_why_not(known: Facts, ordered: list[Rule]) -> None:
    verdict = route(known, ordered, FALLBACK)
    others = [rule.name for rule in ordered]
    if verdict.revision is not None:
        others.remove(verdict.rule)
    assert sorted(name for name, _ in verdict.why_not) == sorted(others)
    assert verdict.why
    assert all(sentence for _, sentence in verdict.why_not)


@given(facts, rules, rules)
def test_rules_after_the_winner_change_nothing(
    known: Facts, ordered: list[Rule], later: list[Rule]
) -> None:
    always = _rule(5, ALWAYS)
    with_later = route(known, [*ordered, always, *later], FALLBACK)
    without = route(known, [*ordered, always], FALLBACK)
    assert (with_later.revision, with_later.why) == (without.revision, without.why)


@given(facts, rules, always_run)
def test_rules_that_always_run_decide_nothing_but_what_they_may(
    known: Facts, ordered: list[Rule], beside: list[Rule]
) -> None:
    """Department, person and outcome are those of the first match, whatever runs beside it."""
    alone, together = route(known, ordered, FALLBACK), route(known, [*beside, *ordered], FALLBACK)
    for name in ("department", "assign", "person", "revision", "rule", "why", "why_not", "outcome"):
        assert getattr(alone, name) == getattr(together, name)
    assert set(alone.tags) <= set(together.tags)
    assert PRIORITIES.index(together.priority) <= PRIORITIES.index(alone.priority) or (
        alone.revision is None
    )


@given(facts, rules, always_run)
def test_every_effect_names_the_rule_that_caused_it_and_its_reason(
    known: Facts, ordered: list[Rule], beside: list[Rule]
) -> None:
    """No tag, issue or notice comes from nowhere, and none of a rule that matched is lost.

    Fails if only the first of the rules that always run is applied.
    """
    verdict = route(known, [*beside, *ordered], FALLBACK)
    mapping = {"topics": known.topics, "reach": known.reach}
    acting = [rule for rule in beside if predicate(rule.condition)(mapping)]
    acting += [rule for rule in ordered if rule.revision == verdict.revision][:1]
    assert set(verdict.tags) == {tag for rule in acting for tag in rule.tags}
    assert verdict.notify == {user for rule in acting for user in rule.notify}
    assert verdict.notify_leads == any(rule.notify_leads for rule in acting)
    assert verdict.issue in {rule.issue for rule in acting if rule.issue} or not verdict.issue
    assert {effect.revision for effect in verdict.effects} <= {rule.revision for rule in acting}
    assert all(effect.why and EFFECT_LABELS[effect.what] for effect in verdict.effects)
    for rule in acting:
        done = {effect.what for effect in verdict.effects if effect.revision == rule.revision}
        assert ("tags" in done) == bool(rule.tags)
        assert ("notify" in done) == bool(rule.notify or rule.notify_leads)


def test_a_rule_can_record_only_but_not_what_a_user_logs() -> None:
    """A user who logs a call expects a case, so the next rule decides."""
    quiet = Rule(1, "Thanks", parse(ALWAYS, SCHEMA), None, outcome="record")
    verdict = route(Facts(), [quiet, _rule(2, ALWAYS)], FALLBACK)
    assert (verdict.outcome, verdict.revision) == ("record", 1)
    logged = Router([quiet, _rule(2, ALWAYS)], FALLBACK).route(Facts(), needs_case=True)
    assert (logged.outcome, logged.department) == ("case", 20)
    assert logged.why_not == (("Thanks", _BY_HAND),)


def test_a_rule_can_set_aside_but_not_what_a_user_logs() -> None:
    spam = _rule(1, ALWAYS, outcome="aside")
    assert route(Facts(), [spam], FALLBACK).outcome == "aside"
    logged = Router([spam, _rule(2, ALWAYS)], FALLBACK).route(Facts(), needs_case=True)
    assert (logged.outcome, logged.department) == ("case", 20)
    assert logged.why_not == (("rule 1", _BY_HAND),)


@pytest.mark.parametrize("decides", [[], [_rule(2, ALWAYS)]])
def test_a_rule_that_always_runs_never_lowers_the_priority(decides: list[Rule]) -> None:
    """Also not if no rule decides and the case goes to the fallback department."""
    quiet = _always(1, ALWAYS, priority="low")
    assert route(Facts(), [quiet, *decides], FALLBACK).priority == "normal"
    loud = _always(1, ALWAYS, priority="high")
    assert route(Facts(), [loud, *decides], FALLBACK).priority == "high"


def test_a_verdict_carries_what_the_rule_says() -> None:
    rule = _rule(
        3, _about("Seat policy"), assign="person", person=7, priority="high", tags=("seat",)
    )
    quiet, late = _rule(1, LOUD), _rule(4, ALWAYS)
    known = Facts(topics=frozenset({"Brand", "Seat policy"}), reach=320)
    verdict = Router([quiet, rule, late], FALLBACK).route(known)
    assert (verdict.department, verdict.assign, verdict.person) == (30, "person", 7)
    assert (verdict.priority, verdict.tags, verdict.revision) == ("high", ("seat",), 3)
    assert verdict.why == "topic is Seat policy"
    assert verdict.why_not == (
        ("rule 1", "reach is 320 (rule needs at least 10,000)"),
        ("rule 4", "“rule 3” matched first"),
    )


def test_a_person_counts_only_where_the_rule_names_one() -> None:
    assert route(Facts(), [_rule(1, ALWAYS, assign="last", person=7)], FALLBACK).person is None


def test_a_rule_without_conditions_always_applies() -> None:
    assert route(Facts(), [_rule(1, ALWAYS)], FALLBACK).why == "This rule always matches."


def test_without_a_rule_it_goes_to_the_fallback_department() -> None:
    verdict = route(Facts(), [_rule(1, LOUD)], FALLBACK)
    assert (verdict.department, verdict.assign, verdict.revision) == (FALLBACK, "nobody", None)
    assert verdict.why_not == (("rule 1", "reach is unknown (rule needs at least 10,000)"),)


def test_an_empty_fact_is_an_unknown_fact() -> None:
    rule = _rule(1, {"field": "language", "op": "is", "value": "en"})
    assert (
        route(Facts(), [rule], FALLBACK).why_not[0][1] == "language is “unknown” (rule needs “en”)"
    )


@pytest.mark.parametrize(
    ("status", "days", "what"),
    [
        ("new", None, "keep"),
        ("open", None, "keep"),
        ("waiting", None, "reopen"),
        ("snoozed", None, "reopen"),
        ("noise", None, "new"),
        ("done", 0, "reopen"),
        ("done", 30, "reopen"),
        ("done", -1, "reopen"),
        ("done", 31, "new"),
        ("done", None, "reopen"),
    ],
)
def test_something_new_keeps_reopens_or_starts_a_case(
    status: Status, days: int | None, what: Inbound
) -> None:
    done_at = None if days is None else NOW - timedelta(days=days)
    assert after_inbound(status, done_at, NOW, reopens_within=WINDOW) == what


@given(st.timedeltas(timedelta(0), timedelta(days=120)))
def test_a_done_case_reopens_up_to_the_last_moment(ago: timedelta) -> None:
    effect = after_inbound("done", NOW - ago, NOW, reopens_within=WINDOW)
    assert (effect == "reopen") == (ago <= WINDOW)
