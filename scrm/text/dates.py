"""Parse dates and times in the formats in which people and programs write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from unicodedata import decimal

from scrm.text.normal import normalize

_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2212"
_DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2069"
_LONGEST = 60
_TIME = r"(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?: ?([AaPp])[Mm])?)?"
_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})" + _TIME)
_SLASHES = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-]\d{2,4}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,8}\.?,? ", re.I)
_MONTH_FIRST = re.compile(r"([a-z]{3})[a-z]{0,6}\.? (\d{1,2}),? (\d{4})", re.I)
_DAY_FIRST = re.compile(r"(\d{1,2})[ -]([a-z]{3})[a-z]{0,6}\.?[ -](\d{4})", re.I)
_UTC = re.compile(r" ?(?:UTC|GMT|Z)\Z", re.I)


class Ambiguous(ValueError):
    """It is not clear which number of a date is the day and which is the month."""


def parse(cell: str, order: str = "") -> datetime:
    """Parse a date and time. The result is naive if the cell states no UTC offset.

    Examples are 2026-03-04T14:30:00Z, 4.3.2026, 3/4/2026 2:30 PM and “Wed, 4 Mar 2026 14:30 GMT”.
    order: "day" if the day comes first in a date such as 03/04/2026, or "month" if the month
      comes first. If it is "", such a date is ambiguous.
    Raises ValueError if the cell is no date, and Ambiguous if the order is needed.
    """
    if len(cell) > _LONGEST:
        raise ValueError(cell[:_LONGEST])
    typed = _with_numbers(_WEEKDAY.sub("", ascii_form(cell), count=1))
    is_utc = _UTC.search(typed)
    parts = _DATE.fullmatch(_UTC.sub("", typed))
    if not parts:
        return datetime.fromisoformat(typed)
    first, sign, second, third, hour, minute, second_of_minute, half = parts.groups()
    # Dates with dots, such as 31.12.2026, begin with the day.
    year, month, day = _in_order(first, int(second), third, order if sign != "." else "day")
    at = datetime(  # noqa: DTZ001 (the caller knows the time zone)
        year, month, day, _hour(int(hour or 0), half), int(minute or 0), int(second_of_minute or 0)
    )
    return at.replace(tzinfo=UTC) if is_utc else at


def guess_order(cells: Iterable[str]) -> str:
    """Guess whether the dates begin with the day or the month; return "day" or "month".

    If all dates fit both orders, or if two dates contradict each other, "" is returned.
    """
    found = [date for cell in cells if (date := _SLASHES.match(cell.strip()))]
    day_first = any(int(date[1]) > 12 for date in found)
    month_first = any(int(date[2]) > 12 for date in found)
    if day_first == month_first:
        return ""
    return "day" if day_first else "month"


def ascii_form(cell: str) -> str:
    """Replace digits, hyphens and full-width characters by their ASCII forms.

    The digits can belong to any writing system. Direction marks, and spaces at both ends, are
    removed.
    """
    typed = normalize("NFKC", cell)
    return "".join(c if c.isascii() else _digit(c) for c in typed).strip()


def _digit(c: str) -> str:
    value = decimal(c, None)
    if value is not None:
        return str(value)
    return "-" if c in _HYPHENS else "" if c in _DIRECTIONS else c


def _with_numbers(typed: str) -> str:
    """Return a date whose month is an English name with the number of the month instead."""
    if found := _MONTH_FIRST.match(typed):
        name, day, year = found.groups()
    elif found := _DAY_FIRST.match(typed):
        day, name, year = found.groups()
    else:
        return typed
    if name.lower() not in _MONTHS:
        return typed
    return f"{year}-{_MONTHS.index(name.lower()) + 1}-{day}{typed[found.end() :]}"


def _hour(hour: int, half: str | None) -> int:
    """Return the hour of the day, from 0 to 23.

    half: "a" for am, "p" for pm, None if a 24-hour clock is used.
    """
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half in "pP" else 0)


def _in_order(first: str, second: int, third: str, order: str) -> tuple[int, int, int]:
    """Sort the three numbers of a date into (year, month, day). Raises Ambiguous."""
    if len(first) == 4:
        return int(first), second, int(third)
    if len(third) not in {2, 4} or len(first) > 2:
        raise ValueError(first)
    year, one = int(third) + (2000 if len(third) == 2 else 0), int(first)
    if one == second or order == "day" or (not order and one > 12):
        return year, second, one
    if order == "month" or second > 12:
        return year, one, second
    raise Ambiguous(first)
