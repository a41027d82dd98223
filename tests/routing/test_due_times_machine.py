"""Due times in the database against a watch on every minute, whatever happens to the cases.

Unlike the simulation in `test_clock.py`, this one plays merges, splits and their undo.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
import time_machine
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from crm.models import Department, Interaction, User
from routing.answering import count_as_answered
from routing.case_page import interactions_of
from routing.clock import Hours
from routing.due_times import recompute
from routing.merging import merge, undo_merge
from routing.models import Calendar, CalendarUse, Case, CaseEvent, ResponseTarget
from routing.models.status import Stale
from routing.splitting import split_off_conversation, split_off_item, undo_split
from tests.routing.hearing import contact, hear
from tests.routing.simulation import CHANGES, MINUTE, Simulation, calendars

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
PEOPLE = ["anna-tweets", "anna-mails", "anna-mails", "ben"]
RESPONSE = {"normal": 90, "urgent": 20}
RESOLUTION = {"normal": 400, "urgent": 150}
SPAN = timedelta(days=12)
WINDOW = timedelta(hours=24)
"""So long the channel of the messages lets us reply."""
Wait = tuple[datetime, datetime]
"""The time from which a message waits, and the end of its reply window."""


@st.composite
def two_desks(draw: st.DrawFn) -> tuple[datetime, list[Hours]]:
    """Return a start shortly before a change of the clock, and two calendars near it."""
    zone, other = draw(st.permutations(sorted(CHANGES)))[:2]
    near = date.fromisoformat(draw(st.sampled_from(CHANGES[zone])))
    opens = st.one_of(
        *(calendars(near, each).filter(lambda hours: any(hours.week)) for each in (zone, other))
    )
    midnight = datetime.combine(near, datetime.min.time(), tzinfo=UTC)
    return midnight - timedelta(days=1), [draw(opens), draw(opens)]


class Desk(RuleBasedStateMachine):
    """The watch keeps a list of unanswered messages, and counts minutes for each case.

    waits: the unanswered messages by their ids.
    closing: {id of a case: the messages that its last closing decided}.
    spent, closed_for: minutes of working time, and minutes since it was closed, for each case.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(transaction.atomic())
        self.user = User.objects.get(role="admin")
        contact("anna-tweets", "anna-mails")
        self.waits: dict[int, Wait] = {}
        self.closing: dict[int, dict[int, Wait]] = {}
        self.spent: dict[int, int] = {}
        self.closed_for: dict[int, int] = {}

    @initialize(drawn=two_desks())
    def open_desks(self, drawn: tuple[datetime, list[Hours]]) -> None:
        self.now, calendars = drawn
        self.clock = self.stack.enter_context(time_machine.travel(self.now, tick=False))
        self.desks: dict[int, Simulation] = {}
        for department, hours in zip(Department.objects.order_by("pk"), calendars, strict=True):
            calendar = Calendar.objects.create(name=str(department), owner=self.user)
            calendar.revise(hours, by=self.user, snooze_pauses=True)
            CalendarUse.objects.create(calendar=calendar, department=department)
            self.desks[department.pk] = Simulation(hours, self.now - SPAN, self.now + SPAN)
            for priority, minutes in RESPONSE.items():
                ResponseTarget.objects.create(
                    department=department, priority=priority, first=minutes, next=minutes,
                    resolution=RESOLUTION[priority],
                )  # fmt: skip

        self._begin_with_three_cases_of_anna()

    def _begin_with_three_cases_of_anna(self) -> None:
        for number in range(3):
            self._pass(30)
            case = self._hear("anna-mails", f"thread {number}", delay=timedelta())
            if number:
                conversation = case.conversations.latest("pk")
                split_off_conversation(case, conversation, by=self.user, now=self.now)
            self._watch()

    @rule(seed=st.integers(0, 2**20))
    def something_happens(self, seed: int) -> None:
        dice = Random(seed)
        self._pass(dice.choice([1, 9, 11, 50, 300]))
        acts = [
            self.write, self.write, self.answer, self.close, self.reopen, self.transfer,
            self.rank, self.snooze, self.merge, self.merge, self.merge, self.split, self.split,
            self.split_item, self.undo,
        ]  # fmt: skip
        with suppress(Stale), transaction.atomic():
            dice.choice(acts)(dice)
        self._watch()

    def _pass(self, minutes: int) -> None:
        cases = list(Case.objects.all())
        start = self.desks[cases[0].department_id].minutes.index(self.now) if cases else 0
        for case in cases:
            if case.is_closed:
                self.closed_for[case.pk] += minutes
            elif case.status not in {"waiting", "snoozed"}:
                opens = self.desks[case.department_id].open[start : start + minutes]
                self.spent[case.pk] += sum(opens)
        self.now += minutes * MINUTE
        self.clock.move_to(self.now)

    def _watch(self) -> None:
        """Begin to count for a new case, and again for one that was opened again."""
        for case in Case.objects.all():
            if case.is_closed:
                self.closed_for.setdefault(case.pk, 0)
            elif self.closed_for.pop(case.pk, 0) > 10:
                self.spent[case.pk] = 0
            self.spent.setdefault(case.pk, 0)

    def write(self, dice: Random) -> None:
        """A person writes; we receive it at once, soon, or so late that it counts from then."""
        who = dice.choice(PEOPLE)
        thread = f"{who} {dice.choice(['one', 'two'])}"
        self._hear(who, thread, delay=dice.choice([0, 0, 30, 200]) * MINUTE)

    def _hear(self, who: str, thread: str, *, delay: timedelta) -> Case:
        written = self.now - delay
        case = hear(who, "Hello", thread=thread, now=self.now, written=written)
        item = Interaction.objects.latest("pk")
        since = written if delay <= timedelta(hours=1) else self.now
        self.waits[item.pk] = since, written + WINDOW
        return case

    def answer(self, dice: Random) -> None:
        case = self._case(dice)
        count_as_answered(case, at=self.now, seen=case.last_inbound_id, answered_by=None)
        for item in self._items(case):
            self.waits.pop(item, None)

    def close(self, dice: Random) -> None:
        case = self._case(dice)
        was_done = case.status == "done"
        case.finish(by=self.user, seen=case.last_inbound_id, reasons="No question")
        if not was_done:
            items = {item for item in self._items(case) if item in self.waits}
            self.closing[case.pk] = {item: self.waits.pop(item) for item in items}

    def reopen(self, dice: Random) -> None:
        case = self._case(dice)
        if case.is_closed:
            case.reopen(by=self.user, why="")
            here = set(self._items(case))
            decided = self.closing.pop(case.pk, {})
            self.waits |= {item: wait for item, wait in decided.items() if item in here}

    def transfer(self, dice: Random) -> None:
        case = self._case(dice)
        to = Department.objects.exclude(pk=case.department_id).get()
        case.transfer(to=to, by=self.user, why="")

    def rank(self, dice: Random) -> None:
        self._case(dice).rank_as(dice.choice(sorted(RESPONSE)), by=self.user)

    def snooze(self, dice: Random) -> None:
        case = self._case(dice)
        if not case.is_closed:
            case.snooze(until=None, by=self.user, seen=case.last_inbound_id)

    def merge(self, dice: Random) -> None:
        of_anna = Case.objects.unmerged().filter(profile__key__startswith="anna").order_by("pk")
        if len(of_anna) > 1:
            source, target = dice.sample(list(of_anna), 2)
            merge(source, target, by=self.user, now=self.now)

    def split(self, dice: Random) -> None:
        case = self._case(dice)
        conversation = self._one(case.conversations, dice)
        split_off_conversation(case, conversation, by=self.user, now=self.now)

    def split_item(self, dice: Random) -> None:
        case = self._case(dice)
        item = self._one(Interaction.objects.filter(pk__in=self._items(case)), dice)
        split_off_item(case, item, by=self.user, now=self.now)

    def undo(self, dice: Random) -> None:
        kinds = [CaseEvent.Kind.MERGED, CaseEvent.Kind.SPLIT]
        event = self._one(CaseEvent.objects.filter(kind__in=kinds).exclude(data={}), dice)
        undo = undo_merge if "merge" in event.data else undo_split
        undo(event, by=self.user, now=self.now)

    def _case(self, dice: Random) -> Case:
        case: Case = self._one(Case.objects.all(), dice)
        return case

    def _one(self, rows: Any, dice: Random) -> Any:
        found = list(rows.order_by("pk"))
        if not found:
            raise Stale("There is none.")
        return dice.choice(found)

    def _items(self, case: Case) -> Iterable[int]:
        return interactions_of(case).values_list("pk", flat=True)

    @invariant()
    def each_case_is_due_when_the_watch_says_so(self) -> None:
        for case in Case.objects.all():
            assert case.due_at == self._due(case), f"case {case.pk}: {case.status}"
            late = case.clocks.current().filter(heard_late=True)
            assert case.received_late == late.exists(), f"case {case.pk}: {case.status}"

    def _due(self, case: Case) -> datetime | None:
        if case.is_closed:
            return None
        desk = self.desks[case.department_id]
        times = []
        waits = [self.waits[item] for item in self._items(case) if item in self.waits]
        if waits:
            since, _window = min(waits)
            times.append(desk.due(since, RESPONSE[case.priority]))
            times.append(min(window for _since, window in waits))
        left = RESOLUTION[case.priority] - self.spent[case.pk]
        if case.status not in {"waiting", "snoozed"}:
            times.append(desk.due(self.now, left) if left > 0 else case.due_at)
        return min((at for at in times if at), default=None)

    @invariant()
    def computing_again_changes_nothing(self) -> None:
        before = dict(Case.objects.values_list("pk", "due_at"))
        recompute(list(before))
        assert dict(Case.objects.values_list("pk", "due_at")) == before

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.stack.close()


def test_cases_are_due_on_time_whatever_is_merged_split_and_undone(
    service: Department, sales: Department, admin: User
) -> None:
    """Fails if a merge or a split leaves a case with the due time of messages it does not have."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Desk,
        settings=settings(
            max_examples=25,
            stateful_step_count=16,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert not Case.objects.exists()  # each run was rolled back
