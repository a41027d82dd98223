from __future__ import annotations

from django.db import models
from django.utils import timezone

from listening.models.source import Poll


class SetApart(models.Model):
    """A quarantined item, which could not be stored or processed: its raw bytes and the reason."""

    poll = models.ForeignKey(Poll, models.PROTECT, related_name="set_apart")
    mention = models.OneToOneField("Mention", models.PROTECT, null=True, related_name="set_apart")
    raw = models.BinaryField()
    reason = models.TextField()
    at = models.DateTimeField(default=timezone.now)
    replayed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-at"]

    def __str__(self) -> str:
        return self.reason
