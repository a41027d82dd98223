from __future__ import annotations

from django.db import models
from django.utils import timezone

from listening.models.source import Fetch


class Quarantined(models.Model):
    """An item that could not be stored or processed, with its raw data and the reason."""

    fetch = models.ForeignKey(Fetch, models.PROTECT, related_name="quarantined_items")
    mention = models.OneToOneField("Mention", models.PROTECT, null=True, related_name="quarantined")
    raw = models.BinaryField()
    reason = models.TextField()
    at = models.DateTimeField(default=timezone.now)
    replayed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return self.reason
