"""Working time of a calendar: the time at which something is due, and the time spent on it.

All functions are pure. All datetimes are aware; durations are seconds of working time.

Working hours are intervals of local minutes. An interval belongs to the day on which it starts. If
its end is not after its start, it ends on the next day. At a change to or from daylight-saving
time, a time that does not exist is moved forward by the length of the gap, and a time that exists
twice is the first one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

Interval = tuple[int, int]
"""Start and end in minutes since midnight, for example (540, 1080) for 09:00 to 18:00."""

DAY_MINUTES = 24 * 60
MAX_YEARS = 20
"""The maximum number of years that `due` searches ahead."""
WARN_SHARE = 0.2
"""A warning is given when this share of the working time is left."""
WARN_AT_LEAST = 15 * 60
"""The minimum time between a warning and the due time, in seconds of working time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_SECOND = 1_000_000


class NoWorkingTime(ValueError):
    """The calendar does not have so much working time within `MAX_YEARS`."""


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day with other hours than its weekday; closed if it has no intervals.

    yearly: whether it returns each year after `day`.
    """

    day: date
    name: str = ""
    intervals: tuple[Interval, ...] = ()
    yearly: bool = False


@dataclass(frozen=True, slots=True)
class Hours:
    """The opening hours of a calendar.

    zone: the name of an IANA time zone.
    week: the intervals of each weekday, Monday first.
    """

    zone: str
    week: tuple[tuple[Interval, ...], ...]
    holidays: tuple[Holiday, ...] = ()

    @property
    def minutes_a_week(self) -> int:
        return sum(length(interval) for day in self.week for interval in day)

    @property
    def minutes_a_day(self) -> int:
        """Return the average length of an opening day in minutes; 0 if no weekday is open."""
        days = sum(1 for day in self.week if day)
        return round(self.minutes_a_week / days) if days else 0


ALWAYS_OPEN = Hours("UTC", (((0, DAY_MINUTES),),) * 7)


def length(interval: Interval) -> int:
    """Return the minutes of an interval, without changes of the clock."""
    start, end = interval
    return end - start if end > start else end - start + DAY_MINUTES


def due(start: datetime, working_seconds: float, hours: Hours) -> datetime:
    """Return the time at which so much working time has passed since `start`.

    Raises NoWorkingTime if that is more than `MAX_YEARS` ahead.
    """
    if working_seconds <= 0:
        return start
    needed = round(working_seconds * _SECOND)
    for years in (1, 4, MAX_YEARS):
        line = _line_of(hours, start, start, years)
        wanted = line.before(start) + needed
        if wanted <= line.total:
            return line.at(wanted)
    raise NoWorkingTime


def working_seconds_between(a: datetime, b: datetime, hours: Hours) -> float:
    """Return the working time from `a` to `b`; 0 if `b` is not later than `a`."""
    if b <= a:
        return 0.0
    line = _line_of(hours, a, b)
    return (line.before(b) - line.before(a)) / _SECOND


def warn_at(start: datetime, due_at: datetime, hours: Hours, *, spent: float = 0.0) -> datetime:
    """Return when to warn that something is due at `due_at`.

    This is when a fifth of the working time is left, but at least 15 minutes. If no working time is
    left before, it is `start`.

    spent: working seconds that had passed before `start`.
    """
    if due_at <= start:
        return start
    line = _line_of(hours, start, due_at)
    begun, ended = line.before(start), line.before(due_at)
    whole = ended - begun + round(spent * _SECOND)
    ahead = max(round(whole * WARN_SHARE), WARN_AT_LEAST * _SECOND)
    return line.at(ended - ahead) if ended - ahead > begun else start


def spans_between(a: datetime, b: datetime, hours: Hours) -> list[tuple[datetime, datetime]]:
    """Return the open spans from `a` to `b`, cut at both times."""
    line = _line_of(hours, a, b)
    cut = ((max(span.start, _ticks(a)), min(span.end, _ticks(b))) for span in line.spans)
    return [(_time(start), _time(end)) for start, end in cut if start < end]


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int


class _Line:
    """The open spans of some years, in microseconds, with the working time before each of them."""

    def __init__(self, hours: Hours, first: int, last: int) -> None:
        self.spans = _merged(sorted(_spans(hours, first, last), key=lambda span: span.start))
        self._starts = [span.start for span in self.spans]
        self._ends = list(accumulate(span.end - span.start for span in self.spans))

    @property
    def total(self) -> int:
        return self._ends[-1] if self._ends else 0

    def before(self, moment: datetime) -> int:
        """Return the working time from the beginning of the line to this moment."""
        at = _ticks(moment)
        place = bisect_right(self._starts, at) - 1
        if place < 0:
            return 0
        span = self.spans[place]
        return self._ends[place] - (span.end - min(at, span.end))

    def at(self, worked: int) -> datetime:
        """Return the first moment before which there is so much working time; `worked` > 0."""
        place = bisect_left(self._ends, worked)
        return _time(self.spans[place].end - (self._ends[place] - worked))


def _line_of(hours: Hours, a: datetime, b: datetime, years: int = 1) -> _Line:
    """Return a line that contains both times, and so many years after the second."""
    return _line(hours, a.year - 1, min(b.year + years, 9998))


@lru_cache(maxsize=256)
def _line(hours: Hours, first: int, last: int) -> _Line:
    return _Line(hours, first, last)


def _spans(hours: Hours, first: int, last: int) -> Iterator[_Span]:
    zone = ZoneInfo(hours.zone)
    once = {row.day: row.intervals for row in hours.holidays if not row.yearly}
    yearly = {(row.day.month, row.day.day): row for row in hours.holidays if row.yearly}
    for number in range(date(max(first, 1), 1, 1).toordinal(), date(last, 12, 31).toordinal() + 1):
        day = date.fromordinal(number)
        again = yearly.get((day.month, day.day))
        intervals = hours.week[day.weekday()]
        if day in once:
            intervals = once[day]
        elif again and day >= again.day:
            intervals = again.intervals
        for start, end in intervals:
            span = _Span(_instant(day, start, zone), _instant(day, end, zone, after=start))
            # At a change of the clock, nothing may be left of an interval.
            if span.start < span.end:
                yield span


def _instant(day: date, minutes: int, zone: ZoneInfo, *, after: int = -1) -> int:
    """Return the microseconds of a local time of this day; of the next day if it is not `after`."""
    days, rest = divmod(minutes if minutes > after else minutes + DAY_MINUTES, DAY_MINUTES)
    hour, minute = divmod(rest, 60)
    # With fold=0, zoneinfo moves a time in a gap forward, and takes the first of two equal times.
    local = datetime.combine(day + timedelta(days=days), time(hour, minute), tzinfo=zone)
    return _ticks(local)


def _merged(spans: list[_Span]) -> list[_Span]:
    """Join spans that touch or overlap, for example of an evening and of the morning after it."""
    joined: list[_Span] = []
    for span in spans:
        if joined and span.start <= joined[-1].end:
            joined[-1] = _Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def _ticks(moment: datetime) -> int:
    # Subtracting two times of one zone ignores its changes of the clock: convert to UTC first.
    return (moment.astimezone(UTC) - _EPOCH) // _TICK


def _time(ticks: int) -> datetime:
    return _EPOCH + ticks * _TICK
