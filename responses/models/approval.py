from __future__ import annotations

from django.db import models
from django.utils import timezone

from crm.models import User
from responses.models.response import Response
from scrm.db.append_only import append_only


class Approval(models.Model):
    """A second person's signature under exactly these words to exactly these places."""

    response = models.ForeignKey(Response, models.PROTECT, related_name="approvals")
    content_hash = models.CharField(max_length=64)
    approved = models.BooleanField()
    self_approved = models.BooleanField(default=False)
    step = models.CharField(max_length=10, blank=True)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    reason = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at"]
        triggers = append_only("reason")

    def __str__(self) -> str:
        return f"{'approved' if self.approved else 'sent back'} by {self.by}"
