"""Which items of a case are unanswered, and which answers and migrations settle them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.ledger import Entry, record
from crm.models import Contact, Interaction, Profile, User
from routing import unanswered as unanswered_module
from routing.answering import count_as_answered
from routing.models import BystanderReply, Case, CaseEvent, ItemDecision
from routing.unanswered import oldest_unanswered, unanswered
from scrm.channels.base import AUTOMATIC, Author

pytestmark = pytest.mark.django_db
Say = Callable[..., Interaction]
NOW = timezone.now()


def texts(case: Case) -> list[str]:
    return [item.text for item in unanswered([case.pk])]


def overhear(
    case: Case, text: str, *, by: str = "roncalder", at: datetime = NOW, **facts: Any
) -> int:
    """Record an item in the conversation of the case without routing it; return its id."""
    entry = {
        "scope": "sandbox.microblog",
        "key": text,
        "author": Author("sandbox.microblog", by),
        "channel": "sandbox",
        "kind": "post",
        "visibility": "public",
        "text": text,
        "conversation": case.conversations.get().pk,
    }
    return record([Entry(**entry | facts)], now=at)[0].interaction


def reply(case: Case, text: str = "Sorry") -> int:
    return overhear(case, text, direction="out", kind="reply")


def test_each_message_waits_until_we_answer_and_the_oldest_comes_first(
    case: Case, say: Say
) -> None:
    """Fails if an answer settles items that its author had not read."""
    read = overhear(case, "anyone??")
    ours = reply(case)
    overhear(case, "Never mind, I found the form")
    count_as_answered(case, at=NOW, seen=read, answered_by=ours)
    assert texts(case) == ["Never mind, I found the form"]
    settled = ItemDecision.objects.order_by("interaction")
    assert [(row.interaction.text, row.outcome, row.answered_by_id) for row in settled] == [
        ("My bag is gone", "answered", ours),
        ("anyone??", "answered", ours),
    ]


def test_a_second_answer_settles_only_what_is_left(case: Case) -> None:
    first, last = case.last_inbound_id, overhear(case, "and my coat")
    count_as_answered(case, at=NOW, seen=first, answered_by=None)
    count_as_answered(case, at=NOW, seen=last, answered_by=None)
    assert ItemDecision.objects.count() == 2
    assert texts(case) == []


def test_stacked_replies_and_automatic_answers_need_no_decision(case: Case) -> None:
    """Fails if all inbound items of the conversation count."""
    stacked = overhear(case, "Same here!", by="bystander")
    BystanderReply.objects.create(case=case, interaction_id=stacked)
    overhear(case, "I am on holiday", kind=AUTOMATIC)
    assert texts(case) == ["My bag is gone"]


def test_what_another_profile_asked_waits_also_when_its_link_to_the_contact_ends(
    case: Case, agent: User
) -> None:
    """An agent finds that a linked profile is another person: its question still waits.

    Fails if only items of the party wait: nobody would answer what was asked.
    """
    ron = Contact.objects.create(name="Ron", owner=agent)
    case.profile.link_to(ron, by=agent, evidence="He said so.", now=NOW)
    overhear(case, "It is me, from work", by="ron-at-work")
    work = Profile.objects.get(key="ron-at-work")
    both = ["My bag is gone", "It is me, from work"]
    assert texts(case) == both
    work.link_to(ron, by=agent, evidence="Same signature.", now=NOW)
    assert texts(case) == both
    work.unlink(by=agent, now=NOW)
    assert texts(case) == both


def test_a_withdrawn_decision_leaves_the_item_unanswered_again(case: Case, agent: User) -> None:
    items = unanswered([case.pk])
    ItemDecision.objects.record(items, "noise", case=case, by=agent, now=NOW)
    assert texts(case) == []
    case.item_decisions.all().withdraw(by=agent, now=NOW)
    assert texts(case) == ["My bag is gone"]
    ItemDecision.objects.record(unanswered([case.pk]), "no reply", case=case, by=agent, now=NOW)
    assert texts(case) == []


def test_an_item_has_one_current_decision(case: Case, agent: User) -> None:
    item = list(unanswered([case.pk]))
    ItemDecision.objects.record(item, "noise", case=case, by=agent, now=NOW)
    with pytest.raises(DatabaseError), transaction.atomic():
        ItemDecision.objects.record(item, "no reply", case=case, by=agent, now=NOW)


@pytest.mark.parametrize("change", ["outcome = 'noise'", "case_id = NULL", "why = 'Other'"])
def test_the_database_refuses_to_change_a_decision(case: Case, change: str) -> None:
    count_as_answered(case, at=NOW, seen=case.last_inbound_id, answered_by=None)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE routing_itemdecision SET {change}")


def test_many_cases_take_one_statement(make_case: Callable[..., Case]) -> None:
    cases = [make_case(by=f"person-{n}") for n in range(6)]
    overhear(cases[0], "later")
    with CaptureQueriesContext(connection) as few:
        oldest_unanswered([cases[0].pk])
    with CaptureQueriesContext(connection) as many:
        found = oldest_unanswered([case.pk for case in cases])
    assert len(few) == len(many) == 1
    assert {case: item.interaction for case, item in found.items()} == {
        case.pk: case.last_inbound_id for case in cases
    }


def test_the_migration_settles_what_was_closed_or_answered_before(
    make_case: Callable[..., Case],
) -> None:
    """Fails if old closed cases would ask for decisions, or if an open question is lost."""
    done = make_case(by="a", status="done", done_at=NOW)
    noise = make_case(by="b", status="noise")
    waiting = make_case(by="c", status="waiting")
    fresh = make_case("Where is it?", by="d", status="open")
    asked_again = make_case(by="e", status="open")
    ours = reply(asked_again)
    overhear(asked_again, "That did not help", by="e", occurred_at=NOW + timedelta(minutes=1))
    fill = importlib.import_module("routing.migrations.0004_item_decisions").FILL
    with connection.cursor() as cursor:
        cursor.execute(fill)
    assert [texts(case) for case in (done, noise, waiting)] == [[], [], []]
    assert texts(fresh) == ["Where is it?"]
    assert texts(asked_again) == ["That did not help"]
    outcomes = dict(ItemDecision.objects.values_list("case", "outcome"))
    assert outcomes == {
        done.pk: "no reply",
        noise.pk: "noise",
        waiting.pk: "answered",
        asked_again.pk: "answered",
    }
    assert ItemDecision.objects.get(case=asked_again).answered_by_id == ours


def repair() -> None:
    migration = importlib.import_module("routing.migrations.0011_waiting_messages")
    with connection.cursor() as cursor:
        cursor.execute(migration.WITHDRAW)
        cursor.execute(migration.SETTLE)


def test_the_repair_settles_the_old_messages_of_a_case_that_was_done_and_wrote_again(
    make_case: Callable[..., Case], agent: User
) -> None:
    """The first message was done as “no question” before decisions existed; then they wrote again.

    Fails if the clock would run from the first message. What somebody reopened on purpose, or whose
    Done was undone, stays unanswered.
    """
    again = make_case(by="a", status="open")
    CaseEvent.objects.create(case=again, kind="done", at=NOW)
    later = NOW + timedelta(minutes=1)
    overhear(again, "One more thing", by="a", at=later)
    undone = make_case("Not done yet", by="b", status="open")
    CaseEvent.objects.create(case=undone, kind="done", at=NOW)
    CaseEvent.objects.create(case=undone, kind="undone", at=NOW)
    closed = make_case(by="c", status="noise")
    withdrawn = make_case("Asked again", by="d", status="done", done_at=NOW)
    items = unanswered([withdrawn.pk])
    ItemDecision.objects.record(items, "no reply", case=withdrawn, by=agent, now=NOW)
    withdrawn.item_decisions.all().withdraw(by=agent, now=NOW)
    repair()
    assert texts(again) == ["One more thing"]
    assert texts(undone) == ["Not done yet"]
    assert texts(closed) == []
    assert texts(withdrawn) == ["Asked again"]


def test_the_repair_takes_back_that_a_call_without_answer_answered_something(
    make_case: Callable[..., Case],
) -> None:
    """Fails if a question stays settled because we tried to call."""
    called, answered = make_case("Call me", by="a"), make_case(by="b")
    failed = {"direction": "out", "kind": "call", "details": {"call": {"outcome": "no answer"}}}
    for case, who in ((called, "a"), (answered, "b")):
        overhear(case, f"call to {who}", by=who, **failed)
    ours = overhear(answered, "Sorry", by="b", direction="out", kind="reply")
    fill = importlib.import_module("routing.migrations.0004_item_decisions").FILL
    with connection.cursor() as cursor:
        cursor.execute(fill)
    assert texts(called) == []
    repair()
    assert texts(called) == ["Call me"]
    assert texts(answered) == []
    assert ItemDecision.objects.current().get(case=answered).answered_by_id == ours


def test_a_message_that_commits_between_the_statements_is_left_out(
    case: Case, make_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview locks no case. Fails if the second statement assumes the cases of the first."""
    other = make_case(by="layla")
    private = {"channel": "sandbox", "visibility": "private", "kind": "message"}
    overhear(other, "Where is it?", by="layla", **private)
    count_as_answered(case, at=NOW, seen=case.last_inbound_id, answered_by=None)
    ends_of = unanswered_module._window_ends

    def after_a_message(items: Any, channels: Any) -> dict[int, datetime]:
        overhear(case, "Hello?", **private)
        return ends_of(items, channels)

    monkeypatch.setattr(unanswered_module, "_window_ends", after_a_message)
    found = oldest_unanswered([case.pk, other.pk])
    assert set(found) == {other.pk}
