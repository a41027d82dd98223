from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from crm.access import StaffRequest, admin_only
from crm.events_page import events_part
from crm.forms import AccountForm
from crm.models import Account
from crm.spending_page import SpendingForm, spending_part
from crm.views.budget import budget_form


@admin_only
@require_POST
def spending(request: StaffRequest, pk: int) -> HttpResponse:
    """Save the limits of an account."""
    row = get_object_or_404(Account, pk=pk)
    if row.channel.prices is None:
        messages.error(request, _("This network is free of charge. Nothing was saved."))
        return redirect("crm:account", pk)
    form = SpendingForm(request.POST)
    if not form.is_valid():
        context = {"form": AccountForm(instance=row), "account": row, "budget": budget_form(row)}
        context |= spending_part(row, form) | events_part(row)
        return render(request, "crm/account.html", context, status=422)
    row.keep_with(form.cleaned_data)
    messages.success(
        request, _("Saved. Sources and deliveries that wait continue as soon as the limits allow.")
    )
    return redirect("crm:account", pk)
