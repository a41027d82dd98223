"""The budget of an account for its deliveries. Deliveries beyond it wait and are sent in order."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from crm import spending
from crm.models import Account
from crm.money import Limits, Priority, Refusal
from crm.spending import SEND, Reservation, Wanted
from listening.paid import is_fetching
from responses.models.delivery import Delivery, DeliveryQuerySet
from responses.models.delivery_state import DeliveryAction, DeliveryState
from responses.post_changes import removal_usage
from scrm.channels.base import ChannelError, Credentials, Lookup, Receipt, Speaker
from scrm.db.locks import update_in_order

_OUTGOING = ("response__in_reply_to", "account", "profile", "conversation")
"""What `Delivery.outgoing` reads."""
_MAX_RESUMED = 50
"""The maximum number of waiting deliveries of an account that become due in one tick."""


def reserve(delivery: Delivery, *, now: datetime) -> Reservation | Refusal | None:
    """Book the most that one attempt of this delivery can cost, or postpone the delivery.

    Call this in the transaction that claims the delivery. It locks an account that pays per use.
    Deliveries that waited for the budget are paid for in their order. A removal is never refused.
    """
    if delivery.account.channel.prices is None:
        return None
    ahead = _cost_ahead_of(delivery, now)
    booked = spending.reserve(delivery.account, _wanted(delivery, ahead), now=now)
    if isinstance(booked, Refusal):
        _postpone(delivery, booked, now=now)
    return booked


def reservation(delivery: Delivery, *, now: datetime) -> Reservation | None:
    """Return what `reserve` has booked for the attempt that began at this time."""
    if delivery.account.channel.prices is None:
        return None
    return spending.reservation_of(delivery.account, _wanted(delivery), now=now)


def settle_sent(booked: Reservation | None, receipt: Receipt) -> None:
    """Book what the network charged for a text. If it does not say, the reserved cost stays."""
    if booked and receipt.usage:
        spending.settle(booked, receipt.usage)


def settle_failed(booked: Reservation | None, error: ChannelError) -> None:
    """Book what the network charged although sending failed, for example for the first parts.

    If the text may have been sent and it is not known what this costs, the reserved cost stays.
    """
    if booked and (error.usage or not error.uncertain):
        spending.settle(booked, error.usage)


def look_up(
    delivery: Delivery, speaker: Speaker, credentials: Credentials, *, now: datetime
) -> Receipt | Lookup:
    """Ask the network whether an unknown delivery was sent, if the budget allows the look-up.

    The most that the look-up can cost stays booked if the network does not say what it charged.
    Raises ChannelError, also if the budget is used up. Do not call this in a transaction.
    """
    account, outgoing = delivery.account, delivery.outgoing
    usage = account.channel.lookup_usage(outgoing) if account.channel.lookup_usage else {}
    booked = spending.reserve(account, Wanted(SEND, usage, Priority.URGENT), now=now)
    if isinstance(booked, Refusal):
        raise ChannelError(booked.reason(account))
    try:
        found = speaker.find(credentials, outgoing)
    except ChannelError as error:
        if booked and (error.usage or error.permanent or error.retry_after is not None):
            spending.settle(booked, error.usage)
        raise
    if isinstance(found, Receipt):
        settle_sent(booked, found)
    return found


def cancel(booked: Reservation | None) -> None:
    if booked:
        spending.settle(booked, {})


def within_budget(
    account: Account, waiting: DeliveryQuerySet, most: int, *, now: datetime
) -> list[int]:
    """Return the ids of the waiting deliveries that the budget allows now, in their order.

    If one of them is not allowed, the owner of the account is notified once in a day or month.
    """
    if account.channel.prices is None or not Limits.of(account.config).exist:
        return list(waiting.values_list("pk", flat=True)[:most])
    allowed: list[int] = []
    ahead, refused = 0, None
    rows = waiting.select_related(*_OUTGOING, "amends__account")
    for delivery in rows[: min(most, _MAX_RESUMED)]:
        wanted = _wanted(delivery, ahead)
        refusal = spending.refusal_of(account, wanted, now=now)
        refused = refused or refusal
        if refusal is None:
            allowed.append(delivery.pk)
            ahead += spending.price_of(account, wanted)
    if refused and not is_fetching(account.pk, now):
        spending.notify_used_up(account, refused, now=now)
    return allowed


def _wanted(delivery: Delivery, ahead: int = 0) -> Wanted:
    channel = delivery.account.channel
    if delivery.act == DeliveryAction.WITHDRAW and delivery.amends:
        return Wanted(SEND, removal_usage(delivery.amends), Priority.REMOVAL)
    usage = channel.send_usage(delivery.outgoing) if channel.send_usage else {}
    return Wanted(SEND, usage, Priority.URGENT, ahead=ahead)


def _cost_ahead_of(delivery: Delivery, now: datetime) -> int:
    """Return the cost of earlier deliveries that waited for the budget and are due again."""
    if not Limits.of(delivery.account.config).exist:
        return 0
    since = delivery.waits_since or delivery.send_after
    earlier = Q(waits_since__lt=since) | Q(waits_since=since, pk__lt=delivery.pk)
    due = Delivery.objects.due(now).filter(earlier, account=delivery.account_id)
    rows = due.exclude(act=DeliveryAction.WITHDRAW).select_related(*_OUTGOING)
    return sum(
        spending.price_of(delivery.account, _wanted(row))
        for row in rows.order_by("waits_since", "pk")[:_MAX_RESUMED]
    )


def _postpone(delivery: Delivery, refusal: Refusal, *, now: datetime) -> None:
    """Let the delivery wait, with the reason, until the budget is renewed."""
    continues = refusal.continuation(_("Sending continues on %(when)s."))
    # Only if it is due: a text that is scheduled for later must not be sent earlier.
    due = Delivery.objects.due(now).filter(pk=delivery.pk).values("pk")
    update_in_order(
        Delivery.objects.filter(pk__in=due, state=DeliveryState.QUEUED),
        waits_since=Coalesce("waits_since", "send_after"),
        send_after=refusal.until,
        error=f"{refusal.reason(delivery.account)} {continues}",
    )
