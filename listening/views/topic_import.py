from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, admin_only
from listening.csv_form import ProfilesForm
from listening.topic_import import import_profiles, read_profiles
from scrm.web.request_limits import body_limit, with_files
from scrm.web.upload_limits import MAX_CSV_BYTES


@body_limit(with_files(MAX_CSV_BYTES))
@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def import_topics(request: StaffRequest) -> HttpResponse:
    """Create topics from a file. Sending the file again changes nothing: the names are taken."""
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = ProfilesForm(*posted)
    result = import_profiles(read_profiles(form.raw), by=request.user) if form.is_valid() else None
    status = 422 if form.is_bound and result is None else 200
    context = {"form": form, "result": result}
    return render(request, "listening/topic_import.html", context, status=status)
