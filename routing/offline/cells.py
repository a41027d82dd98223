"""Parse the cells of one row: a comment card, a person at an event, or a survey answer.

These functions do not access the database."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from unicodedata import decimal, normalize

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.translation import gettext as _

from scrm.channels.email.people import sendable
from scrm.text.clean import storable

T = TypeVar("T")
LONGEST_TEXT, LONGEST_NAME = 100_000, 300
_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2212"
_DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2069"
_OLDEST = datetime(1900, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"\+?[\d ()/.\-]+")
_DATE = re.compile(
    r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})"
    r"(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?: ?([AaPp])[Mm])?)?"
)


class Unclear(ValueError):
    """A cell cannot be parsed.

    The text of the exception is the reason. It is shown to the user.
    """


@dataclass(frozen=True, slots=True)
class Voice:
    """The content of one row: what a person said and, if known, who the person is.

    phone: digits, optionally after a plus.
    mail: an address in the form in which a profile's key contains it.
    said_at: the aware time at which the person said it; None if unknown.
    """

    text: str
    name: str = ""
    phone: str = ""
    mail: str = ""
    said_at: datetime | None = None


def voice(
    cells: Mapping[str, str], *, now: datetime, order: str = ""
) -> tuple[Voice, dict[str, str]]:
    """Parse one row; return the content that could be parsed, and the error messages.

    cells: kind of content → cell. The kinds are text, name, reach, phone, mail and when. Any kind
      may be missing.
    order: the order of day and month, as in `moment`.

    The error messages are a dict with the same keys as `cells`.
    """
    row = _Cells(cells)
    number, address = row.read("reach", reach, ("", ""))
    found = Voice(
        text=row.read("text", _text, ""),
        name=row.read("name", _name, ""),
        phone=number or row.read("phone", phone, ""),
        mail=address or row.read("mail", mail, ""),
        said_at=row.read("when", lambda cell: moment(cell, now=now, order=order), None),
    )
    return found, row.wrong


class _Cells:
    """The cells of a row, and the error messages of the cells that could not be parsed."""

    def __init__(self, cells: Mapping[str, str]) -> None:
        self.cells = cells
        self.wrong: dict[str, str] = {}

    def read(self, content: str, parse: Callable[[str], T], default: T) -> T:
        """Parse one cell. If that fails, store the error message and return `default`."""
        try:
            return parse(storable(self.cells.get(content, "")).strip())
        except Unclear as error:
            self.wrong[content] = str(error)
            return default


def _text(cell: str) -> str:
    if not cell:
        raise Unclear(_("This cell is empty. Enter what was said."))
    if len(cell) > LONGEST_TEXT:
        raise Unclear(_("This text is longer than 100,000 characters."))
    return cell


def _name(cell: str) -> str:
    if len(cell) > LONGEST_NAME:
        raise Unclear(_("A name has at most 300 characters."))
    return " ".join(cell.split())


def reach(cell: str) -> tuple[str, str]:
    """Parse a cell that contains a phone number or a mail address; return (phone, mail).

    If the cell contains no phone number, phone is "". If it contains no mail address, mail is "".
    Raises Unclear.
    """
    if "@" in normalize("NFKC", cell):
        return "", mail(cell)
    try:
        return phone(cell), ""
    except Unclear:
        raise Unclear(
            _("“%(cell)s” is neither a phone number nor an email address.") % {"cell": cell[:60]}
        ) from None


def phone(cell: str) -> str:
    """Parse a phone number into digits, optionally after a plus; return "" if the cell is empty.

    Raises Unclear.
    """
    typed = _ascii(cell)
    number = "".join(c for c in typed if c.isdigit() or c == "+")
    if typed and not (_NUMBER.fullmatch(typed) and 3 <= len(number.lstrip("+")) <= 20):
        raise Unclear(
            _("“%(cell)s” is not a phone number. Use only digits, spaces and a leading plus.")
            % {"cell": cell[:60]}
        )
    return number


def mail(cell: str) -> str:
    """Parse a mail address into the form in which a profile's key contains it.

    Returns "" if the cell is empty. Raises Unclear.
    """
    typed = normalize("NFKC", cell).strip()
    try:
        address = sendable(typed) if typed else ""
        if address:
            validate_email(address)
    except (ValidationError, ValueError):
        raise Unclear(
            _("“%(cell)s” is not an email address, such as ron@calder.example.")
            % {"cell": cell[:60]}
        ) from None
    return address


def moment(cell: str, *, now: datetime, order: str = "") -> datetime | None:
    """Parse a date and time; return an aware time in UTC, or None if the cell is empty.

    A time without a UTC offset is in the workspace's time zone. Raises Unclear if the cell cannot
    be parsed, or if the time is in the future or before 1900.

    order: "day" if the day comes first in a date such as 03/04/2026, or "month" if the month
      comes first. If it is "", an ambiguous date is an error.
    """
    if not cell:
        return None
    try:
        at = _moment(_ascii(cell), order)
        if at.tzinfo is None:
            at = timezone.make_aware(at)
        at = at.astimezone(UTC)
    # Catch Unclear before its base class ValueError: it already has a message for the user.
    except Unclear:
        raise
    except (ValueError, OverflowError):
        raise Unclear(
            _("“%(cell)s” is not a date. Write it as 2026-03-04 or 2026-03-04 14:30.")
            % {"cell": cell[:60]}
        ) from None
    if at > now:
        raise Unclear(_("This time is in the future. Enter when it was said."))
    if at < _OLDEST:
        raise Unclear(_("This date is before 1900. Check the year."))
    return at


def _moment(typed: str, order: str) -> datetime:
    """Parse a date and time that consists of ASCII characters.

    The result is naive if `typed` has no UTC offset. Raises ValueError or Unclear.
    """
    parts = _DATE.fullmatch(typed)
    if not parts:
        return datetime.fromisoformat(typed)
    first, sign, second, third, hour, minute, second_of_minute, half = parts.groups()
    # Dates with dots, such as 31.12.2026, begin with the day.
    year, month, day = _in_order(first, int(second), third, order if sign != "." else "day")
    return datetime(  # noqa: DTZ001 (moment() sets the time zone)
        year, month, day, _hour(int(hour or 0), half), int(minute or 0), int(second_of_minute or 0)
    )


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
    """Sort the three numbers of a date into (year, month, day). Raises Unclear if ambiguous."""
    if len(first) == 4:
        return int(first), second, int(third)
    if len(third) not in {2, 4} or len(first) > 2:
        raise ValueError(first)
    year, one = int(third) + (2000 if len(third) == 2 else 0), int(first)
    if one == second or order == "day" or (not order and one > 12):
        return year, second, one
    if order == "month" or second > 12:
        return year, one, second
    raise Unclear(
        _("Day and month are ambiguous. Write the date as year-month-day, such as 2026-03-04.")
    )


def _ascii(cell: str) -> str:
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
