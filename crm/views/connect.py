"""Connect an account of any channel. The account is saved only if the login works."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from crm import connecting, oauth
from crm.access import StaffRequest, admin_only
from crm.forms.connect import connect_form, show_errors
from crm.models import Account
from scrm.channels.connector import Authorization, Connected, ConnectError, ConnectForm, Connector
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


@never_cache  # the address of this page contains a code of the network
@admin_only
@require_GET
def callback(request: StaffRequest) -> HttpResponse:
    """Save the account when the network sends the user back after a login on its own page."""
    answer = request.GET.dict()
    attempt = oauth.find(answer.get("state", ""))
    try:
        row = oauth.finish(attempt, answer, user=request.user, now=timezone.now())
    except ConnectError as error:
        context = {"error": error, "attempt": attempt}
        return render(request, "crm/connect_refused.html", context, status=400)
    return _saved(request, row, is_new=attempt is not None and attempt.account_id is None)


def _connect(request: StaffRequest, account: Account) -> HttpResponse:
    """Show the form. If it was submitted, test the login and save the account if the login works.

    If the user clicked the button that only tests the login, nothing is saved. If the login
    continues on a page of the network, the answer has a link to that page.
    """
    connector = connectors().get(account.kind)
    if not connector:
        raise Http404
    form = connect_form(connector, request.POST or None, account=account)
    works = ""
    if form.is_valid():
        try:
            answer = _log_in(request, account, connector, form)
            if isinstance(answer, HttpResponse):
                return answer
            works = answer.name
        except ConnectError as error:
            show_errors(form, error)
    context = {
        "form": form,
        "account": account,
        "connector": connector,
        "callback_url": oauth.callback_url() if connector.oauth else "",
        "works": works,
    }
    return render(request, "crm/connect.html", context, status=422 if form.errors else 200)


def _log_in(
    request: StaffRequest, account: Account, connector: Connector, form: ConnectForm
) -> HttpResponse | Connected:
    """Log in with the typed settings. Raises ConnectError.

    Returns the login if the user only wants to test it, otherwise the answer to the request.
    """
    typed = dict(form.cleaned_data)
    owner = typed.pop("owner")
    test = request.POST.get("do") == "test"
    authorization = oauth.start(account, connector, typed, owner=owner, user=request.user)
    if authorization:
        return _continue(request, account, authorization, test=test)
    connected = connecting.log_in(account, connector, typed, test=test)
    if test:
        return connected
    is_new = account.pk is None
    row = connecting.save(account, connected, owner=owner)
    return _saved(request, row, is_new=is_new)


def _continue(
    request: StaffRequest, account: Account, authorization: Authorization, *, test: bool
) -> HttpResponse:
    """Show the link to the page of the network on which the login continues.

    This is not a redirect: after a POST, Chromium applies our policy `form-action 'self'` to
    redirects too.
    """
    context = {
        "account": account,
        "connector": account.channel.connector,
        "url": authorization.url,
        "host": urlsplit(authorization.url).hostname,
        "test": test,
    }
    return render(request, "crm/connect_continue.html", context)


def _saved(request: StaffRequest, row: Account, *, is_new: bool) -> HttpResponse:
    message = _("Saved “%(account)s”.")
    if is_new:
        message = _(
            "“%(account)s” is connected, and its items are now fetched: see Sources. To let a "
            "department reply or publish from it, add the account under Departments."
        )
    messages.success(request, message % {"account": row})
    return redirect("crm:account", row.pk)
