"""Read the rows of an export as items. Rows with errors are returned with their errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from scrm.channels.base import Author, Item
from scrm.channels.csv_import import columns, identity
from scrm.text import csv_file, dates
from scrm.text.csv_file import Bad, Row, Sheet

T = TypeVar("T")
_OLDEST = datetime(1990, 1, 1, tzinfo=UTC)
_SHOWN = 60
_NUMBER = re.compile(r"\d{1,15}|\d{1,3}(?:[ ,.'\u2019\u00a0]\d{3}){1,4}")
_LONGEST = {
    columns.TEXT: 100_000,
    columns.TITLE: 100_000,
    columns.URL: 2000,
    columns.PAGE: 2000,
    columns.AUTHOR: 300,
    columns.HANDLE: 300,
    columns.AUTHOR_ID: 1000,
    columns.NETWORK: 100,
    columns.LANGUAGE: 20,
    columns.COUNTRY: 200,
    columns.WHEN: 100,
    columns.REACH: 100,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How to read an export.

    columns: the content of each column; see `columns.CONTENTS`.
    order: the order of day and month, as in `scrm.text.dates.parse`.
    zone: the name of the time zone of dates without a UTC offset.
    """

    encoding: str
    delimiter: str
    heading: bool
    columns: tuple[str, ...]
    order: str
    zone: str

    @classmethod
    def of(cls, data: dict[str, Any]) -> Plan:
        return cls(**data | {"columns": tuple(data["columns"])})

    @property
    def mark(self) -> str:
        """Return a fingerprint of the plan. Different plans have different fingerprints."""
        return sha256(repr(self).encode()).hexdigest()[:16]

    def read(self, raw: bytes) -> Sheet:
        return read(raw, encoding=self.encoding, delimiter=self.delimiter, heading=self.heading)


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading an export.

    items: the items, each with the number of its line. No two items have the same identity.
    repeated: the number of rows that repeat an earlier row of the file.
    bad: the errors. A row may have several.
    """

    items: list[tuple[int, Item]] = field(default_factory=list)
    repeated: int = 0
    bad: list[Bad] = field(default_factory=list)

    @property
    def bad_rows(self) -> int:
        """Return the number of rows that cannot be imported."""
        return len({bad.row.line for bad in self.bad})


class _Wrong(ValueError):
    """A cell cannot be read. The text of the exception is the reason, for the user."""


def read(
    raw: bytes, *, encoding: str = "", delimiter: str = "", heading: bool | None = None
) -> Sheet:
    """Parse the whole file. Raises `csv_file.Unreadable`. Values that are not given are guessed.

    Lines above the row with the column names are left out.
    """
    facts = {"encoding": encoding, "delimiter": delimiter}
    if heading is False:
        return csv_file.read(raw, heading=False, **facts)
    try:
        sheet = csv_file.read(raw, heading=True, **facts)
    except csv_file.Unreadable:
        # A single row may be text and not a heading.
        sheet = csv_file.read(raw, heading=False, **facts)
        if heading or columns.heading_row([sheet.rows[0].cells]) is not None:
            raise
        return sheet
    n = columns.heading_row([sheet.heading, *(row.cells for row in sheet.rows)])
    if n is None and heading is None:
        return csv_file.read(raw, heading=False, **facts)
    return sheet.below(n) if n else sheet


def read_rows(sheet: Sheet, plan: Plan, *, now: datetime) -> Reading:
    """Read each row of the file. The preview and the import both use this function."""
    reading, known = Reading(), {}
    repeated = 0
    for row in sheet.rows:
        item, bad = _read_row(row, sheet, plan, now)
        reading.bad.extend(bad)
        if item is None:
            continue
        place = (item.scope, item.key)
        if place not in known:
            known[place] = item
            reading.items.append((row.line, item))
        elif _says_the_same(item, known[place]):
            repeated += 1
        else:
            reading.bad.append(_other_text(row, sheet, plan))
    return replace(reading, repeated=repeated)


def _says_the_same(one: Item, other: Item) -> bool:
    return (one.title, one.text, one.author.key) == (other.title, other.text, other.author.key)


def _other_text(row: Row, sheet: Sheet, plan: Plan) -> Bad:
    n = plan.columns.index(columns.URL)
    why = _(
        "An earlier row has this URL and another text or author. If several mentions share a page, "
        "choose “Shared page URL” for this column."
    )
    return Bad(row, sheet.heading_of(n), why, row.cells[n][:_SHOWN])


def _read_row(row: Row, sheet: Sheet, plan: Plan, now: datetime) -> tuple[Item | None, list[Bad]]:
    """Return the item of a row, or None and the errors."""
    if row.wrong:
        return None, [Bad(row, "", row.wrong)]
    if any(cell.strip() for cell in row.cells[sheet.width :]):
        why = _(
            "This row has %(n)s cells, but the file has %(width)s columns. Put quotation marks "
            "around a text that contains the delimiter."
        )
        return None, [Bad(row, "", why % {"n": len(row.cells), "width": sheet.width})]
    cells = _Cells(row, sheet, plan)
    item = _item(cells, plan, now)
    return (None if cells.bad else item), cells.bad


class _Cells:
    """The cells of one row, and the errors in them."""

    def __init__(self, row: Row, sheet: Sheet, plan: Plan) -> None:
        self.row, self.sheet = row, sheet
        self.bad: list[Bad] = []
        self.columns = {
            content: n for n, content in enumerate(plan.columns) if content and n < len(row.cells)
        }

    def limited(self, content: str) -> str:
        """Return a cell without spaces at its ends, or "" if it is missing.

        If it is too long, record an error and return "".
        """
        n = self.columns.get(content)
        cell = "" if n is None else self.row.cells[n].strip()
        if len(cell) <= _LONGEST[content]:
            return cell
        why = _("This cell has %(n)s characters. The limit is %(most)s.")
        most = f"{_LONGEST[content]:,}"
        self.wrong(content, why % {"n": f"{len(cell):,}", "most": most})
        return ""

    def parsed(self, content: str, parse: Callable[[str], T]) -> T | None:
        """Return the parsed cell; None if it is empty. If it is wrong, record the error."""
        cell = self.limited(content)
        if not cell:
            return None
        try:
            return parse(cell)
        except _Wrong as error:
            self.wrong(content, str(error))
            return None

    def wrong(self, content: str, why: str) -> None:
        n = self.columns.get(content)
        heading = "" if n is None else self.sheet.heading_of(n)
        value = "" if n is None else self.row.cells[n][:_SHOWN]
        self.bad.append(Bad(self.row, heading, why, value))

    @property
    def raw(self) -> bytes:
        """The whole row as JSON, as pairs of heading and cell."""
        pairs = [(self.sheet.heading_of(n), cell) for n, cell in enumerate(self.row.cells)]
        return json.dumps(pairs, ensure_ascii=False).encode("utf-8", "replace")


def _item(cells: _Cells, plan: Plan, now: datetime) -> Item:
    """Build the item of a row. If a cell is wrong, an error is recorded and the item is useless."""
    text, title = cells.limited(columns.TEXT), cells.limited(columns.TITLE)
    if not (text or title or cells.bad):
        cells.wrong(columns.TEXT, _("This row has neither a text nor a title."))
    own = cells.parsed(columns.URL, _address)
    page = cells.parsed(columns.PAGE, _address)
    written = cells.parsed(columns.WHEN, lambda cell: _written(cell, plan.order))
    link = own or page
    scope = identity.scope(link.host if link else "", cells.limited(columns.NETWORK))
    author = _author(cells, scope)
    key = own.key if own else identity.content_key(author.key, written, title, text)
    return Item(
        scope=scope,
        key=key,
        author=author if author.key else replace(author, key=f"unknown {key}"),
        text=text,
        title=title,
        url=link.url if link else "",
        occurred_at=_moment(cells, written, plan, now),
        language=cells.limited(columns.LANGUAGE).lower(),
        raw=cells.raw,
    )


def _author(cells: _Cells, scope: str) -> Author:
    """Return the author of a row. The key is "" if nothing is known about the author."""
    name, id_ = cells.limited(columns.AUTHOR), cells.limited(columns.AUTHOR_ID)
    handle = cells.limited(columns.HANDLE).removeprefix("@")
    return Author(
        network=scope,
        key=identity.author_key(id_=id_, handle=handle, name=name),
        handle=handle,
        name=name or handle or "Unknown author",
        url=id_ if id_.startswith(("http://", "https://")) else "",
        reach=cells.parsed(columns.REACH, _number),
        place=cells.limited(columns.COUNTRY),
    )


def _address(cell: str) -> identity.Address:
    try:
        return identity.address(cell)
    except ValueError:
        raise _Wrong(_("This is not a web address such as https://blog.example/post.")) from None


def _number(cell: str) -> int:
    typed = dates.ascii_form(cell).removesuffix(".0")
    if not _NUMBER.fullmatch(typed):
        raise _Wrong(_("This is not a whole number."))
    return int("".join(c for c in typed if c.isdigit()))


def _written(cell: str, order: str) -> datetime:
    """Parse a date as it is written, without the time zone that the user chose."""
    try:
        found = dates.parse(cell, order)
        return found.astimezone(UTC) if found.tzinfo else found
    except dates.Ambiguous:
        raise _Wrong(_("Day and month are ambiguous. Choose the date order above.")) from None
    except (ValueError, OverflowError):
        raise _Wrong(_("This is not a date such as 2026-03-04 14:30.")) from None


def _moment(cells: _Cells, written: datetime | None, plan: Plan, now: datetime) -> datetime | None:
    """Return the date of a mention in UTC; record an error if the date is impossible."""
    if written is None:
        return None
    try:
        at = written.replace(tzinfo=written.tzinfo or ZoneInfo(plan.zone)).astimezone(UTC)
    except OverflowError:
        at = _OLDEST.replace(year=1)
    if at > now:
        cells.wrong(columns.WHEN, _("This date is in the future. Check the time zone."))
    elif at < _OLDEST:
        cells.wrong(columns.WHEN, _("This date is before 1990. Check the year."))
    return at
