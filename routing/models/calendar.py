from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, cast

from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from crm.models import Department, User
from routing.clock import ALWAYS_OPEN, Holiday, Hours
from scrm.db.append_only import append_only
from scrm.db.locks import locked


@dataclass(frozen=True, slots=True)
class InForce:
    """The opening hours that count for a department.

    revision: the id of the revision of the calendar; None if there is no calendar yet.
    snooze_pauses: whether the resolution clock stands still while a case is snoozed.
    """

    revision: int | None
    hours: Hours
    snooze_pauses: bool = False


AROUND_THE_CLOCK = InForce(None, ALWAYS_OPEN)
"""The hours of a workspace without a calendar."""


@dataclass(frozen=True, slots=True)
class HoursInForce:
    """The opening hours of all departments."""

    default: InForce
    own: Mapping[int, InForce]

    def of(self, department: int) -> InForce:
        return self.own.get(department, self.default)


class CalendarQuerySet(models.QuerySet["Calendar"]):
    def in_force(self) -> HoursInForce:
        """Return the opening hours of all departments. This runs two SQL queries."""
        rows = self.filter(current__isnull=False).select_related("current")
        calendars = {row.pk: row.in_force() for row in rows}
        default = next((calendars[row.pk] for row in rows if row.is_default), AROUND_THE_CLOCK)
        uses = CalendarUse.objects.filter(calendar__in=calendars)
        own = {use.department_id: calendars[use.calendar_id] for use in uses}
        return HoursInForce(default, own)


class Calendar(models.Model):
    """Working hours, in which the targets of departments are counted.

    The default calendar counts for all departments without a calendar of their own.
    """

    name = models.CharField(max_length=120, unique=True)
    owner = models.ForeignKey(User, models.PROTECT, related_name="calendars")
    is_default = models.BooleanField(default=False)
    current = models.OneToOneField(
        "CalendarRevision", models.PROTECT, null=True, related_name="current_of"
    )

    objects = CalendarQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="one_default_calendar"
            )
        ]
        ordering = ["-is_default", "name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("routing:calendar", args=[self.pk])

    def in_force(self) -> InForce:
        revision = self.current
        if revision is None:
            return AROUND_THE_CLOCK
        return InForce(revision.pk, revision.hours, revision.snooze_pauses)

    @property
    def departments(self) -> models.QuerySet[Department]:
        """Return the departments that name this calendar."""
        return Department.objects.filter(calendar_use__calendar=self)

    @transaction.atomic
    def revise(
        self, hours: Hours, *, by: User, snooze_pauses: bool = False, now: datetime | None = None
    ) -> CalendarRevision:
        """Store these hours as the newest revision. The caller then recomputes the open cases."""
        locked(Calendar.objects.filter(pk=self.pk)).get()
        number = self.revisions.count() + 1
        self.current = CalendarRevision.objects.create(
            calendar=self, number=number, zone=hours.zone,
            week=[[list(pair) for pair in day] for day in hours.week],
            holidays=[_stored(row) for row in hours.holidays],
            snooze_pauses=snooze_pauses, by=by, at=now or timezone.now(),
        )  # fmt: skip
        self.save(update_fields=["current"])
        return self.current


class CalendarRevision(models.Model):
    """One version of the hours of a calendar. It is never changed.

    week: for each weekday, Monday first, a list of [start, end] in local minutes.
    holidays: a list of {"day": "2026-12-24", "name": …, "intervals": […], "yearly": …}.
    snooze_pauses: whether the resolution clock stands still while a case is snoozed.
    """

    calendar = models.ForeignKey(Calendar, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    zone = models.CharField(max_length=60)
    week = models.JSONField()
    holidays = models.JSONField(default=list)
    snooze_pauses = models.BooleanField(default=False)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["calendar", "number"], name="revision_of_calendar_once")
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.calendar}, revision {self.number}"

    @property
    def hours(self) -> Hours:
        week = tuple(_intervals(day) for day in self.week)
        return _interned(Hours(self.zone, week, tuple(_holiday(row) for row in self.holidays)))


class CalendarUse(models.Model):
    """The calendar of a department, if that is not the default calendar."""

    calendar = models.ForeignKey(Calendar, models.CASCADE, related_name="uses")
    department = models.OneToOneField(Department, models.CASCADE, related_name="calendar_use")

    def __str__(self) -> str:
        return f"{self.department}: {self.calendar}"


@lru_cache(maxsize=256)
def _interned(hours: Hours) -> Hours:
    """Return one object for equal hours: comparing an object with itself is fast."""
    return hours


def _intervals(pairs: Iterable[Any]) -> tuple[tuple[int, int], ...]:
    return tuple(cast("tuple[int, int]", tuple(pair)) for pair in pairs)


def _stored(row: Holiday) -> dict[str, Any]:
    intervals = [list(pair) for pair in row.intervals]
    day = row.day.isoformat()
    return {"day": day, "name": row.name, "intervals": intervals, "yearly": row.yearly}


def _holiday(row: Mapping[str, Any]) -> Holiday:
    day = date.fromisoformat(row["day"])
    return Holiday(day, row["name"], _intervals(row["intervals"]), row["yearly"])
