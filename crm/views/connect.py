"""Connect an account of any channel. The account is saved only if the login works."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm import connecting
from crm.access import StaffRequest, admin_only
from crm.forms.connect import connect_form, show_errors
from crm.models import Account, User
from scrm.channels.connector import Connected, ConnectError
from scrm.channels.registry import connectors


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest, kind: str) -> HttpResponse:
    return _connect(request, Account(kind=kind, owner=request.user))


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def again(request: StaffRequest, pk: int) -> HttpResponse:
    """Connect a stored account again, with another login or other settings."""
    return _connect(request, get_object_or_404(Account, pk=pk))


def _connect(request: StaffRequest, account: Account) -> HttpResponse:
    """Show the form. If it was submitted, test the login and save the account if the login works.

    If the user clicked the button that only tests the login, nothing is saved.
    """
    connector = connectors().get(account.kind)
    if not connector:
        raise Http404
    form = connect_form(connector, request.POST or None, account=account)
    connected = None
    if form.is_valid():
        test = request.POST.get("do") == "test"
        typed = dict(form.cleaned_data)
        owner = typed.pop("owner")
        try:
            connected = connecting.log_in(account, connector, typed, test=test)
            if not test:
                return _save(request, account, connected, owner=owner)
        except ConnectError as error:
            show_errors(form, error)
    context = {
        "form": form,
        "account": account,
        "connector": connector,
        "works": "" if form.errors or not connected else connected.name,
    }
    return render(request, "crm/connect.html", context, status=422 if form.errors else 200)


def _save(
    request: StaffRequest, account: Account, connected: Connected, *, owner: User
) -> HttpResponse:
    is_new = account.pk is None
    row = connecting.save(account, connected, owner=owner)
    message = _("Saved “%(account)s”.")
    if is_new:
        message = _(
            "“%(account)s” is connected, and its items are now fetched: see Sources. To let a "
            "department reply or publish from it, add the account under Departments."
        )
    messages.success(request, message % {"account": row})
    return redirect("crm:account", row.pk)
