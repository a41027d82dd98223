"""Run an action on a case.

The response to htmx consists of the changed parts of the page. The response to an ordinary form is
a redirect.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core import signing
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import reswap, trigger_client_event

from crm.access import StaffRequest
from crm.models import Department
from routing.case_verb import CaseVerb, VerbInput
from routing.models import Case
from routing.models.status import Stale
from routing.undo import UNDO_WITHIN, restore, snapshot
from routing.views.case import address_query, page
from scrm.web.params import number


@require_POST
def run_verb(request: StaffRequest, pk: int, verb: CaseVerb) -> HttpResponse:
    """Validate the form of the action, run the action, and show its confirmation.

    After an error, the form is shown again with the user's input. An action that does not apply to
    the case is refused with a message. The response is 404 if the user may not run the action.
    """
    cases = verb.cases_of(request.user).select_related("department", "issue")
    case = get_object_or_404(cases, pk=pk)
    form = verb.form_for(case, request.user, request.POST)
    # Take the snapshot before the action runs: undo restores it.
    before = snapshot(case)
    try:
        if verb.has_effect(case, request.user):
            if not form.is_valid():
                return page(request, case, bound={verb.name: form}, status=422)
            verb.run(case, _input(request, form.cleaned_data))
    except Stale as stale:
        # Reload the case: the page must show what happened meanwhile.
        fresh = Case.objects.get(pk=case.pk)
        return page(request, fresh, bound={verb.name: form}, error=str(stale), status=409)
    message = verb.message(case)
    undoable = verb.undoable and snapshot(case) != before
    shown = with_undo(request, case, before, message) if undoable else message
    messages.success(request, shown)
    if not request.htmx:
        return redirect(f"{case.get_absolute_url()}{address_query(request)}")
    if verb.finishes:
        return finished(request, case)
    return page(request, Case.objects.get(pk=case.pk))


def _input(request: StaffRequest, entered: dict[str, Any]) -> VerbInput:
    """Return the input for the action.

    It consists of the cleaned values of the form, and of the hidden ids that
    `routing/_verb_form.html` adds to the form.
    """
    return VerbInput(
        by=request.user,
        entered=entered,
        last_inbound=number(request.POST.get("seen", "")),
        assignee=number(request.POST.get("assignee", "")),
    )


def with_undo(request: StaffRequest, case: Case, before: dict[str, Any], message: str) -> str:
    """Return the message as HTML, with a form that undoes the action.

    The form contains signed snapshots of the case, taken before and after the action.
    """
    how = {"case": case.pk, "before": before, "after": snapshot(case), "by": request.user.pk}
    shown = {"said": message, "how": signing.dumps(how, salt="undo", compress=True)}
    return render_to_string("routing/_undo.html", shown, request)


@require_POST
def undo(request: StaffRequest) -> HttpResponse:
    """Restore the state that the case had before an action, unless the case changed meanwhile."""
    try:
        how = signing.loads(request.POST.get("how", ""), salt="undo", max_age=UNDO_WITHIN)
    except signing.BadSignature:
        how = {}
    # An undo is signed for one user: a copied form must not work for another.
    if how.get("by") != request.user.pk:
        raise Http404
    case = get_object_or_404(Case.objects.visible_to(request.user), pk=how["case"])
    # Check the previous department: after a transfer, the user may be no member of the new one.
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
    """Return a response that triggers the event `case-finished` in the browser.

    The browser then opens the next case of its list.
    """
    answer = render(request, "_messages.html", {"oob": True})
    trigger_client_event(answer, "case-finished", {"id": case.pk})
    return reswap(answer, "none")
