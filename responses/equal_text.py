"""Recognise a delivery that published nothing, because an equal text was published before.

A network that refuses equal texts, or a look-up of our own posts by their words, can name the post
of an earlier delivery. This post does not prove that the later delivery was sent.
"""

from __future__ import annotations

from responses.models.delivery import Delivery
from responses.models.delivery_state import LEFT, DeliveryState
from scrm.channels.base import Receipt


def is_of_another(delivery: Delivery, receipt: Receipt) -> bool:
    """Return whether another delivery has published the post of this receipt.

    If so, this delivery fails. But if it was unknown, it stays unknown, because it may have been
    published too, and a user decides. Call this only while the ledger is locked: otherwise two
    deliveries could get the same post at the same time.
    """
    if delivery.is_change:  # a correction has the key of the post that it corrects
        return False
    others = Delivery.objects.filter(scope=receipt.scope, sent_key=receipt.key, state__in=LEFT)
    if not receipt.key or not others.exclude(pk=delivery.pk).exists():
        return False
    # Only the state: the attempt stays that of the caller, so that it cannot fail a later attempt.
    delivery.refresh_from_db(fields=["state"])
    if delivery.state == DeliveryState.UNKNOWN:
        delivery.stay_unknown(look_again=None)
    else:
        post = receipt.url or receipt.key
        delivery.fail(f"An equal text was already published as {post}; nothing new was published.")
    return True
