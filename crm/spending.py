"""Book what accounts spend on networks that charge per use: guarantee G22 (docs/guarantees.md).

Before the network is asked, `reserve` books the most that the request can cost. Afterwards `settle`
replaces this by what the network charged. If the worker dies in between, the reserved cost stays
booked: then the sums may be higher than what the network charged, but never lower.

The rows of an account in `Spending` are written only by a transaction that has locked the account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Min, Q, Sum
from django.urls import reverse
from django.utils.translation import gettext as _

from crm.models import Account, Notice, Spending
from crm.money import (
    Bound,
    Forecast,
    Limits,
    Priority,
    Refusal,
    Spent,
    affordable,
    bounds_of,
    forecast,
    usd,
    utc_day,
)
from scrm.channels.base import Usage
from scrm.channels.prices import PriceList
from scrm.db.locks import locked

_log = structlog.get_logger(__name__)
SEND, THREAD = "send", "thread"
"""The purposes of deliveries and of fetched threads; for a source, it is the source's address."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that costs money and that has not been made yet.

    usage: the most that one unit can use. A unit is an item of a fetch, or a delivery.
    most, fewest: how many units are wanted, and the number below which the request is pointless.
    source_limit: the most that the source may spend in one day, or None.
    ahead: the cost of earlier requests that are to be made first.
    """

    purpose: str
    usage: Usage
    priority: Priority
    most: int = 1
    fewest: int = 1
    source_limit: int | None = None
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Reservation:
    """The booked worst case of a request.

    units: the number of units that the request may use. day: the day on which it is booked.
    """

    account: int
    purpose: str
    day: date
    units: int
    usage: Usage
    prices: PriceList


@transaction.atomic
def reserve(account: Account, wanted: Wanted, *, now: datetime) -> Reservation | Refusal | None:
    """Book the most that a request can cost, as far as the limits allow it.

    Returns None if the request is free of charge; then nothing is locked. Returns a Refusal if the
    limits do not allow `wanted.fewest` units; then the request must not be made.
    """
    if not price_of(account, wanted):
        return None
    # Locked before the sums are read, so that two workers cannot both spend the last dollar.
    # Without the secrets: this must work even if no key can decrypt them.
    row = locked(Account.objects.filter(pk=account.pk)).defer("secrets").get()
    units = _allowed(row, wanted, now=now)
    if isinstance(units, Refusal):
        return units
    reservation = reservation_of(account, wanted, units=units, now=now)
    if reservation:
        _book(reservation, reservation.usage)
    return reservation


@transaction.atomic
def book(account: Account, purpose: str, usage: Usage, *, now: datetime) -> None:
    """Book what the network has already charged, so that no limit can prevent it."""
    wanted = Wanted(purpose, usage, Priority.URGENT)
    if charged := reservation_of(account, wanted, now=now):
        locked(Account.objects.filter(pk=account.pk)).only("pk").get()
        _book(charged, charged.usage)


def refusal_of(account: Account, wanted: Wanted, *, now: datetime) -> Refusal | None:
    """Return why this request would be refused now, or None. Nothing is locked or booked."""
    allowed = _allowed(account, wanted, now=now)
    return allowed if isinstance(allowed, Refusal) else None


def reservation_of(
    account: Account, wanted: Wanted, *, units: int = 1, now: datetime
) -> Reservation | None:
    """Return the reservation that `reserve` books for this request; None if it is free."""
    prices = account.channel.prices
    if prices is None or not price_of(account, wanted):
        return None
    usage = {operation: uses * units for operation, uses in wanted.usage.items()}
    return Reservation(account.pk, wanted.purpose, utc_day(now), units, usage, prices)


def price_of(account: Account, wanted: Wanted) -> int:
    """Return the most that one unit can cost, in millionths of a US dollar."""
    prices = account.channel.prices
    return prices.cost(wanted.usage) if prices else 0


def _allowed(account: Account, wanted: Wanted, *, now: datetime) -> int | Refusal:
    price = price_of(account, wanted)
    bounds = bounds_now(account, wanted, now=now)
    units = affordable(bounds, price, wanted.most, ahead=wanted.ahead)
    if units >= wanted.fewest:
        return units
    return Refusal.by(bounds, price * wanted.fewest, ahead=wanted.ahead, now=now)


@transaction.atomic
def settle(reservation: Reservation, actual: Usage) -> None:
    """Replace a reservation by what the network charged, on the day of the reservation.

    If the network charged more than was reserved, the difference is booked too.
    """
    unknown = set(actual) - set(reservation.prices.prices)
    if unknown:
        _log.error("no price for these operations", operations=sorted(unknown))
        return
    locked(Account.objects.filter(pk=reservation.account)).only("pk").get()
    operations = {*actual, *reservation.usage}
    reserved = reservation.usage
    changes = {name: actual.get(name, 0) - reserved.get(name, 0) for name in operations}
    _book(reservation, {name: change for name, change in changes.items() if change})


def _book(reservation: Reservation, changes: Mapping[str, int]) -> None:
    """Add these uses to the rows. The caller has locked the account."""
    for operation, uses in sorted(changes.items()):
        row, _created = Spending.objects.get_or_create(
            account_id=reservation.account,
            purpose=reservation.purpose,
            day=reservation.day,
            operation=operation,
        )
        cost = reservation.prices.prices[operation] * uses
        same = Spending.objects.filter(pk=row.pk)
        same.update(uses=F("uses") + uses, cost=F("cost") + cost)


def bounds_now(account: Account, wanted: Wanted, *, now: datetime) -> tuple[Bound, ...]:
    """Return the limits that apply to a request now, with what was spent of them."""
    limits = Limits.of(account.config)
    if wanted.source_limit is None and not limits.exist:
        return ()
    spent = spent_by(account, now=now, purpose=wanted.purpose)
    return bounds_of(limits, spent, wanted.priority, wanted.source_limit)


def spent_by(account: Account, *, now: datetime, purpose: str = "") -> Spent:
    """Return what the account has spent, and what one purpose has spent today."""
    day = utc_day(now)
    this_month = Spending.objects.filter(account=account, day__gte=day.replace(day=1))
    sums = this_month.aggregate(
        in_month=Sum("cost"),
        in_day=Sum("cost", filter=Q(day=day)),
        by_purpose=Sum("cost", filter=Q(day=day, purpose=purpose)),
    )
    return Spent(sums["in_day"] or 0, sums["in_month"] or 0, sums["by_purpose"] or 0)


def forecast_of(account: Account, *, now: datetime) -> Forecast | None:
    """Estimate what the account will have spent at the end of the month."""
    today = utc_day(now)
    start = min(today.replace(day=1), today - timedelta(days=7))
    mine = Spending.objects.filter(account=account)
    daily = mine.filter(day__gte=start).values_list("day").annotate(Sum("cost")).order_by("day")
    since = mine.aggregate(first=Min("day"))["first"]
    return forecast(Limits.of(account.config), dict(daily), since=since, today=today)


def notify_used_up(account: Account, refusal: Refusal, *, now: datetime) -> None:
    """Notify the owner of the account that its budget is used up, once in each day or month."""
    if refusal.bound.holder == "account":
        continues = refusal.continuation(_("It is renewed on %(when)s."))
        _notify(account, refusal.key, f"{refusal.reason(account)} {continues}", now)


def warn_of_forecasts(accounts: Iterable[Account], *, now: datetime) -> None:
    """Notify owners whose budget will probably end before the month does, once in each month."""
    for account in accounts:
        key = f"forecast-{utc_day(now):%Y-%m}"
        if _was_notified(account, key):
            continue
        estimate = forecast_of(account, now=now)
        if estimate and estimate.used_up_on:
            facts = {
                "account": account,
                "total": usd(estimate.month_end),
                "limit": usd(Limits.of(account.config).per_month or 0),
                "day": estimate.used_up_on.isoformat(),
            }
            text = _(
                "The budget of “%(account)s” will probably be used up on %(day)s: about %(total)s "
                "of %(limit)s USD this month (estimate from the last 7 days)."
            )
            _notify(account, key, text % facts, now)


def with_monthly_limit() -> Iterable[Account]:
    """Return the active accounts that have a limit per month."""
    return Account.objects.active().filter(config__usd_per_month__gt=0).defer("secrets")


def _notify(account: Account, key: str, text: str, now: datetime) -> None:
    if _was_notified(account, key):
        return
    with transaction.atomic():
        # Under the lock, so that two processes at once give one notice.
        locked(Account.objects.filter(pk=account.pk)).only("pk").get()
        url = _notice_url(account, key)
        Notice.give([account.owner_id], Notice.Kind.BUDGET, text=text, url=url, once=True, now=now)


def _was_notified(account: Account, key: str) -> bool:
    # Only of this user, because the index of notices begins with the user.
    given = Notice.objects.filter(user=account.owner_id, kind=Notice.Kind.BUDGET)
    return given.filter(url=_notice_url(account, key)).exists()


def _notice_url(account: Account, key: str) -> str:
    """Return the address of the budget on the account's page; the key makes it unique."""
    return f"{reverse('crm:account', args=[account.pk])}?budget={key}#budget"
