from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from crm.access import StaffRequest, admin_only
from scrm.reports import drawing, figures
from scrm.reports.checklist import Checklist
from scrm.reports.checklist import checklist as steps
from scrm.reports.stages import stages

_HIDDEN = "checklist hidden"


@require_safe
def map(request: StaffRequest) -> HttpResponse:
    """Show the map of the cycle. A request by htmx gets only the drawing."""
    now = timezone.now()
    edges = figures.edges(request.user, now=now)
    context = {
        "now": timezone.localtime(now),
        "placed": drawing.place(edges),
        "stages": list(stages(edges, user=request.user)),
        "drawing": drawing,
        **_checklist(request),
    }
    page = "reports/_map.html" if request.htmx else "reports/map.html"
    return render(request, page, context)


@admin_only
@require_POST
def checklist(request: StaffRequest) -> HttpResponse:
    """Hide the checklist in this session, or show it again, as the POST parameter `to` says."""
    request.session[_HIDDEN] = request.POST.get("to") == "hidden"
    return redirect("reports:map")


def _checklist(request: StaffRequest) -> dict[str, Checklist | bool]:
    """Return the template context of the checklist.

    It is empty for users who are not admins, and when all steps are done.
    """
    if not request.user.is_admin:
        return {}
    if request.session.get(_HIDDEN):
        return {"checklist_hidden": True}
    todo = steps()
    return {} if todo.is_done else {"checklist": todo}
