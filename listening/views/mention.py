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
_RARE = {"today", "answers"}
"""The filters that few mentions pass."""


@require_safe
def mentions(request: StaffRequest) -> HttpResponse:
    """List mentions, the last found first. only (query string): names in `filters.ITEMS`."""
    names = [name for name in request.GET.getlist("only") if name in filters.ITEMS]
    rows = _page(_filtered(names), request.GET.get("before", ""), few=bool(_RARE & {*names}))
    query = request.GET.copy()
    query["before"] = str(rows[_PAGE - 1].pk) if len(rows) > _PAGE else ""
    context = {
        "items": shown(rows[:_PAGE], user=request.user),
        "narrowed": [filters.ITEMS[name] for name in names],
        "tabs": _tabs(names),
        "older": query.urlencode() if query["before"] else "",
    }
    return render(request, "listening/mentions.html", context)


def _filtered(names: list[str]) -> QuerySet[Mention]:
    found, now = Mention.objects.select_related("fetch__source"), timezone.now()
    for name in names:
        found = found.filter(filters.items(name, now=now))
    return found


def _page(found: QuerySet[Mention], before: str, *, few: bool) -> list[Mention]:
    """Return one page and one row more, the last found first.

    few: whether few rows pass the filters; then they are sorted. Otherwise the rows are read in
    the order of the index of the key, which for few rows would read nearly all mentions.
    """
    last = number(before)
    if last is not None:
        found = found.filter(pk__lt=last)
    return list(found.order_by((F("pk") + 0).desc() if few else "-pk")[: _PAGE + 1])


def _tabs(names: list[str]) -> list[tuple[str, str, bool]]:
    """Return (query, label, whether it is selected) of each tab; the day filter is kept."""
    day = ["today"] if "today" in names else []
    selected = next((name for name in names if name != "today"), "")
    labels = {"": _("all"), **{k: v for k, v in filters.ITEMS.items() if k != "today"}}
    return [
        (
            "&".join(f"only={part}" for part in filter(None, [*day, name])),
            str(label),
            name == selected,
        )
        for name, label in labels.items()
    ]
