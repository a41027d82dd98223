from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

ONLY = 1
MAX_ADDRESS = 400
"""Number of characters of a postal address."""


class WorkspaceQuerySet(models.QuerySet["Workspace"]):
    def zone(self) -> tzinfo:
        """Return the workspace's time zone; before the setup, UTC."""
        here = self.here()
        return here.tzinfo if here else UTC

    def here(self) -> Workspace | None:
        """Return the workspace, or None if it is not set up yet."""
        return self.filter(pk=ONLY).first()

    def country(self) -> str:
        """Return the ISO code of the workspace's country, or "" if none is set."""
        return self.values_list("country", flat=True).first() or ""


@pghistory.track(
    model_name="WorkspaceChange",
    fields=["organisation", "zone", "country", "address", "handles", "signature"],
    append_only=True,
)
class Workspace(models.Model):
    """The organisation that uses this installation.

    The table has one row, or no row before the setup.
    zone: the time zone in which the days of the organisation begin.
    country: the ISO code of the country whose phone numbers may be typed without country code.
    address: the postal address of the organisation, the sender of its letters.
    handles: the names by which others address or mention the organisation.
    signature: the text at the end of the organisation's mails.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    organisation = models.CharField(max_length=200)
    zone = models.CharField("time zone", max_length=60, default="UTC")
    country = models.CharField(max_length=2, blank=True)
    address = models.TextField(blank=True, max_length=MAX_ADDRESS)
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
