"""The undo of merges and splits keeps what happened later, and shows nothing to others."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from crm.models import Department, Notice, User
from listening.sensitivity import Sensitivity
from listening.topic_hits import FoundTopic
from routing.answering import count_as_answered
from routing.call_back import open_call_back, plan_call_back
from routing.case_state import restored_state, stronger_marks
from routing.following import follow
from routing.merging import merge, undo_merge
from routing.models import Case, CaseEvent, Procedure
from routing.models.status import Stale, Status
from routing.participants import add_participant
from routing.splitting import split_off_conversation, undo_split
from routing.unanswered import unanswered
from tests.routing.hearing import DAY, HOUR, NOW, contact, hear

pytestmark = pytest.mark.django_db
MERGED_AT = NOW + 9 * DAY
LATER = NOW + 10 * DAY
DANGER = (FoundTopic("Danger", 1, 1, [], sensitivity=Sensitivity.SAFEGUARDING),)


@pytest.fixture(autouse=True)
def on_call(service: Department, teammate: User) -> User:
    Procedure.objects.create(kind=Sensitivity.SAFEGUARDING, text="Call.", on_call=teammate)
    return teammate


@pytest.fixture
def legal(admin: User) -> Department:
    return Department.objects.create(name="Legal", owner=admin, is_restricted=True)


@pytest.fixture
def pair(agent: User) -> tuple[Case, Case]:
    """Two open cases of Anna: a tweet that we answered, and a mail of the next week."""
    contact("anna-tweets", "anna-mails")
    bag = hear("anna-tweets", "My bag is gone", thread="bag")
    bag.claim(by=agent)
    answer(bag, at=NOW)
    return fresh(bag), hear("anna-mails", "A refund, please", thread="refund", now=NOW + 8 * DAY)


@pytest.fixture
def split(agent: User) -> tuple[Case, Case, CaseEvent]:
    """A case of Anna, the case that was split off from it, and the event of the split."""
    case = hear("anna", "My bag is gone", thread="one")
    hear("anna", "Hello?", thread="two")
    case.claim(by=agent)
    two = case.conversations.get(interactions__text="Hello?")
    new = split_off_conversation(fresh(case), two, by=agent, now=NOW + HOUR)
    return fresh(case), new, case.events.get(kind=CaseEvent.Kind.SPLIT)


def fresh(case: Case) -> Case:
    return Case.objects.get(pk=case.pk)


def change(case: Case, **values: object) -> Case:
    Case.objects.filter(pk=case.pk).update(**values)
    return fresh(case)


def answer(case: Case, *, at: datetime) -> None:
    seen = fresh(case).last_inbound_id
    count_as_answered(fresh(case), at=at, seen=seen, answered_by=None)


def done(case: Case, by: User) -> None:
    fresh(case).finish(by=by, seen=fresh(case).last_inbound_id, reasons="No question")


# What the undo of a merge restores


def state(**values: object) -> dict[str, object]:
    return {
        "status": "open", "done_at": None, "snoozed_until": None, "department_id": 1,
        "assignee_id": 1, "tags": [], "priority": "normal", "sensitive": "",
        "statutory_due_at": None,
    } | values  # fmt: skip


def test_only_fields_that_nobody_changed_are_restored() -> None:
    before = state(tags=["bag"], priority="low")
    after = state(tags=["bag", "vip"], priority="high")
    present = state(tags=["bag", "vip", "new"], priority="high")
    restored = restored_state(before, after, present, heard=False)
    assert "tags" not in restored
    assert restored["priority"] == "low"


def test_the_status_and_the_assignee_are_restored_together_or_not_at_all() -> None:
    """Fails if a case that was done after the merge becomes done and snoozed."""
    before = state(status="snoozed", snoozed_until="2026-03-04T12:00:00+00:00", assignee_id=2)
    present = state(status="done", done_at="2026-03-05T12:00:00+00:00")
    restored = restored_state(before, state(), present, heard=False)
    assert not {"status", "snoozed_until", "done_at", "assignee_id"} & restored.keys()


def test_the_marks_stay_after_a_later_message() -> None:
    after = state(sensitive="legal", priority="urgent", tags=["vip"])
    assert restored_state(state(), after, after, heard=False) == state()
    restored = restored_state(state(), after, after, heard=True)
    assert not {"sensitive", "priority", "statutory_due_at"} & restored.keys()
    assert restored["tags"] == []


def test_the_stronger_mark_of_two_states_counts() -> None:
    """Fails if times are compared as text: one of them has fractions of a second."""
    early, late = "2026-03-04T12:00:00+00:00", "2026-03-04T12:00:00.500000+00:00"
    one = state(sensitive="legal", priority="urgent", statutory_due_at=late)
    other = state(sensitive="safeguarding", priority="low", statutory_due_at=early)
    strong = {"sensitive": "safeguarding", "priority": "urgent", "statutory_due_at": early}
    assert stronger_marks(one, other) == stronger_marks(other, one) == strong
    assert stronger_marks(state(), one) == {
        "sensitive": "legal", "priority": "urgent", "statutory_due_at": late,
    }  # fmt: skip


def test_a_later_sensitive_message_marks_the_case_to_which_it_returns(
    pair: tuple[Case, Case], agent: User, on_call: User
) -> None:
    """Fails if the restored case of a sensitive message is an ordinary one."""
    bag, refund = pair
    event = merge(refund, bag, by=agent, now=MERGED_AT)
    hear("anna-mails", "I want to die", thread="refund", now=LATER, topics=DANGER)
    undo_merge(event, by=agent)
    assert (fresh(refund).sensitive, fresh(refund).priority) == ("safeguarding", "urgent")
    notices = Notice.objects.filter(kind="sensitive", about=refund.as_subject.key)
    assert notices.get().user == on_call


def test_the_marks_of_later_messages_stay_in_the_case_that_took_over(
    pair: tuple[Case, Case], agent: User
) -> None:
    """Fails if the target returns to its old marks because the merge had raised them already."""
    bag, refund = pair
    refund = change(refund, sensitive="safeguarding", priority="urgent")
    event = merge(refund, bag, by=agent, now=MERGED_AT)
    hear("anna-tweets", "I want to die", thread="bag", now=LATER, topics=DANGER)
    undo_merge(event, by=agent)
    assert (fresh(bag).sensitive, fresh(bag).priority) == ("safeguarding", "urgent")


def test_a_change_of_one_field_leaves_the_others_to_the_undo(
    pair: tuple[Case, Case], agent: User
) -> None:
    """Fails if one new tag keeps the priority and the marks of the other case."""
    bag, refund = pair
    refund = change(refund, sensitive="legal", priority="urgent", tags=["money"])
    event = merge(refund, bag, by=agent, now=MERGED_AT)
    fresh(bag).tag(by=agent, add=["late"])
    undo_merge(event, by=agent)
    bag = fresh(bag)
    assert (bag.sensitive, bag.priority, bag.status) == ("", "normal", Status.WAITING)
    assert bag.tags == ["money", "late"]


def test_a_case_with_a_later_message_does_not_wait_for_the_party(
    pair: tuple[Case, Case], agent: User
) -> None:
    bag, refund = pair
    event = merge(refund, bag, by=agent, now=MERGED_AT)
    hear("anna-tweets", "Hello?", thread="bag", now=LATER)
    undo_merge(event, by=agent)
    assert fresh(bag).status == Status.OPEN


# What the undo of a split brings back


def test_an_undone_split_keeps_what_was_added_to_the_new_case(
    split: tuple[Case, Case, CaseEvent], agent: User, teammate: User
) -> None:
    case, new, event = split
    new = change(new, statutory_due_at=NOW + 30 * DAY, priority="urgent", tags=["vip"])
    follow(new, by=teammate)
    add_participant(new, case.profile, role="staff", by=agent)
    at = NOW + 400 * DAY
    plan_call_back(new, number="+436601234567", at=at, to=agent, by=agent, seen=new.last_inbound_id)
    undo_split(event, by=agent)
    case = fresh(case)
    assert (case.statutory_due_at, case.priority) == (NOW + 30 * DAY, "urgent")
    assert case.tags == ["vip"]
    assert case.followers.get().user == teammate
    assert case.participants.get().role == "staff"
    call_back = open_call_back(case)
    assert call_back
    assert call_back.at == at


def test_a_call_back_that_comes_back_reopens_a_closed_case(
    split: tuple[Case, Case, CaseEvent], agent: User
) -> None:
    """Fails if the call-back of a closed case is never due."""
    case, new, event = split
    answer(new, at=NOW + 2 * HOUR)
    plan_call_back(
        fresh(new), number="+436601234567", at=NOW + 400 * DAY, to=agent, by=agent,
        seen=new.last_inbound_id,
    )  # fmt: skip
    done(case, agent)
    undo_split(event, by=agent)
    assert (fresh(case).status, fresh(case).done_at) == (Status.WAITING, None)


def test_a_closed_case_is_open_when_an_unanswered_message_comes_back(
    split: tuple[Case, Case, CaseEvent], agent: User
) -> None:
    """Fails if the message is in a closed case, where nobody looks for it."""
    case, _new, event = split
    done(case, agent)
    undo_split(event, by=agent)
    assert (fresh(case).status, fresh(case).done_at) == (Status.OPEN, None)


def test_a_closed_case_stays_closed_when_only_answered_messages_come_back(
    split: tuple[Case, Case, CaseEvent], agent: User
) -> None:
    case, new, event = split
    done(case, agent)
    done(new, agent)
    undo_split(event, by=agent)
    assert fresh(case).status == Status.DONE


def test_a_waiting_case_is_open_although_the_new_case_goes_on(
    split: tuple[Case, Case, CaseEvent], agent: User
) -> None:
    """Fails if the status stays because other messages are left in the new case."""
    case, new, event = split
    hear("anna", "By the way", thread="three", case=new.pk, now=LATER)
    answer(case, at=NOW + 2 * HOUR)
    assert fresh(case).status == Status.WAITING
    undo_split(event, by=agent)
    assert fresh(new).merged_into is None
    assert unanswered([case.pk]).exists()
    assert fresh(case).status == Status.OPEN


def test_a_later_sensitive_message_marks_the_case_although_the_new_case_goes_on(
    split: tuple[Case, Case, CaseEvent], agent: User
) -> None:
    case, new, event = split
    hear("anna", "By the way", thread="three", case=new.pk, now=LATER)
    hear("anna", "I want to die", thread="two", now=LATER, topics=DANGER)
    undo_split(event, by=agent)
    assert fresh(new).merged_into is None
    assert (fresh(case).sensitive, fresh(case).priority) == ("safeguarding", "urgent")


def test_a_case_that_an_undo_wakes_is_no_longer_snoozed(
    split: tuple[Case, Case, CaseEvent], agent: User
) -> None:
    """Fails if the time of the snooze stays."""
    case, _new, event = split
    until = NOW + timedelta(days=400)
    case.snooze(until=until, by=agent, seen=case.last_inbound_id)
    undo_split(event, by=agent)
    assert (fresh(case).status, fresh(case).snoozed_until) == (Status.OPEN, None)


# Who may know


def test_an_undone_split_moves_no_text_out_of_a_restricted_department(
    split: tuple[Case, Case, CaseEvent], admin: User, legal: Department
) -> None:
    case, new, event = split
    new.transfer(to=legal, by=admin, why="A threat.")
    with pytest.raises(Stale, match="is restricted to Legal"):
        undo_split(event, by=admin)
    fresh(case).transfer(to=legal, by=admin, why="It belongs together.")
    undo_split(event, by=admin)
    assert set(case.conversations.values_list("restricted_to", flat=True)) == {legal.pk}


def test_an_undone_merge_moves_no_text_out_of_a_restricted_department(
    pair: tuple[Case, Case], admin: User, legal: Department
) -> None:
    bag, refund = pair
    event = merge(refund, bag, by=admin, now=MERGED_AT)
    fresh(bag).transfer(to=legal, by=admin, why="A threat.")
    with pytest.raises(Stale, match="is restricted to Legal"):
        undo_merge(event, by=admin)
    fresh(bag).transfer(to=refund.department, by=admin, why="No threat.")
    undo_merge(event, by=admin)
    assert fresh(refund).merged_into is None
