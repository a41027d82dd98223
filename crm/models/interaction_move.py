from __future__ import annotations

from django.db import models
from django.utils import timezone

from crm.models.conversation import Conversation
from crm.models.interaction import Interaction
from crm.models.user import User
from scrm.db.append_only import append_only


class InteractionMove(models.Model):
    """A user's decision that an item of the ledger belongs to another conversation.

    The conversation of an interaction may change only to `to_conversation` of its latest move; a
    trigger refuses every other change. See guarantee G17 and `crm.moves`.
    """

    interaction = models.ForeignKey(
        Interaction, models.PROTECT, related_name="moves", db_index=False
    )
    from_conversation = models.ForeignKey(
        Conversation, models.PROTECT, related_name="+", db_index=False
    )
    to_conversation = models.ForeignKey(
        Conversation, models.PROTECT, related_name="+", db_index=False
    )
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    why = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["interaction", "-id"], name="move_of_interaction")]
        triggers = append_only("why")

    def __str__(self) -> str:
        return f"{self.interaction} to {self.to_conversation}"
