from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest, admin_only
from listening import sensitive_topics
from listening.models import Topic
from listening.sensitivity import Sensitivity
from routing.forms import ProcedureForm
from routing.models import Procedure


@admin_only
@require_safe
def procedures(request: StaffRequest) -> HttpResponse:
    """Show the kinds of sensitive cases, their topics, and who is on call."""
    topics = list(Topic.objects.exclude(sensitivity=""))
    rows = [
        (Procedure.objects.of(kind), [topic for topic in topics if topic.sensitivity == kind])
        for kind in Sensitivity.values
    ]
    shown = {"rows": rows, "missing": sensitive_topics.missing()}
    return render(request, "routing/procedures.html", shown)


@admin_only
@require_POST
def create_default_topics(request: StaffRequest) -> HttpResponse:
    """Create the default sensitive topics that do not exist."""
    known = {default.name for default in sensitive_topics.DEFAULT_TOPICS.values()}
    made = sensitive_topics.create_default_topics(
        request.user, except_names=known - set(sensitive_topics.missing())
    )
    if made:
        messages.success(request, _("Topics created: %s.") % ", ".join(map(str, made)))
    else:
        messages.info(request, _("All default topics already exist."))
    return redirect("routing:procedures")


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def procedure(request: StaffRequest, kind: str) -> HttpResponse:
    """Edit the procedure of one kind; in the URL, the kind has a hyphen for the space."""
    name = kind.replace("-", " ")
    if name not in Sensitivity.values:
        raise Http404
    row = Procedure.objects.of(name)
    form = ProcedureForm(request.POST or None, instance=row)
    if form.is_valid():
        form.save()
        messages.success(request, _("Procedure saved."))
        return redirect("routing:procedures")
    status = 422 if form.is_bound else 200
    return render(request, "routing/procedure.html", {"form": form, "row": row}, status=status)
