"""Working time, and the clocks of a case, against a simulation that looks at every minute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from time import process_time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.case_clock import CaseFacts, Clocks, Targets, Waiting, clocks_of, spent
from routing.clock import (
    ALWAYS_OPEN,
    Holiday,
    Hours,
    NoWorkingTime,
    due,
    spans_between,
    warn_at,
    working_seconds_between,
)
from tests.routing.simulation import CHANGES, MINUTE, Simulation, calendars

DESK = ((9 * 60, 18 * 60),)
STOCKHOLM = ZoneInfo("Europe/Stockholm")
WEEKDAYS = Hours("Europe/Stockholm", (DESK,) * 5 + ((),) * 2)


def at(text: str, zone: str = "Europe/Stockholm") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


# Examples


def test_a_message_on_friday_at_17_40_with_one_hour_is_due_on_monday_at_9_40() -> None:
    assert due(at("2026-12-04 17:40"), 3600, WEEKDAYS) == at("2026-12-07 09:40")


def test_what_is_used_up_at_closing_time_is_due_at_closing_time() -> None:
    assert due(at("2026-12-04 17:00"), 3600, WEEKDAYS) == at("2026-12-04 18:00")


def test_a_message_at_night_counts_from_the_opening() -> None:
    assert due(at("2026-12-05 03:00"), 60, WEEKDAYS) == at("2026-12-07 09:01")


def test_a_holiday_with_hours_of_its_own_counts_those() -> None:
    eve = Holiday(date(2026, 12, 24), "Christmas Eve", ((9 * 60, 12 * 60),))
    christmas = Holiday(date(2020, 12, 25), "Christmas Day", yearly=True)
    hours = Hours("Europe/Stockholm", WEEKDAYS.week, (eve, christmas))
    assert due(at("2026-12-24 11:00"), 2 * 3600, hours) == at("2026-12-28 10:00")


def test_a_yearly_holiday_does_not_apply_to_the_years_before_it() -> None:
    hours = Hours("UTC", (DESK,) * 7, (Holiday(date(2026, 5, 1), yearly=True),))
    assert working_seconds_between(at("2025-05-01", "UTC"), at("2025-05-02", "UTC"), hours) > 0
    assert working_seconds_between(at("2027-05-01", "UTC"), at("2027-05-02", "UTC"), hours) == 0


def test_a_night_shift_of_the_evening_before_a_holiday_is_worked_to_its_end() -> None:
    night = Hours("UTC", (((22 * 60, 6 * 60),),) * 7, (Holiday(date(2026, 12, 25)),))
    spent = working_seconds_between(at("2026-12-24 20:00", "UTC"), at("2026-12-26", "UTC"), night)
    assert spent == (8 + 0) * 3600


def test_the_night_in_which_the_clock_goes_forward_is_an_hour_shorter() -> None:
    start = at("2027-03-27 22:00")
    night = Hours("Europe/Stockholm", (((22 * 60, 6 * 60),),) * 7)
    assert working_seconds_between(start, at("2027-03-28 12:00"), night) == 7 * 3600


def test_no_due_time_falls_into_the_missing_hour() -> None:
    hours = Hours("Europe/Stockholm", (((2 * 60 + 15, 8 * 60),),) * 7)
    assert due(at("2027-03-28 00:00"), 60, hours).astimezone(STOCKHOLM).hour == 3


def test_a_calendar_that_never_opens_is_an_error_and_no_endless_search() -> None:
    with pytest.raises(NoWorkingTime):
        due(at("2026-12-04 17:40"), 60, Hours("UTC", ((),) * 7))


def test_the_warning_comes_in_the_last_fifth_but_at_least_15_minutes_before() -> None:
    start = at("2026-12-07 09:00")
    assert warn_at(start, at("2026-12-07 17:00"), WEEKDAYS) == at("2026-12-07 15:24")
    assert warn_at(start, at("2026-12-07 10:00"), WEEKDAYS) == at("2026-12-07 09:45")


def test_the_warning_for_a_saturday_comes_while_somebody_works() -> None:
    """A window that ends while the desk is closed warns in the working time before it."""
    late = Hours("Europe/Stockholm", (((9 * 60, 20 * 60),),) * 5 + ((),) * 2)
    assert warn_at(at("2026-12-04 18:00"), at("2026-12-05 18:00"), late) == at("2026-12-04 19:36")
    # Nobody works in these 24 hours any more: warn at once.
    assert warn_at(at("2026-12-04 18:00"), at("2026-12-05 18:00"), WEEKDAYS) == at(
        "2026-12-04 18:00"
    )


def test_the_spans_of_a_try_out_are_cut_at_both_ends() -> None:
    spans = spans_between(at("2026-12-04 17:40"), at("2026-12-07 09:40"), WEEKDAYS)
    minutes = [round((end - start).total_seconds() / 60) for start, end in spans]
    assert minutes == [20, 40]


def test_ten_thousand_cases_take_less_than_a_second_and_a_half() -> None:
    begun = process_time()
    start = at("2026-12-04 17:40")
    for number in range(10_000):
        due(start + timedelta(minutes=7 * number), 8 * 3600, WEEKDAYS)
    assert process_time() - begun < 1.5


# The simulation


@st.composite
def situations(draw: st.DrawFn) -> tuple[Hours, datetime, Simulation]:
    zone = draw(st.sampled_from(sorted(CHANGES)))
    near = date.fromisoformat(draw(st.sampled_from(CHANGES[zone])))
    hours = draw(calendars(near, zone))
    midnight = datetime.combine(near, datetime.min.time(), tzinfo=UTC)
    start = midnight + draw(st.integers(-2 * 24 * 60, 2 * 24 * 60)) * MINUTE
    span = timedelta(days=9)
    return hours, start, Simulation(hours, midnight - span, midnight + span)


@pytest.mark.slow
@settings(max_examples=150)
@given(situations(), st.integers(1, 3000), st.integers(0, 5000))
def test_working_time_is_what_a_watch_on_every_minute_counts(
    situation: tuple[Hours, datetime, Simulation], target: int, later: int
) -> None:
    hours, start, simulation = situation
    end = start + later * MINUTE
    assert working_seconds_between(start, end, hours) == 60 * simulation.worked(start, end)
    expected = simulation.due(start, target)
    if expected is not None:
        assert due(start, 60 * target, hours) == expected


@dataclass
class Life:
    """A case as the simulation sees it: it counts minutes and knows no formula."""

    desks: list[Simulation]
    targets: list[tuple[int, int, int | None]]
    opened_at: datetime
    waiting: list[datetime] = field(default_factory=list)
    desk: int = 0
    priority: int = 0
    answered: bool = False
    closed: bool = False
    snoozed: bool = False
    spent: int = 0
    closed_for: int = 0

    @property
    def paused(self) -> bool:
        return self.snoozed or (not self.waiting and self.answered)

    def pass_minute(self, minute: int) -> None:
        if self.closed:
            self.closed_for += 1
        elif not self.paused and self.desks[self.desk].open[minute]:
            self.spent += 1

    def act(self, what: str, now: datetime) -> None:
        getattr(self, f"_{what}")(now)

    def _message(self, now: datetime) -> None:
        self._reopen(now)
        self.snoozed = False
        self.waiting.append(now)

    def _answer(self, _now: datetime) -> None:
        if not self.closed:
            self.waiting, self.answered = [], True

    def _transfer(self, _now: datetime) -> None:
        self.desk = 1 - self.desk

    def _priority(self, _now: datetime) -> None:
        self.priority = 1 - self.priority

    def _snooze(self, _now: datetime) -> None:
        self.snoozed = not self.closed

    def _wake(self, _now: datetime) -> None:
        self.snoozed = False

    def _done(self, _now: datetime) -> None:
        if not self.closed:
            self.closed, self.closed_for, self.waiting, self.snoozed = True, 0, [], False

    def _reopen(self, _now: datetime) -> None:
        if self.closed and self.closed_for > 10:
            self.spent = 0
        self.closed = False

    def due(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Return when a response and when the resolution is due."""
        first, later, resolution = self.targets[self.priority]
        desk = self.desks[self.desk]
        response = None
        if self.waiting and not self.closed:
            response = desk.due(self.waiting[0], later if self.answered else first)
        left = resolution - self.spent if resolution else 0
        runs = not self.closed and not self.paused
        return response, desk.due(now, left) if runs and left > 0 else None


