"""Parse the cells of one row: a comment card, a person at an event, or a survey answer.

These functions do not access the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.translation import gettext as _

from scrm.channels.email.people import sendable
from scrm.text import dates
from scrm.text.clean import storable, without_bidi
from scrm.text.dates import ascii_form
from scrm.text.normal import normalize
from scrm.text.phone import NotAPhoneNumber, e164

T = TypeVar("T")
LONGEST_TEXT, LONGEST_NAME = 100_000, 300
_OLDEST = datetime(1900, 1, 1, tzinfo=UTC)


class Unclear(ValueError):
    """A cell cannot be parsed.

    The text of the exception is the reason. It is shown to the user.
    """


@dataclass(frozen=True, slots=True)
class Voice:
    """The content of one row: what a person said and, if known, who the person is.

    phone: a number in E.164.
    mail: an address in the form in which a profile's key contains it.
    said_at: the aware time at which the person said it; None if unknown.
    """

    text: str
    name: str = ""
    phone: str = ""
    mail: str = ""
    said_at: datetime | None = None


def voice(
    cells: Mapping[str, str], *, now: datetime, order: str = "", country: str = ""
) -> tuple[Voice, dict[str, str]]:
    """Parse one row; return the content that could be parsed, and the error messages.

    cells: kind of content → cell. The kinds are text, name, reach, phone, mail and when. Any kind
      may be missing.
    order: the order of day and month, as in `moment`.
    country: the country of numbers without country code, as in `scrm.text.phone.e164`.

    The error messages are a dict with the same keys as `cells`.
    """
    row = _Cells(cells)
    number, address = row.read("reach", lambda cell: reach(cell, country), ("", ""))
    found = Voice(
        text=row.read("text", _text, ""),
        name=row.read("name", _name, ""),
        phone=number or row.read("phone", lambda cell: phone(cell, country), ""),
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
    return " ".join(without_bidi(cell).split())


def reach(cell: str, country: str = "") -> tuple[str, str]:
    """Parse a cell that contains a phone number or a mail address; return (phone, mail).

    If the cell contains no phone number, phone is "". If it contains no mail address, mail is "".
    Raises Unclear.
    """
    if "@" in normalize("NFKC", cell):
        return "", mail(cell)
    try:
        return phone(cell, country), ""
    except Unclear:
        if any(map(str.isdigit, cell)):
            raise
        raise Unclear(
            _("“%(cell)s” is neither a phone number nor an email address.") % {"cell": cell[:60]}
        ) from None


def phone(cell: str, country: str = "") -> str:
    """Parse a phone number into E.164; return "" if the cell is empty. Raises Unclear.

    country: the country of numbers without country code, as in `scrm.text.phone.e164`.
    """
    try:
        return e164(ascii_form(cell), country)
    except NotAPhoneNumber as error:
        raise Unclear(str(error)) from None


def mail(cell: str) -> str:
    """Parse a mail address into the form in which a profile's key contains it.

    Returns "" if the cell is empty. Raises Unclear.
    """
    typed = normalize("NFKC", cell).strip()
    try:
        address = sendable(typed) if typed else ""
        if address:
            # Django accepts only ASCII before the @.
            local, _at, domain = address.rpartition("@")
            validate_email(address if local.isascii() else f"x@{domain}")
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
        at = dates.parse(cell, order)
        if at.tzinfo is None:
            at = timezone.make_aware(at)
        at = at.astimezone(UTC)
    # Catch Ambiguous before its base class ValueError.
    except dates.Ambiguous:
        raise Unclear(
            _("Day and month are ambiguous. Write the date as year-month-day, such as 2026-03-04.")
        ) from None
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
