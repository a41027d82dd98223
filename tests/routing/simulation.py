"""A desk that is watched minute by minute, to check the computed clocks against.

It shares no code with `routing.clock`: it asks for each minute whether the desk is open, and
counts.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from routing.clock import Holiday, Hours

MINUTE = timedelta(minutes=1)


@lru_cache(maxsize=64)
def walls(zone: str, first: datetime, last: datetime) -> tuple[list[datetime], list[datetime]]:
    """Return each minute in UTC, and the local time that a clock on the wall shows then."""
    minutes = []
    now = first
    while now <= last:
        minutes.append(now)
        now += MINUTE
    clock = ZoneInfo(zone)
    return minutes, [minute.astimezone(clock).replace(tzinfo=None) for minute in minutes]


class Simulation:
    """The minutes at which a desk is open, found by watching the clock on the wall."""

    def __init__(self, hours: Hours, first: datetime, last: datetime) -> None:
        self.minutes, self.wall = walls(hours.zone, first, last)
        self.first_at: dict[datetime, int] = {}
        for place, wall in enumerate(self.wall):
            self.first_at.setdefault(wall, place)
        self.open = [False] * len(self.minutes)
        for day in sorted({wall.date() for wall in self.wall}):
            for start, end in self._intervals(hours, day):
                self._open(day, start, end)

    @staticmethod
    def _intervals(hours: Hours, day: date) -> tuple[tuple[int, int], ...]:
        for holiday in hours.holidays:
            if not holiday.yearly and holiday.day == day:
                return holiday.intervals
        for holiday in hours.holidays:
            same = (holiday.day.month, holiday.day.day) == (day.month, day.day)
            if holiday.yearly and same and day >= holiday.day:
                return holiday.intervals
        return hours.week[day.weekday()]

    def _open(self, day: date, start: int, end: int) -> None:
        midnight = datetime.combine(day, datetime.min.time())
        until = end if end > start else end + 24 * 60
        begins = self._place(midnight + start * MINUTE)
        ends = self._place(midnight + until * MINUTE)
        for place in range(begins, min(ends, len(self.open))):
            self.open[place] = True

    def _place(self, wall: datetime) -> int:
        if wall in self.first_at:
            return self.first_at[wall]
        for place in range(1, len(self.wall)):
            before, after = self.wall[place - 1], self.wall[place]
            if before < wall < after:  # the clock jumps over this time: move it by the jump
                return self.first_at[wall + (after - before - MINUTE)]
        return 0 if wall < self.wall[0] else len(self.wall)

    def worked(self, start: datetime, end: datetime) -> int:
        pairs = zip(self.minutes, self.open, strict=True)
        return sum(1 for minute, is_open in pairs if is_open and start <= minute < end)

    def due(self, start: datetime, target: int) -> datetime | None:
        for minute, is_open in zip(self.minutes, self.open, strict=True):
            if is_open and minute >= start:
                target -= 1
                if target == 0:
                    return minute + MINUTE
        return None


CHANGES = {
    "Europe/Berlin": ("2027-03-28", "2026-10-25"),
    "America/New_York": ("2027-03-14", "2026-11-01"),
    "America/Santiago": ("2026-09-06", "2027-04-04"),
    "Australia/Lord_Howe": ("2026-10-04", "2027-04-04"),
    "Asia/Kathmandu": ("2026-12-24", "2026-12-31"),
    "UTC": ("2026-12-24", "2028-02-28"),
}
_minutes = st.integers(0, 24 * 4 - 1).map(lambda quarter: quarter * 15)
_intervals = st.lists(st.tuples(_minutes, _minutes), max_size=2).map(tuple)


@st.composite
def calendars(draw: st.DrawFn, near: date, zone: str) -> Hours:
    week = tuple(draw(_intervals) for _ in range(7))
    holidays = tuple(
        Holiday(near + timedelta(days=draw(st.integers(-2, 4))), "", draw(_intervals), yearly)
        for yearly in draw(st.lists(st.booleans(), max_size=3))
    )
    # Two rows for one day are refused by the page.
    unique = {(row.day, row.yearly): row for row in holidays}
    return Hours(zone, week, tuple(unique.values()))
