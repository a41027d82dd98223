from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.models import Interaction
from routing.models.calendar import CalendarRevision

recompute: Callable[[Collection[int]], None]
"""Recompute the clocks of these cases, given by their ids; see `routing.due_times.recompute`.

`scrm/wiring.py` sets it: the verbs of `Case` call it, and it needs models that refer to `Case`.
"""

CHANGES_CLOCKS = {"status", "department_id", "priority", "first_response_at", "due_at"}
"""The columns of a case on which its clocks depend."""


class CaseClockQuerySet(models.QuerySet["CaseClock"]):
    def current(self) -> CaseClockQuerySet:
        return self.filter(stopped_at=None)

    def to_warn(self, now: datetime) -> CaseClockQuerySet:
        """Return the clocks whose warning is due and was not given yet."""
        return self.current().filter(warned_at=None, warn_at__lte=now)

    def breached(self, now: datetime) -> CaseClockQuerySet:
        """Return the clocks that are overdue, and of which nobody was told yet."""
        return self.current().filter(breached_at=None, due_at__lt=now)


class CaseClock(models.Model):
    """A clock of a case: the time until our first answer, our next answer, or the resolution.

    At most one clock of a kind is current. `routing.due_times` is the only writer; the rules are in
    `routing.case_clock`. The earliest `due_at` of a case is `Case.due_at`.

    target_s, spent_s: seconds of working time; `target_s` is None if only the reply window of the
      channel limits the time.
    revision: the opening hours; None if no calendar exists.
    running_since, due_at, warn_at: None while the clock stands still.
    warned_at, breached_at: when assignee and leads were told.
    heard_late: whether we received the message long after it was written.
    announced_at: when a message that was heard late was part of a digest.
    by_window: whether the reply window of the channel ends before the target.
    item: the message that waits for our answer; None for the clock of the resolution.
    stopped_at: when we answered, or when the case was closed; None while the clock is current.
    """

    class Kind(models.TextChoices):
        FIRST = "first", _("First response")
        NEXT = "next", _("Next response")
        RESOLUTION = "resolution", _("Resolution")

    case = models.ForeignKey("Case", models.PROTECT, related_name="clocks", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    target_s = models.PositiveIntegerField(null=True)
    revision = models.ForeignKey(CalendarRevision, models.PROTECT, null=True, related_name="+")
    spent_s = models.FloatField(default=0)
    running_since = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    warn_at = models.DateTimeField(null=True)
    warned_at = models.DateTimeField(null=True)
    breached_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    heard_late = models.BooleanField(default=False)
    announced_at = models.DateTimeField(null=True)
    by_window = models.BooleanField(default=False)
    # db_index=False: no query looks for the clock of a message.
    item = models.ForeignKey(
        Interaction, models.PROTECT, null=True, related_name="+", db_index=False
    )

    objects = CaseClockQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "kind"], condition=Q(stopped_at=None), name="one_clock_of_a_kind"
            )
        ]
        indexes = [
            models.Index(fields=["case", "kind", "-id"], name="clock_of_case"),
            models.Index(
                fields=["warn_at"],
                name="clock_to_warn",
                condition=Q(stopped_at=None, warned_at=None, warn_at__isnull=False),
            ),
            models.Index(
                fields=["due_at"],
                name="clock_to_breach",
                condition=Q(stopped_at=None, breached_at=None, due_at__isnull=False),
            ),
            models.Index(
                fields=["id"],
                name="clock_to_announce",
                condition=Q(stopped_at=None, heard_late=True, announced_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of case {self.case_id}"

    def values(self) -> dict[str, Any]:
        """Return the columns that `routing.case_clock` computes."""
        names = (
            "target_s", "spent_s", "running_since", "due_at", "warn_at", "heard_late", "by_window",
            "stopped_at", "item_id",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}
