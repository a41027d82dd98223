"""A calendar of planned and sent responses."""

from __future__ import annotations

import calendar as months
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from crm.access import StaffRequest
from responses.models import Response
from responses.models.response import State
from responses.post_state import PostState, post_state
from scrm.web.params import midnight

MAX_RESPONSES = 500


@dataclass
class Day:
    date: date
    inside: bool
    entries: list[tuple[Response, PostState]] = field(default_factory=list)


@require_safe
def calendar(request: StaffRequest) -> HttpResponse:
    """Show the posts of one month, and the replies with a planned time.

    The URL parameter `month` has the form YYYY-MM. The default is the current month.
    """
    today = timezone.localdate()
    first = _month(request.GET.get("month", ""), today)
    dates = list(months.Calendar().itermonthdates(first.year, first.month))
    found = (
        Response.objects.visible_to(request.user)
        .filter(Q(audience="many") | Q(send_at__isnull=False))
        .exclude(state=State.CANCELLED)
        .annotate(at=Coalesce("send_at", "released_at", "created_at"))
        .filter(at__gte=midnight(dates[0]), at__lt=midnight(dates[-1], days=1))
        .select_related("case__profile", "issue", "department", "author", "corrects")
        .prefetch_related(
            "deliveries__account", "deliveries__profile", "attachments", "corrects__deliveries"
        )
        .order_by("at", "pk")
    )
    rows = list(found[:MAX_RESPONSES])
    days, now = {day: Day(day, day.month == first.month) for day in dates}, timezone.now()
    for response in rows:
        at: Any = response.at  # type: ignore[attr-defined] # set by the query above
        entry = response, post_state(response, now)
        days[timezone.localtime(at).date()].entries.append(entry)
    cells = list(days.values())
    entries = [entry for day in cells for entry in day.entries]
    shown = {
        "first": first,
        "need_person": [(row, state) for row, state in entries if state.needs_person],
        "shown_n": len(rows),
        "more": found.count() - len(rows) if len(rows) == MAX_RESPONSES else 0,
        "ends": (dates[0], dates[-1]),
        "last": rows[-1] if rows else None,
        "before": first - timedelta(days=1),
        "after": first + timedelta(days=32),
        "today": today,
        "weekdays": dates[:7],
        "weeks": [cells[n : n + 7] for n in range(0, len(cells), 7)],
        "held": Response.objects.visible_to(request.user).held().filter(audience="many").count(),
    }
    return render(request, "responses/calendar.html", shown)


def _month(asked: str, today: date) -> date:
    try:
        first = date.fromisoformat(f"{asked}-01")
    except ValueError:
        return today.replace(day=1)
    return first if 2000 <= first.year <= 2200 else today.replace(day=1)
