"""Read and write opening hours and durations as people type them."""

from __future__ import annotations

import re
from itertools import pairwise

from django import forms
from django.utils.translation import gettext as _

from routing.clock import DAY_MINUTES, Interval, length

_TIME = r"(\d{1,2})(?::(\d{2}))?"
_INTERVAL = re.compile(rf"{_TIME}\s*(?:-|\u2013|to)\s*{_TIME}")
_PART = re.compile(r"(\d+(?:[.,]\d+)?)\s*(min|m|h|d|s)?")
MAX_INTERVALS = 6
CLOSED = "closed"
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "": 3600}


def parse_intervals(text: str) -> tuple[Interval, ...]:
    """Parse hours such as “9-12, 13:00-18:00”; “closed” or nothing is no interval.

    Raises ValidationError. An interval whose end is not after its start ends on the next day.
    """
    words = text.strip().lower()
    if words in ("", CLOSED):
        return ()
    found = sorted(_interval(part.strip()) for part in words.split(",") if part.strip())
    if len(found) > MAX_INTERVALS:
        raise forms.ValidationError(_("Enter at most %d time ranges per day.") % MAX_INTERVALS)
    for (start, end), (following, _end) in pairwise(found):
        if start + length((start, end)) > following:
            raise forms.ValidationError(_("These hours overlap: %s.") % format_intervals(found))
    return tuple(found)


def _interval(text: str) -> Interval:
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise forms.ValidationError(
            _("“%s” is not a valid time range. Enter, for example, 09:00-12:00, 13:00-18:00.")
            % text[:40]
        )
    hours = [int(match[1]), int(match[3])]
    minutes = [int(match[2] or 0), int(match[4] or 0)]
    start, end = (hour * 60 + minute for hour, minute in zip(hours, minutes, strict=True))
    if max(minutes) > 59 or start >= DAY_MINUTES or end > DAY_MINUTES:
        raise forms.ValidationError(
            _("“%s” is not a valid time range. Enter times from 00:00 to 24:00.") % text[:40]
        )
    return start, end


def format_intervals(intervals: tuple[Interval, ...] | list[Interval]) -> str:
    """Return for example "09:00-12:00, 13:00-18:00"; "" if there are none."""
    return ", ".join(f"{format_time(start)}-{format_time(end)}" for start, end in intervals)


def format_time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def parse_seconds(text: str, *, day: int) -> int | None:
    """Parse a duration such as “1 h 30 min” or “2 d” into seconds; None if nothing is entered.

    A single number without a unit is hours. Raises ValidationError.

    day: the minutes of an opening day.
    """
    words = text.strip().lower()
    if words in ("", "none"):
        return None
    parts = _PART.findall(words)
    # “1 h 30” is refused: the 30 could be hours or minutes.
    no_unit = len(parts) > 1 and any(not unit for _number, unit in parts)
    if not parts or no_unit or _PART.sub("", words).strip():
        raise forms.ValidationError(
            _("“%s” is not a valid duration. Enter, for example, 30 min, 4 h or 2 d.") % text[:40]
        )
    units = _UNITS | {"d": day * 60}
    return round(sum(float(number.replace(",", ".")) * units[unit] for number, unit in parts))


def format_minutes(minutes: int | None, *, day: int = 0) -> str:
    """Return for example "1 h 30 min", or "2 d" for two opening days of `day` minutes."""
    if minutes is None:
        return ""
    if day and minutes % day == 0 and minutes // day > 1:
        return f"{minutes // day} d"
    hours, rest = divmod(minutes, 60)
    parts = (f"{hours} h" if hours else "", f"{rest} min" if rest or not hours else "")
    return " ".join(part for part in parts if part)
