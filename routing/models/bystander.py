from __future__ import annotations

from django.db import models
from django.utils import timezone

from crm.models import Interaction
from routing.models.case import Case
from scrm.db.append_only import append_only


class BystanderReply(models.Model):
    """A public reply by somebody else below the messages of a case; it does not change the case.

    The reply belongs to a conversation of its author. If that conversation has a case, the case of
    the reply is that case, and this row only says below which case it was written.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="bystander_replies", db_index=False)
    interaction = models.OneToOneField(Interaction, models.PROTECT, related_name="below_case")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "bystander replies"
        indexes = [models.Index(fields=["case", "-interaction"], name="bystanders_of_case")]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.interaction} below {self.case}"
