from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from crm.access import StaffRequest, worker_only
from crm.csv_uploads import (
    MAX_RECEIVED,
    bad_rows_download,
    content_of,
    store_upload,
    uploads_of,
)
from crm.models import Attachment, Job
from routing.forms.offline_survey import PlanForm, UploadForm
from routing.offline import survey
from scrm.web.request_limits import body_limit, with_files

_SHOWN = 10


@body_limit(with_files(MAX_RECEIVED))
@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
def upload(request: StaffRequest) -> HttpResponse:
    """Upload a file of survey answers. Nothing is recorded yet."""
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = UploadForm(*posted)
    if not form.is_valid():
        context = {"form": form, "tab": "survey"}
        status = 422 if form.is_bound else 200
        return render(request, "routing/new_survey.html", context, status=status)
    name = str(form.cleaned_data["file"].name)
    row = store_upload(form.raw, name=name, by=request.user)
    return redirect("routing:survey", row.uuid)


@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
def columns(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Let the user choose the content of each column, show a preview, and start the import."""
    row = get_object_or_404(uploads_of(request.user), uuid=uuid)
    raw = content_of(row)
    if job := survey.imported(row):
        return _result(request, row, job, raw)
    form = PlanForm(request.POST if request.method == "POST" else None, raw=raw, name=row.name)
    ready = not form.is_bound or form.is_valid()
    if not (ready and form.sheet and form.plan):
        return _page(request, row, form, None, status=422 if form.is_bound else 200)
    judged = survey.judge(form.sheet, form.plan, now=timezone.now())
    if "import" not in request.POST:
        return _page(request, row, form, judged)
    # Import only if the user has seen the preview of exactly this plan.
    if request.POST.get("seen") != form.plan.mark:
        form.trouble = _("You changed the file format. This is the new preview.")
        return _page(request, row, form, judged, status=409)
    if not judged.good:
        return _page(request, row, form, judged, status=422)
    job = survey.ask(row, raw, form.plan, judged, title=form.cleaned_data["title"], by=request.user)
    return redirect(job)


@require_POST
@worker_only
def bad_rows(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Download the rows that cannot be imported, so that the user can correct them."""
    row = get_object_or_404(uploads_of(request.user), uuid=uuid)
    raw = content_of(row)
    if job := survey.imported(row):
        plan, now = survey.Plan.of(job.data["plan"]), job.started_at
    else:
        form = PlanForm(request.POST, raw=raw)
        if not form.is_valid() or form.plan is None:
            return _page(request, row, form, None, status=422)
        plan, now = form.plan, timezone.now()
    sheet = plan.read(raw)
    return bad_rows_download(sheet, survey.judge(sheet, plan, now=now).bad)


def _page(
    request: StaffRequest,
    row: Attachment,
    form: PlanForm,
    judged: survey.Judged | None,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {"form": form, "upload": row, "twin": survey.twin(form.raw)}
    return _render(request, context, judged, status)


def _result(request: StaffRequest, row: Attachment, job: Job, raw: bytes) -> HttpResponse:
    """Show the progress or the result of the import, and the rows that were not imported.

    A POST with “again” continues a failed import.
    """
    if request.method == "POST" and "again" in request.POST:
        survey.try_again(job)
    if request.method == "POST":
        return redirect(job)
    plan = survey.Plan.of(job.data["plan"])
    judged = survey.judge(plan.read(raw), plan, now=job.started_at)
    return _render(request, {"upload": row, "job": job}, judged)


def _render(
    request: StaffRequest, context: dict[str, Any], judged: survey.Judged | None, status: int = 200
) -> HttpResponse:
    more = {
        "tab": "survey",
        "judged": judged,
        "bad": judged.bad[:_SHOWN] if judged else [],
    }
    return render(request, "routing/new_survey_columns.html", context | more, status=status)
