from __future__ import annotations

from django.db import models
from django.utils import timezone

from crm.models.account import Account
from crm.models.user import User
from scrm.db.encrypted import EncryptedJSONField


class OAuthAttempt(models.Model):
    """A login on a network's own page that a user has started.

    The network sends the user back with a random value, the state; the attempt is found by the
    hash of that value. An attempt can be used once, by the user who started it.

    kind: the kind of the channel. account: the account that is connected again; None for a new
    account. kept: what the channel needs to complete the login.
    used_at: when the user came back; None before.
    """

    state_hash = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=30)
    account = models.ForeignKey(Account, models.CASCADE, null=True, related_name="+")
    owner = models.ForeignKey(User, models.CASCADE, related_name="+")
    kept = EncryptedJSONField(default=dict)
    started_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} by {self.user}"
