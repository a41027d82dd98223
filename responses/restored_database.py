"""A database that was restored from a copy sends nothing until somebody releases it (G18, G26).

What becomes due until the release may have been sent by the original: it is `unknown`, and
settled like everything that is. What is planned for later waits for the release.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from crm.models import Instance, Pause, User
from responses.models import Delivery
from responses.models.sending import DeliveryQuerySet, Sending
from routing.models import Notice

_log = structlog.get_logger(__name__)
_DOUBT = "The database was restored from a copy; the original may have sent this already."


@transaction.atomic
def look(*, now: datetime) -> None:
    """Hold everything if this database was restored; doubt what became due while it is held."""
    hold = Pause.objects.restored().select_for_update().first()
    if hold:
        _doubt(hold, now)
    elif Instance.objects.moved().exists():
        _hold(now)
    else:
        is_set_back(now=now)


def is_set_back(*, now: datetime) -> bool:
    """Whether more was sent from it than it knows of; then everything is held."""
    if not Instance.objects.is_set_back():
        return False
    _hold(now)
    return True


@transaction.atomic
def _hold(now: datetime) -> None:
    why = _sign()
    if not Pause.objects.begin_restored(why=why, now=now):
        return
    _log.warning("restored database: nothing is sent", why=why.value)
    _doubt(Pause.objects.restored().get(), now)
    told = User.objects.active().filter(role__in=[User.Role.SUPERVISOR, User.Role.ADMIN])
    Notice.give(told, Notice.Kind.HELD, url=reverse("responses:sendings"), now=now)
    # Also those just given: mailed after the release, they would no longer be true.
    Notice.objects.never_mail(now=now)


def _sign() -> Pause.Sign:
    moved = Instance.objects.moved().first()
    if moved is None:
        return Pause.Sign.SET_BACK
    return Pause.Sign.MOVED if moved.fingerprint else Pause.Sign.UNRECORDED


def _doubt(hold: Pause, now: datetime) -> None:
    """The original may have sent what is due, unless it was made here since the hold began."""
    ours = Q(response__created_at__gt=hold.at) | Q(replaces__settled_at__gte=hold.at)
    due = waiting().filter(send_after__lte=now).exclude(ours)
    # The state again: a join becomes a subquery, and a cancelled row must stay cancelled.
    Delivery.objects.filter(pk__in=due.values("pk"), state=Sending.QUEUED).update(
        state=Sending.UNKNOWN, settle_after=now, error=_DOUBT, doubted_in=hold
    )


def waiting() -> DeliveryQuerySet:
    """What leaves after the release: at once, or at its time."""
    queued = Delivery.objects.filter(state=Sending.QUEUED, settled_at=None)
    return queued.filter(response__state="released")


def doubted(hold: Pause) -> DeliveryQuerySet:
    """What the original may have sent, as far as nobody knows yet."""
    return Delivery.objects.filter(doubted_in=hold, state=Sending.UNKNOWN, settled_at=None)


@transaction.atomic
def release(*, by: User, now: datetime) -> bool:
    """Let what waits leave, also what is late by now. False if nothing was held.

    What the original may have sent is looked up once more, now that it sends no longer.
    """
    hold = Pause.objects.restored().first()
    if hold is None or not Pause.objects.release(by=by, now=now):
        return False
    _doubt(hold, now)
    looked_up = Q(state=Sending.UNKNOWN, settled_at=None, settle_after__isnull=False)
    Delivery.objects.filter(looked_up).update(settle_after=now)
    waiting().filter(send_after__lte=now).update(send_after=now)
    Instance.objects.accept()
    return True
