"""Decide what an account may spend: pure functions over whole millionths of a US dollar.

An account has a limit per day and a limit per month, and a source may have its own limit per day.
Days and months are those of UTC, because networks count by UTC. `crm/spending.py` reads what was
spent and books what is reserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from scrm.channels.prices import MICRO

RESERVE_PERCENT = 10
"""The part of an account's limits that searches leave for mentions, replies and removals."""
_FORECAST_DAYS = 7


class Priority(Enum):
    """What a request is for. This decides how much of the account's limits it may use.

    SEARCH: items about us. They may use the limits except RESERVE_PERCENT.
    URGENT: items that are addressed to us, and texts of ours. They may use the whole limits.
    REMOVAL: a published text is removed. This is allowed even beyond the limits, because a wrong
    public text does more harm than its removal costs.
    """

    SEARCH = "search"
    URGENT = "urgent"
    REMOVAL = "removal"


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that an account may spend in one day and in one month; None if there is no limit."""

    per_day: int | None = None
    per_month: int | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Limits:
        """Read the limits from the configuration of an account."""
        return cls(config.get("usd_per_day"), config.get("usd_per_month"))

    @property
    def exist(self) -> bool:
        return self.per_day is not None or self.per_month is not None


@dataclass(frozen=True, slots=True)
class Spent:
    """What an account has spent today and this month, and what one source has spent today."""

    day: int = 0
    month: int = 0
    source: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit, as it applies to one request.

    usable: the part of the limit that this request may use. used: what was spent of the limit.
    """

    holder: Literal["account", "source"]
    period: Literal["day", "month"]
    limit: int
    usable: int
    used: int

    @property
    def left(self) -> int:
        return max(self.usable - self.used, 0)

    @property
    def is_shared(self) -> bool:
        """Whether a part of the limit is kept for more urgent requests."""
        return self.usable < self.limit


def bounds_of(
    limits: Limits, spent: Spent, priority: Priority, source_limit: int | None = None
) -> tuple[Bound, ...]:
    """Return the limits that apply to a request of this priority."""
    if priority is Priority.REMOVAL:
        return ()
    percent = 100 - RESERVE_PERCENT if priority is Priority.SEARCH else 100
    bounds = []
    if limits.per_day is not None:
        usable = limits.per_day * percent // 100
        bounds.append(Bound("account", "day", limits.per_day, usable, spent.day))
    if limits.per_month is not None:
        usable = limits.per_month * percent // 100
        bounds.append(Bound("account", "month", limits.per_month, usable, spent.month))
    if source_limit is not None:
        bounds.append(Bound("source", "day", source_limit, source_limit, spent.source))
    return tuple(bounds)


