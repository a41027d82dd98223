from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import Workspace
from routing.forms.base import PlainForm
from routing.offline.cells import Voice, voice
from routing.offline.record import OfflineContact
from scrm.web.params import number

STEP, MAX_ROWS = 10, 200
Columns = Mapping[str, str | Promise]
CARD_COLUMNS: Columns = {
    "text": __("Text of the card"),
    "name": __("Name"),
    "reach": __("Phone or email"),
    "when": __("When"),
}
VOICE_COLUMNS: Columns = {
    "name": __("Person"),
    "text": __("Text"),
    "reach": __("Phone or email"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the form, with the data that the page needs to show it.

    what: the column; a key of `Grid.columns`.
    label: the heading of the column.
    name: the name of the input element.
    value: the text of the cell.
    wrong: the error message; "" if the cell is valid.
    """

    what: str
    label: str | Promise
    name: str
    value: str
    wrong: str


@dataclass
class GridRow:
    """One row of the form.

    cells: column → text of the cell.
    wrong: column → error message, for the cells with an error.
    """

    cells: dict[str, str]
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def filled(self) -> bool:
        return any(cell.strip() for cell in self.cells.values())


class Grid:
    """The rows of the form: first the typed rows, then the rows pasted from a spreadsheet.

    trouble: error message if the pasted lines could not be added, else "".
    lines: the text of the pasted lines; "" after the lines have been added.
    """

    def __init__(self, columns: Columns, typed: Mapping[str, str] | None = None) -> None:
        self.columns, self.trouble = columns, ""
        typed = typed or {}
        count = max(STEP, min(number(typed.get("rows", "")) or 0, MAX_ROWS))
        self.rows = [
            GridRow({what: typed.get(f"{what}-{n}", "") for what in columns}) for n in range(count)
        ]
        self.lines = typed.get("lines", "")
        if self.lines.strip():
            self._paste()
        if "more" in typed:
            self._pad(len(self.rows) + STEP)

    most = MAX_ROWS

    @property
    def shown(self) -> Iterator[list[Cell]]:
        """Yield each row as a list of cells."""
        for n, row in enumerate(self.rows):
            yield [
                Cell(what, label, f"{what}-{n}", row.cells[what], row.wrong.get(what, ""))
                for what, label in self.columns.items()
            ]

    @property
    def full(self) -> bool:
        return len(self.rows) >= MAX_ROWS

    @property
    def wrong(self) -> int:
        """Return the number of cells with an error."""
        return sum(len(row.wrong) for row in self.rows)

    def _paste(self) -> None:
        """Add the pasted lines after the filled rows. If that fails, set `trouble`."""
        try:
            pasted = self._read_lines()
        except csv.Error:
            self.trouble = _("These lines cannot be read: a quotation mark is not closed.")
            return
        filled = [row for row in self.rows if row.filled] + pasted
        if len(filled) > MAX_ROWS:
            self.trouble = _(
                "%(n)s rows are too many: a form takes at most %(most)s. Your entries were kept. "
                "Remove some rows, or import them all as a survey file."
            ) % {"n": f"{len(filled):,}", "most": MAX_ROWS}
            return
        count, self.rows, self.lines = len(self.rows), filled, ""
        self._pad(count)

    def _read_lines(self) -> list[GridRow]:
        """Parse the pasted lines into rows. Spreadsheets copy cells with tabs between them."""
        reader = csv.reader(io.StringIO(self.lines, newline=""), delimiter="\t", strict=True)
        blank = dict.fromkeys(self.columns, "")
        rows = [GridRow(blank | dict(zip(self.columns, cells, strict=False))) for cells in reader]
        return [row for row in rows if row.filled]

    def _pad(self, count: int) -> None:
        while len(self.rows) < min(count, MAX_ROWS):
            self.rows.append(GridRow(dict.fromkeys(self.columns, "")))

    def voices(self, *, now: datetime) -> list[tuple[str, Voice]]:
        """Parse the filled rows; return one pair (mark, content) for each of them.

        Error messages are stored in the `wrong` attribute of the rows. The mark identifies a row of
        the form: it consists of the row number and the text of the cells.
        """
        voices, country = [], Workspace.objects.country()
        for n, row in enumerate(self.rows):
            if row.filled:
                found, row.wrong = voice(row.cells, now=now, country=country)
                voices.append(("\x1f".join([str(n), *row.cells.values()]), found))
        return voices


class GridForm(PlainForm):
    """Base class of the forms with one offline contact per row.

    form: UUID of the form. If the same form is submitted twice, each row is logged only once.
    """

    kind = "comment card"
    columns = CARD_COLUMNS
    form = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.grid = Grid(self.columns, self.data or self.initial)

    def entered(self, *, now: datetime) -> list[OfflineContact]:
        """Return one offline contact for each filled row, or an empty list if there is any error.

        The page shows each error next to its cell.
        """
        voices = self.grid.voices(now=now)
        if not voices and not self.grid.trouble:
            self.add_error(None, _("Fill in at least one row."))
        if self.errors or self.grid.wrong or self.grid.trouble:
            return []
        return [
            OfflineContact(
                # Compute the UUID from form and cells: a row that is sent twice is logged once.
                form=uuid.uuid5(self.cleaned_data["form"], mark + self.title()),
                kind=self.kind,
                text=found.text,
                name=found.name,
                phone=found.phone,
                mail=found.mail,
                said_at=found.said_at or self.said_at(),
                title=self.title(),
            )
            for mark, found in voices
        ]

    def title(self) -> str:
        """Return the title that all offline contacts of this form get."""
        return ""

    def said_at(self) -> datetime | None:
        """Return the time for rows in which no time was entered; None means the current time."""
        return None


class CardsForm(GridForm):
    pass


class EventForm(GridForm):
    """What people said at an event such as a town hall or a fair, one person per row.

    The title of each offline contact consists of the name and the place of the event.
    """

    kind = "event"
    columns = VOICE_COLUMNS
    event = forms.CharField(
        max_length=200,
        label=__("Title"),
        widget=forms.TextInput(attrs={"dir": "auto"}),
        error_messages={"required": __("Enter a title. It groups the entries.")},
    )
    place = forms.CharField(
        required=False,
        max_length=200,
        label=__("Place"),
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    day = forms.DateField(
        label=__("Day"),
        initial=timezone.localdate,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"required": __("Enter the day.")},
    )

    def clean_day(self) -> date:
        day: date = self.cleaned_data["day"]
        if day > timezone.localdate():
            raise forms.ValidationError(_("This date is in the future. Check the day."))
        if day.year < 1900:
            raise forms.ValidationError(_("This date is before 1900. Check the year."))
        return day

    def title(self) -> str:
        title, place = self.cleaned_data["event"], self.cleaned_data["place"]
        return f"{title} ({place})" if place else str(title)

    def said_at(self) -> datetime | None:
        return timezone.make_aware(datetime.combine(self.cleaned_data["day"], time()))