ACTIONS = ("message", "answer", "transfer", "priority", "snooze", "wake", "done", "reopen")


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Hours], Life, list[tuple[int, str]]]:
    zone, other = draw(st.permutations(sorted(CHANGES)))[:2]
    near = date.fromisoformat(draw(st.sampled_from(CHANGES[zone])))
    hours = [
        draw(calendars(near, each).filter(lambda hours: any(hours.week))) for each in (zone, other)
    ]
    midnight = datetime.combine(near, datetime.min.time(), tzinfo=UTC)
    span = timedelta(days=9)
    desks = [Simulation(each, midnight - span, midnight + span) for each in hours]
    target = st.integers(1, 2000)
    # The second priority may have no target for the resolution: its time must not be lost.
    limits = (target, st.none() | target)
    targets = [draw(st.tuples(target, target, limit)) for limit in limits]
    life = Life(desks, targets, midnight - timedelta(days=1))
    steps = draw(st.lists(st.tuples(st.integers(1, 900), st.sampled_from(ACTIONS)), max_size=9))
    return hours, life, [(0, "message"), *steps]


def moments(life: Life, steps: list[tuple[int, str]]) -> Iterator[datetime]:
    """Let the minutes pass and act; yield the time after each act."""
    now = life.opened_at
    place = life.desks[0].minutes.index(now)
    for minutes, what in steps:
        for minute in range(place, place + minutes):
            life.pass_minute(minute)
        place += minutes
        now += minutes * MINUTE
        life.act(what, now)
        yield now


