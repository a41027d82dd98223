from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Notice, User
from responses.models.delivery import Delivery

IN_A_ROW = 3
SPAN = timedelta(minutes=15)
AT_LEAST = 4
"""Minimum number of deliveries tried within SPAN; trouble begins if half of them failed."""
LOOK_BACK = timedelta(days=1)


class TroubleQuerySet(models.QuerySet["Trouble"]):
    def open(self) -> TroubleQuerySet:
        return self.filter(ended_at=None)

    def update_open(self, *, now: datetime) -> None:
        """Record for each account whether its deliveries fail repeatedly at the moment.

        If nothing was sent lately and no account has trouble, this takes only two queries.
        """
        known = set(self.open().values_list("account", flat=True))
        tried = Delivery.objects.filter(tried_at__gt=now - SPAN)
        for account in known | set(tried.values_list("account", flat=True).distinct()):
            why = _what_is_wrong(account, now)
            if why and account not in known:
                self._begin(account, why, now)
            elif account in known and not why:
                self.open().filter(account=account).update(ended_at=now)

    @transaction.atomic
    def _begin(self, account: int, why: str, now: datetime) -> None:
        """Record that an account has trouble, and notify users once.

        Supervisors, admins and the owner of the account are notified.
        """
        trouble = Trouble(account_id=account, began_at=now, words=why)
        # A constraint allows one open row, so a second process that runs at once adds nothing.
        self.bulk_create([trouble], ignore_conflicts=True)
        # Compare-and-set: only the process that sets told_at notifies the users.
        mine = self.open().filter(account=account, told_at=None)
        if not mine.update(told_at=now):
            return
        recipients = User.objects.active().filter(
            Q(role__in=["supervisor", "admin"]) | Q(accounts=account)
        )
        name = Account.objects.get(pk=account).name
        url = reverse("responses:delivery_problems")
        Notice.give(recipients, Notice.Kind.FAILED, text=f"{name}: {why}", url=url, now=now)


class Trouble(models.Model):
    """A period in which the deliveries of one account fail repeatedly."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="troubles")
    began_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)
    words = models.CharField(max_length=300)

    objects = TroubleQuerySet.as_manager()

    class Meta:
        ordering = ["began_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(ended_at=None), name="one_trouble_an_account"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account}: {self.words}"


def _what_is_wrong(account: int, now: datetime) -> str:
    """Return a sentence that says what is wrong with an account, or "" if nothing is wrong.

    Only the last attempt of each delivery counts.
    """
    tried = Delivery.objects.filter(account=account, tried_at__gt=now - LOOK_BACK)
    tried = tried.exclude(state="sending").order_by("-tried_at", "-pk")
    last = [delivery.went_wrong for delivery in tried[:IN_A_ROW]]
    if len(last) == IN_A_ROW and all(last):
        return f"{IN_A_ROW} deliveries in a row failed."
    lately = [delivery.went_wrong for delivery in tried.filter(tried_at__gt=now - SPAN)]
    if len(lately) >= AT_LEAST and 2 * sum(lately) >= len(lately):
        return f"{sum(lately)} of {len(lately)} deliveries in 15 minutes failed."
    return ""
