from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from crm import events
from crm.access import StaffRequest, admin_only
from crm.events_page import events_part
from crm.forms import AccountForm
from crm.models import Account
from crm.spending_page import spending_part
from crm.views.budget import budget_form
from scrm.channels.base import ChannelError


@admin_only
@require_POST
def switch(request: StaffRequest, pk: int) -> HttpResponse:
    """Start receiving events. If the form field `to` is "stop", stop it."""
    row = get_object_or_404(Account, pk=pk)
    stops = request.POST.get("to") == "stop"
    try:
        (events.stop if stops else events.start)(row)
    except ChannelError as error:
        return _show_error(request, pk, _unconfirmed(error) if stops else error.message)
    started = _("The network now reports new items, and they are fetched at once.")
    stopped = _("Events are stopped. The sources are fetched as often as before.")
    messages.success(request, stopped if stops else started)
    return redirect("crm:account", pk)


def _unconfirmed(error: ChannelError) -> str:
    text = _(
        "The sources are fetched as often as before, but the network did not confirm the end of "
        "the events: %(reason)s Remove the webhook in the developer console of the network."
    )
    return text % {"reason": error.message}


def _show_error(request: StaffRequest, pk: int, error: str) -> HttpResponse:
    row = Account.objects.get(pk=pk)  # as it is stored now
    context = {"form": AccountForm(instance=row), "account": row, "budget": budget_form(row)}
    context |= spending_part(row) | events_part(row, error)
    return render(request, "crm/account.html", context, status=422)
