from __future__ import annotations

from django.db.models import F, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from crm.access import StaffRequest
from listening import filters
from listening.mention_rows import shown
from listening.models import Mention
from scrm.web.params import number

_PAGE = 30
_FEW = {"today", "answers"}


@require_safe
def mentions(request: StaffRequest) -> HttpResponse:
    """List mentions, the last found first, filtered by names in `filters.ITEMS`."""
    words = [word for word in request.GET.getlist("only") if word in filters.ITEMS]
    rows = _page(_narrowed(words), request.GET.get("before", ""), few=bool(_FEW & {*words}))
    query = request.GET.copy()
    query["before"] = str(rows[_PAGE - 1].pk) if len(rows) > _PAGE else ""
    context = {
        "items": shown(rows[:_PAGE], user=request.user),
        "narrowed": [filters.ITEMS[word] for word in words],
        "tabs": _tabs(words),
        "older": query.urlencode() if query["before"] else "",
    }
    return render(request, "listening/mentions.html", context)


def _narrowed(words: list[str]) -> QuerySet[Mention]:
    found, now = Mention.objects.select_related("fetch__source"), timezone.now()
    for word in words:
        found = found.filter(filters.items(word, now=now))
    return found


def _page(found: QuerySet[Mention], before: str, *, few: bool) -> list[Mention]:
    """Return one page and one row more, the last found first.

    few: whether the filter leaves few rows, which are then sorted. Otherwise the index of the key
    gives the order; for a few rows PostgreSQL would search all mentions through that index.
    """
    last = number(before)
    if last is not None:
        found = found.filter(pk__lt=last)
    return list(found.order_by((F("pk") + 0).desc() if few else "-pk")[: _PAGE + 1])


def _tabs(words: list[str]) -> list[tuple[str, str, bool]]:
    """Return (query, label, whether it is selected) of each tab; the day filter is kept."""
    day = ["today"] if "today" in words else []
    way = next((word for word in words if word != "today"), "")
    ways = {"": _("all"), **{k: v for k, v in filters.ITEMS.items() if k != "today"}}
    return [
        ("&".join(f"only={word}" for word in filter(None, [*day, each])), str(label), each == way)
        for each, label in ways.items()
    ]
