from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.forms import TextInput
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
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
    """Run one action on the selected cases.

    Up to `bulk.AT_ONCE` cases are changed during the request. If there are more cases, a worker
    changes them.
    """
    data = _job_data(request)
    if isinstance(data, str):
        messages.error(request, data)
        return _back_to_inbox(request, is_changed=False)
    cases = data["cases"]
    here = len(cases) <= bulk.AT_ONCE
    form, total = _form_uuid(request), len(cases)
    job = Job.ask("responses.bulk", by=request.user, total=total, form=form, here=here, **data)
    # A form that is submitted twice returns the first job, so the first job must be the same
    # request.
    if job.owner_id != request.user.pk or job.data != data:
        messages.error(
            request, _("This form was already used. Nothing was changed. Press the button again.")
        )
        return _back_to_inbox(request)
    if not here:
        messages.success(
            request, render_to_string("responses/_bulk_runs.html", {"job": job}, request)
        )
        return _back_to_inbox(request)
    # The job is claimed, because a worker may start it at this moment.
    if job.claim():
        bulk.carry_out(job)
    shown = {"job": job, "refused": job.result.get("refused", [])}
    # The job has not ended if a worker has claimed it before this process.
    template = "done" if job.ended_at else "runs"
    changed_nothing = template == "done" and not job.result.get("changes")
    add_message = messages.warning if changed_nothing else messages.success
    add_message(request, render_to_string(f"responses/_bulk_{template}.html", shown, request))
    return _back_to_inbox(request)


@require_POST
def undo(request: StaffRequest, uuid: uuid.UUID) -> HttpResponse:
    job = get_object_or_404(Job, uuid=uuid, owner=request.user, kind="responses.bulk")
    if not job.ended_at:
        messages.error(request, _("This bulk action is still running. Undo it when it has ended."))
        return _back_to_inbox(request)
    try:
        back, left = bulk.take_back(job, by=request.user)
    except Stale as stale:
        messages.error(request, str(stale))
        return _back_to_inbox(request)
    message = ngettext("Undone for %d case.", "Undone for %d cases.", back) % back
    if left:
        unchanged = ngettext(
            "%d case had changed since and was left unchanged.",
            "%d cases had changed since and were left unchanged.",
            left,
        )
        message += f" {unchanged % left}"
    messages.success(request, message)
    return _back_to_inbox(request)


def _job_data(request: StaffRequest) -> dict[str, Any] | str:
    """Return the submitted action, cases and values, or a message that says what is missing."""
    verb = CASE_VERBS.get(request.POST.get("verb") or _verb_of_filled_field(request))
    shown = request.POST.getlist("case")[:MAX_CASES_PER_BULK]
    cases = [case for value in shown if (case := _case_from_form(value))]
    if verb is None or verb.bulk is None or not cases:
        return _("Nothing was changed. Select the cases, then press the button of one action.")
    form = verb.bulk.form(request.POST, by=request.user)
    if not form.is_valid():
        return first_error(form)
    return {"verb": verb.name, "cases": cases, "values": form.values()}


def _verb_of_filled_field(request: StaffRequest) -> str:
    """Return the name of the action whose field the user filled in before pressing Enter.

    Enter in a field submits the form without the button of an action. The result is "" if fields of
    several actions are filled in, or of none.
    """
    names = [
        verb.name
        for verb in CASE_VERBS.values()
        if verb.bulk
        and any(
            request.POST.get(name, "").strip()
            for name, field in verb.bulk.form.base_fields.items()
            if isinstance(field.widget, TextInput)  # a select has a value in any case
        )
    ]
    return names[0] if len(names) == 1 else ""


def _case_from_form(value: str) -> list[int] | None:
    """Parse “case:last inbound:assignee”, three ids that the inbox showed for a case.

    The id 0 means that the case had no last inbound interaction or no assignee. Returns None if the
    value has any other form.
    """
    parts = [number(part) for part in value.split(":")]
    numbers = [part for part in parts if part is not None]
    return numbers if len(numbers) == len(parts) == 3 else None


def _form_uuid(request: HttpRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("form", ""))
    except ValueError:
        return uuid.uuid4()


def _back_to_inbox(request: StaffRequest, *, is_changed: bool = True) -> HttpResponse:
    """Show the messages. If nothing changed, the list on screen keeps its selection."""
    if not request.htmx:
        return redirect("routing:inbox")
    answer = render(request, "_messages.html", {"oob": True})
    return trigger_client_event(answer, "list-changed") if is_changed else answer
