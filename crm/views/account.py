from __future__ import annotations

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest, admin_only
from crm.events_page import events_part
from crm.forms import AccountForm
from crm.models import Account
from crm.spending_page import spending_part
from crm.views.budget import budget_form
from scrm.channels.overview import overviews


@admin_only
@require_safe
def accounts(request: StaffRequest) -> HttpResponse:
    rows = Account.objects.select_related("owner")
    context = {"accounts": rows, "networks": overviews()}
    return render(request, "crm/accounts.html", context)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    return _save(request, AccountForm(request.POST or None, initial={"owner": request.user}))


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Account, pk=pk)
    return _save(request, AccountForm(request.POST or None, instance=row))


@admin_only
@require_POST
def pause(request: StaffRequest, pk: int) -> HttpResponse:
    """Pause all sending from this account. If the form field `to` is "active", resume sending."""
    row = get_object_or_404(Account, pk=pk)
    # The button sends the wanted state, so that the second click of a double click changes nothing.
    row.paused_at = None if request.POST.get("to") == "active" else timezone.now()
    # Save only this column: another admin may edit the account at the same moment.
    row.save(update_fields=["paused_at"])
    paused = _("Sending is paused until you resume it. Queued deliveries are kept.")
    messages.success(request, paused if row.paused_at else _("Sending is resumed."))
    return redirect("crm:account", pk)


def _save(request: StaffRequest, form: AccountForm) -> HttpResponse:
    if form.is_valid() and (row := _saved(form)):
        messages.success(request, _("Saved “%(account)s”.") % {"account": row})
        return redirect("crm:account", row.pk)
    context = {"form": form, "account": form.instance, "budget": budget_form(form.instance)}
    context |= spending_part(form.instance) | events_part(form.instance)
    status = 422 if form.is_bound else 200
    return render(request, "crm/account.html", context, status=status)


def _saved(form: AccountForm) -> Account | None:
    """Save and return the account.

    If another user has created the same account in the meantime, add a field error and return None.
    """
    # The unique constraint decides: another user may save after the form's own check.
    try:
        with transaction.atomic():
            return form.save()
    except IntegrityError:
        message = _("Another user has just created this account. Nothing was saved.")
        form.add_error("network", message)
        return None
