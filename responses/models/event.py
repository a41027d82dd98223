from __future__ import annotations

from django.db import models
from django.utils import timezone

from crm.models import User
from responses.models.response import Response
from scrm.db.append_only import append_only


class ResponseEvent(models.Model):
    """An event in the history of a response, with the user and the reason. Events never change."""

    response = models.ForeignKey(Response, models.PROTECT, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    why = models.TextField()

    class Meta:
        ordering = ["at", "pk"]
        triggers = append_only("why")

    def __str__(self) -> str:
        return self.why
