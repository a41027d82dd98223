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
from routing.offline.csv_file import Sheet, Unreadable, read
from routing.offline.survey import Plan, heading_of
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
            read(self.raw)
        except Unreadable as why:
            raise forms.ValidationError(str(why)) from None
        return file


@dataclass(frozen=True, slots=True)
class Column:
    """One column in the form in which the page shows it. what: its content, a key of `HOLDS`."""

    n: int
    name: str
    what: str
    wrong: str = ""


class PlanForm(PlainForm):
    """How to read a file. The initial values are guessed, and the user can change them.

    `sheet` and `columns` are set only if the file could be read. If the user changed the encoding,
    the delimiter or the heading, the contents of the columns are guessed again.
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

        name: name of the uploaded file; without its extension it is the initial survey name.
        """
        self.sheet = sheet = read(self.raw)
        kinds = column_guess.guess(sheet.heading, [row.cells for row in sheet.rows], sheet.width)
        whens = [n for n, what in enumerate(kinds) if what == column_guess.WHEN]
        cells = [row.cells[whens[0]] for row in sheet.rows if whens and len(row.cells) > whens[0]]
        self.initial = {
            "title": PurePath(name).stem[:200],
            "encoding": sheet.encoding,
            "delimiter": sheet.delimiter,
            "heading": bool(sheet.heading),
            "order": column_guess.guess_order(cells),
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
        # The choices of the user are valid only while the file is split in the same way as then.
        if self.shape == self.data.get("shape"):
            kinds = [self._chosen(n) for n in range(sheet.width)]
        self._show(sheet, kinds)
        self.plan = self._plan(data, kinds)
        return data

    @property
    def shape(self) -> str:
        """Encoding, delimiter and heading as one string: they decide how the file is split."""
        sheet = self.sheet
        return f"{sheet.encoding} {sheet.delimiter} {bool(sheet.heading)}" if sheet else ""

    @property
    def first_rows(self) -> list[list[str]]:
        """The first rows for the preview. Long cells are shortened; unreadable rows are empty."""
        return [
            [row.cells[n][:200] if n < len(row.cells) else "" for n in range(len(self.columns))]
            for row in (self.sheet.rows[:5] if self.sheet else [])
        ]

    def _chosen(self, n: int) -> str:
        """The content that the user chose for column `n`."""
        what = self.data.get(f"column-{n}", "")
        return what if what in dict(HOLDS) else column_guess.NOTHING

    def _plan(self, facts: dict[str, Any], kinds: list[str]) -> Plan | None:
        """Build the plan; None if no column has a text or if two columns have the same role.

        Then the error messages are in `trouble` and in the columns.
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
        """Set `columns`; a column whose role an earlier column already has gets an error."""
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
