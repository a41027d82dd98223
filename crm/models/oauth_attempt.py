from __future__ import annotations

from django.db import models
from django.utils import timezone

from crm.models.account import Account
from crm.models.user import User
from scrm.db.encrypted import EncryptedJSONField


class OAuthAttempt(models.Model):
    """A login that a user has started, and that takes place on a page of the network.

    The network sends the user back with a random value, the state. scrm finds the attempt by the
    hash of the state. Only the user who started the attempt can use it, and only once.

    kind: the kind of the channel.
    account: the account that is connected again; None for a new account.
    kept: what the channel needs to complete the login.
    used_at: the time when the user came back from the network; None until then.
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
