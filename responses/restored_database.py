"""Stop all sending in a database that was restored from a copy, until a user allows sending.

This implements guarantees G18 and G26 (docs/guarantees.md). The original database may already have
sent the deliveries that become due while sending is stopped. These deliveries become `unknown`, and
are then handled like all other unknown deliveries. Deliveries that are planned for a later time
wait until a user allows sending.
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
    """Stop all sending if this database was restored from a copy.

    If sending is already stopped, mark the deliveries that have become due as unknown.
    """
    # The row is locked: release() must not send deliveries that are marked as unknown here.
    hold = locked(Pause.objects.restored()).first()
    if hold:
        _mark_unknown(hold, now)
    elif Instance.objects.moved().exists():
        _hold(now)
    else:
        is_set_back(now=now)


def is_set_back(*, now: datetime) -> bool:
    """Whether an older copy replaced this database; if so, stop all sending.

    Attempts to send are counted in the database. The highest number is also stored outside the
    database, as the witness. The number in an older copy is lower than the witness.
    """
    if not Instance.objects.is_set_back():
        return False
    _hold(now)
    return True


def is_restored(*, now: datetime) -> bool:
    """Whether this database may be a copy that no user has released; if so, stop all sending."""
    if Pause.objects.restored().exists():
        return True
    if Instance.objects.moved().exists():
        _hold(now)
        return True
    return is_set_back(now=now)


@transaction.atomic
def _hold(now: datetime) -> None:
    why = _evidence()
    if not Pause.objects.begin_restored(why=why, now=now):
        return
    _log.warning("restored database: nothing is sent", why=why.value)
    _mark_unknown(Pause.objects.restored().get(), now)
    recipients = User.objects.seeing_everything()
    Notice.give(recipients, Notice.Kind.HELD, url=reverse("responses:delivery_problems"), now=now)
    # This includes the new notices: if they were mailed later, sending might no longer be stopped.
    Notice.objects.never_mail(now=now)


def _evidence() -> Pause.Evidence:
    return Pause.Evidence.MOVED if Instance.objects.moved().exists() else Pause.Evidence.SET_BACK


def _mark_unknown(hold: Pause, now: datetime) -> None:
    """Mark due deliveries as unknown, because the original database may have sent them.

    Deliveries that were created after sending was stopped are left out, because the original
    database does not contain them.
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
    """Return the queued deliveries of released responses, which wait until sending is allowed."""
    queued = Delivery.objects.filter(state=DeliveryState.QUEUED, settled_at=None)
    return queued.filter(response__state="released")


def doubted(hold: Pause) -> DeliveryQuerySet:
    """Return the deliveries that were marked as unknown because of `hold` and are still unknown.

    The original database may have sent them.
    """
    return Delivery.objects.filter(doubted_in=hold, state=DeliveryState.UNKNOWN, settled_at=None)


@transaction.atomic
def release(*, by: User, now: datetime) -> bool:
    """Allow sending again, and queue all due deliveries for sending now, also overdue ones.

    Returns False if sending was not stopped. The network is asked again about deliveries that the
    original database may have sent, because the original database no longer sends them.
    """
    hold = Pause.objects.restored().first()
    if hold is None or not Pause.objects.release(by=by, now=now):
        return False
    # All deliveries are locked at once, in order, because three updates of different deliveries
    # follow.
    unsettled = Delivery.objects.filter(state__in=[DeliveryState.QUEUED, DeliveryState.UNKNOWN])
    list(locked(unsettled.filter(settled_at=None)).values_list("pk", flat=True))
    # This is done before the rest is sent: the original database may also have sent deliveries that
    # became due since the last check.
    _mark_unknown(hold, now)
    looked_up = Q(state=DeliveryState.UNKNOWN, settled_at=None, settle_after__isnull=False)
    update_in_order(Delivery.objects.filter(looked_up), settle_after=now)
    update_in_order(waiting().filter(send_after__lte=now), send_after=now)
    Instance.objects.accept()
    return True
