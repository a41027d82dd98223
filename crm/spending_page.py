"""The part of an account's page that shows its budget, if its network charges per use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django import forms
from django.db.models import Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from crm.models import Account, Spending
from crm.money import RESERVE_PERCENT, Forecast, Limits, usd, utc_day
from crm.spending import forecast_of, spent_by
from crm.spending_history import history_of
from scrm.channels.prices import PriceList
from scrm.web.usd_field import UsdField


class SpendingForm(forms.Form):
    """The most that an account may spend. An empty field means that there is no limit."""

    usd_per_day = UsdField(label=_("Limit per day (USD)"))
    usd_per_month = UsdField(
        label=_("Limit per month (USD)"),
        help_text=_("Leave empty for no limit. Days and months begin at 00:00 UTC."),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        day, month = data.get("usd_per_day"), data.get("usd_per_month")
        if day is not None and month is not None and day > month:
            self.add_error("usd_per_day", _t("Enter at most the limit per month."))
        return data


@dataclass(frozen=True, slots=True)
class Bar:
    """What was spent in a period, and its limit."""

    label: str
    used: int
    limit: int | None

    @property
    def words(self) -> str:
        if self.limit is None:
            return _t("%(used)s USD, no limit") % {"used": usd(self.used)}
        return _t("%(used)s of %(limit)s USD") % {"used": usd(self.used), "limit": usd(self.limit)}


@dataclass(frozen=True, slots=True)
class Operation:
    """How often a paid operation was used this month, with its price and what it cost."""

    name: str
    uses: int
    price: str
    cost: str


def spending_part(account: Account, form: SpendingForm | None = None) -> dict[str, Any]:
    """Return the template context of the budget; it is empty if the network is free of charge."""
    prices = account.channel.prices if account.pk else None
    if prices is None:
        return {}
    now = timezone.now()
    limits, spent = Limits.of(account.config), spent_by(account, now=now)
    return {
        "limits": form or SpendingForm(initial=account.config),
        "bars": [
            Bar(_t("Today"), spent.day, limits.per_day),
            Bar(_t("This month"), spent.month, limits.per_month),
        ],
        "history": history_of(account, now=now),
        "operations": _operations(account, prices, now),
        "forecast": _in_words(forecast_of(account, now=now), limits, utc_day(now)),
        "stops": _what_stops(limits),
        "prices": prices,
    }


def _operations(account: Account, prices: PriceList, now: datetime) -> list[Operation]:
    start = utc_day(now).replace(day=1)
    rows = Spending.objects.filter(account=account, day__gte=start).order_by("operation")
    sums = rows.values_list("operation").annotate(Sum("uses"), Sum("cost"))
    used = {name: (uses, cost) for name, uses, cost in sums}
    names = sorted({*used, *prices.prices}, key=lambda name: (-used.get(name, (0, 0))[1], name))
    return [
        Operation(
            name,
            used.get(name, (0, 0))[0],
            usd(prices.prices[name], 3) if name in prices.prices else "",
            usd(used.get(name, (0, 0))[1], 3),
        )
        for name in names
    ]


def _in_words(estimate: Forecast | None, limits: Limits, today: date) -> str:
    if estimate is None:
        return _t("There is no estimate yet: it needs at least one complete day.")
    facts = {
        "total": usd(estimate.month_end),
        "pace": usd(estimate.per_day),
        "basis": ngettext(
            "estimate from the last %(days)d day", "estimate from the last %(days)d days",
            estimate.days,
        ) % {"days": estimate.days},
    }  # fmt: skip
    text = (
        _t("About %(total)s USD at the end of the month, at %(pace)s USD a day (%(basis)s).")
        % facts
    )
    return f"{text} {_end(estimate, limits, today)}".rstrip()


def _end(estimate: Forecast, limits: Limits, today: date) -> str:
    """Return the sentence that says when the limit of the month is reached."""
    if limits.per_month is None:
        return ""
    if estimate.used_up_on:
        return _t("The budget is used up %(day)s; searches stop %(searches)s.") % {
            "day": _on(estimate.used_up_on, today),
            "searches": _on(estimate.searches_end_on or estimate.used_up_on, today),
        }
    if estimate.searches_end_on:
        return _t("Searches stop %(day)s; the rest of the budget lasts.") % {
            "day": _on(estimate.searches_end_on, today)
        }
    return _t("The budget lasts.")


def _on(day: date, today: date) -> str:
    return (
        _t("today") if day == today else _t("on about %(day)s") % {"day": date_format(day, "j F")}
    )


def _what_stops(limits: Limits) -> str:
    if not limits.exist:
        return _t("Nothing stops, because no limit is set.")
    return _t(
        "Searches stop first, at %(percent)d %% of a limit. Items addressed to us are fetched and "
        "texts are sent up to the limit. Then they wait until the next day or month. Only "
        "removals of published texts are never held back."
    ) % {"percent": 100 - RESERVE_PERCENT}