@pytest.mark.slow
@settings(max_examples=120)
@given(lives())
def test_the_clocks_of_a_case_agree_with_the_simulation_all_its_life(
    drawn: tuple[list[Hours], Life, list[tuple[int, str]]],
) -> None:
    """Messages, answers, transfers, priorities, pauses and reopenings, in any order.

    Fails if a second message moves a due time, if a pause counts, if a transfer keeps the old
    hours, or if time before a reopening counts.
    """
    hours, life, steps = drawn
    clocks: Clocks = {}
    for now in moments(life, steps):
        first, later, resolution = (
            minutes and 60 * minutes for minutes in life.targets[life.priority]
        )
        facts = CaseFacts(
            opened_at=life.opened_at,
            waiting=Waiting(life.waiting[0]) if life.waiting else None,
            answered=life.answered,
            closed=life.closed,
            paused=life.paused,
        )
        targets = Targets(first, later, resolution)
        clocks = {**clocks, **clocks_of(facts, targets, hours[life.desk], clocks, now)}
        current = {kind: clock for kind, clock in clocks.items() if clock.stopped_at is None}
        response, resolved = life.due(now)
        assert len({"first", "next"} & current.keys()) == _waits(life)
        for kind in {"first", "next"} & current.keys():
            if response:
                assert current[kind].due_at == response
        assert ("resolution" in current) is not life.closed
        if "resolution" in current:
            assert spent(current["resolution"], now) == 60 * life.spent
            assert resolution or current["resolution"].due_at is None
            if resolved:
                assert current["resolution"].due_at == resolved


def _waits(life: Life) -> bool:
    return bool(life.waiting) and not life.closed


def test_a_second_message_never_moves_the_due_time() -> None:
    """The facts hold only the oldest unanswered message, so nothing else can count."""
    start = at("2026-12-07 10:00")
    facts = CaseFacts(start, Waiting(start), answered=False, closed=False, paused=False)
    early = clocks_of(facts, Targets(first=3600), WEEKDAYS, {}, start)
    late = clocks_of(facts, Targets(first=3600), WEEKDAYS, early, start + timedelta(minutes=40))
    assert late["first"].due_at == early["first"].due_at == at("2026-12-07 11:00")


def test_the_reply_window_of_a_channel_is_a_second_deadline() -> None:
    """A direct message on Friday at 18:00, 24 hours to answer, and the desk closed on Saturday."""
    late = Hours("Europe/Stockholm", (((9 * 60, 20 * 60),),) * 5 + ((),) * 2)
    start, ends = at("2026-12-04 18:00"), at("2026-12-05 18:00")
    facts = CaseFacts(start, Waiting(start, window_ends=ends), False, False, False)
    clock = clocks_of(facts, Targets(first=8 * 3600), late, {}, start)["first"]
    assert (clock.due_at, clock.by_window) == (ends, True)
    assert clock.warn_at == at("2026-12-04 19:36")
    # Where there is no target, the window alone is the due time.
    assert clocks_of(facts, Targets(), late, {}, start)["first"].due_at == ends


def test_always_open_means_the_time_on_the_wall() -> None:
    start = at("2027-03-27 22:00")
    assert due(start, 8 * 3600, ALWAYS_OPEN) == start.astimezone(UTC) + timedelta(hours=8)
