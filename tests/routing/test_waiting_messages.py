"""Which message a clock belongs to: late messages, reply windows, calls, joined conversations."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm.interaction_details import REACHED, CallDetails
from crm.ledger import Entry, record
from crm.models import Department, Interaction, User
from routing.answering import count_as_answered
from routing.intake import Arrival, take_in
from routing.join import join_conversation
from routing.merging import merge
from routing.models import Case, CaseClock, ItemDecision, ResponseTarget
from routing.models.status import Status
from routing.offline.record import OfflineContact, log, log_outgoing
from routing.rules import Facts
from routing.unanswered import oldest_unanswered, unanswered
from scrm.channels.base import Author

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
_keys = iter(range(10**9))


@pytest.fixture(autouse=True)
def house(service: Department) -> Department:
    """An hour for the first answer and for each further answer."""
    ResponseTarget.objects.create(department=service, priority="normal", first=60, next=60)
    return service


def say(
    text: str = "hello", *, at: datetime = NOON, heard: datetime | None = None,
    channel: str = "sandbox", visibility: Any = "public", thread: str = "tom",
) -> Case:  # fmt: skip
    heard = heard or at
    entry = Entry(
        "x", str(next(_keys)), Author("x", "tom"), channel, "message", visibility, text,
        thread_key=thread, occurred_at=at,
    )  # fmt: skip
    row = record([entry], now=heard)[0]
    arrival = Arrival(
        row.interaction, row.conversation, row.profile or 0, row.contact, at,
        Facts(text=text, channel=channel, visibility=visibility),
    )  # fmt: skip
    return Case.objects.get(pk=take_in([arrival], now=heard)[row.interaction])


def texts(case: Case) -> list[str]:
    return [item.text for item in unanswered([case.pk])]


def call(case: Case, *, at: datetime, direction: str = "in") -> OfflineContact:
    return OfflineContact(
        uuid.uuid4(), "call", "We talked.", profile=case.profile, case=case, said_at=at,
        direction=direction, details=CallDetails(outcome=REACHED).stored(),
    )  # fmt: skip


# Messages that were heard late


def test_an_older_message_that_arrives_late_moves_nothing_and_ends_no_clock() -> None:
    """A post at 12:00 is due at 13:00. At 12:50 a mail that was written at 10:00 arrives.

    Fails if the mail is the oldest message because it was written first: the case would be due at
    13:50, and the clock of the post would have ended, as if we had answered in time.
    """
    case = say("My bag is gone")
    post = case.last_inbound_id
    case = say("As I said on the phone", at=NOON - 2 * HOUR, heard=NOON + 50 * MINUTE)
    assert case.due_at == NOON + HOUR
    clock = CaseClock.objects.get()
    assert (clock.item_id, clock.stopped_at, clock.heard_late) == (post, None, False)


def test_when_the_older_clock_ends_the_late_message_has_a_clock_of_its_own() -> None:
    """Fails if the answer to one message ends the clock of another, or if none remains."""
    case = say("My bag is gone")
    post = case.last_inbound_id
    say("As I said", at=NOON - 2 * HOUR, heard=NOON + 50 * MINUTE)
    count_as_answered(case, at=NOON + 55 * MINUTE, seen=post, answered_by=None)
    ended, runs = CaseClock.objects.order_by("pk")
    assert (ended.item_id, ended.stopped_at is None) == (post, False)
    assert (runs.running_since, runs.heard_late) == (NOON + 50 * MINUTE, True)


def test_a_clock_goes_on_when_its_decision_is_withdrawn(agent: User) -> None:
    """Fails if the withdrawn answer leaves the old clock ended and another one starts."""
    case = say()
    count_as_answered(case, at=NOON + MINUTE, seen=case.last_inbound_id, answered_by=None)
    case.item_decisions.all().withdraw(by=agent, now=NOON + 2 * MINUTE)
    case.reopen(by=agent, why="They did not get it.")
    clock = CaseClock.objects.get()
    assert (clock.kind, clock.due_at, clock.stopped_at) == ("first", NOON + HOUR, None)


# Reply windows


def test_the_window_of_a_newer_private_message_is_a_deadline_too(house: Department) -> None:
    """A public complaint with a target of 100 hours, then a direct message with a window of 24 h.

    Fails if only the oldest message has a window.
    """
    ResponseTarget.objects.update(first=6000)
    say("My bag is gone")
    case = say("tag 12", at=NOON + 2 * HOUR, visibility="private", thread="dm")
    assert case.due_at == NOON + 26 * HOUR
    assert CaseClock.objects.get().by_window
    ResponseTarget.objects.all().delete()
    case = say("hello?", at=NOON + 3 * HOUR)
    assert case.due_at == NOON + 26 * HOUR
    assert oldest_unanswered([case.pk])[case.pk].said_at == NOON


def test_the_window_of_a_message_that_was_heard_late_may_end_first(house: Department) -> None:
    """Written at 06:00 and heard at 13:00, after a message of 12:00: its window ends at 06:00.

    Fails if only the message that waits longest has a window.
    """
    ResponseTarget.objects.update(first=6000)
    say("My bag is gone", visibility="private", thread="dm")
    case = say("tag 12", at=NOON - 6 * HOUR, heard=NOON + HOUR, visibility="private", thread="dm")
    assert case.due_at == NOON + 18 * HOUR


# Calls


def test_a_call_of_yesterday_answers_no_message_of_today(agent: User) -> None:
    """The customer wrote at 12:00; at 13:00 an agent logs the call of yesterday.

    Fails if the call settles the message, if the case waits for a reply, or if we answered before
    they wrote.
    """
    case = say()
    log_outgoing(call(case, at=NOON - 19 * HOUR, direction="out"), by=agent, now=NOON + HOUR)
    case.refresh_from_db()
    assert (texts(case), case.status) == (["hello"], Status.NEW)
    assert (case.first_response_at, case.due_at) == (None, NOON + HOUR)
    log_outgoing(call(case, at=NOON + MINUTE, direction="out"), by=agent, now=NOON + HOUR)
    case.refresh_from_db()
    assert (texts(case), case.first_response_at) == ([], NOON + MINUTE)


@pytest.mark.parametrize("owes_answer", [False, True])
def test_a_call_that_we_took_needs_no_answer_unless_we_still_owe_one(
    agent: User, owes_answer: bool
) -> None:
    """Fails if a customer with whom we talked has a clock for a first answer."""
    case = say("My bag is gone")
    seen = case.last_inbound_id
    count_as_answered(case, at=NOON + MINUTE, seen=seen, answered_by=None)
    taken = call(case, at=NOON + HOUR)
    log(taken, by=agent, owes_answer=owes_answer, now=NOON + HOUR)
    case.refresh_from_db()
    assert texts(case) == (["We talked."] if owes_answer else [])
    assert case.due_at == (NOON + 2 * HOUR if owes_answer else None)
    if not owes_answer:
        decision = ItemDecision.objects.get(by=agent)
        assert (decision.outcome, decision.interaction.text) == ("answered", "We talked.")


def test_a_call_that_we_took_leaves_their_other_message_unanswered(agent: User) -> None:
    case = say("My bag is gone")
    log(call(case, at=NOON + MINUTE), by=agent, now=NOON + MINUTE)
    case.refresh_from_db()
    assert (texts(case), case.due_at) == (["My bag is gone"], NOON + HOUR)


# Conversations that are added to a case


def test_an_answer_that_waited_for_approval_answers_nothing_that_was_added_later() -> None:
    """A conversation with an older message joins the case while the answer waits for approval.

    Fails if the answer settles a message that its author never saw, or if the case then waits for
    the customer.
    """
    other = record(
        [Entry("x", "old", Author("x", "tom"), "sandbox", "message", "public", "And my coat?",
               thread_key="other", occurred_at=NOON)],
        now=NOON,
    )[0]  # fmt: skip
    case = say("My bag is gone")
    join_conversation(case, other.conversation, now=NOON + HOUR)
    count_as_answered(
        case, at=NOON + 2 * HOUR, seen=case.last_inbound_id, answered_by=None,
        written_at=NOON + 30 * MINUTE,
    )  # fmt: skip
    assert texts(case) == ["And my coat?"]
    assert Case.objects.get(pk=case.pk).status == Status.NEW
    assert Interaction.objects.get(key="old").pk < (case.last_inbound_id or 0)


def test_an_answer_written_before_its_case_was_merged_answers_its_own_messages(
    agent: User,
) -> None:
    """An answer waits for approval, and its case is merged into another one.

    Fails if the answer then settles nothing because its conversation is new in that case, or if it
    settles messages of the other case.
    """
    target = say("My bag is gone")
    count_as_answered(target, at=NOON, seen=target.last_inbound_id, answered_by=None)
    source = say("A refund, please", at=NOON + 2 * HOUR, thread="refund")
    assert source != target
    say("The bag again", at=NOON + 3 * HOUR)
    later = NOON + 4 * HOUR
    source = say("The refund, please", at=later, thread="refund")
    seen = source.last_inbound_id
    merge(source, target, by=agent, now=later + 2 * HOUR)
    target.refresh_from_db()
    count_as_answered(
        target, at=later + 3 * HOUR, seen=seen, answered_by=None, written_at=later + HOUR
    )
    assert texts(target) == ["The bag again"]
