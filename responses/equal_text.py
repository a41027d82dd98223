"""Compare a delivery with posts that have the same text: which of them did it publish?

A network that refuses equal texts, or a look-up of our own posts by their words, can name the post
of an earlier delivery. This post does not prove that the later delivery was sent.
"""

from __future__ import annotations

from responses.models.delivery import Delivery
from responses.models.delivery_state import LEFT, DeliveryState
from scrm.channels.base import Item, Outgoing, Receipt
from scrm.text.links import without_last_link


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


def is_like(delivery: Delivery, item: Item, account: int) -> bool:
    """Whether a delivery and an item have the same account, text, place and quoted post."""
    message = delivery.outgoing
    return (
        delivery.account_id == account
        and delivery.account.network == item.scope
        and message.text.strip() == _without_link_to_quote(item.text, message).strip()
        and message.in_reply_to == item.in_reply_to
        and message.visibility == item.visibility
        and _quotes_the_same(item, message)
    )


def _quotes_the_same(item: Item, message: Outgoing) -> bool:
    # On X, a link to a post makes every text a quote of this post.
    return item.quotes == message.quote if message.quote else item.quotes in message.text


def _without_link_to_quote(text: str, message: Outgoing) -> str:
    """Return the text without the link to the quoted post that X adds at its end."""
    return without_last_link(text, message.quote) if message.quote else text
