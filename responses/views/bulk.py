from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from crm.access import StaffRequest, worker_only
from crm.models import Job
from responses import bulk
from responses.case_verbs import CASE_VERBS
from routing.models.status import Stale
from scrm.web.form_fields import first_error
from scrm.web.params import number

MAX_CASES_PER_BULK = 1000


@require_POST
@worker_only
def carry_out(request: StaffRequest) -> HttpResponse:
    """Run one verb on the selected cases: at once for a few, as a job for more."""
    asked = _asked(request)
    if isinstance(asked, str):
        messages.error(request, asked)
        return _answer(request)
    cases = asked["cases"]
    here = len(cases) <= bulk.AT_ONCE
    form, total = _form(request), len(cases)
    job = Job.ask("responses.bulk", by=request.user, total=total, form=form, here=here, **asked)
    # The same form UUID returns the first job: it must not pass for another request.
    if job.owner_id != request.user.pk or job.data != asked:
        messages.error(
            request, _("This form was already used. Nothing was changed. Press the button again.")
        )
        return _answer(request)
    if not here:
        messages.success(
            request, render_to_string("responses/_bulk_runs.html", {"job": job}, request)
        )
        return _answer(request)
    if job.claim():
        bulk.carry_out(job)
    shown = {"job": job, "refused": job.result.get("refused", [])}
    words = "done" if job.ended_at else "runs"  # a worker may have claimed it by the tick
    nothing = words == "done" and not job.result.get("changes")
    say = messages.warning if nothing else messages.success
    say(request, render_to_string(f"responses/_bulk_{words}.html", shown, request))
    return _answer(request)


@require_POST
def undo(request: StaffRequest, uuid: uuid.UUID) -> HttpResponse:
    job = get_object_or_404(Job, uuid=uuid, owner=request.user, kind="responses.bulk")
    if not job.ended_at:
        messages.error(request, _("It is still running. Undo it when it has ended."))
        return _answer(request)
    try:
        back, left = bulk.take_back(job, by=request.user)
    except Stale as stale:
        messages.error(request, str(stale))
        return _answer(request)
    said = _("Undone: %(back)d.") % {"back": back}
    if left:
        said += " " + _("%(left)d had changed since and were left unchanged.") % {"left": left}
    messages.success(request, said)
    return _answer(request)


def _asked(request: StaffRequest) -> dict[str, Any] | str:
    """Parse the verb, its cases and its values; or return a message about what is missing."""
    verb = CASE_VERBS.get(request.POST.get("verb", ""))
    shown = request.POST.getlist("case")[:MAX_CASES_PER_BULK]
    cases = [seen for each in shown if (seen := _seen(each))]
    if verb is None or verb.bulk is None or not cases:
        return _("Select the cases first, then choose an action.")
    form = verb.bulk.form(request.POST, by=request.user)
    if not form.is_valid():
        return first_error(form)
    return {"verb": verb.name, "cases": cases, "values": form.values()}


def _seen(value: str) -> list[int] | None:
    """Parse “case:last inbound:assignee”, the ids that a row showed; 0 for none.

    Returns None for anything else.
    """
    parts = [number(part) for part in value.split(":")]
    whole = [part for part in parts if part is not None]
    return whole if len(whole) == len(parts) == 3 else None


def _form(request: HttpRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("form", ""))
    except ValueError:
        return uuid.uuid4()


def _answer(request: StaffRequest) -> HttpResponse:
    if not request.htmx:
        return redirect("routing:inbox")
    answer = render(request, "_messages.html", {"oob": True})
    return trigger_client_event(answer, "list-changed")
