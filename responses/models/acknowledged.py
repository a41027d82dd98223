"""Conditions on the deliveries of public acknowledgements of private replies."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from responses.models.delivery_state import DeliveryState
from responses.models.response import Response


def is_true(deliveries: QuerySet[Any]) -> Q:
    """Return the condition that a response acknowledges no reply, or one that was sent.

    `deliveries` are all deliveries.
    """
    replies = deliveries.filter(response=OuterRef("response__acknowledges"))
    return Q(response__acknowledges=None) | Q(Exists(replies.filter(state=DeliveryState.SENT)))


def waiting_for(reply: Response, *, now: datetime) -> Q:
    """Return the condition for a queued acknowledgement that waits only for this reply."""
    return Q(response__acknowledges=reply, state=DeliveryState.QUEUED, send_after__lt=now)
