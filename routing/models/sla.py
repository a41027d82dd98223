from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models

from crm.models import Department


class SlaPolicyQuerySet(models.QuerySet["SlaPolicy"]):
    def hours(self) -> dict[tuple[int, str], float]:
        """Return a dict from (department id, priority) to the hours of the SLA target."""
        return {
            (department, priority): hours
            for department, priority, hours in self.values_list(
                "department_id", "priority", "hours"
            )
        }


class SlaPolicy(models.Model):
    """SLA target: the hours within which a department should answer a case of a priority."""

    department = models.ForeignKey(Department, models.CASCADE, related_name="targets")
    priority = models.CharField(max_length=10)
    hours = models.FloatField()

    objects = SlaPolicyQuerySet.as_manager()

    class Meta:
        verbose_name = "SLA target"
        constraints = [
            models.UniqueConstraint(fields=["department", "priority"], name="target_once"),
            models.CheckConstraint(condition=models.Q(hours__gt=0), name="target_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.department}, {self.priority}: {self.hours} h"

    @staticmethod
    def due(start: datetime, hours: float | None) -> datetime | None:
        """Return the time at which an answer is due: `hours` hours after `start`.

        Returns None if `hours` is None.
        """
        return start + timedelta(hours=hours) if hours else None
