from __future__ import annotations

import uuid as uuids

from django.http import FileResponse, Http404, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from crm.access import StaffRequest
from crm.models import Attachment


@require_safe
def attachment(request: StaffRequest, uuid: uuids.UUID) -> HttpResponseBase:
    """Send a file as a download.

    The browser must not display the file, because a file from outside may contain a script.
    """
    row = get_object_or_404(Attachment.objects.visible_to(request.user), uuid=uuid)
    try:
        body = row.file.open("rb")
    except FileNotFoundError:
        raise Http404 from None
    response = FileResponse(
        body, as_attachment=True, filename=row.name, content_type="application/octet-stream"
    )
    # If a browser shows the file nevertheless, its scripts must not run in our origin.
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cache-Control"] = "private, no-store"
    return response
