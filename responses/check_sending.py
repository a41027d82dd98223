"""What a user can do about a delivery problem: send again, send late, or dismiss it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import User
from responses.models import acknowledged
from responses.models.delivery import Delivery
from responses.models.delivery_state import DeliveryState
from responses.models.response import Response
from routing.models.status import Stale
from routing.unsent_answer import awaiting_delivery, withdraw_answer
from scrm.bus.nudge import nudge


@transaction.atomic
def send_again(delivery: Delivery, *, by: User, now: datetime | None = None) -> Delivery:
    """Queue a new delivery that replaces this failed, bounced or unknown delivery.

    Raises Stale if another user has already handled the problem.
    """
    now = now or timezone.now()
    old = take_in_hand(delivery, now=now)
    if old.state not in {DeliveryState.FAILED, DeliveryState.UNKNOWN, DeliveryState.BOUNCED}:
        raise Stale("This delivery was not attempted yet. Nothing was sent twice.")
    # The new row has its own UUID, so that a look-up on the network can tell the two texts apart.
    new = Delivery.objects.create(
        response=old.response,
        account=old.account,
        destination=old.destination,
        profile=old.profile,
        conversation=old.conversation,
        replaces=old,
        act=old.act,
        amends=old.amends,
        by=old.by,
        why=old.why,
        send_after=now,
    )
    old.response.note(f"Sent again on {old.account}.", by=by, now=now)
    nudge("scrm.pipeline.deliver", new.pk)
    return new


@transaction.atomic
def send_late(delivery: Delivery, *, by: User, now: datetime | None = None) -> None:
    """Queue an overdue delivery for sending now.

    Raises Stale if the delivery is no longer overdue.
    """
    now = now or timezone.now()
    if not Delivery.objects.overdue(now).filter(pk=delivery.pk).update(send_after=now):
        raise Stale("This delivery is no longer waiting.")
    delivery.response.note("Sent late, after an outage.", by=by, now=now)
    nudge("scrm.pipeline.deliver", delivery.pk)


@transaction.atomic
def dismiss(delivery: Delivery, *, by: User, now: datetime | None = None) -> None:
    """Remove a delivery from the list of delivery problems. The delivery is not deleted.

    If it is a private reply, its public acknowledgement is not sent any more.
    Raises Stale if another user has already handled the problem.
    """
    now = now or timezone.now()
    # Locked together with its acknowledgements, so that the order of locks is kept.
    reply = Q(pk=delivery.response_id) | Q(acknowledges=delivery.response_id)
    Response.objects.filter(reply).lock()
    old = take_in_hand(delivery, now=now)
    # An overdue delivery must not be sent after it was dismissed.
    if old.state == DeliveryState.QUEUED:
        Delivery.objects.filter(pk=delivery.pk).update(state=DeliveryState.CANCELLED)
    acknowledged.cancel_unsent(old.response, by=by, why="The private reply was not sent.")
    delivery.response.note(f"Dismissed: {old.error}", by=by, now=now)
    delivery.refresh_from_db()


@transaction.atomic
def dismiss_problem(delivery: Delivery, *, by: User) -> None:
    """Dismiss a delivery; if the answer was not sent at all, its items are unanswered again.

    Raises Stale if another user has already handled the problem.
    """
    dismiss(delivery, by=by)
    response = delivery.response
    unsent = [DeliveryState.FAILED, DeliveryState.CANCELLED]
    if response.case is None or response.deliveries.exclude(state__in=unsent).exists():
        return
    if awaiting_delivery(response.case).exists():
        withdraw_answer(response.case, by=by, why=_("The answer was not sent."))


def take_in_hand(delivery: Delivery, *, now: datetime) -> Delivery:
    """Record that a user has handled a delivery problem, so that no worker changes the delivery.

    Raises Stale if another user has already handled the problem.
    """
    mine = Delivery.objects.to_check(now).filter(pk=delivery.pk)
    # The rows are locked in the usual order: the response and its case may change as well.
    Delivery.objects.filter(pk=delivery.pk).lock()
    if not mine.update(settled_at=now, settle_after=None):
        raise Stale("This delivery was already resolved. Nothing was sent twice.")
    return Delivery.objects.select_related("response", "account").get(pk=delivery.pk)
