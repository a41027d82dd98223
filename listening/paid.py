"""Fetches from networks that charge per item: reserve their cost, and wait for the budget."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import DatabaseError, InterfaceError, transaction
from django.utils.translation import gettext as _

from crm import spending
from crm.models import Account
from crm.money import Priority, Refusal, usd
from crm.spending import Reservation, Wanted
from listening.models.source import HEAD_START, Fetch, Source
from scrm.channels.base import ChannelError, Usage

_log = structlog.get_logger(__name__)
MAX_ITEMS = 100
"""The maximum number of items that a fetch reserves; the next fetch continues where it ended."""
_CHECKED_PER_TICK = 10


def wanted(source: Source) -> Wanted:
    """Return what a fetch of this source may use at most."""
    cost = source.channel.cost_of_item(source.address)
    is_for_us = source.stance == Source.Stance.FOR_US
    return Wanted(
        purpose=source.address,
        usage=cost.usage,
        priority=Priority.URGENT if is_for_us else Priority.SEARCH,
        # A network that does not answer may have charged: lose as little as possible each time.
        most=cost.fewest if source.failures else max(MAX_ITEMS, cost.fewest),
        fewest=cost.fewest,
        source_limit=source.daily_budget,
    )


def reserve(source: Source, *, now: datetime) -> Reservation | Refusal | None:
    """Book the most that a fetch of this source can cost; None if the network is free of charge."""
    if source.channel.prices is None or source.account is None:
        return None
    return spending.reserve(source.account, wanted(source), now=now)


def settle(booked: Reservation, usage: Usage) -> None:
    """Replace the reservation of a fetch by what the network charged.

    A failure of the database is only logged, because the fetched items must not be lost.
    """
    try:
        spending.settle(booked, usage)
    except (DatabaseError, InterfaceError):
        # Not repeated: it may have been stored all the same, and would then be subtracted twice.
        _log.warning("the reserved cost of a fetch may stay booked", account=booked.account)


def settle_failed(booked: Reservation, error: ChannelError) -> None:
    """Book what a failed fetch cost, if the network refused it. Otherwise the worst case stays."""
    if error.permanent or error.retry_after is not None:
        settle(booked, error.usage)


@transaction.atomic
def wait(fetch: Fetch, refusal: Refusal, *, now: datetime) -> None:
    """End a fetch that no budget allows. The source is fetched again when the budget is renewed."""
    source = fetch.fence()
    if source:
        continues = refusal.continuation(_("Fetching continues on %(when)s."))
        reason = f"{refusal.reason(source.account)} {continues}"
        fetch.end(Fetch.Outcome.WAITING, now=now, error=reason)
        source.record_waiting(reason, until=refusal.until, now=now)


def watch_budgets(now: datetime) -> None:
    """Let sources continue whose budget allows it, and warn owners whose budget will end early."""
    resume(now)
    spending.warn_of_forecasts(spending.with_monthly_limit(), now=now)


def resume(now: datetime) -> None:
    """Make waiting sources due whose budget allows a fetch again, for example after it was raised.

    The owner of an account whose budget is really used up is notified. While another fetch of the
    account is running, its reservation may be the only reason, so nobody is notified then.
    """
    waiting = Source.objects.waiting_for_budget().filter(next_fetch_at__gt=now + HEAD_START)
    rows = waiting.exclude(account=None).select_related("account").defer("account__secrets")
    # A few at random in each tick: sources may wait for weeks, and each costs a query.
    for source in rows.order_by("?")[:_CHECKED_PER_TICK]:
        account: Account = source.account  # type: ignore[assignment]
        refusal = spending.refusal_of(account, wanted(source), now=now)
        if refusal is None:
            Source.objects.filter(pk=source.pk).update(next_fetch_at=now + source.head_start)
        elif not is_fetching(account.pk, now):
            spending.notify_used_up(account, refusal, now=now)


def is_fetching(account: int, now: datetime) -> bool:
    """Return whether a source of this account is being fetched now."""
    return Source.objects.filter(account=account, lease_until__gt=now).exists()


def cost_today(source: Source, *, now: datetime) -> str:
    """Return what the source has cost today, in words; "" if its network is free of charge."""
    if source.channel.prices is None or source.account is None:
        return ""
    used = usd(spending.spent_by(source.account, now=now, purpose=source.address).source, 3)
    if source.daily_budget is None:
        return _("%(used)s USD") % {"used": used}
    return _("%(used)s of %(limit)s USD") % {"used": used, "limit": usd(source.daily_budget)}


def source_pages(account: Account) -> dict[str, tuple[str, str]]:
    """Return address → (name, URL of its page) of each source that uses the account."""
    sources = Source.objects.filter(account=account).order_by("-is_active", "pk")
    return {row.address: (str(row), row.get_absolute_url()) for row in reversed(sources)}
