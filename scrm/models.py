from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone


class Heartbeat(models.Model):
    """The last time at which a named part of the system reported that it works."""

    name = models.CharField(max_length=30, primary_key=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%F %T}"

    @classmethod
    def beat(cls, name: str, *, now: datetime) -> None:
        cls.objects.update_or_create(name=name, defaults={"at": now})


class Sample(models.Model):
    """The marker of a database that contains the sample.

    The table has one row if the sample was loaded, and no row otherwise.
    newest: a mapping from table name to the highest key of the table when the sample was loaded.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    loaded_at = models.DateTimeField()
    newest = models.JSONField(default=dict)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="one_sample")]

    def __str__(self) -> str:
        return f"The sample of {self.loaded_at:%F %T}"
