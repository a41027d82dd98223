"""Verbs of a case: one URL each. htmx gets the panes back, a plain form gets a redirect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core import signing
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import reswap, trigger_client_event

from crm.access import StaffRequest
from crm.models import Department
from routing.forms import AssignForm, HandOverForm
from routing.models import Case
from routing.models.status import Stale
from routing.rules import REOPEN_WITHIN
from routing.undo import restore, snapshot
from routing.views.case import FORMS, address_query, page
from scrm.web.params import number

UNDOABLE = {"done", "noise", "snooze", "claim", "give_back", "assign", "tag", "group", "hand_over"}
UNDO_WITHIN = timedelta(minutes=10)
FINISHING = {"done", "noise", "snooze", "hand_over"}
"""Verbs after which the desk opens the next case of the list."""


@require_POST
def claim(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    seen = number(request.POST.get("assignee", ""))
    return _do(request, case, "claim", lambda _: case.claim(by=request.user, seen=seen))


@require_POST
def give_back(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    return _do(request, case, "give_back", lambda _: case.give_back(by=request.user))


@require_POST
def hand_over(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)

    def verb(typed: dict[str, Any]) -> None:
        case.hand_over(
            to=typed["department"], person=typed["person"], by=request.user, why=typed["why"]
        )

    form = HandOverForm(request.POST, case=case, auto_id="hand_over_%s")
    return _do(request, case, "hand_over", verb, form=form)


@require_POST
def snooze(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    seen = number(request.POST.get("seen", ""))

    def verb(typed: dict[str, Any]) -> None:
        case.snooze(until=typed["until"], by=request.user, seen=seen)

    return _do(request, case, "snooze", verb)


@require_POST
def done(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    seen = number(request.POST.get("seen", ""))

    def verb(typed: dict[str, Any]) -> None:
        case.finish(by=request.user, seen=seen, why=typed["why"])

    return _do(request, case, "done", verb)


@require_POST
def noise(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    return _do(
        request, case, "noise", lambda typed: case.set_aside(by=request.user, why=typed["why"])
    )


@require_POST
def reopen(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    return _do(
        request, case, "reopen", lambda typed: case.reopen(by=request.user, why=typed["why"])
    )


@require_POST
def group(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    return _do(request, case, "group", lambda typed: case.group(typed["issue"], by=request.user))


@require_POST
def assign(request: StaffRequest, pk: int) -> HttpResponse:
    """Assign the case to a colleague, who is notified, or to nobody."""
    case = _workable(request, pk)
    form = AssignForm(request.POST, case=case)
    return _do(
        request,
        case,
        "assign",
        lambda typed: case.assign(to=typed["person"], by=request.user),
        form=form,
    )


@require_POST
def tag(request: StaffRequest, pk: int) -> HttpResponse:
    """Apply the difference to the tags that the page showed (`was`).

    So a tag that a colleague added meanwhile stays.
    """
    case = _workable(request, pk)
    was = [each for each in request.POST.get("was", "").split(",") if each]

    def verb(typed: dict[str, Any]) -> None:
        gone = [each for each in was if each not in typed["tags"]]
        case.tag(add=typed["tags"], remove=gone, by=request.user)

    return _do(request, case, "tag", verb)


@require_POST
def priority(request: StaffRequest, pk: int) -> HttpResponse:
    case = _workable(request, pk)
    return _do(
        request, case, "priority", lambda typed: case.rank_as(typed["priority"], by=request.user)
    )


def _workable(request: StaffRequest, pk: int) -> Case:
    """Return the case if the user may work on it; 404 for users who may only read it."""
    cases = Case.objects.workable_by(request.user).select_related("department", "issue")
    return get_object_or_404(cases, pk=pk)


def _do(
    request: StaffRequest,
    case: Case,
    name: str,
    verb: Callable[[dict[str, Any]], object],
    *,
    form: Form | None = None,
) -> HttpResponse:
    """Validate the form, run the verb and confirm it; on an error show the input again."""
    form = form or FORMS[name](request.POST, auto_id=f"{name}_%s")
    before = snapshot(case)  # before the verb: undo restores it
    if not form.is_valid():
        return page(request, case, bound={name: form}, status=422)
    try:
        verb(form.cleaned_data)
    except Stale as stale:
        # Reload: the page must show what happened meanwhile.
        fresh = Case.objects.get(pk=case.pk)
        return page(request, fresh, bound={name: form}, error=str(stale), status=409)
    said = _said(name, case)
    undoable = name in UNDOABLE and snapshot(case) != before
    messages.success(request, _undoable(request, case, before, said) if undoable else said)
    if not request.htmx:
        return redirect(f"{case.get_absolute_url()}{address_query(request)}")
    if name in FINISHING:
        return finished(request, case)
    return page(request, Case.objects.get(pk=case.pk))


def _undoable(request: StaffRequest, case: Case, before: dict[str, Any], said: str) -> str:
    """Message with an undo button, which carries the signed states before and after."""
    how = {"case": case.pk, "before": before, "after": snapshot(case), "by": request.user.pk}
    shown = {"said": said, "how": signing.dumps(how, salt="undo", compress=True)}
    return render_to_string("routing/_undo.html", shown, request)


@require_POST
def undo(request: StaffRequest) -> HttpResponse:
    """Restore the case's previous state, unless it changed since."""
    try:
        how = signing.loads(request.POST.get("how", ""), salt="undo", max_age=UNDO_WITHIN)
    except signing.BadSignature:
        how = {}
    # An undo is signed for one user: a copied form must not work for another.
    if how.get("by") != request.user.pk:
        raise Http404
    case = get_object_or_404(Case.objects.visible_to(request.user), pk=how["case"])
    # The department before: after a transfer the user may not work in the new one.
    worked = Department.objects.worked_by(request.user)
    get_object_or_404(worked, pk=how["before"]["department_id"])
    try:
        restore(case, how["before"], after=how["after"], by=request.user)
    except Stale as stale:
        messages.error(request, str(stale))
    else:
        messages.success(request, _("Undone. Case #%d is as before.") % case.pk)
    if not request.htmx:
        return redirect(case)
    answer = render(request, "_messages.html", {"oob": True})
    trigger_client_event(answer, "list-changed")
    return trigger_client_event(answer, "case-back", {"href": case.get_absolute_url()})


def finished(request: StaffRequest, case: Case) -> HttpResponse:
    """Tell the desk that the case is finished: the browser opens the next one of its list."""
    answer = render(request, "_messages.html", {"oob": True})
    trigger_client_event(answer, "case-finished", {"id": case.pk})
    return reswap(answer, "none")


def _said(name: str, case: Case) -> str:
    """Success message of a verb."""
    return {
        "claim": _("The case is assigned to you."),
        "give_back": _("Unassigned. Anyone in %s can take the case.") % case.department,
        "hand_over": _("Transferred to %s. You can read the case until it is done.")
        % case.department,
        "snooze": _("Snoozed. The case returns at the set time or with the next message."),
        "done": _("Marked done. A new message within %d days reopens the case.")
        % REOPEN_WITHIN.days,
        "noise": _("Marked as noise. Nothing was deleted. “Reopen” undoes this."),
        "reopen": _("Reopened."),
        "group": _("Added to “%s”.") % case.issue if case.issue else _("Removed from the issue."),
        "assign": _("Assigned to %s.") % case.assignee if case.assignee else _("Unassigned."),
        "tag": _("Tagged: %s.") % ", ".join(case.tags) if case.tags else _("All tags removed."),
        "priority": _("Priority: %s.") % case.get_priority_display().lower(),
    }[name]
