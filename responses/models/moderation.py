from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.models import Account, Interaction, User
from routing.models import Case
from scrm.db.append_only import frozen

LEASE = timedelta(minutes=5)
"""An action that has no result after this time was interrupted. No network call takes so long."""


class ModerationQuerySet(models.QuerySet["Moderation"]):
    def interrupted(self, now: datetime) -> ModerationQuerySet:
        """Return the actions whose result is unknown: scrm was stopped while it waited for it."""
        return self.filter(state=Moderation.State.PENDING, at__lt=now - LEASE)


class Moderation(models.Model):
    """One action of a user on a message of another person, for example “hide”, with its result.

    The text of the message stays in the ledger (`interaction`). A row is written before the network
    is asked, so that the record also contains actions whose result is unknown. Only `state` and
    `error` change.

    account: our account that acts on the network.
    case: the case in which the user acted.
    state: DONE is in effect on the network. UNDONE was in effect, until a later action ended it.
    error: the reason of a failure, as the page shows it.
    """

    class State(models.TextChoices):
        PENDING = "pending", "In progress"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        UNDONE = "undone", "Undone"

    interaction = models.ForeignKey(Interaction, models.PROTECT, related_name="moderations")
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    case = models.ForeignKey(Case, models.PROTECT, related_name="moderations")
    action = models.CharField(max_length=20)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    reason = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    error = models.TextField(blank=True, default="")

    objects = ModerationQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            # The second of two clicks finds this row and does not ask the network again.
            models.UniqueConstraint(
                fields=["interaction", "account", "action"],
                condition=Q(state__in=["pending", "done"]),
                name="moderation_once",
            )
        ]
        triggers = frozen(
            "interaction_id", "account_id", "case_id", "action", "by_id", "reason", "at"
        )

    def __str__(self) -> str:
        return f"{self.action} {self.interaction} ({self.state})"

    def is_interrupted(self, now: datetime) -> bool:
        return self.state == self.State.PENDING and self.at < now - LEASE
