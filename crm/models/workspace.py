from __future__ import annotations

from zoneinfo import ZoneInfo

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

ONLY = 1


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def here(self) -> Workspace | None:
        """The workspace row, or None before it is set up."""
        return self.filter(pk=ONLY).first()


@pghistory.track(
    model_name="WorkspaceChange",
    fields=["organisation", "zone", "handles", "signature"],
    append_only=True,
)
class Workspace(models.Model):
    """The organisation that uses this installation: one row, or none before it is set up.

    zone: the time zone in which its days begin. handles: the names by which others address or
    mention it. signature: the text below its mail.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    organisation = models.CharField(max_length=200)
    zone = models.CharField("time zone", max_length=60, default="UTC")
    handles = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    signature = models.TextField(blank=True)
    started_at = models.DateTimeField(default=timezone.now)

    objects = WorkspaceQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=ONLY), name="one_workspace")]

    def __str__(self) -> str:
        return self.organisation

    @property
    def tzinfo(self) -> ZoneInfo:
        return ZoneInfo(self.zone)
