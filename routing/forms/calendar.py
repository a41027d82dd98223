from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __
from django.utils.translation import ngettext

from crm.models import Department
from routing.case_clock import Targets
from routing.clock import Holiday, Hours, Interval, NoWorkingTime, due
from routing.forms.base import PlainForm
from routing.forms.times import (
    CLOSED,
    format_intervals,
    format_minutes,
    parse_intervals,
    parse_seconds,
)
from routing.models import Calendar, CalendarRevision
from routing.models.rule import Priority
from routing.models.target import MAX_MINUTES
from scrm.text.clean import storable
from scrm.web.form_fields import set_choices

DAYS = (
    ("mon", __("Mon")), ("tue", __("Tue")), ("wed", __("Wed")), ("thu", __("Thu")),
    ("fri", __("Fri")), ("sat", __("Sat")), ("sun", __("Sun")),
)  # fmt: skip
MAX_HOLIDAYS = 200
_ANY_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_DESK = (("09:00-18:00",) * 5) + ("",) * 2


@dataclass
class HolidayRow:
    """One row of the table of holidays, as it was typed, with its error."""

    day: str = ""
    name: str = ""
    hours: str = ""
    yearly: bool = False
    error: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.day or self.name or self.hours)


class CalendarForm(forms.ModelForm):  # type: ignore[type-arg]
    """A calendar: its name, zone, hours of each weekday, holidays, and the departments that use it.

    The holidays are columns of equal length in the form's data: `holiday_day`, `holiday_name`,
    `holiday_hours` and `holiday_yearly` ("yes" or "").
    """

    zone = forms.ChoiceField(label=__("Time zone"))
    departments = forms.ModelMultipleChoiceField(
        Department.objects.all(),
        required=False,
        label=__("Departments"),
        widget=forms.CheckboxSelectMultiple,
    )
    is_default = forms.BooleanField(
        required=False, label=__("Default calendar, used by all departments without their own")
    )
    snooze_pauses = forms.BooleanField(
        required=False, label=__("Snoozing a case pauses its resolution target")
    )
    pasted = forms.CharField(
        required=False,
        max_length=20_000,
        label=__("Paste holidays"),
        help_text=__("One per line: date and name, for example 2026-12-25 Christmas Day."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    class Meta:
        model = Calendar
        fields = ("name",)
        labels = {"name": __("Name")}

    def __init__(self, data: Any = None, *, instance: Calendar | None = None, zone: str) -> None:
        revision = instance.current if instance else None
        super().__init__(
            data, instance=instance, initial=_initial(instance, revision, zone), label_suffix=""
        )
        names = [(name, name.replace("_", " ")) for name in sorted(available_timezones())]
        set_choices(self, "zone", names)
        week = [format_intervals(day) for day in revision.hours.week] if revision else _DESK
        for (name, label), hours in zip(DAYS, week, strict=True):
            self.fields[name] = forms.CharField(
                required=False, max_length=120, label=label, initial=hours
            )
        self.rows = _typed_rows(data) if data is not None else _rows(revision)

    @property
    def days(self) -> list[tuple[forms.BoundField, tuple[Interval, ...], int, str]]:
        """Return for each weekday its field, its intervals, the minute until which the shift of
        the day before lasts, or 0, and its length in words.
        """
        week = [self._shown_intervals(name) for name, _label in DAYS]
        shown = []
        for place, (name, _label) in enumerate(DAYS):
            rest = max((end for start, end in week[place - 1] if end <= start), default=0)
            minutes = Hours("UTC", (week[place],)).minutes_a_week
            words = format_minutes(minutes) if minutes else _("closed")
            if rest and not minutes:
                words = _("until %02d:%02d") % divmod(rest, 60)
            shown.append((self[name], week[place], rest, words))
        return shown

    def _shown_intervals(self, name: str) -> tuple[Interval, ...]:
        try:
            return parse_intervals(str(self[name].value() or ""))
        except forms.ValidationError:
            return ()

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        week = tuple(self._intervals(name) for name, _label in DAYS)
        if not any(week) and not self.errors:
            self.add_error(
                "mon",
                _("Enter hours for at least one weekday. Without hours, no case can become due."),
            )
        self.rows += _pasted(data.get("pasted", ""))
        holidays = _holidays(self.rows)
        if any(row.error for row in self.rows):
            self.add_error(None, _("Correct the holidays that are marked below."))
        if not self.errors:
            data["hours"] = Hours(data["zone"], week, holidays)
        return data

    def _intervals(self, name: str) -> tuple[tuple[int, int], ...]:
        try:
            return parse_intervals(self.cleaned_data.get(name) or "")
        except forms.ValidationError as error:
            self.add_error(name, error)
            return ()

    def clean_is_default(self) -> bool:
        wanted: bool = self.cleaned_data["is_default"]
        others = Calendar.objects.filter(is_default=True).exclude(pk=self.instance.pk)
        if not wanted and self.instance.is_default and not others.exists():
            raise forms.ValidationError(
                _("There must be a default calendar. Make another calendar the default instead.")
            )
        return wanted


def _initial(calendar: Calendar | None, revision: CalendarRevision | None, zone: str) -> Any:
    first = not Calendar.objects.filter(is_default=True).exists() if calendar is None else False
    return {
        "zone": revision.zone if revision else zone,
        "snooze_pauses": bool(revision and revision.snooze_pauses),
        "is_default": calendar.is_default if calendar else first,
        "departments": list(calendar.departments) if calendar else [],
    }


def _rows(revision: CalendarRevision | None) -> list[HolidayRow]:
    holidays = revision.hours.holidays if revision else ()
    return [
        HolidayRow(
            row.day.isoformat(), row.name, format_intervals(row.intervals) or CLOSED, row.yearly
        )
        for row in holidays
    ]


def _typed_rows(data: Any) -> list[HolidayRow]:
    names = ("holiday_day", "holiday_name", "holiday_hours", "holiday_yearly")
    columns = [[storable(text) for text in data.getlist(name)] for name in names]
    most = min(max(map(len, columns)), MAX_HOLIDAYS)
    filled = [[*column, *[""] * most][:most] for column in columns]
    rows = [
        HolidayRow(day.strip(), name.strip()[:80], hours.strip()[:120], yearly == "yes")
        for day, name, hours, yearly in zip(*filled, strict=True)
    ]
    return [row for row in rows if not row.is_empty]


def _pasted(text: str) -> list[HolidayRow]:
    rows = []
    for line in storable(text).splitlines()[:MAX_HOLIDAYS]:
        day, _space, name = line.strip().partition(" ")
        if day:
            rows.append(HolidayRow(day, name.strip()[:80], CLOSED))
    return rows


def _holidays(rows: Iterable[HolidayRow]) -> tuple[Holiday, ...]:
    """Return the holidays of these rows, and set the errors of the rows."""
    found: dict[tuple[date, bool], Holiday] = {}
    for row in rows:
        try:
            day = date.fromisoformat(row.day)
            intervals = parse_intervals(row.hours)
        except ValueError:
            row.error = _("Enter a date such as 2026-12-24.")
            continue
        except forms.ValidationError as error:
            row.error = error.messages[0]
            continue
        if (day, row.yearly) in found:
            row.error = _("This day is listed twice.")
        found[day, row.yearly] = Holiday(day, row.name, intervals, row.yearly)
    return tuple(sorted(found.values(), key=lambda holiday: holiday.day))


KINDS = (
    ("first", __("First response")), ("next", __("Next response")),
    ("resolution", __("Resolution")),
)  # fmt: skip


class TargetsForm(PlainForm):
    """The targets of a department: one field for each priority and kind, such as `urgent_first`."""

    def __init__(
        self, data: Any = None, *, targets: Mapping[str, Targets], hours: Hours, **kwargs: Any
    ) -> None:
        super().__init__(data, **kwargs)
        self.hours = hours
        for priority, label in Priority.choices:
            known = targets.get(priority, Targets())
            for kind, title in KINDS:
                seconds = getattr(known, kind)
                self.fields[f"{priority}_{kind}"] = forms.CharField(
                    required=False,
                    max_length=40,
                    label=f"{label}: {title}",
                    initial=format_minutes(seconds and seconds // 60, day=hours.minutes_a_day),
                    widget=forms.TextInput(attrs={"placeholder": _("none")}),
                )

    @property
    def table(self) -> list[tuple[str, str, list[forms.BoundField]]]:
        """Return for each priority its name, its label and its fields."""
        return [
            (priority, label, [self[f"{priority}_{kind}"] for kind, _title in KINDS])
            for priority, label in Priority.choices
        ]

    @property
    def failed(self) -> Sequence[tuple[str, str]]:
        """Return the label and the error of each wrong field."""
        return [
            (str(self.fields[name].label), str(errors[0])) for name, errors in self.errors.items()
        ]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name in list(self.fields):
            try:
                data[name] = self._minutes(data.get(name) or "")
            except forms.ValidationError as error:
                self.add_error(name, error)
        return data

    def _minutes(self, text: str) -> int | None:
        seconds = parse_seconds(text, day=self.hours.minutes_a_day)
        if seconds is None:
            return None
        undo = settings.UNDO_SECONDS
        if seconds < max(undo, 60):
            shortest = -(-max(undo, 60) // 60)
            raise forms.ValidationError(
                ngettext(
                    "Enter at least %d minute.", "Enter at least %d minutes.", shortest
                ) % shortest
            )  # fmt: skip
        if seconds > MAX_MINUTES * 60:
            raise forms.ValidationError(_("Enter a target of at most one year of working time."))
        try:
            due(_ANY_MOMENT, seconds, self.hours)
        except NoWorkingTime as error:
            raise forms.ValidationError(
                _(
                    "The calendar does not contain this much working time in 20 years. "
                    "Enter a shorter target."
                )
            ) from error
        return seconds // 60

    def targets(self) -> dict[str, Targets]:
        """Return priority → targets in seconds, after the form was found valid."""
        found = {}
        for priority in Priority.values:
            values = [self.cleaned_data[f"{priority}_{kind}"] for kind, _title in KINDS]
            found[priority] = Targets(*(None if each is None else each * 60 for each in values))
        return found
