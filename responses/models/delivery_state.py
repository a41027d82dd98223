"""The states of a delivery, and what a delivery does: publish, correct or remove a text."""

from __future__ import annotations

from django.db import models


class DeliveryState(models.TextChoices):
    QUEUED = "queued", "Queued"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    BOUNCED = "bounced", "Bounced"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown: it may or may not have been sent"
    CANCELLED = "cancelled", "Cancelled"


class DeliveryAction(models.TextChoices):
    """What a delivery does: it publishes a new text, corrects a published text, or removes it."""

    SAY = "say", "Delivery"
    AMEND = "amend", "Correction"
    WITHDRAW = "withdraw", "Removal"


UNSETTLED = (
    DeliveryState.QUEUED,
    DeliveryState.FAILED,
    DeliveryState.UNKNOWN,
    DeliveryState.BOUNCED,
)
LEFT = (DeliveryState.SENT, DeliveryState.BOUNCED)
"""States of deliveries that are in the ledger: a bounced delivery was sent before it bounced."""
