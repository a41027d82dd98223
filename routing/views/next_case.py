from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from crm.access import StaffRequest, worker_only
from routing.inbox.next_case import take_next


@require_POST
@worker_only
def next_case(request: StaffRequest) -> HttpResponse:
    """Claim the most urgent unassigned case, and open it."""
    case = take_next(request.user)
    if case is None:
        messages.info(request, _("No unassigned cases."))
        return redirect("routing:inbox")
    return redirect(case)
