from __future__ import annotations

from datetime import timedelta

from django.db.models import F, Q, QuerySet
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
"""The filters that select only a few of all mentions."""


@require_safe
def mentions(request: StaffRequest) -> HttpResponse:
    """List the mentions of others, newest first by the time that the page shows.

    only (query parameter): the name of a filter in `filters.ITEMS`; it can be given several times.
    fetch (query parameter): the id of a fetch; only mentions that it stored are listed.
    """
    names = [name for name in request.GET.getlist("only") if name in filters.ITEMS]
    found, fetch = _filtered(names), number(request.GET.get("fetch", ""))
    if fetch is not None:
        found = found.filter(fetch=fetch)
    few = fetch is not None or bool(_RARE & {*names})
    rows = _page(found, request.GET.get("before", ""), few=few)
    query = request.GET.copy()
    query["before"] = str(rows[_PAGE - 1].pk) if len(rows) > _PAGE else ""
    narrowed = [filters.ITEMS[name] for name in names]
    context = {
        "items": shown(rows[:_PAGE], user=request.user),
        "narrowed": narrowed if fetch is None else [*narrowed, _("stored by one import or fetch")],
        "tabs": _tabs(names, fetch),
        "older": query.urlencode() if query["before"] else "",
    }
    return render(request, "listening/mentions.html", context)


def _filtered(names: list[str]) -> QuerySet[Mention]:
    found, now = Mention.objects.by_others().select_related("fetch__source"), timezone.now()
    for name in names:
        found = found.filter(filters.items(name, now=now))
    return found


def _page(found: QuerySet[Mention], before: str, *, few: bool) -> list[Mention]:
    """Return the mentions of one page, newest first, and the first mention of the next page.

    before: the id of the last mention of the page before.
    few: whether the filters select only few mentions. If so, PostgreSQL sorts the selected
    mentions. If not, PostgreSQL reads the index of all mentions by time; this would be slow with
    few selected mentions, because nearly all mentions would be read.
    """
    last = Mention.objects.filter(pk=number(before) or 0).only("sort_at").first()
    if last:
        after = Q(sort_at__lt=last.sort_at) | Q(pk__lt=last.pk)
        found = found.filter(after, sort_at__lte=last.sort_at)
    newest = (F("sort_at") + timedelta()).desc() if few else "-sort_at"
    return list(found.order_by(newest, "-pk")[: _PAGE + 1])


def _tabs(names: list[str], fetch: int | None) -> list[tuple[str, str, bool]]:
    """Return (query string, label, whether the tab is selected) for each tab.

    If the list is limited to today's mentions or to a fetch, the links of the tabs keep that limit.
    """
    of_fetch = [f"fetch={fetch}"] if fetch is not None else []
    day = ["today"] if "today" in names else []
    selected = next((name for name in names if name != "today"), "")
    labels = {"": _("all"), **{k: v for k, v in filters.ITEMS.items() if k != "today"}}
    return [
        (
            "&".join([*(f"only={part}" for part in filter(None, [*day, name])), *of_fetch]),
            str(label),
            name == selected,
        )
        for name, label in labels.items()
    ]
