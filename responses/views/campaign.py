"""The pages of campaigns. A campaign consists of several posts with one goal, and their results."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest
from crm.models import Account, Contact, Profile
from listening.mention_rows import shown as as_shown
from responses.forms.campaign import CampaignForm, CountInForm, departments_to_campaign_for
from responses.history.filters import OUTCOMES, with_facts
from responses.models import Campaign, Feedback, Response
from responses.models.campaign import leave_campaign
from responses.models.response import Refused
from responses.results.answer_counts import ASKED, SILENT, with_tallies
from responses.results.campaigns import KINDS, Asked, Results, by_channel, by_person
from responses.trace import echoes
from responses.views.lookup import dealt_with_by, may_deal_with, response_to_see
from scrm.web.params import number

PAGE = 50
OFFERED = 10
"""Maximum number of recent posts that the page of a campaign offers to add."""


@require_safe
def campaigns(request: StaffRequest) -> HttpResponse:
    rows = Campaign.objects.visible_to(request.user).annotate(statements_n=Count("links"))
    shown = {
        "campaigns": rows.select_related("owner", "department", "topic").open_first(),
        "may_begin": bool(departments_to_campaign_for(request.user)),
    }
    return render(request, "responses/campaigns.html", shown)


@require_safe
def campaign(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the posts of a campaign, and its results by account and by person."""
    found = _to_see(request, pk)
    results, user = Results(found, request.user), request.user
    statements = with_facts(results.statements).order_by("-created_at", "-pk")
    shown = {
        "campaign": found,
        "figures": [(kind, KINDS[kind][0], results.rows(Asked(kind)).count()) for kind in KINDS],
        "hidden": results.hidden,
        "statements": with_tallies(statements, user),
        "channels": by_channel(results),
        "people": by_person(results),
        "may_edit": Campaign.objects.editable_by(user).filter(pk=pk).exists(),
        "offered": _offered(request, found),
    }
    return render(request, "responses/campaign.html", shown)


@require_safe
def rows(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the rows that one figure of a campaign counts, newest first."""
    found, asked = _to_see(request, pk), _asked(request)
    wanted = Results(found, request.user).rows(asked)
    last = number(request.GET.get("before", ""))
    page = list((wanted.filter(pk__lt=last) if last else wanted)[: PAGE + 1])
    query = request.GET.copy()
    query["before"] = str(page[PAGE - 1].pk) if len(page) > PAGE else ""
    shown = {
        "campaign": found,
        "kind": asked.kind,
        "kinds": [(kind, KINDS[kind][0]) for kind in KINDS],
        "label": KINDS[asked.kind][0],
        "narrowed": _filter_labels(asked),
        "count": wanted.count(),
        "older": query.urlencode() if query["before"] else "",
        **_rows_context(request, asked.kind, page[:PAGE]),
    }
    return render(request, "responses/campaign_rows.html", shown)


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    """Create a campaign. Only users who lead a department may do so.

    A campaign creates a topic, and the topic brings new cases into an inbox.
    """
    mine = departments_to_campaign_for(request.user)
    if not mine:
        raise PermissionDenied
    initial = {"owner": request.user, "department": mine[0]}
    form = CampaignForm(request.POST or None, user=request.user, initial=initial)
    return _save(request, form, _("Campaign created. Add its posts now."))


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    form = CampaignForm(request.POST or None, user=request.user, instance=_to_edit(request, pk))
    return _save(request, form, _("Campaign saved. Earlier mentions are kept."))


@require_POST
def close(request: StaffRequest, pk: int) -> HttpResponse:
    """Close or reopen a campaign, depending on which button was pressed."""
    found = _to_edit(request, pk)
    if "open" in request.POST:
        found.open_again()
        messages.success(request, _("Campaign reopened. Its topic is active again."))
    else:
        found.close()
        messages.success(request, _("Campaign closed. Its topic is off. Its results are kept."))
    return redirect(found)


@require_POST
def count_in(request: StaffRequest, pk: int) -> HttpResponse:
    """Set the campaign of a post. An empty choice removes the post from its campaign."""
    statement = response_to_see(request, pk)
    if not may_deal_with(statement, request.user):
        raise PermissionDenied
    form = CountInForm(request.POST, user=request.user)
    if not form.is_valid():
        messages.error(request, _("That campaign is closed or not yours. Nothing was changed."))
        return redirect(statement)
    chosen: Campaign | None = form.cleaned_data["campaign"]
    try:
        if chosen is None:
            leave_campaign(statement, by=request.user)
        else:
            chosen.add(statement, by=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect(statement)
    if chosen is None:
        messages.success(request, _("Removed from the campaign."))
        return redirect(statement)
    messages.success(request, _("Added to the campaign “%s”.") % chosen)
    return redirect(chosen if "stay" in request.POST else statement)


def _to_see(request: StaffRequest, pk: int) -> Campaign:
    rows = Campaign.objects.visible_to(request.user)
    return get_object_or_404(rows.select_related("owner", "department", "topic__current"), pk=pk)


def _to_edit(request: StaffRequest, pk: int) -> Campaign:
    rows = Campaign.objects.editable_by(request.user)
    return get_object_or_404(rows.select_related("topic__current"), pk=pk)


def _save(request: StaffRequest, form: CampaignForm, message: str) -> HttpResponse:
    if form.is_valid():
        saved = form.keep(by=request.user)
        messages.success(request, message)
        return redirect(saved)
    status = 422 if form.is_bound else 200
    return render(request, "responses/campaign_form.html", {"form": form}, status=status)


def _offered(request: StaffRequest, campaign: Campaign) -> list[Response]:
    """Return recent posts without a campaign that the user may add to this campaign."""
    if campaign.closed_at:
        return []
    free = Response.objects.visible_to(request.user).filter(audience="many", campaign_link=None)
    last = list(free.select_related("issue", "case").order_by("-created_at", "-pk")[:OFFERED])
    mine = dealt_with_by(last, request.user)
    return [response for response in last if response.pk in mine]


def _asked(request: StaffRequest) -> Asked:
    kind, outcome = request.GET.get("kind", ""), request.GET.get("outcome", "")
    return Asked(
        kind=kind if kind in KINDS else "answers",
        account=number(request.GET.get("account", "")),
        contact=number(request.GET.get("contact", "")),
        profile=number(request.GET.get("profile", "")),
        outcome=outcome if outcome in {SILENT, *ASKED} else "",
    )


def _filter_labels(asked: Asked) -> list[str]:
    """Return the labels of the filters that are set."""
    people: list[tuple[Any, int | None]] = [
        (Account, asked.account), (Contact, asked.contact), (Profile, asked.profile),
    ]  # fmt: skip
    named = [model.objects.filter(pk=pk).first() for model, pk in people if pk]
    outcome = dict(OUTCOMES)[asked.outcome] if asked.outcome else ""
    return [str(label) for label in [*named, outcome] if label]


def _rows_context(request: StaffRequest, kind: str, page: list[Any]) -> dict[str, Any]:
    """Return the template context for rows of this kind."""
    if kind == "mentions":
        return {"items": as_shown(page, user=request.user)}
    if kind == "answers":
        found = echoes(Feedback.objects.filter(pk__in=[row.pk for row in page]), request.user)
        answered = [echo.feedback.response for echo in found]
        return {
            "echoes": found,
            "judgeable": dealt_with_by(answered, request.user),
            "outcomes": Feedback.Outcome.choices,
        }
    return {"rows": page}
