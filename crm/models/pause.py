from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone

from crm.models.user import User


class PauseQuerySet(models.QuerySet["Pause"]):
    def open(self) -> PauseQuerySet:
        return self.filter(ended_at=None)

    def begin(self, *, by: User, why: str, now: datetime | None = None) -> bool:
        """Let nothing leave from now on. False if it was paused already."""
        try:
            with transaction.atomic():
                self.create(by=by, why=why, at=now or timezone.now())
        except IntegrityError:
            return False
        return True

    def end(self, *, by: User, now: datetime | None = None) -> bool:
        """Let what waits leave again. False if it was not paused."""
        return bool(self.open().update(ended_at=now or timezone.now(), ended_by=by))


class Pause(models.Model):
    """A time in which nothing leaves from any account: begun by whom and why, ended by whom."""

    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    why = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    objects = PauseQuerySet.as_manager()

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(ended_at=None), name="one_pause_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.by}: {self.why}"
