"""The timeline on the pages of contacts and profiles, with the filter from the query string."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from crm.access import StaffRequest
from crm.forms.timeline import TimelineForm
from crm.models import Interaction, Profile
from crm.timeline import by_day, timeline, timeline_options
from scrm.web.params import number

_PARTS = {"timeline", "older"}


@dataclass(frozen=True, slots=True)
class TimelinePart:
    """The template context of a timeline.

    alone: whether htmx requested only the timeline, without the rest of the page.
    """

    context: dict[str, Any]
    alone: bool


def load_timeline(request: StaffRequest, profiles: QuerySet[Profile], *, here: str) -> TimelinePart:
    """Load the timeline that the query string selects.

    here: the URL of the page that shows the timeline.
    """
    form = TimelineForm(request.GET, options=timeline_options(profiles))
    before = request.GET.get("before", "")
    activities, older = timeline(
        profiles, user=request.user, before=before, among=form.among(request.user)
    )
    target = request.htmx.target or ""
    alone = target in _PARTS
    context = {
        "alone": alone,
        "days": by_day(activities),
        "older": older,
        "asked": form,
        "here": here,
        "before": number(before) or 0,
        "continued": _day_of(before) if target == "older" else None,
    }
    return TimelinePart(context, alone)


def _day_of(key: str) -> date | None:
    """Return the day of the activity with this key; None if there is no such activity.

    The user's page ends with this activity and already shows the heading of its day. htmx adds
    older activities below it. If they are of the same day, the heading is not repeated.
    """
    row = Interaction.objects.filter(pk=number(key) or 0).first()
    return timezone.localdate(row.sort_at) if row else None
