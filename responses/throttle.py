"""The sending limits of accounts. Deliveries beyond the limits are postponed and sent in order.

Limits of money are in `send_budget.py`; deliveries that wait for them become due again here too.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q
from django.db.models.functions import Coalesce

from crm.budget import Budget
from crm.models import Account
from responses import send_budget
from responses.models.delivery import Delivery, DeliveryQuerySet
from responses.models.delivery_state import DeliveryAction, DeliveryState
from scrm.db.locks import locked, update_in_order

UNLIMITED = 1_000_000


def has_turn(delivery: Delivery, now: datetime) -> bool:
    """Whether the limits of its account allow this delivery to be sent now.

    The account's due deliveries that come earlier in the order use the limits first. If nothing is
    left after them, this delivery must wait. A removal never waits. Call this function in a
    transaction. It locks an account that has limits, so that two workers cannot both send the last
    delivery that the limits allow.
    """
    account = Account.objects.get(pk=delivery.account_id)
    # A removal is never delayed, and an account without limits is not locked.
    if delivery.act == DeliveryAction.WITHDRAW or not Budget.of(account.config).limits:
        return True
    account = locked(Account.objects.filter(pk=account.pk)).get()
    free, _until = room(account, now)
    first = due_in_order(account, now).values_list("pk", flat=True)
    return free > 0 and delivery.pk in first[:free]


def hold_back(now: datetime) -> None:
    """Postpone due deliveries beyond the limits of their accounts, and keep their order.

    Each delivery is postponed until its account may send again. Postponed deliveries become due
    again as soon as the limits allow it.
    """
    waiting_accounts = waiting().order_by().values("account")
    limited = Q(config__per_hour__gt=0) | Q(config__per_day__gt=0)
    accounts = Account.objects.active().filter(limited | Q(pk__in=waiting_accounts), paused_at=None)
    for account in accounts:
        free, until = room(account, now)
        first = waiting().filter(account=account, send_after__gt=now)
        # This is first, because deliveries that were postponed are sent before newer ones.
        turn_has_come = send_budget.within_budget(account, first, free, now=now)
        queued = Delivery.objects.filter(state=DeliveryState.QUEUED)
        update_in_order(queued.filter(pk__in=turn_has_come), send_after=now)
        excess = list(due_in_order(account, now).values_list("pk", flat=True)[free:])
        since = Coalesce("waits_since", "send_after")
        update_in_order(queued.filter(pk__in=excess), waits_since=since, send_after=until)


def room(account: Account, now: datetime) -> tuple[int, datetime]:
    """Return how many deliveries the account may send now, and when it may send the next one."""
    free, until = UNLIMITED, now
    for limit, span in Budget.of(account.config).limits:
        # All attempts count, also failed ones, because the network may have accepted a failed one.
        lately = Delivery.objects.filter(account=account, tried_at__gt=now - span)
        used = list(lately.order_by("-tried_at").values_list("tried_at", flat=True)[:limit])
        free = min(free, limit - len(used))
        if len(used) == limit and used[-1]:
            until = max(until, used[-1] + span)
    return max(free, 0), until


def due_in_order(account: Account, now: datetime) -> DeliveryQuerySet:
    """Return the account's due deliveries, except removals, in the order in which they are sent."""
    since = Coalesce("waits_since", "send_after")
    due = Delivery.objects.due(now).filter(account=account).exclude(act=DeliveryAction.WITHDRAW)
    return due.order_by(since, "pk")


def waiting() -> DeliveryQuerySet:
    """Return the deliveries that were postponed because of limits, oldest first."""
    held_back = Delivery.objects.filter(
        state=DeliveryState.QUEUED, settled_at=None, response__state="released"
    ).exclude(waits_since=None)
    return held_back.order_by("waits_since", "pk")
