"""What an account spent on each of the last days, and for which purposes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Sum
from django.utils.translation import gettext as _

from crm import above
from crm.models import Account, Spending
from crm.money import usd, utc_day

DAYS = 30
_HEIGHT, _STEP = 60, 10
"""The height of the highest bar and the width of a day, in units of the chart."""


@dataclass(frozen=True, slots=True)
class DayCost:
    """What was spent on one day, and its bar in the chart.

    cost: in US dollars. x, y, height: the place of the bar; the zero line is at y = 60.
    """

    day: date
    cost: str
    x: int
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class PurposeCost:
    """What was spent in the last days for one purpose: a source, texts and moderation, or threads.

    url: the page of the source; "" if there is none. cost: in US dollars.
    """

    name: str
    url: str
    cost: str


@dataclass(frozen=True, slots=True)
class SpendingHistory:
    """The spending of the last `DAYS` days, today included.

    days: the oldest first. highest: the highest sum of a day, in US dollars.
    """

    days: list[DayCost]
    purposes: list[PurposeCost]
    highest: str


def history_of(account: Account, *, now: datetime) -> SpendingHistory:
    """Return what the account spent in the last days, by day and by purpose."""
    today = utc_day(now)
    first = today - timedelta(days=DAYS - 1)
    rows = Spending.objects.filter(account=account, day__gte=first, day__lte=today)
    by_day = dict(rows.order_by().values_list("day").annotate(Sum("cost")))
    by_purpose = rows.order_by().values_list("purpose").annotate(cost=Sum("cost"))
    highest = max(by_day.values(), default=0)
    days = [first + timedelta(days=number) for number in range(DAYS)]
    return SpendingHistory(
        days=[_day(day, by_day.get(day, 0), highest, n) for n, day in enumerate(days)],
        purposes=_purposes(account, dict(by_purpose)),
        highest=usd(highest, 3),
    )


def _day(day: date, cost: int, highest: int, number: int) -> DayCost:
    # At least one unit, so that a small cost does not look like none.
    height = max(round(_HEIGHT * cost / highest), 1) if cost else 0
    return DayCost(day, usd(cost, 3), number * _STEP, _HEIGHT - height, height)


def _purposes(account: Account, costs: dict[str, int]) -> list[PurposeCost]:
    pages = above.source_pages(account)
    labels = {"send": _("Texts and moderation"), "thread": _("Public threads that were fetched")}
    return [
        PurposeCost(*pages.get(purpose, (labels.get(purpose, purpose), "")), usd(cost, 3))
        for purpose, cost in sorted(costs.items(), key=lambda item: (-item[1], item[0]))
    ]
