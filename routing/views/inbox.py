from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan
from django.db.models.functions import Left
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from crm.access import StaffRequest
from crm.models import Interaction, ProfileLink, User
from listening.models import Match
from routing.forms import InboxForm
from routing.models import Case
from routing.models.case import Status
from scrm.numbers import number, place

PAGE = 50
LABELS = {
    "mine": _("Mine"),
    "unassigned": _("Unassigned"),
    "open": _("Open"),
    "waiting": _("Waiting for them"),
    "snoozed": _("Snoozed"),
    "done": _("Done"),
    "noise": _("Noise"),
    "all": _("All"),
}
EMPTY = {
    "mine": _("Nothing is yours at the moment. Take something from “Unassigned”."),
    "unassigned": _("Everything here has somebody who works on it."),
    "open": _("Nothing is open."),
    "waiting": _("We wait for nobody's answer."),
    "snoozed": _("Nothing is put off."),
    "done": _("Nothing was finished yet."),
    "noise": _("Nothing was set aside as noise."),
    "all": _("There are no cases yet. What sources hear and what you log with “New” comes here."),
}


@require_safe
def inbox(request: StaffRequest) -> HttpResponse:
    form = InboxForm(request.GET, user=request.user)
    form.is_valid()
    visible = Case.objects.visible_to(request.user)
    view = _view(request, visible)
    wanted = _filtered(_in_view(visible, view, request.user), form.cleaned_data)
    rows = _rows(_before(wanted, request.GET.get("before", "")), request.user)
    context = {
        "form": form,
        "view": view,
        "views": LABELS.items(),
        "cases": rows[:PAGE],
        "older": _older(request, rows),
        "searched": any(form.cleaned_data.values()),
        "empty": EMPTY[view],
        "now": timezone.now(),
    }
    page = "routing/_cases.html" if request.headers.get("HX-Request") else "routing/inbox.html"
    return render(request, page, context, status=200 if form.is_valid() else 422)


def _view(request: StaffRequest, visible: QuerySet[Case]) -> str:
    """The one asked for; else a department's open cases; else mine, or what nobody has."""
    view = request.GET.get("view", "")
    if view in LABELS:
        return view
    if request.GET.get("department") or request.GET.get("status"):
        return "all" if request.GET.get("status") else "open"
    mine = visible.active().of(request.user).exists()  # type: ignore[attr-defined]
    return "mine" if mine else "unassigned"


def _in_view(cases: Any, view: str, user: User) -> Any:
    if view == "all":
        return cases
    if view in Status.values and view != Status.OPEN:
        return cases.filter(status=view)
    active = cases.active()
    return {"mine": active.of(user), "unassigned": active.unclaimed(), "open": active}[view]


def _filtered(cases: QuerySet[Case], asked: dict[str, Any]) -> QuerySet[Case]:
    if asked.get("department"):
        cases = cases.filter(department=asked["department"])
    if asked.get("status"):
        cases = cases.filter(status=asked["status"])
    for word in asked.get("q", "").split():
        match = Q(profile__name__icontains=word) | Q(profile__handle__icontains=word)
        pk = number(word.lstrip("#"))
        cases = cases.filter(match if pk is None else match | Q(pk=pk))
    return cases


def _before(cases: QuerySet[Case], mark: str) -> QuerySet[Case]:
    """Keyset: what comes after the last row of the page before; a mark that is none is ignored."""
    last = place(mark)
    return cases.filter(TupleLessThan(Tuple("last_inbound_at", "pk"), last)) if last else cases


def _rows(cases: QuerySet[Case], user: User) -> list[Case]:
    """One page and one row more, with all that a row shows. Four statements."""
    last = OuterRef("last_inbound")
    known = ProfileLink.objects.filter(ended_at=None).select_related("contact")
    rows: list[Case] = list(
        cases.annotate(
            readable=Exists(Interaction.objects.readable_by(user).filter(pk=last)),
            heading=Left("last_inbound__title", 160),
            snippet=Left("last_inbound__text", 280),
        )
        .select_related("profile", "department", "assignee", "issue", "last_inbound")
        .defer("last_inbound__text", "last_inbound__html", "last_inbound__title")
        .prefetch_related(Prefetch("profile__links", queryset=known))
        .order_by("-last_inbound_at", "-pk")[: PAGE + 1]
    )
    topics = _topics(rows)
    for row in rows:
        row.topics = topics[row.last_inbound_id or 0]  # type: ignore[attr-defined]
    return rows


def _topics(rows: list[Case]) -> defaultdict[int, list[str]]:
    """The topics that the last thing each of them said hit, by interaction."""
    said = [row.last_inbound_id for row in rows if row.readable]  # type: ignore[attr-defined]
    names: defaultdict[int, list[str]] = defaultdict(list)
    pairs = Match.objects.filter(mention__interaction__in=said).values_list(
        "mention__interaction", "revision__topic__name"
    )
    for interaction, name in pairs.distinct():
        names[interaction or 0].append(name)
    return names


def _older(request: StaffRequest, rows: list[Case]) -> str:
    """The address of the next page, or "" where this is the last."""
    if len(rows) <= PAGE:
        return ""
    last = rows[PAGE - 1]
    query = request.GET.copy()
    at = last.last_inbound_at.isoformat() if last.last_inbound_at else ""
    query["before"] = f"{at},{last.pk}"
    return f"?{query.urlencode()}"
