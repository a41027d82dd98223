from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.models import Conversation
from routing.models.case import Case


class CaseConversation(models.Model):
    """A conversation's membership of a case. A conversation is in at most one case at a time.

    ended_at: None for the current case.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="conversation_links")
    conversation = models.ForeignKey(Conversation, models.PROTECT, related_name="case_links")
    since = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(ended_at=None),
                name="one_case_a_conversation",
            )
        ]

    def __str__(self) -> str:
        return f"{self.conversation} in {self.case}"
