"""A database that was restored from a copy sends nothing until a user releases it (G18, G26).

Deliveries that become due before the release may have been sent by the original: they become
`unknown`, and are settled like all unknown ones. Deliveries planned for later wait for the
release.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from crm.models import Instance, Notice, Pause, User
from responses.models import Delivery
from responses.models.delivery import DeliveryQuerySet
from responses.models.delivery_state import DeliveryState
from scrm.db.locks import locked, update_in_order

_log = structlog.get_logger(__name__)
_DOUBT = "The database was restored from a copy. The original may have already sent this."


@transaction.atomic
def check(*, now: datetime) -> None:
    """Hold everything if this database was restored; during a hold, mark due deliveries unknown."""
    # Locked: release() must not send deliveries that are marked as unknown here.
    hold = locked(Pause.objects.restored()).first()
    if hold:
        _mark_unknown(hold, now)
    elif Instance.objects.moved().exists():
        _hold(now)
    else:
        is_set_back(now=now)


def is_set_back(*, now: datetime) -> bool:
    """Whether more was sent from this database than it has recorded; if so, hold everything."""
    if not Instance.objects.is_set_back():
        return False
    _hold(now)
    return True


@transaction.atomic
def _hold(now: datetime) -> None:
    why = _evidence()
    if not Pause.objects.begin_restored(why=why, now=now):
        return
    _log.warning("restored database: nothing is sent", why=why.value)
    _mark_unknown(Pause.objects.restored().get(), now)
    recipients = User.objects.seeing_everything()
    Notice.give(recipients, Notice.Kind.HELD, url=reverse("responses:delivery_problems"), now=now)
    # Also the new notices: a mail sent after the release would no longer be true.
    Notice.objects.never_mail(now=now)


def _evidence() -> Pause.Evidence:
    return Pause.Evidence.MOVED if Instance.objects.moved().exists() else Pause.Evidence.SET_BACK


def _mark_unknown(hold: Pause, now: datetime) -> None:
    """Mark due deliveries as unknown: the original may have sent them.

    Except those created here since the hold began, which the original does not have.
    """
    ours = Q(response__created_at__gt=hold.at) | Q(replaces__settled_at__gte=hold.at)
    due = waiting().filter(send_after__lte=now).exclude(ours)
    # Filter by state again: the join becomes a subquery, and a row that was cancelled
    # meanwhile must stay cancelled.
    mine = Delivery.objects.filter(pk__in=due.values("pk"), state=DeliveryState.QUEUED)
    update_in_order(
        mine, state=DeliveryState.UNKNOWN, settle_after=now, error=_DOUBT, doubted_in=hold
    )


def waiting() -> DeliveryQuerySet:
    """Deliveries that are sent after the release: at once, or at their planned time."""
    queued = Delivery.objects.filter(state=DeliveryState.QUEUED, settled_at=None)
    return queued.filter(response__state="released")


def doubted(hold: Pause) -> DeliveryQuerySet:
    """Deliveries that the original may have sent and whose state is still unknown."""
    return Delivery.objects.filter(doubted_in=hold, state=DeliveryState.UNKNOWN, settled_at=None)


@transaction.atomic
def release(*, by: User, now: datetime) -> bool:
    """End the hold and send waiting deliveries, also late ones. Returns False without a hold.

    What the original may have sent is looked up once more, now that it no longer sends.
    """
    hold = Pause.objects.restored().first()
    if hold is None or not Pause.objects.release(by=by, now=now):
        return False
    # All at once, in order: three updates follow, each of other deliveries.
    unsettled = Delivery.objects.filter(state__in=[DeliveryState.QUEUED, DeliveryState.UNKNOWN])
    list(locked(unsettled.filter(settled_at=None)).values_list("pk", flat=True))
    # Before the rest is sent: the original may also have sent what became due since the last check.
    _mark_unknown(hold, now)
    looked_up = Q(state=DeliveryState.UNKNOWN, settled_at=None, settle_after__isnull=False)
    update_in_order(Delivery.objects.filter(looked_up), settle_after=now)
    update_in_order(waiting().filter(send_after__lte=now), send_after=now)
    Instance.objects.accept()
    return True
