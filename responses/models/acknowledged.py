"""Public acknowledgements of private replies: when they are sent, and how they are cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from crm.models import User
from responses.models.delivery_state import DeliveryState
from responses.models.response import Response, State
from scrm.db.locks import update_in_order


def reply_was_sent(deliveries: QuerySet[Any]) -> Q:
    """Return the condition for deliveries that do not wait for a private reply to be sent.

    Their response acknowledges no reply, or a reply that was sent. `deliveries` are all deliveries.
    """
    replies = deliveries.filter(response=OuterRef("response__acknowledges"))
    return Q(response__acknowledges=None) | Q(Exists(replies.filter(state=DeliveryState.SENT)))


def waiting_for(reply: Response, *, now: datetime) -> Q:
    """Return the condition for queued acknowledgements of this reply whose time has come."""
    return Q(response__acknowledges=reply, state=DeliveryState.QUEUED, send_after__lt=now)


@transaction.atomic
def cancel_unsent(reply: Response, *, by: User, why: str) -> None:
    """Cancel the acknowledgements of this reply that were not sent, also those that are held."""
    for row in reply.acknowledgements.exclude(state=State.CANCELLED).lock():
        queued = row.deliveries.filter(state=DeliveryState.QUEUED)
        if update_in_order(queued, state=DeliveryState.CANCELLED, error=why):
            row.become(State.CANCELLED)
            row.note(f"Cancelled: {why}", by=by, now=timezone.now())
