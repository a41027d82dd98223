"""Business rules: the strictest verdict wins, and the reasons of all matching rules are kept.

An approval is valid only for exactly the approved content.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from responses.rules.judge import (
    OUTCOMES,
    SCHEMA,
    WEEKDAYS,
    Facts,
    Outcome,
    Reason,
    ResponseRule,
    content_hash,
    judge,
    together,
)
from responses.rules.personal_data import Known, find
from scrm.conditions.language import compile as predicate
from scrm.conditions.language import parse

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
    st.dictionaries(st.sampled_from(("1", "2")), st.text(max_size=3), max_size=2),
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
    facts = draft.asked()
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
        Reason(3, "rule 3", "move", "Seats are private.", "email", spans=((24, 35),)),
        Reason(1, "rule 1", "hold", "not written by a team lead", steps=("lead",)),
        Reason(2, "rule 2", "allow", "This rule always matches."),
    )
    refused = judge(DRAFT, [moved, held, _rule(4, CONDITIONS[4], "refuse")])
    assert refused.outcome == "refuse"
    assert refused.reasons[0].sentence == "hour of the day is 23 (rule needs at least 22)"


@given(contents, st.randoms())
def test_the_hash_does_not_depend_on_the_order_of_destinations(content: Any, random: Any) -> None:
    text, subject, audience, visibility, destinations, versions = content
    shuffled = list(destinations)
    random.shuffle(shuffled)
    turned = dict(reversed(versions.items()))
    again = content_hash(text, subject, audience, visibility, iter(shuffled), turned)
    assert again == content_hash(*content)


@given(contents, contents)
def test_two_contents_share_a_hash_only_if_they_are_the_same(one: Any, other: Any) -> None:
    assert (content_hash(*one) == content_hash(*other)) == (one == other)


@given(contents, st.integers(0, 5))
def test_a_change_in_any_part_changes_the_hash(content: Any, part: int) -> None:
    changed = list(content)
    more = {4: lambda places: [*places, (1, "new")], 5: lambda versions: versions | {"3": ""}}
    changed[part] = more.get(part, lambda text: text + "+")(changed[part])
    assert content_hash(*changed) != content_hash(*content)


def test_text_cannot_pass_for_other_parts() -> None:
    def hashed(text: str, subject: str = "", versions: dict[str, str] | None = None) -> str:
        return content_hash(text, subject, "one", "public", [], versions or {})

    assert hashed("a", "b") != hashed("ab")
    assert hashed('a","b') != hashed("a", "b")
    assert hashed("\ud83d\ude00") != hashed("😀")
    assert hashed("a", versions={"1": "b"}) != hashed("a")


# What each verdict requires, and how it is called


def _said(condition: object, verdict: Outcome, **more: Any) -> ResponseRule:
    return replace(_rule(1, condition, verdict), **more)


def test_a_wording_is_required_until_it_stands_there() -> None:
    terms = _said({"all": []}, "require", reason="Name the terms.", wording="Terms apply")
    missing = judge(replace(DRAFT, text="You win."), [terms])
    assert (missing.outcome, missing.stops[0].advice) == (
        "require", "Name the terms. Add: “Terms apply”",
    )  # fmt: skip
    assert judge(replace(DRAFT, text="You win. TERMS\n apply."), [terms]).outcome == "allow"


def test_who_signs_is_asked_of_all_that_hold_it() -> None:
    lead = replace(_rule(1, {"all": []}, "hold"), within=8)
    above = replace(_rule(2, {"all": []}, "hold"), steps=("supervisor",), within=2)
    refused = replace(_rule(3, {"all": []}, "refuse"), steps=("supervisor",), within=1)
    assert judge(DRAFT, [above, lead]).steps == ("lead", "supervisor")
    assert judge(DRAFT, [above, lead]).within == 2
    assert judge(DRAFT, [refused, lead]).steps == ("lead",)
    assert judge(DRAFT, [refused, lead]).within == 8
    assert judge(DRAFT, []).steps == ()


def test_every_reason_shows_the_words_that_it_means() -> None:
    text = "Ron Calder had TWO seats"
    draft = replace(DRAFT, text=text, personal=find(text, Known(names=frozenset({"Ron Calder"}))))
    private = {
        "any": [
            {"field": "personal", "op": "has any", "value": ["name", "phone number"]},
            {"field": "text", "op": "contains any", "value": ["two seats", "booking"]},
        ]
    }
    (reason,) = judge(draft, [_rule(1, private, "hold")]).reasons
    assert [text[start:end] for start, end in reason.spans] == ["Ron Calder", "TWO seats"]
    assert reason.sentence == "personal data is name and text contains “two seats”"
    (other,) = judge(draft, [_rule(2, {"all": []}, "hold")]).reasons
    assert other.spans == ()


@given(drafts, rules, drafts)
def test_of_several_versions_the_strictest_counts(
    one: Facts, some: list[ResponseRule], other: Facts
) -> None:
    both = together([judge(one, some), judge(other, some)])
    alone = [judge(each, some).outcome for each in (one, other)]
    assert both.outcome == max(alone, key=OUTCOMES.index)
    asked = {reason.rule for each in (one, other) for reason in judge(each, some).reasons}
    assert sorted(reason.rule for reason in both.reasons) == sorted(asked)