def affordable(bounds: Iterable[Bound], price: int, most: int, *, ahead: int = 0) -> int:
    """Return how many units of this price may be bought, at most `most`.

    ahead: the cost of earlier requests that are to be made first.
    """
    if price <= 0:
        return most
    return min([most, *(max(bound.left - ahead, 0) // price for bound in bounds)])


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request was not made, because of this limit.

    until: when the limit is renewed. needed: the most that the request can cost.
    """

    bound: Bound
    until: datetime
    needed: int

    @classmethod
    def by(cls, bounds: Iterable[Bound], needed: int, *, ahead: int = 0, now: datetime) -> Refusal:
        """Return the refusal by the limit that is renewed last among those that are too low.

        ahead: the cost of earlier requests that are to be made first.
        """
        low = [bound for bound in bounds if bound.left < needed + ahead]
        last = max(low, key=lambda bound: renewed_at(bound.period, now))
        return cls(last, renewed_at(last.period, now), needed)

    @property
    def is_too_low(self) -> bool:
        """Whether the request can cost more than the whole limit, so that no renewal helps."""
        return self.bound.usable < self.needed

    @property
    def key(self) -> str:
        """The limit and its period, for example "month-2026-11"; different for searches."""
        start = self.until.date() - timedelta(days=1)
        period = f"{start:%Y-%m}" if self.bound.period == "month" else f"{start:%Y-%m-%d}"
        return f"{self.bound.period}-{period}{'-searches' if self.bound.is_shared else ''}"

    def reason(self, account: object) -> str:
        """Return the sentence that says which budget is used up, or too low for any request."""
        if self.is_too_low:
            return self._too_low(account)
        facts = {
            "account": account,
            "used": usd(self.bound.used),
            "limit": usd(self.bound.limit),
            "period": _("this month") if self.bound.period == "month" else _("today"),
        }
        if self.bound.holder == "source":
            text = _("The daily limit of this source is used up (%(used)s of %(limit)s USD today).")
        elif self.bound.is_shared:
            text = _(
                "The budget of “%(account)s” for searches is used up (%(used)s of %(limit)s USD "
                "%(period)s; the rest is kept for mentions and replies)."
            )
        else:
            text = _(
                "The budget of “%(account)s” is used up (%(used)s of %(limit)s USD %(period)s)."
            )
        return text % facts

    def _too_low(self, account: object) -> str:
        facts = {
            "account": account,
            "usable": usd(self.bound.usable),
            "needed": usd(self.needed, 3),
        }
        if self.bound.holder == "source":
            text = _(
                "The daily limit of this source (%(usable)s USD) is too low: one request can cost "
                "%(needed)s USD."
            )
        elif self.bound.is_shared:
            text = _(
                "The budget of “%(account)s” leaves %(usable)s USD for searches. This is too low: "
                "one request can cost %(needed)s USD."
            )
        else:
            text = _(
                "The budget of “%(account)s” (%(usable)s USD) is too low: one request can cost "
                "%(needed)s USD."
            )
        return text % facts

    def continuation(self, renewed: str) -> str:
        """Return the sentence that says when work continues, or that the limit must be raised.

        renewed: the sentence for a limit that is renewed, with the place %(when)s.
        """
        if self.is_too_low:
            return _("Raise the limit to continue.")
        day = date_format(self.until.date(), "j F")
        return renewed % {"when": _("%(day)s 00:00 UTC") % {"day": day}}


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the account will have spent at the end of the month, at the pace of the last days.

    per_day: the average of the last complete days. days: the number of these days, at most seven.
    used_up_on: the day on which the limit of the month is reached; None if it lasts.
    searches_end_on: the day on which searches stop; None if they go on.
    """

    per_day: int
    days: int
    month_end: int
    used_up_on: date | None
    searches_end_on: date | None


def forecast(
    limits: Limits, daily: Mapping[date, int], *, since: date | None, today: date
) -> Forecast | None:
    """Estimate the costs of this month from the last seven complete days.

    daily: day → cost. since: the first day on which the account spent anything; None if never.
    Returns None if there is no complete day yet.
    """
    start = max(since or today, today - timedelta(days=_FORECAST_DAYS))
    days = (today - start).days
    if days < 1:
        return None
    per_day = sum(daily.get(start + timedelta(days=n), 0) for n in range(days)) // days
    total = sum(cost for day, cost in daily.items() if (day.year, day.month) == _month(today))
    total += max(per_day - daily.get(today, 0), 0)
    totals = {today: total}
    day = today + timedelta(days=1)
    while _month(day) == _month(today):
        totals[day] = totals[day - timedelta(days=1)] + per_day
        day += timedelta(days=1)
    whole = limits.per_month
    searches = None if whole is None else whole * (100 - RESERVE_PERCENT) // 100
    month_end = totals[max(totals)]
    return Forecast(per_day, days, month_end, _reached(totals, whole), _reached(totals, searches))


def _reached(totals: Mapping[date, int], limit: int | None) -> date | None:
    days = [day for day, total in totals.items() if limit is not None and total > limit]
    return min(days, default=None)


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month


def utc_day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def renewed_at(period: str, now: datetime) -> datetime:
    """Return when the current day or month of UTC ends."""
    day = utc_day(now)
    if period == "month":
        start = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    else:
        start = day + timedelta(days=1)
    return datetime.combine(start, time(), UTC)


def usd(micros: int, places: int = 2) -> str:
    """Return an amount in US dollars, for example "20.00"."""
    return f"{Decimal(micros) / MICRO:.{places}f}"
