"""The topics are looked for in the new words of an edited item, too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from crm.models import Department, Interaction, Notice, Profile, User
from listening.models import Match, Mention, Quarantined, Source, Topic
from listening.sensitivity import Sensitivity
from routing.answering import count_as_answered
from routing.case_page import timeline
from routing.models import (
    BystanderReply,
    Case,
    CaseClock,
    CaseEvent,
    ItemDecision,
    RecordedOnly,
    ResponseTarget,
    RoutingRule,
)
from routing.mutes import mute
from routing.rule_trial import rebuild, try_rules
from routing.unanswered import oldest_unanswered, unanswered
from scrm import pipeline
from scrm.channels.base import Author, Change
from tests.listening.test_edits import fetch_each, shown
from tests.listening.test_fetch import NOON, SCOPE, Village, go
from tests.listening.test_fetch import clock as clock  # noqa: PLC0414
from tests.listening.test_fetch import village as village  # noqa: PLC0414

pytestmark = pytest.mark.django_db
NEWS = "The pump leaks and I will sue you."


@pytest.fixture
def about_us(make_source: Callable[..., Source], service: Department) -> Source:
    return make_source(created_at=NOON - timedelta(days=2), stance="about us")


@pytest.fixture
def for_us(make_source: Callable[..., Source], service: Department) -> Source:
    return make_source(created_at=NOON - timedelta(days=2), stance="for us")


@pytest.fixture
def topic(admin: User) -> Callable[..., Topic]:
    def topic(word: str, **facts: Any) -> Topic:
        row = Topic.objects.create(name=word.title(), owner=admin, **facts)
        row.revise(any_of=[word], all_of=[], none_of=[], by=admin)
        return row

    return topic


@pytest.fixture
def legal(admin: User) -> Department:
    return Department.objects.create(name="Legal", owner=admin)


@pytest.fixture
def make_rule(admin: User) -> Callable[..., None]:
    """Return a function that makes a rule: text that contains a word goes to a department."""

    def make(word: str, department: Department, **effects: Any) -> None:
        rule = RoutingRule.objects.create(name=word, owner=admin)
        condition = {"field": "text", "op": "contains", "value": word}
        rule.revise(conditions={"all": [condition]}, department=department, by=admin, **effects)

    return make


def edit(source: Source, village: Village, first: str, *later: str, **facts: Any) -> None:
    """Fetch and process an item, and then each of its edits."""
    for text in (first, *later):
        fetch_each(source, village, shown(text, **facts))
        pipeline.process()


def kinds(case: Case) -> list[str]:
    return list(case.events.order_by("pk").values_list("kind", flat=True))


def test_an_item_that_is_edited_to_match_a_topic_opens_a_case(
    about_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump")
    edit(about_us, village, "Good morning.")
    edit(about_us, village, "Good evening.")
    assert not Case.objects.exists()
    edit(about_us, village, NEWS)
    case = Case.objects.get()
    assert case.last_inbound
    assert case.last_inbound.text == "Good morning."
    [event] = case.events.all()
    assert event.kind == CaseEvent.Kind.ROUTED
    assert event.interaction
    assert event.interaction.text == NEWS
    assert [found["spans"] for found in event.facts["topics"]] == [[["text", 4, 8]]]


def test_an_item_of_the_backlog_opens_a_case_when_it_is_edited_now(
    about_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump")
    old = NOON - timedelta(days=30)
    edit(about_us, village, "Good morning.", "Good evening.", occurred_at=old)
    assert Mention.objects.get().backlog
    edit(about_us, village, NEWS, occurred_at=old)
    assert Case.objects.get().last_inbound


def test_an_edit_without_a_topic_changes_no_case(
    for_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump")
    edit(for_us, village, "Hello.", "Hello there.")
    assert kinds(Case.objects.get()) == ["routed"]


def test_an_edit_that_keeps_its_topic_is_not_routed_again(
    about_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump")
    edit(about_us, village, "A pump.", "The pump.", NEWS)
    assert kinds(Case.objects.get()) == ["routed"]
    assert Match.objects.filter(interaction__revises__isnull=False).count() == 2


@pytest.mark.parametrize("status", ["open", "waiting", "done"])
def test_a_safeguarding_topic_in_an_edit_marks_the_case(
    for_us: Source, village: Village, topic: Callable[..., Topic], supervisor: User, status: str,
    agent: User, clock: time_machine.Coordinates,
) -> None:  # fmt: skip
    """It waits for an answer from the edit on, although a user has decided the old words."""
    topic("kill myself", sensitivity=Sensitivity.SAFEGUARDING)
    edit(for_us, village, "Thanks!")
    case = Case.objects.get()
    case.finish(by=agent, seen=case.last_inbound_id, reasons="thanks")
    Case.objects.update(status=status, done_at=NOON if status == "done" else None)
    last = Case.objects.get().last_inbound
    assert not oldest_unanswered([case.pk])
    ResponseTarget.objects.create(department=case.department, priority="urgent", first=60)
    clock.shift(timedelta(hours=5))
    edit(for_us, village, "I will kill myself.")
    case = Case.objects.get()
    item = oldest_unanswered([case.pk])[case.pk]
    assert (item.since, item.heard_late) == (NOON + timedelta(hours=5), False)
    assert case.due_at == NOON + timedelta(hours=6)
    assert not case.received_late
    assert (case.sensitive, case.priority, case.status) == ("safeguarding", "urgent", "open")
    assert case.last_inbound == last
    event = case.events.order_by("pk").last()
    assert event
    assert event.interaction
    assert event.interaction.text == "I will kill myself."
    if status != "open":
        assert event.why == f"A message was edited at its source; the status was {status}."
    assert Notice.objects.filter(kind=Notice.Kind.SENSITIVE, user=supervisor).count() == 1


def test_a_brand_topic_in_an_edit_does_not_reopen_a_case(
    for_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump", is_brand=True)
    edit(for_us, village, "Hello.")
    Case.objects.update(status="done", done_at=NOON)
    edit(for_us, village, NEWS)
    assert Case.objects.get().status == "done"


@pytest.mark.parametrize("has_assignee", [True, False])
def test_a_case_that_somebody_works_on_is_not_moved(
    for_us: Source, village: Village, topic: Callable[..., Topic], make_rule: Callable[..., None],
    legal: Department, agent: User, has_assignee: bool,
) -> None:  # fmt: skip
    topic("sue")
    make_rule("sue", legal)
    edit(for_us, village, "Hello.")
    case = Case.objects.get()
    before = case.department
    Case.objects.update(assignee=agent if has_assignee else None)
    edit(for_us, village, NEWS)
    case.refresh_from_db()
    offers = [event.data["offer"] for event in case.events.all() if "offer" in event.data]
    assert case.department == (before if has_assignee else legal)
    assert [offer["department"] for offer in offers] == ([legal.pk] if has_assignee else [])


def test_a_trial_of_the_rules_reads_the_words_that_were_routed(
    about_us: Source, village: Village, topic: Callable[..., Topic], make_rule: Callable[..., None],
    legal: Department,
) -> None:  # fmt: skip
    topic("pump")
    make_rule("sue you", legal)
    edit(about_us, village, "Good morning.", NEWS)
    case = Case.objects.get()
    trial = try_rules(case)
    assert case.department == legal
    assert trial
    assert trial.department == legal


def test_a_version_has_the_origin_of_the_item(
    about_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump")
    edit(about_us, village, "Good morning.", NEWS)
    event = Case.objects.get().events.get()
    assert event.interaction
    assert event.interaction.profile
    facts, topics = rebuild(event.interaction, event.interaction.profile, event.at)
    assert (facts.stance, facts.text, [row.name for row in topics]) == ("about us", NEWS, ["Pump"])


def test_thanks_in_an_edit_are_not_the_last_message(
    for_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("thanks")
    edit(for_us, village, "Hello.", "Thanks!")
    case = Case.objects.get()
    assert case.last_inbound
    assert case.last_inbound.text == "Hello."
    assert kinds(case) == ["routed", "heard"]


def test_a_topic_of_an_earlier_edit_is_not_routed_again(
    for_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump")
    edit(for_us, village, "Hello.", "A pump.", "The pump.", "Nothing.", "The pump again.")
    assert kinds(Case.objects.get()) == ["routed", "heard"]


def test_the_case_page_marks_the_words_in_the_edit(
    for_us: Source, village: Village, topic: Callable[..., Topic], admin: User
) -> None:
    topic("pump")
    edit(for_us, village, "Hello, you there.", NEWS)
    [entry] = [row for row in timeline(Case.objects.get(), admin).entries if row.interaction]
    assert "<mark>" not in entry.passages[0].html
    [change] = entry.changes
    assert "The <mark>pump</mark> leaks" in change.text
    assert change.topics == ("Pump",)


@pytest.mark.parametrize("outcome", ["record", "aside"])
def test_a_rule_that_still_fits_an_edited_item_decides_it_again(
    for_us: Source, village: Village, topic: Callable[..., Topic], make_rule: Callable[..., None],
    legal: Department, outcome: str,
) -> None:  # fmt: skip
    topic("pump")
    make_rule("hello", legal, outcome=outcome)
    edit(for_us, village, "Hello.", "Hello, a pump.")
    assert not Quarantined.objects.exists()
    assert ItemDecision.objects.current().count() == 1
    assert ItemDecision.objects.count() == 2
    assert RecordedOnly.objects.count() == (outcome == "record")


def test_an_edited_item_of_a_muted_author_is_muted_again(
    for_us: Source, village: Village, topic: Callable[..., Topic], agent: User
) -> None:
    topic("pump")
    edit(for_us, village, "Hello.")
    case = Case.objects.get()
    mute(case.profile, case.department, reason="Spam", by=agent)
    edit(for_us, village, "Hello again.", key="2")
    edit(for_us, village, "Hello again, a pump.", key="2")
    assert not Quarantined.objects.exists()
    assert ItemDecision.objects.current().get().outcome == "muted"


def test_a_reply_of_a_bystander_that_gains_a_topic_waits_for_an_answer(
    for_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump")
    ben = {"key": "2", "author": Author("feed", "blog.example#Ben"), "in_reply_to": "1"}
    edit(for_us, village, "Hello.")
    edit(for_us, village, "Indeed.", **ben)
    assert BystanderReply.objects.count() == 1
    edit(for_us, village, "My pump leaks.", **ben)
    assert not Quarantined.objects.exists()
    case = Case.objects.exclude(bystander_replies__isnull=False).get()
    assert [row.text for row in unanswered([case.pk])] == ["Indeed."]


def test_a_reply_of_a_bystander_can_be_stacked_again(
    for_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    """The topic may have become a brand topic before the batch runs."""
    row = topic("pump")
    ben = {"key": "2", "author": Author("feed", "blog.example#Ben"), "in_reply_to": "1"}
    edit(for_us, village, "Hello.")
    edit(for_us, village, "Indeed.", **ben)
    fetch_each(for_us, village, shown("Indeed, a pump.", **ben))
    Topic.objects.filter(pk=row.pk).update(is_brand=True)
    pipeline.process()
    assert not Quarantined.objects.exists()
    assert BystanderReply.objects.count() == 1
    assert not unanswered([BystanderReply.objects.get().case_id]).filter(key="2").exists()


def test_processing_again_keeps_the_newer_name_and_does_not_make_reachable(
    for_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump")
    edit(for_us, village, "Hello.")
    Profile.objects.update(name="Anna Newname", bio="New", unreachable_since=NOON)
    edit(for_us, village, "A pump.")
    profile = Profile.objects.get()
    assert (profile.name, profile.bio, profile.unreachable_since) == ("Anna Newname", "New", NOON)
    assert kinds(Case.objects.get()) == ["routed", "heard"]


def reported(source: Source, village: Village, *changes: str | None) -> None:
    """Fetch these edits at once; None is a deletion."""
    village.says(
        changes=tuple(
            Change(SCOPE, "1", "edited" if text else "deleted", text=text or "") for text in changes
        )
    )
    go(source)


def test_a_topic_of_two_edits_of_one_fetch_is_new(
    for_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump")
    edit(for_us, village, "Hello.")
    reported(for_us, village, "A pump.", "The pump.")
    pipeline.process()
    assert kinds(Case.objects.get()) == ["routed", "heard"]


def test_a_text_that_returns_is_not_routed_again(
    for_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump")
    edit(for_us, village, "Hello.", "A pump.", "Nothing.", "A pump.", "Nothing.", "A pump.")
    assert kinds(Case.objects.get()) == ["routed", "heard"]


@pytest.mark.parametrize("texts", [["A pump."], ["Good.", "A pump."]])
def test_a_topic_that_is_newer_than_the_words_is_not_new_in_a_correction(
    about_us: Source, village: Village, topic: Callable[..., Topic], texts: list[str]
) -> None:
    edit(about_us, village, *texts)
    topic("pump")
    edit(about_us, village, "A pump!")
    assert not Case.objects.exists()


@pytest.mark.parametrize("last", ["Nothing.", None])
@pytest.mark.parametrize("at_once", [True, False])
def test_an_old_item_whose_new_words_are_gone_opens_no_case(
    for_us: Source, village: Village, topic: Callable[..., Topic], last: str | None, at_once: bool
) -> None:
    topic("pump")
    edit(for_us, village, "Good morning.", occurred_at=NOON - timedelta(days=30))
    assert Mention.objects.get().backlog
    if at_once:
        reported(for_us, village, "A pump.", last)
    else:
        reported(for_us, village, "A pump.")
        reported(for_us, village, last)
    pipeline.process()
    assert not Case.objects.exists()
    assert not Interaction.objects.exists()


def test_an_edit_cannot_be_in_the_future(
    about_us: Source, village: Village, topic: Callable[..., Topic]
) -> None:
    topic("pump")
    edit(about_us, village, "Good morning.")
    later = NOON + timedelta(days=9)
    village.says(changes=(Change(SCOPE, "1", "edited", text="A pump.", occurred_at=later),))
    go(about_us)
    pipeline.process()
    assert Case.objects.get().last_inbound_at == NOON


def test_an_answered_message_that_is_edited_has_a_clock_of_its_own(
    for_us: Source, village: Village, topic: Callable[..., Topic], service: Department,
    clock: time_machine.Coordinates,
) -> None:  # fmt: skip
    topic("pump")
    topic("leak")
    ResponseTarget.objects.create(department=service, priority="normal", first=60, next=30)
    edit(for_us, village, "Hello.")
    case = Case.objects.get()
    for text in ("A pump.", "A pump has a leak."):
        clock.shift(timedelta(hours=1))
        last = case.last_inbound_id
        count_as_answered(case, at=timezone.now(), seen=last, answered_by=last)
        clock.shift(timedelta(hours=1))
        edit(for_us, village, text)
        case.refresh_from_db()
        assert case.due_at == timezone.now() + timedelta(minutes=30)
    clocks = CaseClock.objects.order_by("pk").values_list("kind", "stopped_at")
    assert list(clocks) == [
        ("first", NOON + timedelta(hours=1)),
        ("next", NOON + timedelta(hours=3)),
        ("next", None),
    ]
