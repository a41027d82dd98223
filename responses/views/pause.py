"""Pause and resume sending in the whole workspace."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.views.decorators.http import require_POST

from crm.access import StaffRequest, supervisor_only
from crm.models import Pause
from responses import restored_database
from responses.forms import PauseForm, ReleaseForm
from responses.views.delivery_problems import render_delivery_problems


@supervisor_only
@require_POST
def pause(request: StaffRequest) -> HttpResponse:
    """Pause or resume sending, depending on which button was pressed."""
    if request.POST.get("to") == "active":
        if Pause.objects.all().end(by=request.user):
            messages.success(
                request,
                _t("Sending resumed. Overdue deliveries are listed under “Delivery problems”."),
            )
        return redirect("responses:delivery_problems")
    form = PauseForm(request.POST)
    if not form.is_valid():
        return render_delivery_problems(request, status=422, pause_form=form)
    if not Pause.objects.all().begin(by=request.user, why=form.cleaned_data["why"]):
        messages.error(request, _t("Sending was already paused."))
    return redirect("responses:delivery_problems")


@supervisor_only
@require_POST
def release(request: StaffRequest) -> HttpResponse:
    """Allow a database that was restored from a copy to send."""
    form = ReleaseForm(request.POST)
    if not form.is_valid():
        return render_delivery_problems(request, status=422, release_form=form)
    if restored_database.release(by=request.user, now=timezone.now()):
        messages.success(request, _t("Sending resumed. Each text is sent at its scheduled time."))
    else:
        messages.error(request, _t("Sending was already resumed. Nothing changed."))
    return redirect("responses:delivery_problems")
