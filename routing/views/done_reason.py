from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, admin_only
from routing.forms import DoneReasonsForm
from routing.models import DoneReason


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def done_reasons(request: StaffRequest) -> HttpResponse:
    """Show and edit the list of reasons for “Done”."""
    form = DoneReasonsForm(
        request.POST or None, initial={"labels": "\n".join(DoneReason.objects.labels())}
    )
    if form.is_valid():
        DoneReason.objects.replace(form.cleaned_data["labels"])
        done = _("Reasons saved. Reasons that were chosen before do not change.")
        messages.success(request, done)
        return redirect("routing:done_reasons")
    status = 422 if form.is_bound else 200
    return render(request, "routing/done_reasons.html", {"form": form}, status=status)
