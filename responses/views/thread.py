"""The page of the public thread beside a case."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest
from responses import public_thread
from responses.views.lookup import case_to_see, case_to_work_on, may_work_on
from routing.models.status import Stale


@require_safe
def thread(request: StaffRequest, pk: int) -> HttpResponse:
    """Show the public threads of the case, with all participants."""
    case = case_to_see(request, pk)
    said = public_thread.posts(case, request.user)
    shown = {
        "case": case,
        "said": said,
        "participants": public_thread.participants(said),
        "threads": public_thread.fetchable(case, request.user),
        "may_work": may_work_on(case, request.user),
        "most": public_thread.MAX_FETCHED,
    }
    return render(request, "responses/thread.html", shown)


@require_POST
def fetch(request: StaffRequest, pk: int) -> HttpResponse:
    """Fetch one of the case's threads from its network."""
    case = case_to_work_on(request, pk)
    name = request.POST.get("thread", "")
    found = public_thread.fetchable(case, request.user)
    asked = next((row for row in found if row.name == name), None)
    if asked is None:
        messages.error(request, _("This thread cannot be fetched any more."))
        return redirect("responses:thread", pk)
    try:
        reading = public_thread.fetch(case, asked, by=request.user)
    except Stale as stale:
        messages.warning(request, str(stale))
        return redirect("responses:thread", pk)
    if reading.error:
        messages.error(request, _("The thread was not fetched: %s") % reading.error)
    else:
        number = len(reading.posts)
        fetched = ngettext("%d post fetched.", "%d posts fetched.", number)
        messages.success(request, fetched % number)
    return redirect("responses:thread", pk)
