from __future__ import annotations

from django.db import models
from django.utils import timezone

from crm.models import Interaction
from routing.models.rule import RuleRevision
from scrm.db.append_only import append_only


class RecordedOnly(models.Model):
    """An incoming interaction that opened no case, because a rule says so. It is never changed.

    why: the reason of the rule.
    """

    interaction = models.OneToOneField(
        Interaction, models.PROTECT, primary_key=True, related_name="+"
    )
    revision = models.ForeignKey(RuleRevision, models.PROTECT, related_name="+")
    why = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["revision"], name="recorded_by_rule")]
        triggers = append_only("why")

    def __str__(self) -> str:
        return f"{self.interaction}: {self.why}"
