from __future__ import annotations

from django.db import models
from django.utils import timezone

from crm.models.account import Account


class Conversation(models.Model):
    """One exchange. Which one an item joins is decided in `crm.threads`.

    restricted: only staff of the departments that hold its cases may read its text.
    """

    network = models.CharField(max_length=600)
    key = models.CharField(max_length=1500)
    thread_key = models.CharField(max_length=500, blank=True)
    visibility = models.CharField(max_length=10)
    title = models.CharField(max_length=500, blank=True)
    account = models.ForeignKey(Account, models.PROTECT, null=True, related_name="+")
    restricted = models.BooleanField(default=False)
    started_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["network", "key"], name="conversation_once_a_network")
        ]
        indexes = [
            models.Index(fields=["network", "thread_key"], name="conversation_thread"),
            models.Index(
                fields=["id"], name="conversation_restricted", condition=models.Q(restricted=True)
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.key
