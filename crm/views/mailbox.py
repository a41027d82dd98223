"""Connect a mailbox; nothing is saved before both of its logins work."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, admin_only
from crm.forms.mailbox import MailboxForm
from crm.models import Account


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    return _connect(request, MailboxForm(request.POST or None, initial={"owner": request.user}))


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def mailbox(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Account, pk=pk, kind="email")
    return _connect(request, MailboxForm(request.POST or None, instance=row))


def _connect(request: StaffRequest, form: MailboxForm) -> HttpResponse:
    """Test both logins, or save the settings once they work."""
    if not form.is_bound:
        return _page(request, form)
    test = request.POST.get("do") == "test"
    if not form.is_valid():
        return _page(request, form, status=422)
    if (test or not form.is_same_server) and not form.try_logins():
        return _page(request, form, status=422)
    if test:
        messages.success(request, _("Both logins work. Nothing has been saved yet."))
        return _page(request, form)
    fresh = form.instance.pk is None
    row = form.save()
    messages.success(request, _said(row, fresh=fresh))
    return redirect("crm:mailbox", row.pk)


def _said(row: Account, *, fresh: bool) -> str:
    if not fresh:
        return _("Saved “%(account)s”.") % {"account": row}
    return _(
        "Connected. Its emails are now fetched: see Sources. To let a department reply from this "
        "mailbox, add the account under Departments."
    )


def _page(request: StaffRequest, form: MailboxForm, status: int = 200) -> HttpResponse:
    def fields(*names: str) -> list[object]:
        return [form[name] for name in names if name in form.fields]

    context = {
        "form": form,
        "account": form.instance,
        "who": fields("address", "sender", "user", "password"),
        "more": fields("signature", "owner"),
        "servers": [fields(*form.SERVERS[:3]), fields(*form.SERVERS[3:])],
    }
    return render(request, "crm/mailbox.html", context, status=status)
