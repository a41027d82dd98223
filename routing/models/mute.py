from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.models import Department, Profile, User

MUTED_FOR = timedelta(days=30)


class MuteQuerySet(models.QuerySet["Mute"]):
    def current(self, now: datetime) -> MuteQuerySet:
        return self.filter(ended_at=None, until__gt=now)


class Mute(models.Model):
    """A department does not want to see the public items of a profile for some time.

    The items are recorded, but they open and change no case of the department. Private messages and
    items about sensitive topics are never muted.

    ended_at: when a user ended the mute before `until`.
    """

    profile = models.ForeignKey(Profile, models.PROTECT, related_name="mutes", db_index=False)
    department = models.ForeignKey(Department, models.PROTECT, related_name="mutes")
    reason = models.CharField(max_length=200)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    objects = MuteQuerySet.as_manager()

    class Meta:
        ordering = ["until"]
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "department"],
                condition=Q(ended_at=None),
                name="one_mute_a_profile_and_department",
            )
        ]

    def __str__(self) -> str:
        return f"{self.profile} in {self.department}"
