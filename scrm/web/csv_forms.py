"""Forms for a CSV file: upload it, then say how to read it and what each column contains."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from scrm.text.csv_file import ENCODINGS, Sheet, Unreadable
from scrm.web.upload_limits import MAX_CSV_BYTES, MAX_CSV_ROWS, size_words

NOTHING = ""
"""The content of a column that is not used."""
_LIMIT = size_words(MAX_CSV_BYTES)


class CsvUploadForm(forms.Form):
    """Upload a CSV file.

    raw: the content of the uploaded file, once the form is valid.
    """

    file = forms.FileField(
        label=__("CSV file"),
        help_text=format_lazy(
            __("Up to {rows} rows and {limit}."), rows=f"{MAX_CSV_ROWS:,}", limit=_LIMIT
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
            self.check(self.raw)
        except Unreadable as why:
            raise forms.ValidationError(str(why)) from None
        return file

    def check(self, raw: bytes) -> None:
        """Read the file as the next page reads it. Raises Unreadable."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file, with the data that the page needs to show it.

    n: the number of the column, counted from 0.
    what: the content of the column; one of the values in `CsvColumnsForm.contents`.
    wrong: the error message, else "".
    """

    n: int
    name: str
    what: str
    wrong: str = ""


class CsvColumnsForm(forms.Form):
    """How to read a CSV file, and what each column contains.

    The form starts with guessed values, which the user can change. If the user changed the
    encoding, the delimiter or the heading, the contents of the columns are guessed again.

    contents: the contents that a column may have, as pairs of value and label.
    one_of_each: the contents that only one column may have.
    sheet: the parsed file; None if the file could not be read.
    columns: the columns; empty if the file could not be read.
    trouble: the error message about the choice of the columns, else "".
    """

    contents: Sequence[tuple[str, Any]] = ()
    one_of_each: Collection[str] = ()
    trouble = ""

    encoding = forms.ChoiceField(
        label=__("Encoding"),
        choices=[*ENCODINGS.items()],
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

    def __init__(self, *args: Any, raw: bytes, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.raw = raw
        self.sheet: Sheet | None = None
        self.columns: list[Column] = []
        if not self.is_bound:
            self.start()

    def start(self) -> None:
        """Guess the initial values from the content of the file. Subclasses add their own."""
        try:
            self.sheet = sheet = self.read()
        except Unreadable as why:
            self.trouble = str(why)
            return
        contents = self.guess(sheet)
        self.initial = {
            "encoding": sheet.encoding,
            "delimiter": sheet.delimiter,
            "heading": bool(sheet.heading),
            **self.guess_more(sheet, contents),
        }
        self.show(sheet, contents)

    def read(self, **facts: Any) -> Sheet:
        """Read the file. Values that are not given are guessed. Raises Unreadable."""
        raise NotImplementedError

    def guess(self, sheet: Sheet) -> list[str]:
        """Guess the content of each column."""
        raise NotImplementedError

    def guess_more(self, sheet: Sheet, contents: list[str]) -> dict[str, Any]:
        """Guess the initial values of the other fields."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if self.errors:
            return data
        facts = {name: data[name] for name in ("encoding", "delimiter", "heading")}
        try:
            self.sheet = sheet = self.read(**facts)
        except Unreadable as why:
            self.add_error(why.about or None, str(why))
            return data
        contents = self.guess(sheet)
        # The user's choices are valid only if the file is still split into the same columns.
        if self.shape == self.data.get("shape"):
            contents = [self._chosen(n) for n in range(sheet.width)]
        self.show(sheet, contents)
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

    @property
    def is_ready(self) -> bool:
        """Whether the file could be read and the choice of the columns has no error."""
        return bool(self.sheet) and not self.trouble and not any(c.wrong for c in self.columns)

    def _chosen(self, n: int) -> str:
        """Return the content that the user chose for column `n`, counted from 0."""
        what = self.data.get(f"column-{n}", "")
        return what if what in dict(self.contents) else NOTHING

    def show(self, sheet: Sheet, contents: Sequence[str]) -> None:
        """Set `columns`.

        Some contents, for example the name, may be in one column only. If several columns have such
        a content, all of them except the first get an error.
        """
        twice = _("Another column already has this role. It can be used only once.")
        self.columns = [
            Column(
                n,
                sheet.heading_of(n),
                what,
                twice if what in self.one_of_each and what in contents[:n] else "",
            )
            for n, what in enumerate(contents)
        ]
