"""The states of a sending, and which of them are due, to be checked, or wait for their turn."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

from crm.budget import Budget
from crm.models import Account, Instance, Pause, User
from responses.models.response import seen_by

if TYPE_CHECKING:
    from responses.models.delivery import Delivery  # noqa: F401 - named in quotes below

MAX_ATTEMPTS = 5
MOST_AT_ONCE = 1_000_000


class Sending(models.TextChoices):
    QUEUED = "queued", "Queued"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    BOUNCED = "bounced", "Bounced"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown: it may or may not have been sent"
    CANCELLED = "cancelled", "Cancelled"


class Act(models.TextChoices):
    """What a sending does: something new is said, or what stands there is changed."""

    SAY = "say", "Delivery"
    AMEND = "amend", "Correction"
    WITHDRAW = "withdraw", "Removal"


UNSETTLED = (Sending.QUEUED, Sending.FAILED, Sending.UNKNOWN, Sending.BOUNCED)
LEFT = (Sending.SENT, Sending.BOUNCED)
"""Both stand in the ledger: what came back was said all the same."""


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def visible_to(self, user: User) -> DeliveryQuerySet:
        return self if user.sees_everything else self.filter(seen_by(user, "response__"))

    def at_hand_of(self, user: User) -> DeliveryQuerySet:
        """Theirs, or of their departments: somebody else's failures are no work of theirs."""
        if user.sees_everything:
            return self
        theirs = user.memberships.values("department")
        of_case = Q(
            response__case__department__in=theirs, response__department__is_restricted=False
        )
        own = Q(response__author=user) | Q(response__department__in=theirs)
        return self.filter(own | of_case)

    def due(self, now: datetime) -> DeliveryQuerySet:
        """Released, not paused, not of a restored database; their time has come, not long gone.

        One change to a post at a time: while another is on its way there, the rest wait.
        """
        under_way = Q(state=Sending.SENDING) | Q(state=Sending.UNKNOWN, settle_after__isnull=False)
        others = self.model._default_manager.filter(under_way, amends=OuterRef("amends"))
        busy = Exists(others.exclude(pk=OuterRef("pk")))
        return (
            self.filter(
                Q(amends=None) | ~busy,
                state=Sending.QUEUED,
                settled_at=None,
                response__state="released",
                send_after__lte=now,
                send_after__gt=now - timedelta(seconds=settings.STALE_SEND_SECONDS),
                account__paused_at=None,
                account__is_active=True,
            )
            .exclude(Exists(Pause.objects.open()))
            .exclude(Exists(Instance.objects.moved()))
        )

    def in_line(self, account: Account, now: datetime) -> DeliveryQuerySet:
        """What is due from an account, first come first."""
        since = Coalesce("waits_since", "send_after")
        line = self.due(now).filter(account=account).exclude(act=Act.WITHDRAW)
        return line.order_by(since, "pk")

    def hold_back(self, now: datetime) -> None:
        """What exceeds an account's budget waits until it may send again, in its order."""
        waiting = Q(pk__in=self.waiting_for_their_turn().order_by().values("account"))
        limited = Q(config__per_hour__gt=0) | Q(config__per_day__gt=0)
        for account in Account.objects.active().filter(limited | waiting, paused_at=None):
            free, until = self.room(account, now)
            first = self.waiting_for_their_turn().filter(account=account, send_after__gt=now)
            called = list(first.values_list("pk", flat=True)[:free])
            self.filter(pk__in=called, state=Sending.QUEUED).update(send_after=now)
            exceed = list(self.in_line(account, now).values_list("pk", flat=True)[free:])
            self.filter(pk__in=exceed, state=Sending.QUEUED).update(
                waits_since=Coalesce("waits_since", "send_after"), send_after=until
            )

    def room(self, account: Account, now: datetime) -> tuple[int, datetime]:
        """How many may leave now, and when the next one may. Counted from the rows."""
        free, until = MOST_AT_ONCE, now
        for most, span in Budget.of(account.config).limits:
            lately = self.filter(account=account, tried_at__gt=now - span)
            used = list(lately.order_by("-tried_at").values_list("tried_at", flat=True)[:most])
            free = min(free, most - len(used))
            if len(used) == most and used[-1]:
                until = max(until, used[-1] + span)
        return max(free, 0), until

    def waiting_for_their_turn(self) -> DeliveryQuerySet:
        """Held back by their account's budget, first come first."""
        held_back = self.filter(
            state=Sending.QUEUED, settled_at=None, response__state="released"
        ).exclude(waits_since=None)
        return held_back.order_by("waits_since", "pk")

    def overdue(self, now: datetime) -> DeliveryQuerySet:
        """Should have left long ago, in an outage: a human decides whether they still may."""
        return self.filter(
            state=Sending.QUEUED,
            settled_at=None,
            response__state="released",
            send_after__lte=now - timedelta(seconds=settings.STALE_SEND_SECONDS),
        )

    def to_check(self, now: datetime) -> DeliveryQuerySet:
        """What needs a human: failed, unknown, come back, overdue; not what was replaced since."""
        troubled = Q(state__in=[Sending.FAILED, Sending.UNKNOWN, Sending.BOUNCED])
        # Not a join: who takes one of these in hand compares and sets this row alone.
        overdue = Q(pk__in=self.overdue(now).values("pk"))
        # Said twice, so that the index of what is unsettled is seen to hold all of them.
        return self.filter(troubled | overdue, state__in=UNSETTLED, settled_at=None)

    def to_settle(self, now: datetime) -> DeliveryQuerySet:
        """Unknown, and it is time to ask the network again."""
        return self.filter(state=Sending.UNKNOWN, settled_at=None, settle_after__lte=now)

    def give_up_on_the_dead(self, now: datetime) -> int:
        """A sender that let its lease lapse died on the way: nobody knows what left."""
        return self.filter(state=Sending.SENDING, lease_until__lt=now).update(
            state=Sending.UNKNOWN,
            lease_until=None,
            settle_after=now,
            error="The sending process stopped. It may have been sent.",
        )
