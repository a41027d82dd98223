from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.db.models import prefetch_related_objects
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest
from crm.impostors import imitated_account
from crm.timeline import timeline as party_timeline
from routing import case_page
from routing.call_back import open_call_back
from routing.due_times import why_no_due_time
from routing.inbox.rows import due_words
from routing.item_reasons import item_reasons
from routing.merge_preview import also_open, linked_cases
from routing.models import Case, Presence, Procedure
from routing.models.status import ACTIVE
from routing.offers import offer_for
from routing.participants import participants
from routing.party import party
from routing.views.inbox import list_context, listing, rows_on_screen, with_row_of


@require_safe
def case(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the case next to the list of cases that the URL asks for.

    If htmx sends the request, only the part of the page that htmx replaces is rendered.
    """
    visible = Case.objects.visible_to(request.user)
    with_names = visible.select_related("profile__handle_was_of", "department", "assignee", "issue")
    found = get_object_or_404(with_names, pk=pk)
    if found.merged_into_id and visible.filter(pk=found.merged_into_id).exists():
        return redirect("routing:case", found.merged_into_id)
    return page(request, found)


@require_safe
def why(request: StaffRequest, pk: int) -> HttpResponse:
    """Explain for each item of the case why it is here, and why not elsewhere."""
    visible = Case.objects.visible_to(request.user).select_related("profile", "department")
    case = get_object_or_404(visible, pk=pk)
    context = {"case": case, "reasons": item_reasons(case, request.user)}
    return render(request, "routing/why.html", context)


@require_POST
def here(request: StaffRequest, pk: int) -> HttpResponse:
    """Record that the user still has the case open; show the other users who have it open."""
    case = get_object_or_404(Case.objects.visible_to(request.user), pk=pk)
    Presence.here(case, request.user, replying="replying" in request.POST)
    return render(
        request, "routing/_present.html", {"case": case, "present": _present(case, request)}
    )


@require_safe
def present(request: StaffRequest, pk: int) -> HttpResponse:
    case = get_object_or_404(Case.objects.visible_to(request.user), pk=pk)
    return render(
        request, "routing/_present.html", {"case": case, "present": _present(case, request)}
    )


@require_POST
def left(request: StaffRequest, pk: int) -> HttpResponse:
    case = get_object_or_404(Case.objects.visible_to(request.user), pk=pk)
    Presence.leave(case, request.user)
    return HttpResponse(status=204)


def page(
    request: StaffRequest,
    case: Case,
    *,
    bound: dict[str, Form] | None = None,
    error: str = "",
    status: int = 200,
) -> HttpResponse:
    """Render the inbox with the open case.

    If htmx sends the request, only the part of the page that htmx replaces is rendered.

    bound: name of an action → its form with the user's input.
    error: the reason why the action failed.
    """
    target = request.htmx.target or ""
    if target == f"timeline-{case.pk}":
        return render(request, "routing/_timeline_now.html", _now(request, case))
    context = open_context(request, case) | {"bound": bound or {}, "error": error}
    if target == "open":
        context["row"] = rows_on_screen(request, case)
        return render(request, "routing/_opened.html", context, status=status)
    shown = with_row_of(case, listing(request), request.user)
    context |= {"listing": shown, **list_context(request, shown), "current": case.pk}
    return render(request, "routing/inbox.html", context, status=status)


def open_context(request: StaffRequest, case: Case) -> dict[str, Any]:
    """Return the template context of the parts of the inbox that show the open case.

    The list of cases is not one of these parts.
    """
    user = request.user
    # Several parts of the page read these; without the prefetch, each of them would query again.
    prefetch_related_objects([user], "memberships")
    prefetch_related_objects([case], "profile__links__contact", "followers__user", "call_backs")
    profiles = party(case).with_marks().prefetch_related("links__contact")
    activities, older = party_timeline(profiles, user=user, most=6)
    return {
        **_now(request, case),
        "profiles": profiles,
        "imitated": imitated_account(case.profile),
        "activities": activities,
        "more_activities": bool(older),
        "others": case_page.other_cases(case, user),
        "linked": linked_cases(case, user),
        "participants": participants(case),
        "followers": sorted(case.followers.all(), key=lambda row: row.user.name),
        "query": address_query(request),
        "present": _present(case, request),
    }


def address_query(request: StaffRequest) -> str:
    """Return the query string of the page's URL, with the "?".

    The query string contains the filters of the list.
    """
    url = request.htmx.current_url
    query = urlsplit(url).query if url and not request.GET else request.GET.urlencode()
    return f"?{query}" if query else ""


def _now(request: StaffRequest, case: Case) -> dict[str, Any]:
    """Return the context of those parts of the page that may change while the page is open."""
    user = request.user
    return {
        "case": case,
        "may_work": Case.objects.workable_by(user).filter(pk=case.pk).exists(),
        "timeline": case_page.timeline(case, user, everything="all" in request.GET),
        "due": due_words(case.due_at, timezone.now()),
        "due_clock": case_page.due_clock(case),
        "not_due": why_no_due_time(case) if case.status in ACTIVE else "",
        "why": case_page.why(case, user),
        **_procedure(case),
        "call_back": open_call_back(case),
        "offer": offer_for(case),
        "also_open": also_open(case, user),
    }


def _procedure(case: Case) -> dict[str, Any]:
    """Return what the page shows about a sensitive case."""
    if not case.sensitive:
        return {}
    left = None
    if case.statutory_due_at:
        left = (timezone.localdate(case.statutory_due_at) - timezone.localdate()).days
    return {"procedure": Procedure.objects.of(case.sensitive), "days_left": left}


def _present(case: Case, request: StaffRequest) -> Any:
    others = Presence.objects.fresh(timezone.now()).filter(case=case).exclude(user=request.user)
    return others.select_related("user").order_by("user__name")
