"""Who lets everything leave, or nothing: one switch for the whole workspace."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from crm.access import StaffRequest, supervisor_only
from crm.models import Pause
from responses.models import Delivery, Trouble

MOST = 50


class PauseForm(forms.Form):
    why = forms.CharField(
        label=_("Why?"),
        max_length=200,
        help_text=_("Everybody reads it, as long as it lasts."),
    )


@supervisor_only
@require_POST
def pause(request: StaffRequest) -> HttpResponse:
    """Let nothing leave, or everything again, as the button said."""
    if request.POST.get("to") == "active":
        if Pause.objects.all().end(by=request.user):
            messages.success(
                request, _t("Sending again. What waited for long stands under “Check sending”.")
            )
        return redirect("responses:sendings")
    form = PauseForm(request.POST)
    if not form.is_valid():
        context = {"rows": [], **control(request, form=form)}
        return render(request, "responses/sendings.html", context, status=422)
    if not Pause.objects.all().begin(by=request.user, why=form.cleaned_data["why"]):
        messages.error(request, _t("It was paused already."))
    return redirect("responses:sendings")


def control(request: StaffRequest, form: PauseForm | None = None) -> dict[str, Any]:
    """What the page of sendings shows of the switch, of troubles, and of what waits in line."""
    line = Delivery.objects.visible_to(request.user).waiting_for_their_turn()
    return {
        "pause": Pause.objects.open().select_related("by").first(),
        "pause_form": form or PauseForm(),
        "troubles": Trouble.objects.open().select_related("account"),
        "line": line.select_related("account", "response__case", "response__issue")[:MOST],
        "in_line": line.count(),
    }
