"""Who lets everything leave, or nothing: one switch for the whole workspace."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from crm.access import StaffRequest, supervisor_only
from crm.models import Pause
from responses import restored
from responses.forms import MarkSentForm
from responses.models import Delivery, Trouble
from responses.views.lookup import changeable, dealt_with_by, oldest

MOST = 50


class PauseForm(forms.Form):
    why = forms.CharField(
        label=_("Why?"),
        max_length=200,
        help_text=_("Everybody reads it, as long as it lasts."),
    )


class ReleaseForm(forms.Form):
    looked = forms.BooleanField(
        label=_("The original database sends nothing any more, and I have checked this list."),
        error_messages={"required": _("Confirm this first. Nothing was released.")},
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
        return _again(request, pause_form=form)
    if not Pause.objects.all().begin(by=request.user, why=form.cleaned_data["why"]):
        messages.error(request, _t("It was paused already."))
    return redirect("responses:sendings")


@supervisor_only
@require_POST
def release(request: StaffRequest) -> HttpResponse:
    """Let a restored database send again."""
    form = ReleaseForm(request.POST)
    if not form.is_valid():
        return _again(request, release_form=form)
    if restored.release(by=request.user, now=timezone.now()):
        messages.success(request, _t("Released. What was waiting is being sent."))
    else:
        messages.error(request, _t("It was released already. Nothing was sent twice."))
    return redirect("responses:sendings")


def _again(request: StaffRequest, **typed: forms.Form) -> HttpResponse:
    """The page of sendings with what is wrong about a form."""
    context = {**to_check(request), **control(request), **typed}
    return render(request, "responses/sendings.html", context, status=422)


def to_check(
    request: StaffRequest, form: MarkSentForm | None = None, at: int | None = None
) -> dict[str, Any]:
    """What needs a human. form, at: what was typed about one of them, and about which."""
    found = Delivery.objects.at_hand_of(request.user).to_check(timezone.now())
    found = found.select_related(
        "response__case__profile", "response__issue", "response__department",
        "response__author", "account", "profile",
    ).prefetch_related(
        "response__deliveries__account", "response__attachments",
    ).order_by("send_after", "pk")  # fmt: skip
    waiting, more = oldest(found)
    workable = dealt_with_by([delivery.response for delivery in waiting], request.user)
    unsent = changeable([delivery.response for delivery in waiting], request.user)
    rows: list[dict[str, Any]] = [
        {
            "delivery": delivery,
            "may_act": delivery.response_id in workable,
            "may_change": delivery.response_id in unsent,
            "form": form if form and at == delivery.pk else MarkSentForm(),
            "open": form is not None and at == delivery.pk,
        }
        for delivery in waiting
    ]
    return {"rows": rows, "more": more}


def control(request: StaffRequest) -> dict[str, Any]:
    """What the page of sendings shows of the switch, of troubles, and of what waits in line."""
    held = Pause.objects.restored().first()
    line = Delivery.objects.visible_to(request.user).waiting_for_their_turn()
    return {
        "pause": Pause.objects.by_hand().select_related("by").first(),
        "pause_form": PauseForm(),
        "restored": held,
        "release_form": ReleaseForm(),
        **(_held_back(request) if held else {}),
        "troubles": Trouble.objects.open().select_related("account"),
        "line": line.select_related("account", "response__case", "response__issue")[:MOST],
        "in_line": line.count(),
    }


def _held_back(request: StaffRequest) -> dict[str, Any]:
    """What a restored database would send, and of how much nobody knows whether it was sent."""
    waiting = restored.waiting().visible_to(request.user)
    unknown = restored.doubtful().visible_to(request.user)
    rows = waiting.select_related(
        "response__case__profile", "response__issue", "response__author", "account", "profile"
    )
    return {
        "waiting": rows[:MOST],
        "waiting_n": waiting.count(),
        "unknown_n": unknown.count(),
        "now": timezone.now(),
    }
