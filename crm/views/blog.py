from __future__ import annotations

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, admin_only
from crm.forms.blog import KIND, BlogForm
from crm.models import Account


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    return _connect(request, None)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def again(request: StaffRequest, pk: int) -> HttpResponse:
    """Reconnect the same blog with another user or password."""
    return _connect(request, get_object_or_404(Account, pk=pk, kind=KIND))


def _connect(request: StaffRequest, account: Account | None) -> HttpResponse:
    form = BlogForm(request.POST or None, account=account, by=request.user)
    works = form.is_valid()
    if works and request.POST.get("then") != "test" and (kept := _keep(form)):
        messages.success(
            request,
            _("“%(blog)s” is connected, and its comments are now fetched. To let a department "
              "publish there, add the account under Departments.") % {"blog": kept},
        )  # fmt: skip
        return redirect("crm:account", kept.pk)
    shown = {"form": form, "account": account, "works": form.blog if form.is_valid() else None}
    status = 422 if form.is_bound and not form.is_valid() else 200
    return render(request, "crm/blog.html", shown, status=status)


def _keep(form: BlogForm) -> Account | None:
    """Return the saved account, or None with a field error if another admin connected it first."""
    # The unique constraint decides: a colleague may connect the same blog after the form's check.
    try:
        with transaction.atomic():
            return form.keep()
    except IntegrityError:
        form.add_error(
            "address", _("Another user has just connected this blog. Nothing was saved.")
        )
        return None
