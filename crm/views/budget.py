from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from crm.access import StaffRequest, admin_only
from crm.events_page import events_part
from crm.forms import AccountForm
from crm.models import Account
from crm.spending_page import spending_part

MAX_LIMIT = 1_000_000


class BudgetForm(forms.Form):
    """The form for the sending limits of an account.

    An empty field means that there is no limit.
    """

    per_hour = forms.IntegerField(
        label=_("Maximum deliveries per hour"), min_value=1, max_value=MAX_LIMIT, required=False
    )
    per_day = forms.IntegerField(
        label=_("Maximum deliveries per 24 hours"),
        min_value=1,
        max_value=MAX_LIMIT,
        required=False,
        help_text=_("Deliveries over the limit wait in order. Leave empty for no limit."),
    )


def budget_form(account: Account) -> BudgetForm:
    return BudgetForm(initial=account.config)


@admin_only
@require_POST
def budget(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Account, pk=pk)
    form = BudgetForm(request.POST)
    if not form.is_valid():
        context = {"form": AccountForm(instance=row), "account": row, "budget": form}
        context |= spending_part(row) | events_part(row)
        return render(request, "crm/account.html", context, status=422)
    row.keep_with(form.cleaned_data)
    messages.success(request, _t("Saved. Waiting deliveries are sent as soon as the limits allow."))
    return redirect("crm:account", pk)
