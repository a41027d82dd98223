"""Import mentions from a CSV file: upload it, choose its columns, see what would happen, import."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from crm.access import StaffRequest, admin_only
from crm.csv_uploads import (
    MAX_RECEIVED,
    bad_rows_download,
    content_of,
    store_upload,
    uploads_of,
)
from crm.models import Attachment, Job
from listening import csv_import
from listening.csv_form import MentionsForm, MentionsUploadForm
from listening.csv_outcome import outcome
from listening.models import Source
from scrm.channels.csv_import.read import Plan, Reading, read_rows
from scrm.web.request_limits import body_limit, with_files

_SHOWN = 20


@body_limit(with_files(MAX_RECEIVED))
@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def upload(request: StaffRequest) -> HttpResponse:
    """Upload an export. Nothing is imported yet."""
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = MentionsUploadForm(*posted)
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return render(request, "listening/csv_upload.html", {"form": form}, status=status)
    name = str(form.cleaned_data["file"].name)
    row = store_upload(form.raw, name=name, by=request.user)
    return redirect("listening:csv_import", row.uuid)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_only
def columns(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Let the user choose the columns, show what an import would do, and start the import."""
    row = get_object_or_404(uploads_of(request.user), uuid=uuid)
    raw = content_of(row)
    if job := csv_import.imported(row):
        return _result(request, row, job, raw)
    form = MentionsForm(request.POST if request.method == "POST" else None, raw=raw, name=row.name)
    ready = not form.is_bound or form.is_valid()
    if not (ready and form.sheet and form.plan):
        return _page(request, row, form, None, status=422 if form.is_bound else 200)
    now = timezone.now()
    reading = read_rows(form.sheet, form.plan, now=now)
    if "import" not in request.POST:
        return _page(request, row, form, reading)
    # Import only if the user has seen the preview of exactly this plan.
    if request.POST.get("seen") != form.plan.mark:
        form.trouble = _("You changed how the file is read. This is the new preview.")
        return _page(request, row, form, reading, status=409)
    if not reading.items:
        return _page(request, row, form, reading, status=422)
    settings = form.settings(now=now)
    job = csv_import.ask(row, raw, form.plan, reading, settings, by=request.user)
    return redirect("listening:csv_import", job.data["upload"])


@require_POST
@admin_only
def bad_rows(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Download the rows that cannot be imported, so that the user can correct them."""
    row = get_object_or_404(uploads_of(request.user), uuid=uuid)
    raw = content_of(row)
    if job := csv_import.imported(row):
        plan, now = Plan.of(job.data["plan"]), job.started_at
    else:
        form = MentionsForm(request.POST, raw=raw, name=row.name)
        if not form.is_valid() or form.plan is None:
            return _page(request, row, form, None, status=422)
        plan, now = form.plan, timezone.now()
    sheet = plan.read(raw)
    return bad_rows_download(sheet, read_rows(sheet, plan, now=now).bad)


def _page(
    request: StaffRequest,
    row: Attachment,
    form: MentionsForm,
    reading: Reading | None,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {
        "form": form,
        "upload": row,
        "counts": csv_import.count(reading) if reading else None,
    }
    return _render(request, context, reading, status)


def _result(request: StaffRequest, row: Attachment, job: Job, raw: bytes) -> HttpResponse:
    """Show the progress or the result of the import, and the rows that were not imported.

    A POST with “again” continues a failed import.
    """
    if request.method == "POST" and "again" in request.POST:
        csv_import.try_again(job)
    if request.method == "POST":
        return redirect("listening:csv_import", row.uuid)
    source = Source.objects.filter(fetches=job.data["fetch"]).first()
    # While the mentions are processed, the page polls: do not read the whole file each time.
    context = {"upload": row, "job": job, "source": source, "fetch": job.data["fetch"]}
    if not job.ended_at:
        return _render(request, context, None)
    context["outcome"] = outcome(job.data["fetch"])
    if request.htmx:
        return render(request, "listening/_csv_result.html", context)
    return _render(request, context, csv_import.reading_of(job, raw))


def _render(
    request: StaffRequest, context: dict[str, Any], reading: Reading | None, status: int = 200
) -> HttpResponse:
    more = {"reading": reading, "bad": reading.bad[:_SHOWN] if reading else []}
    return render(request, "listening/csv_import.html", context | more, status=status)
