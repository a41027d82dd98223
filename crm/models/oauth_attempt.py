from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from crm.models.account import Account
from crm.models.user import User
from scrm.db.encrypted import EncryptedJSONField

VALID_FOR = timedelta(minutes=10)
KEPT_FOR = timedelta(days=1)
"""How long an attempt is stored, so that a user who comes back too late is told the reason."""
MAX_DELETED = 100


class OAuthAttemptQuerySet(models.QuerySet["OAuthAttempt"]):
    def delete_old(self, *, now: datetime) -> None:
        """Delete the oldest attempts, at most MAX_DELETED at once."""
        old = self.filter(started_at__lt=now - KEPT_FOR).order_by("started_at")
        self.filter(pk__in=list(old.values_list("pk", flat=True)[:MAX_DELETED])).delete()


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

    objects = OAuthAttemptQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.kind} by {self.user}"

    def has_expired(self, now: datetime) -> bool:
        return self.started_at < now - VALID_FOR

    def use(self, *, now: datetime) -> bool:
        """Use up this attempt, and delete what was kept. Return False if it was used before."""
        # Compare-and-set: if the user comes back twice at once, only the first call succeeds.
        unused = OAuthAttempt.objects.filter(pk=self.pk, used_at=None)
        return bool(unused.update(used_at=now, kept={}))
