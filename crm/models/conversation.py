from __future__ import annotations

from django.db import models
from django.utils import timezone

from crm.models.account import Account
from crm.models.department import Department


class Conversation(models.Model):
    """One exchange with one party, for example a mail thread.

    `crm.threads` decides which items belong to a conversation.
    restricted_to: the only department whose members may read the text; None if all staff may read
    it.
    """

    network = models.CharField(max_length=600)
    key = models.CharField(max_length=1500)
    thread_key = models.CharField(max_length=500, blank=True)
    visibility = models.CharField(max_length=10)
    title = models.CharField(max_length=500, blank=True)
    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    restricted_to = models.ForeignKey(
        Department, models.PROTECT, null=True, related_name="+", db_index=False
    )
    started_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["network", "key"], name="conversation_once_a_network")
        ]
        indexes = [
            models.Index(fields=["network", "thread_key"], name="conversation_thread"),
            models.Index(
                fields=["restricted_to"],
                name="conversation_restricted",
                condition=models.Q(restricted_to__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.key
