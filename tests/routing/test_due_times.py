"""When cases are due: the situations of a desk with targets and opening hours."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.ledger import Entry, record
from crm.models import Department, Job, User
from routing.answering import count_as_answered
from routing.clock import Hours
from routing.due_times import JOB, preview, recompute, recompute_departments, why_no_due_time
from routing.due_times import Settings as DueSettings
from routing.inbox import query as inbox_query
from routing.inbox.query import Asked
from routing.intake import Arrival, take_in
from routing.models import Calendar, CalendarUse, Case, CaseClock, ResponseTarget
from routing.rules import Facts
from scrm.channels.base import Author

pytestmark = pytest.mark.django_db

FRIDAY = datetime(2026, 12, 4, 17, 40, tzinfo=UTC)
MONDAY = datetime(2026, 12, 7, 9, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
DESK = (((9 * 60, 18 * 60),),) * 5 + ((),) * 2
_keys = iter(range(10**9))


@pytest.fixture(autouse=True)
def house(service: Department) -> Department:
    """An hour for a first answer, two for the next one, four until it is done."""
    for priority in ("urgent", "normal"):
        factor = 1 if priority == "normal" else 0.5
        ResponseTarget.objects.create(
            department=service, priority=priority,
            first=60 * factor, next=120 * factor, resolution=240 * factor,
        )  # fmt: skip
    return service


@pytest.fixture
def desk(admin: User) -> Calendar:
    """Open from Monday to Friday, 09:00 to 18:00, in UTC."""
    return make_calendar(admin, DESK, is_default=True)


def make_calendar(admin: User, week: Any, **fields: Any) -> Calendar:
    calendar = Calendar.objects.create(name=f"Desk {next(_keys)}", owner=admin, **fields)
    calendar.revise(Hours("UTC", week), by=admin)
    return calendar


def say(
    who: str = "tom", *, at: datetime = FRIDAY, heard: datetime | None = None,
    visibility: Any = "public", channel: str = "x",
) -> Case:  # fmt: skip
    return say_all([who], at=at, heard=heard, visibility=visibility, channel=channel)[0]


def say_all(
    people: list[str], *, at: datetime, heard: datetime | None = None,
    visibility: Any = "public", channel: str = "x",
) -> list[Case]:  # fmt: skip
    heard = heard or at
    entries = [
        Entry(
            "x", str(next(_keys)), Author("x", who), channel, "message", visibility, "hello",
            thread_key=who, occurred_at=at,
        )
        for who in people
    ]  # fmt: skip
    rows = record(entries, now=heard)
    arrivals = [
        Arrival(row.interaction, row.conversation, row.profile or 0, row.contact, at, Facts())
        for row in rows
    ]
    placed = take_in(arrivals, now=heard)
    return [Case.objects.get(pk=placed[each.interaction]) for each in arrivals]


def clock(case: Case, kind: str) -> CaseClock:
    return CaseClock.objects.current().get(case=case, kind=kind)


def answer(case: Case, *, at: datetime) -> None:
    case.refresh_from_db()
    count_as_answered(case, at=at, seen=case.last_inbound_id, answered_by=None)


# The clock of responses


def test_a_message_on_friday_at_17_40_is_due_on_monday_at_9_40(desk: Calendar) -> None:
    assert say().due_at == MONDAY + 40 * MINUTE


def test_a_stranger_posts_three_times_in_four_minutes_and_it_is_due_from_the_first() -> None:
    cases = [say(at=FRIDAY + minutes * MINUTE) for minutes in (0, 2, 4)]
    assert len({case.pk for case in cases}) == 1
    assert cases[-1].due_at == FRIDAY + HOUR


def test_a_chasing_customer_never_gets_a_later_due_time() -> None:
    case = say()
    answer(case, at=FRIDAY + 10 * MINUTE)
    due = say(at=FRIDAY + 20 * MINUTE).due_at
    assert due == FRIDAY + 20 * MINUTE + 2 * HOUR
    for hours in (1, 3, 30):
        assert say(at=FRIDAY + hours * HOUR).due_at == due


def test_an_answer_stops_the_clock_and_the_next_message_starts_another() -> None:
    case = say()
    answer(case, at=FRIDAY + 10 * MINUTE)
    assert Case.objects.get().due_at is None
    say(at=FRIDAY + HOUR)
    first, later = CaseClock.objects.exclude(kind="resolution").order_by("pk")
    assert (first.kind, later.kind) == ("first", "next")
    assert first.stopped_at
    assert not later.stopped_at


def test_an_answer_that_had_not_seen_the_last_message_leaves_it_due() -> None:
    case = say()
    seen = case.last_inbound_id
    say(at=FRIDAY + 5 * MINUTE)
    case.refresh_from_db()
    count_as_answered(case, at=FRIDAY + 6 * MINUTE, seen=seen, answered_by=None)
    assert Case.objects.get().due_at == FRIDAY + 5 * MINUTE + 2 * HOUR


def test_snoozing_an_overdue_case_every_evening_does_not_stop_its_clock(agent: User) -> None:
    case = say(at=timezone.now() - 30 * HOUR)
    due = case.due_at
    for _evening in range(3):
        case.snooze(until=timezone.now() + 12 * HOUR, by=agent, seen=case.last_inbound_id)
        case.refresh_from_db()
        assert case.due_at == due
    late = list(inbox_query.page(Asked("snoozed", "due", {"due": "snoozed"}), agent))
    assert late == [case]
    assert list(inbox_query.page(Asked("open", "due", {"due": "over"}), agent)) == []


def test_snoozing_pauses_the_resolution_only_where_the_calendar_says_so(
    admin: User, agent: User, desk: Calendar
) -> None:
    case = say(at=timezone.now())
    case.snooze(until=None, by=agent, seen=case.last_inbound_id)
    assert clock(case, "resolution").running_since
    desk.revise(Hours("UTC", DESK), by=admin, snooze_pauses=True)
    recompute([case.pk])
    assert clock(case, "resolution").running_since is None
    assert clock(case, "first").running_since


def test_a_transfer_counts_with_the_hours_and_targets_of_the_new_department(
    admin: User, agent: User, sales: Department, desk: Calendar
) -> None:
    ResponseTarget.objects.create(department=sales, priority="normal", first=120)
    always = make_calendar(admin, (((0, 24 * 60),),) * 7)
    CalendarUse.objects.create(calendar=always, department=sales)
    case = say()
    case.transfer(to=sales, by=agent, why="A sale")
    assert case.due_at == FRIDAY + 2 * HOUR


def test_a_new_priority_counts_from_the_oldest_message_too(agent: User) -> None:
    case = say()
    say(at=FRIDAY + 20 * MINUTE)
    case.rank_as("urgent", by=agent)
    assert case.due_at == FRIDAY + 30 * MINUTE


def test_new_hours_move_the_open_cases_by_a_job(admin: User, desk: Calendar) -> None:
    cases = [say(f"person{number}") for number in range(3)]
    desk.revise(Hours("UTC", (((10 * 60, 18 * 60),),) * 5 + ((),) * 2), by=admin)
    job = Job.ask(JOB, by=admin, departments=[cases[0].department_id], here=True)
    assert job.claim()
    recompute_departments(job)
    dues = set(Case.objects.values_list("due_at", flat=True))
    assert dues == {MONDAY + HOUR + 40 * MINUTE}
    assert job.state == Job.State.DONE


def test_a_preview_says_what_saving_would_change_and_changes_nothing(
    service: Department, desk: Calendar
) -> None:
    case = say(at=MONDAY)
    settings = DueSettings.load()
    longer = {**settings.targets, (service.pk, "normal"): settings.targets[service.pk, "normal"]}
    longer[service.pk, "normal"] = type(longer[service.pk, "normal"])(first=8 * 3600)
    new = DueSettings(longer, settings.hours)
    found = preview(new, [service.pk], now=MONDAY + 2 * HOUR)
    assert (found.changed, found.late, found.no_longer_late) == ([case.pk], [], [case.pk])
    assert Case.objects.get().due_at == MONDAY + HOUR


def test_done_stops_all_clocks_and_reopening_by_mistake_goes_on(agent: User) -> None:
    case = say(at=timezone.now())
    due = case.due_at
    case.finish(by=agent, seen=case.last_inbound_id, reasons="No question")
    assert case.due_at is None
    assert not CaseClock.objects.current().exists()
    case.reopen(by=agent, why="By mistake")
    assert case.due_at == due
    assert CaseClock.objects.count() == 2


def test_a_case_without_a_due_time_says_why(service: Department) -> None:
    case = say()
    Case.objects.update(priority="low")
    recompute([case.pk])
    case.refresh_from_db()
    assert case.due_at is None
    assert why_no_due_time(case) == "Not due: no target for Low in Customer service."
    Case.objects.update(priority="normal")
    recompute([case.pk])
    answer(case, at=FRIDAY)
    assert why_no_due_time(case) == "Not due: no message waits for an answer."


def test_the_case_page_says_that_only_the_resolution_is_due(agent: User) -> None:
    """An urgent call that is answered must not look as if a reply were due in four hours."""
    case = say(at=timezone.now())
    browser = Client()
    browser.force_login(agent)
    only_resolution = re.compile(r"resolution\s+<time")
    assert not only_resolution.search(browser.get(case.get_absolute_url()).content.decode())
    count_as_answered(case, at=timezone.now(), seen=case.last_inbound_id, answered_by=None)
    Case.objects.update(status="open")
    recompute([case.pk])
    assert only_resolution.search(browser.get(case.get_absolute_url()).content.decode())


def test_recomputing_many_cases_takes_as_many_statements_as_one() -> None:
    counts = []
    for number in (1, 8):
        cases = say_all([f"p{next(_keys)}" for _each in range(number)], at=FRIDAY)
        Case.objects.filter(pk__in=[case.pk for case in cases]).update(priority="urgent")
        with CaptureQueriesContext(
            connection,
        ) as captured:
            recompute([case.pk for case in cases])
        counts.append(len(captured))
    assert counts[0] == counts[1]


# Reply windows


def test_a_direct_message_of_friday_18_00_is_due_when_its_window_ends(admin: User) -> None:
    """24 hours to answer, and nobody works on Saturday: the warning comes on Friday."""
    week = (((9 * 60, 20 * 60),),) * 5 + ((),) * 2
    make_calendar(admin, week, is_default=True)
    ResponseTarget.objects.update(first=480, resolution=None)
    at = datetime(2026, 12, 4, 18, tzinfo=UTC)
    case = say(at=at, visibility="private", channel="sandbox")
    assert case.due_at == at + timedelta(hours=24)
    warned = clock(case, "first")
    assert warned.by_window
    assert warned.warn_at == datetime(2026, 12, 4, 19, 36, tzinfo=UTC)
    # The same words in public have no window: the target of eight hours ends on Monday.
    assert say("tim", at=at).due_at == datetime(2026, 12, 7, 15, tzinfo=UTC)


# Heard late


def test_what_was_heard_late_counts_from_when_we_received_it() -> None:
    case = say(at=FRIDAY - 6 * HOUR, heard=FRIDAY)
    assert case.due_at == FRIDAY + HOUR
    assert clock(case, "first").heard_late
    assert case.received_late
    count_as_answered(case, at=FRIDAY + MINUTE, seen=case.last_inbound_id, answered_by=None)
    assert not Case.objects.get(pk=case.pk).received_late
    assert not clock(say("tim", at=FRIDAY - MINUTE, heard=FRIDAY), "first").heard_late


def test_an_alarm_that_was_raised_during_a_recompute_is_not_raised_again(
    admin: User, lead: User, desk: Calendar
) -> None:
    case = say(at=MONDAY)
    desk.revise(Hours("UTC", DESK), by=admin, snooze_pauses=True)

    def tick_first(execute: Any, sql: str, *args: Any) -> Any:
        """Raise the alarms after the clocks were read, and before they are written."""
        if sql.startswith('INSERT INTO "routing_caseclock"'):
            clocks = CaseClock.objects.filter(kind="first", warned_at=None)
            clocks.update(warned_at=MONDAY + 46 * MINUTE)
        return execute(sql, *args)

    with connection.execute_wrapper(tick_first):
        recompute([case.pk], now=MONDAY + 46 * MINUTE)
    assert clock(case, "first").revision == desk.current
    assert clock(case, "first").warned_at == MONDAY + 46 * MINUTE


def test_a_due_time_that_moved_into_the_future_gets_a_warning_again(
    agent: User, service: Department
) -> None:
    case = say()
    CaseClock.objects.update(warned_at=FRIDAY + HOUR, breached_at=FRIDAY + HOUR)
    ResponseTarget.objects.filter(department=service).update(first=600)
    recompute([case.pk], now=FRIDAY + 2 * HOUR)
    row = clock(case, "first")
    assert (row.warned_at, row.breached_at) == (None, None)


# The clock of the resolution


def test_a_priority_without_a_target_keeps_the_time_spent_on_the_resolution() -> None:
    case = say()
    for minutes, priority in ((60, "low"), (80, "normal")):
        Case.objects.update(priority=priority)
        recompute([case.pk], now=FRIDAY + minutes * MINUTE)
    row = CaseClock.objects.get(kind="resolution")
    assert (row.stopped_at, row.due_at) == (None, FRIDAY + 4 * HOUR)


def test_a_first_target_charges_no_time_before_a_reopening(agent: User) -> None:
    """For cases that were open before the targets were set."""
    case = say(at=timezone.now() - timedelta(days=30))
    rested = say("tim", at=timezone.now() - timedelta(days=30))
    answer(rested, at=timezone.now())
    case.set_aside(by=agent)
    CaseClock.objects.filter(kind="resolution").delete()
    case.reopen(by=agent, why="By mistake")
    recompute([rested.pk])
    assert clock(case, "resolution").due_at > timezone.now() + 3 * HOUR
    assert clock(rested, "resolution").spent_s == 0
