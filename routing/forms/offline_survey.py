from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from routing.forms.base import PlainForm
from routing.offline import column_guess
from routing.offline.survey import Plan, heading_of
from scrm.text.csv_file import Sheet, Unreadable, read
from scrm.text.dates import guess_order
from scrm.web.upload_limits import MAX_CSV_BYTES, MAX_CSV_ROWS, size_words

HOLDS = [
    (column_guess.NOTHING, __("Ignore")),
    (column_guess.TEXT, __("Text")),
    (column_guess.SCORE, __("Score (added to the text)")),
    (column_guess.NAME, __("Name")),
    (column_guess.MAIL, __("Email address")),
    (column_guess.PHONE, __("Phone")),
    (column_guess.WHEN, __("When")),
]

_LIMIT = size_words(MAX_CSV_BYTES)


class UploadForm(PlainForm):
    file = forms.FileField(
        label=__("CSV file"),
        help_text=format_lazy(
            __("One answer per row, up to {rows} rows and {limit}."),
            rows=f"{MAX_CSV_ROWS:,}",
            limit=_LIMIT,
        ),
        widget=forms.FileInput(
            attrs={
                "accept": ".csv,.tsv,.txt",
                "data-largest": MAX_CSV_BYTES,
                "data-too-large": format_lazy(
                    __("This file is larger than {limit}. Split it."), limit=_LIMIT
                ),
            }
        ),
        error_messages={
            "required": __("Choose a file."),
            "empty": __("This file is empty. Choose another file."),
        },
    )

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if file.size and file.size > MAX_CSV_BYTES:
            raise forms.ValidationError(
                _("This file has %(size)s. The limit is %(limit)s. Split it and import the parts "
                  "one by one.") % {"size": filesizeformat(file.size), "limit": _LIMIT}
            )  # fmt: skip
        self.raw = file.read()
        try:
            read(self.raw, heading=column_guess.names_columns)
        except Unreadable as why:
            raise forms.ValidationError(str(why)) from None
        return file


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file, with the data that the page needs to show it.

    n: the number of the column, counted from 0.
    what: the content of the column; one of the values in `HOLDS`.
    wrong: the error message, else "".
    """

    n: int
    name: str
    what: str
    wrong: str = ""


class PlanForm(PlainForm):
    """How to read a file with survey answers.

    The form starts with guessed values, which the user can change. If the user changed the
    encoding, the delimiter or the heading, the contents of the columns are guessed again.

    sheet: the parsed file; None if the file could not be read.
    columns: the columns; empty if the file could not be read.
    plan: the resulting plan; None if there is an error.
    """

    title = forms.CharField(
        required=False,
        max_length=200,
        label=__("Survey name"),
        help_text=__("Used as the title of each answer. It groups the answers."),
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    encoding = forms.ChoiceField(
        label=__("Encoding"),
        choices=[
            ("utf-8", "UTF-8"),
            ("utf-8-sig", __("UTF-8 with BOM")),
            ("utf-16", __("UTF-16 (“Unicode text”)")),
            ("cp1252", __("Windows, Western")),
        ],
    )
    delimiter = forms.ChoiceField(
        label=__("Delimiter"),
        choices=[(",", __("commas")), (";", __("semicolons")), ("\t", __("tabs"))],
    )
    order = forms.ChoiceField(
        label=__("Date order"),
        required=False,
        choices=[
            ("", __("year first, or unambiguous")),
            ("day", __("day first: 31/12/2026")),
            ("month", __("month first: 12/31/2026")),
        ],
    )
    heading = forms.BooleanField(required=False, label=__("First row contains column names"))

    def __init__(self, *args: Any, raw: bytes, name: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.raw = raw
        self.sheet: Sheet | None = None
        self.columns: list[Column] = []
        self.plan: Plan | None = None
        if not self.is_bound:
            self._guess(name)

    def _guess(self, name: str) -> None:
        """Guess the initial values and the plan from the content of the file.

        name: name of the uploaded file. Without its extension, it is the initial survey name.
        """
        self.sheet = sheet = read(self.raw, heading=column_guess.names_columns)
        kinds = column_guess.guess(sheet.heading, [row.cells for row in sheet.rows], sheet.width)
        whens = [n for n, what in enumerate(kinds) if what == column_guess.WHEN]
        cells = [row.cells[whens[0]] for row in sheet.rows if whens and len(row.cells) > whens[0]]
        self.initial = {
            "title": PurePath(name).stem[:200],
            "encoding": sheet.encoding,
            "delimiter": sheet.delimiter,
            "heading": bool(sheet.heading),
            "order": guess_order(cells),
        }
        self._show(sheet, kinds)
        self.plan = self._plan(self.initial, kinds)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if self.errors:
            return data
        facts = {name: data[name] for name in ("encoding", "delimiter", "heading")}
        try:
            self.sheet = sheet = read(self.raw, **facts)
        except Unreadable as why:
            self.add_error(why.about or None, str(why))
            return data
        kinds = column_guess.guess(sheet.heading, [row.cells for row in sheet.rows], sheet.width)
        # The user's choices are valid only if the file is still split into the same columns.
        if self.shape == self.data.get("shape"):
            kinds = [self._chosen(n) for n in range(sheet.width)]
        self._show(sheet, kinds)
        self.plan = self._plan(data, kinds)
        return data

    @property
    def shape(self) -> str:
        """Return encoding, delimiter and heading as one string.

        As long as this string is unchanged, the file is split into the same columns.
        """
        sheet = self.sheet
        return f"{sheet.encoding} {sheet.delimiter} {bool(sheet.heading)}" if sheet else ""

    @property
    def first_rows(self) -> list[list[str]]:
        """Return the cells of the first rows, for the preview.

        Long cells are shortened. A row that cannot be read consists of empty cells.
        """
        return [
            [row.cells[n][:200] if n < len(row.cells) else "" for n in range(len(self.columns))]
            for row in (self.sheet.rows[:5] if self.sheet else [])
        ]

    def _chosen(self, n: int) -> str:
        """Return the content that the user chose for column `n`, counted from 0."""
        what = self.data.get(f"column-{n}", "")
        return what if what in dict(HOLDS) else column_guess.NOTHING

    def _plan(self, facts: dict[str, Any], kinds: list[str]) -> Plan | None:
        """Build the plan.

        Returns None if no column contains a text or a score, or if two columns have a content that
        only one column may have. The error messages are then in `trouble` and in `columns`.
        """
        if not {column_guess.TEXT, column_guess.SCORE} & set(kinds):
            self.trouble = _("No column contains the text. Choose it below.")
        if self.trouble or any(column.wrong for column in self.columns):
            return None
        return Plan(
            facts["encoding"], facts["delimiter"], facts["heading"], tuple(kinds), facts["order"]
        )

    trouble = ""

    def _show(self, sheet: Sheet, kinds: list[str]) -> None:
        """Set `columns`.

        Some contents, for example the name, may be in one column only. If several columns have such
        a content, all of them except the first get an error.
        """
        twice = _("Another column already has this role. It can be used only once.")
        self.columns = [
            Column(
                n,
                heading_of(sheet, n),
                what,
                twice if what in column_guess.ONE_OF_EACH and what in kinds[:n] else "",
            )
            for n, what in enumerate(kinds)
        ]
