"""The responses about an issue, with their answers, and the form for a new post."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from crm.access import StaffRequest, works
from crm.models import Department, User
from responses.compose import state_publicly
from responses.corrections import stands
from responses.forms import StatementForm
from responses.history.filters import with_facts
from responses.models import Draft, Response
from responses.models.response import Refused, ResponseQuerySet
from responses.results.answer_counts import SILENT, with_tallies
from responses.views.compose import tell
from responses.views.draft import forget
from responses.views.lookup import answers, chosen, departments_to_speak_for
from routing.models import Issue
from routing.models.status import Stale
from scrm.web.params import number

FEW = 20
"""Maximum number of replies on an issue's page; the history shows all of them."""


@require_safe
def said(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the responses about an issue and their answers, as a part of the issue's page."""
    issue = get_object_or_404(Issue, pk=pk)
    user = request.user
    all_responses = Response.objects.about(issue).not_cancelled()
    visible = all_responses.visible_to(user)
    statements = with_tallies(_with_facts(visible.filter(audience="many"), user), user)
    ours = {department.pk for department in departments_to_speak_for(user)}
    replies = visible.exclude(audience="many")
    count = replies.count()
    shown = {
        "issue": issue,
        "statements": statements,
        "standing": {row.pk for row in statements if row.department_id in ours and stands(row)},
        "replies": with_tallies(_with_facts(replies, user)[:FEW], user),
        "replies_n": count,
        "replies_hidden": all_responses.exclude(audience="many").count() - count,
        "works": works(user),
        "all_silent": f"{reverse('responses:history')}?issue={issue.pk}&outcome={SILENT}",
        **answers(request, list(visible.order_by().values_list("pk", flat=True))),
    }
    template = "_issue_said" if request.htmx else "issue_said"
    return render(request, f"responses/{template}.html", shown)


@require_http_methods(["GET", "HEAD", "POST"])
def statement(request: StaffRequest, pk: int) -> HttpResponse:
    """Write a post about an issue, in the name of one of the user's departments."""
    issue = get_object_or_404(Issue, pk=pk)
    departments = departments_to_speak_for(request.user)
    if not departments:
        raise PermissionDenied
    if request.method != "POST":
        return _form(request, issue, departments, _form_with_draft(request, issue, departments))
    department = chosen(departments, request.POST)
    then = request.POST.get("then", "")
    if then == "discard":
        return _leave_form(request, issue, forget(request, kind="statement", issue=issue))
    form = StatementForm(department, issue, None, request.POST, user=request.user)
    if then == "preview":
        return _form(request, issue, departments, form)
    return _publish(request, issue, departments, form)


def _publish(
    request: StaffRequest, issue: Issue, departments: list[Department], form: StatementForm
) -> HttpResponse:
    if not form.is_valid():
        return _form(request, issue, departments, form, status=422)
    try:
        response = state_publicly(
            form.words(visibility="public"),
            accounts=list(form.cleaned_data["accounts"]),
            by=request.user,
            department=form.department,
            issue=issue,
            corrects=form.cleaned_data.get("corrects"),
            campaign=form.cleaned_data["campaign"],
        )
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _form(request, issue, departments, form, status=422)
    except Stale as stale:
        form.look_again(None)
        return _form(request, issue, departments, form, status=409, stale=stale)
    tell(request, response)
    return _leave_form(request, issue, forget(request, kind="statement", issue=issue))


def _form(
    request: StaffRequest,
    issue: Issue,
    departments: list[Department],
    form: StatementForm,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    mine = Draft.objects.filter(issue=issue, kind="statement", author=request.user)
    shown = {
        "issue": issue,
        "form": form,
        "department": form.department,
        "departments": departments,
        "people": issue.cases.values("profile").distinct().count(),
        "version": mine.values_list("version", flat=True).first() or 0,
        "tab": "statement",
        **more,
    }
    return render(request, "responses/issue_statement.html", shown, status=status)


def _form_with_draft(
    request: StaffRequest, issue: Issue, departments: list[Department]
) -> StatementForm:
    """Return the form for a post, filled with the user's draft if there is one.

    The URL parameter `corrects` is the id of an earlier post that the new post corrects.
    """
    mine = Draft.objects.filter(issue=issue, kind="statement", author=request.user)
    draft = mine.exclude(text="").first()
    fields = draft.fields if draft else {}
    department = chosen(departments, fields | request.GET.dict())
    form = StatementForm(department, issue, None, user=request.user)
    form.initial = {**form.initial, **fields, **({"text": draft.text} if draft else {})}
    if corrects := number(request.GET.get("corrects", "")):
        form.initial["corrects"] = corrects
    return form


def _leave_form(request: StaffRequest, issue: Issue, place: str) -> HttpResponse:
    """Redirect to the issue, and tell the browser to delete its own copy of the draft."""
    if not request.htmx:
        return redirect(issue)
    answer = HttpResponseClientRedirect(issue.get_absolute_url())
    return trigger_client_event(answer, "draft-gone", json.loads(place))


def _with_facts(found: ResponseQuerySet, user: User) -> ResponseQuerySet:
    corrected = Prefetch("corrections", Response.objects.alive().visible_to(user))
    rows = with_facts(found).prefetch_related(corrected)
    return rows.order_by("-created_at", "-pk")
