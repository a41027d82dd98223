from __future__ import annotations

from django.db import models
from django.db.models import Q

from crm.models import Department
from routing.case_clock import Targets

MAX_MINUTES = 365 * 24 * 60


class ResponseTargetQuerySet(models.QuerySet["ResponseTarget"]):
    def by_department(self) -> dict[tuple[int, str], Targets]:
        """Return a dict from (department id, priority) to the targets. This is one SQL query."""
        return {(row.department_id, row.priority): row.pure() for row in self}


class ResponseTarget(models.Model):
    """The targets of a department for the cases of a priority, in minutes of working time.

    first: until our first answer. next: until each later answer. resolution: until the case is
    done. None if there is no target.
    """

    department = models.ForeignKey(Department, models.CASCADE, related_name="targets")
    priority = models.CharField(max_length=10)
    first = models.PositiveIntegerField(null=True)
    next = models.PositiveIntegerField(null=True)
    resolution = models.PositiveIntegerField(null=True)

    objects = ResponseTargetQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["department", "priority"], name="targets_once"),
            models.CheckConstraint(
                condition=~Q(first=0) & ~Q(next=0) & ~Q(resolution=0), name="targets_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.department}, {self.priority}"

    def pure(self) -> Targets:
        minutes = (self.first, self.next, self.resolution)
        return Targets(*(None if each is None else each * 60 for each in minutes))
