from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.files.base import ContentFile
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from crm.access import StaffRequest, worker_only
from crm.models import Attachment, Job, User
from routing.forms.offline_survey import PlanForm, UploadForm
from routing.offline import survey
from scrm.text.clean import storable
from scrm.text.csv_file import bad_rows as bad_rows_file
from scrm.web.request_limits import body_limit, with_files
from scrm.web.upload_limits import MAX_CSV_BYTES

CSV = "text/csv"
_SHOWN = 10
_RECEIVED = 5 * MAX_CSV_BYTES
"""Number of bytes that are received, more than `MAX_CSV_BYTES`.

A file between these limits is received and gets an error message at its field.
"""


@body_limit(with_files(_RECEIVED))
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
    row = Attachment.objects.create(
        by=request.user,
        name=storable(str(form.cleaned_data["file"].name))[-255:],
        content_type=CSV,
        size=len(form.raw),
        file=ContentFile(form.raw, name="survey.csv"),
    )
    return redirect("routing:survey", row.uuid)


@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
def columns(request: StaffRequest, uuid: UUID) -> HttpResponse:
    """Let the user choose the content of each column, show a preview, and start the import."""
    row = get_object_or_404(_uploads(request.user), uuid=uuid)
    raw = _bytes(row)
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
    row = get_object_or_404(_uploads(request.user), uuid=uuid)
    raw = _bytes(row)
    if job := survey.imported(row):
        plan, now = survey.Plan.of(job.data["plan"]), job.started_at
    else:
        form = PlanForm(request.POST, raw=raw)
        if not form.is_valid() or form.plan is None:
            return _page(request, row, form, None, status=422)
        plan, now = form.plan, timezone.now()
    sheet = plan.read(raw)
    body = bad_rows_file(sheet, survey.judge(sheet, plan, now=now).bad)
    disposition = 'attachment; filename="rows-to-mend.csv"'
    return HttpResponse(body, content_type=CSV, headers={"Content-Disposition": disposition})


def _uploads(user: User) -> QuerySet[Attachment]:
    """Return the survey files that the user uploaded.

    Files of other users are left out, because they may contain customer data.
    """
    return Attachment.objects.filter(by=user, interaction=None, content_type=CSV)


def _bytes(row: Attachment) -> bytes:
    """Return the content of the file. Raises Http404 if the file cleanup has deleted it."""
    try:
        with row.file.open("rb") as file:
            return file.read()  # type: ignore[no-any-return]
    except FileNotFoundError:
        raise Http404 from None


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
