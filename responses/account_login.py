"""Before a delivery is claimed: make sure that the login of its account works."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from crm.renewal import fresh_credentials
from responses.models import Delivery
from responses.models.delivery_state import DeliveryState
from scrm.channels.base import ChannelError


def has_login(delivery: Delivery) -> bool:
    """Renew the login of the delivery's account if it expires soon; return whether it works.

    If the login has ended for good, the delivery fails. If it could not be renewed at the moment,
    the delivery stays queued. Both happen before the claim: no attempt is used, and the delivery
    cannot become unknown, because it was certainly not sent.
    """
    if delivery.account.secrets_expire_at is None:
        return True
    # The login must not be renewed for a paused account or in a restored database.
    if not Delivery.objects.due(timezone.now()).filter(pk=delivery.pk).exists():
        return False
    try:
        fresh_credentials(delivery.account)
    except ChannelError as error:
        if error.permanent:
            _fail(delivery, error.message)
        else:
            queued = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.QUEUED)
            queued.update(error=error.message)
            delivery.publish_change()
        return False
    return True


@transaction.atomic
def _fail(delivery: Delivery, error: str) -> None:
    """Mark a queued delivery as failed without an attempt, and notify its author."""
    # Compare-and-set: another worker may have claimed the delivery, or a user cancelled it.
    queued = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.QUEUED, settled_at=None)
    if queued.update(state=DeliveryState.FAILED, error=error):
        delivery.refresh_from_db()
        delivery.notify_author(f"{delivery.trouble} {delivery.error}")
        delivery.publish_change()
