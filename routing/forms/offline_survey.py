from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import Workspace
from routing.forms.base import PlainForm
from routing.offline import column_guess
from routing.offline.survey import Plan
from scrm.text.csv_file import Sheet, read
from scrm.text.dates import guess_order
from scrm.web.csv_forms import CsvColumnsForm, CsvUploadForm
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


class UploadForm(CsvUploadForm, PlainForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].help_text = format_lazy(
            __("One answer per row, up to {rows} rows and {limit}."),
            rows=f"{MAX_CSV_ROWS:,}",
            limit=size_words(MAX_CSV_BYTES),
        )

    def check(self, raw: bytes) -> None:
        read(raw, heading=column_guess.names_columns)


class PlanForm(CsvColumnsForm, PlainForm):
    """How to read a file with survey answers.

    name: name of the uploaded file. Without its extension, it is the initial survey name.
    plan: the resulting plan; None if there is an error.
    """

    contents = HOLDS
    one_of_each = column_guess.ONE_OF_EACH

    title = forms.CharField(
        required=False,
        max_length=200,
        label=__("Survey name"),
        help_text=__("Used as the title of each answer. It groups the answers."),
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )

    def __init__(self, *args: Any, raw: bytes, name: str = "", **kwargs: Any) -> None:
        self.name = name
        self.plan: Plan | None = None
        super().__init__(*args, raw=raw, **kwargs)

    def start(self) -> None:
        super().start()
        if self.sheet:
            self.plan = self._plan(self.initial)

    def read(self, **facts: Any) -> Sheet:
        return read(self.raw, **{"heading": column_guess.names_columns, **facts})

    def guess(self, sheet: Sheet) -> list[str]:
        return column_guess.guess(sheet.heading, [row.cells for row in sheet.rows], sheet.width)

    def guess_more(self, sheet: Sheet, contents: list[str]) -> dict[str, Any]:
        whens = [n for n, what in enumerate(contents) if what == column_guess.WHEN]
        cells = [row.cells[whens[0]] for row in sheet.rows if whens and len(row.cells) > whens[0]]
        return {"title": PurePath(self.name).stem[:200], "order": guess_order(cells)}

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if self.sheet and not self.errors:
            self.plan = self._plan(data)
        return data

    def _plan(self, facts: Mapping[str, Any]) -> Plan | None:
        """Build the plan.

        Returns None if no column contains a text or a score, or if two columns have a content that
        only one column may have. The error messages are then in `trouble` and in `columns`.
        """
        contents = tuple(column.what for column in self.columns)
        if not {column_guess.TEXT, column_guess.SCORE} & set(contents):
            self.trouble = _("No column contains the text. Choose it below.")
        if not self.is_ready:
            return None
        return Plan(
            facts["encoding"],
            facts["delimiter"],
            facts["heading"],
            contents,
            facts["order"],
            country=Workspace.objects.country(),
        )
