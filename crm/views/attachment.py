from __future__ import annotations

import uuid as uuids

from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from crm.access import StaffRequest
from crm.missing_files import ask, file_of, missing_files
from crm.models import Attachment, Interaction


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


@require_http_methods(["GET", "HEAD", "POST"])
def files(request: StaffRequest, uuid: uuids.UUID) -> HttpResponse:
    """Show the files of an interaction, or let a worker fetch one that was not fetched with it.

    The page polls this view while a file is being fetched.
    """
    item = get_object_or_404(Interaction.objects.readable_by(request.user), uuid=uuid)
    if request.method == "POST":
        file = file_of(item, request.POST.get("section", ""))
        if file is None:
            raise Http404
        ask(item, file, by=request.user)
        if not request.htmx:
            return redirect("crm:files", item.uuid)
    shown = {"said": item, "missing": missing_files(item, item.attachments.all())}
    template = "_files" if request.htmx else "files"
    return render(request, f"crm/{template}.html", shown)
