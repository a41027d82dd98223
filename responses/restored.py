"""A database that was restored from a copy sends nothing until somebody releases it (G18, G26).

What was due since the copy was taken may have left the original: it is `unknown`, and settled
like everything that is. What is planned for later waits for the release.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction
from django.urls import reverse

from crm.models import Instance, Pause, User
from responses.models import Delivery
from responses.models.sending import DeliveryQuerySet, Sending
from routing.models import Notice

_log = structlog.get_logger(__name__)
MOVED = "This database was restored from a copy, or moved to another server."
SET_BACK = "This database was set back to an earlier state: more was sent than it knows of."
_DOUBT = "The database was restored from a copy; the original may have sent this already."


def look(*, now: datetime) -> None:
    """Hold everything if this database was restored."""
    if Pause.objects.restored().exists() or is_set_back(now=now):
        return
    if Instance.objects.moved().exists():
        _hold(MOVED, now)


def is_set_back(*, now: datetime) -> bool:
    """Whether more was sent from it than it knows of; then everything is held."""
    if not Instance.objects.is_set_back():
        return False
    _hold(SET_BACK, now)
    return True


@transaction.atomic
def _hold(why: str, now: datetime) -> None:
    if not Pause.objects.begin_restored(why=why, now=now):
        return
    _log.warning("restored database: nothing is sent", why=why)
    waiting().filter(send_after__lte=now).update(
        state=Sending.UNKNOWN, settle_after=now, error=_DOUBT
    )
    told = User.objects.active().filter(role__in=[User.Role.SUPERVISOR, User.Role.ADMIN])
    url = reverse("responses:sendings")
    Notice.give(told, Notice.Kind.FAILED, text=f"{why} Nothing is sent.", url=url, now=now)


def waiting() -> DeliveryQuerySet:
    """What leaves after the release: at once, or at its time."""
    queued = Delivery.objects.filter(state=Sending.QUEUED, settled_at=None)
    return queued.filter(response__state="released").order_by("send_after", "pk")


def doubtful() -> DeliveryQuerySet:
    """What the original may have sent, and nobody has settled so far."""
    return Delivery.objects.filter(state=Sending.UNKNOWN, settled_at=None, error=_DOUBT)


@transaction.atomic
def release(*, by: User, now: datetime) -> bool:
    """Let what waits leave, also what is late by now. False if nothing was held."""
    if not Pause.objects.release(by=by, now=now):
        return False
    waiting().order_by().filter(send_after__lte=now).update(send_after=now)
    Instance.objects.accept()
    return True
