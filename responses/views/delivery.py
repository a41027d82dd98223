from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest
from responses import check_sending, outbox
from responses.forms import MarkSentForm
from responses.models import Delivery
from responses.models.delivery_state import DeliveryAction, DeliveryState
from responses.models.response import Refused
from responses.views.delivery_problems import render_delivery_problems
from responses.views.lookup import changeable, delivery_to_act_on
from routing.models.status import Stale
from scrm.bus.nudge import nudge


@require_safe
def delivery_problems(request: StaffRequest) -> HttpResponse:
    return render_delivery_problems(request)


@require_POST
def check(request: StaffRequest, pk: int) -> HttpResponse:
    """Ask the network again whether an unknown delivery was sent."""
    delivery = delivery_to_act_on(request, pk)
    unknown = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.UNKNOWN)
    if unknown.update(settle_after=timezone.now()):
        nudge("scrm.pipeline.settle", delivery.pk)
        messages.success(request, _("Checking with the network. Reload this page in a moment."))
    else:
        messages.error(
            request, _("The result of this delivery is already known. Nothing was changed.")
        )
    return redirect("responses:delivery_problems")


@require_POST
def mark_sent(request: StaffRequest, pk: int) -> HttpResponse:
    """Mark a delivery as sent, because the user has seen the text on the network."""
    delivery = delivery_to_act_on(request, pk)
    form = MarkSentForm(request.POST)
    if not form.is_valid():
        return render_delivery_problems(request, form=form, at=pk, status=422)
    try:
        outbox.confirm_sent(delivery, by=request.user, **form.cleaned_data)
    except Refused as refusal:
        form.add_error("url", str(refusal))
        return render_delivery_problems(request, form=form, at=pk, status=422)
    except Stale as stale:
        return render_delivery_problems(request, status=409, error=str(stale))
    messages.success(request, _("Marked as sent."))
    return redirect("responses:delivery_problems")


@require_http_methods(["GET", "HEAD", "POST"])
def send_again(request: StaffRequest, pk: int) -> HttpResponse:
    """Send a text again, after the user has confirmed this on a page.

    A new delivery replaces this delivery.
    """
    delivery = delivery_to_act_on(request, pk)
    if request.method != "POST":
        may_change = bool(changeable([delivery.response], request.user))
        shown = {"delivery": delivery, "may_change": may_change}
        return render(request, "responses/send_again.html", shown)
    try:
        check_sending.send_again(delivery, by=request.user)
    except Stale as stale:
        return render_delivery_problems(request, status=409, error=str(stale))
    removes = delivery.act == DeliveryAction.WITHDRAW
    done = _("The post is being taken down.") if removes else _("The text is being sent again.")
    messages.success(request, done)
    return redirect("responses:delivery_problems")


@require_POST
def send_late(request: StaffRequest, pk: int) -> HttpResponse:
    delivery = delivery_to_act_on(request, pk)
    try:
        check_sending.send_late(delivery, by=request.user)
    except Stale as stale:
        return render_delivery_problems(request, status=409, error=str(stale))
    messages.success(request, _("The text is being sent now."))
    return redirect("responses:delivery_problems")


@require_POST
def dismiss_problem(request: StaffRequest, pk: int) -> HttpResponse:
    delivery = delivery_to_act_on(request, pk)
    try:
        check_sending.dismiss_problem(delivery, by=request.user)
    except Stale as stale:
        return render_delivery_problems(request, status=409, error=str(stale))
    messages.success(request, _("Dismissed. The delivery is kept in the history."))
    return redirect("responses:delivery_problems")
