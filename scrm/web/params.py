"""Parse query parameters: primary keys of rows, and positions in a list that is sorted by time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime


def number(text: str) -> int | None:
    """Parse the primary key of a row, with at most 18 digits; return None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def place(mark: str) -> tuple[datetime, int] | None:
    """Parse a position in a list: “moment,key” of the last row that was shown.

    Returns the moment in UTC and the primary key; None if the text is invalid.
    """
    at, _comma, key = mark.partition(",")
    try:
        moment = parse_datetime(at)
    except ValueError:
        return None
    pk = number(key)
    if moment is None or moment.tzinfo is None or not 1 < moment.year < 9999 or pk is None:
        return None
    return moment.astimezone(UTC), pk


_FIRST, _LAST = date(2, 1, 1), date(9998, 12, 31)


def midnight(day: date, *, days: int = 0) -> datetime:
    """Return the time at which a day begins in the current time zone.

    days: a number of days that is added to the day first.
    """
    within = min(max(day, _FIRST), _LAST) + timedelta(days=days)
    return timezone.make_aware(datetime.combine(within, time.min))
