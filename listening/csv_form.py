"""The forms for imports: upload a file; for mentions, choose its columns and the settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from listening.csv_import import Settings
from listening.models import Source, Topic
from listening.models.source import EVERYTHING
from listening.topic_import import read_profiles
from scrm.channels.csv_import import columns
from scrm.channels.csv_import.read import Plan, read
from scrm.text.csv_file import Sheet
from scrm.text.dates import guess_order
from scrm.web.csv_forms import CsvColumnsForm, CsvUploadForm

_AGES = {"day": timedelta(days=1), "none": timedelta(0), "3 days": timedelta(days=3)}


class MentionsUploadForm(CsvUploadForm):
    def check(self, raw: bytes) -> None:
        read(raw)


class MentionsForm(CsvColumnsForm):
    """How to read an export, and the settings of its source.

    name: the name of the uploaded file.
    tool: the name of the tool that wrote the file; "" if it was not recognised.
    plan: how to read the file; None if there is an error.
    """

    contents = columns.CONTENTS
    one_of_each = columns.ONE_OF_EACH
    SINCE = (
        ("day", _("Mentions of the last 24 hours")),
        ("none", _("None")),
        ("3 days", _("Mentions of the last 3 days")),
        ("all", _("All mentions")),
    )

    zone = forms.ChoiceField(
        label=_("Time zone of the dates"),
        choices=lambda: [(name, name.replace("_", " ")) for name in sorted(available_timezones())],
    )
    source = forms.CharField(
        label=_("Source name"),
        max_length=200,
        help_text=_(
            "If a CSV source with this name exists, the mentions are added to it, and it gets "
            "these settings."
        ),
    )
    stance = forms.ChoiceField(
        label=_("Type of source"), choices=Source.Stance.choices, widget=forms.RadioSelect
    )
    since = forms.ChoiceField(
        label=_("Mentions that may open cases"),
        choices=SINCE,
        widget=forms.RadioSelect,
        help_text=_("The other mentions are stored and matched, and can be routed later."),
    )

    def __init__(self, *args: Any, raw: bytes, name: str = "", **kwargs: Any) -> None:
        self.name, self.tool = name, ""
        self.plan: Plan | None = None
        super().__init__(*args, raw=raw, **{"label_suffix": "", **kwargs})

    def start(self) -> None:
        super().start()
        if self.sheet:
            self.plan = self._plan(self.initial)

    def read(self, **facts: Any) -> Sheet:
        sheet = read(self.raw, **facts)
        self.tool = columns.preset(sheet.heading).tool
        return sheet

    def guess(self, sheet: Sheet) -> list[str]:
        known = columns.preset(sheet.heading).contents(sheet.heading)
        return known or [columns.NOTHING] * sheet.width

    def guess_more(self, sheet: Sheet, contents: list[str]) -> dict[str, Any]:
        n = contents.index(columns.WHEN) if columns.WHEN in contents else None
        dates = [row.cells[n] for row in sheet.rows if n is not None and n < len(row.cells)]
        named = _t("%(tool)s export") % {"tool": self.tool} if self.tool else ""
        has_topics = Topic.objects.active().exists()
        return {
            "order": guess_order(dates),
            "zone": timezone.get_current_timezone_name(),
            "source": named or PurePath(self.name).stem[:200],
            # Without a topic, no mention can match.
            "stance": Source.Stance.ABOUT_US if has_topics else Source.Stance.FOR_US,
            "since": "day",
        }

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if self.sheet and not self.errors:
            self.plan = self._plan(data)
        return data

    def settings(self, *, now: datetime) -> Settings:
        """Return the chosen settings of the source. The form must be valid."""
        data = self.cleaned_data
        since = now - _AGES[data["since"]] if data["since"] in _AGES else EVERYTHING
        return Settings(data["source"], data["stance"], since)

    def _plan(self, facts: Mapping[str, Any]) -> Plan | None:
        """Build the plan. If the choice of columns has an error, set `trouble` and return None."""
        contents = tuple(column.what for column in self.columns)
        if not {columns.TEXT, columns.TITLE} & set(contents):
            self.trouble = _t("No column contains the text or the title. Choose it below.")
        if not self.is_ready:
            return None
        names = ("encoding", "delimiter", "heading")
        return Plan(
            **{name: facts[name] for name in names},
            columns=contents,
            order=facts["order"],
            zone=facts["zone"],
        )


class ProfilesForm(CsvUploadForm):
    """Upload a file of topic profiles."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].help_text = _(
            "One keyword group per row. The first row names the columns: profile, group, any, all, "
            "none. Words in a cell are separated by commas, semicolons or lines."
        )

    def check(self, raw: bytes) -> None:
        read_profiles(raw)
