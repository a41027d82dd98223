from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from crm.access import StaffRequest
from crm.models import Job


@require_safe
def job(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Show the progress of one of the user's jobs.

    The page polls this view until the job has ended.
    """
    row = get_object_or_404(Job, uuid=uuid, owner=request.user)
    template = "crm/_job.html" if request.htmx else "crm/job.html"
    return render(request, template, {"job": row})
