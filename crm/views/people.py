from __future__ import annotations

from smtplib import SMTPException

import structlog
from django.contrib import messages
from django.db import transaction
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm import above
from crm.access import StaffRequest, admin_only
from crm.adapter import mail_password_link, password_link
from crm.forms import PersonForm, is_last_admin
from crm.forms.reassign import ReassignForm
from crm.leaving import Owned, end_access, owned_by, reassign_all, restore_access
from crm.models import User
from scrm.db.locks import locked

_log = structlog.get_logger(__name__)


@admin_only
@require_safe
def people(request: StaffRequest) -> HttpResponse:
    rows = User.objects.prefetch_related("memberships__department").order_by("-is_active", "name")
    context = {"people": rows, "open_cases": above.open_case_counts()}
    return render(request, "crm/people.html", context)


@admin_only
@require_safe
def person(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(User, pk=pk)
    return _page(request, row, PersonForm(instance=row))


@admin_only
@require_POST
@transaction.atomic
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    row = _locked(pk)
    form = PersonForm(request.POST, instance=row)
    if not (form.is_valid() and form.save_if_free()):
        row.refresh_from_db(fields=["role", "email", "name"])
        return _page(request, row, form, status=422)
    messages.success(request, _("Saved."))
    return redirect("crm:person", pk)


@admin_only
@require_POST
@transaction.atomic
def deactivate(request: StaffRequest, pk: int) -> HttpResponse:
    """End the access of a user at once, and list what needs a new owner."""
    row = _locked(pk)
    refusal = _why_not(row, by=request.user)
    if refusal:
        messages.error(request, refusal)
        return redirect("crm:person", pk)
    held = end_access(row, by=request.user, now=timezone.now())
    message = _("%s can no longer log in. Reassign the entries below.") % row
    if held:
        message += " " + ngettext(
            "%d planned response is held.", "%d planned responses are held.", held
        ) % held  # fmt: skip
    messages.success(request, message)
    return redirect("crm:reassign", pk)


@admin_only
@require_POST
def activate(request: StaffRequest, pk: int) -> HttpResponse:
    """Allow a user to log in again. The user must first set a new password."""
    row = get_object_or_404(User, pk=pk)
    restore_access(row)
    messages.success(request, _("%(person)s can log in again.") % {"person": row})
    return with_link(request, row)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def reassign(request: StaffRequest, pk: int) -> HttpResponse:
    """List what a user owns, and reassign it: all in one step, or each kind."""
    row = get_object_or_404(User, pk=pk)
    owned = owned_by(row)
    form = ReassignForm(request.POST or None, person=row, owned=owned)
    if form.is_valid():
        count = reassign_all(row, to=form.owners, by=request.user)
        if count:
            message = ngettext("%d entry has a new owner.", "%d entries have new owners.", count)
            messages.success(request, message % count)
        if stayed := [each for each in owned_by(row) if each.kind.key in form.owners]:
            messages.error(request, _not_reassigned(stayed, form.owners))
        return redirect("crm:reassign", pk)
    status = 422 if form.is_bound else 200
    context = {"person": row, "form": form, "owned": owned}
    return render(request, "crm/reassign.html", context, status=status)


def _not_reassigned(stayed: list[Owned], owners: dict[str, User]) -> str:
    what = ", ".join(f"{each.kind.label} ({each.count})" for each in stayed)
    names = ", ".join(sorted({str(owners[each.kind.key]) for each in stayed}))
    return _(
        "Not reassigned: %(what)s. %(names)s cannot own them: a case or a draft needs somebody who "
        "works in its department, or the new owner already has an entry with this name. Choose "
        "another owner for them."
    ) % {"what": what, "names": names}


@admin_only
@require_POST
def reset_password(request: StaffRequest, pk: int) -> HttpResponse:
    """Create a link with which a user can set a new password.

    The old password works until the user sets a new one.
    """
    return with_link(request, get_object_or_404(User.objects.active(), pk=pk))


def _locked(pk: int) -> User:
    """Return this user, and lock the rows of this user and of all admins.

    The lock prevents two admins from deactivating each other at the same time.
    """
    list(locked(User.objects.filter(Q(role=User.Role.ADMIN) | Q(pk=pk))))
    return get_object_or_404(User, pk=pk)


def _why_not(person: User, *, by: User) -> str:
    """Return the reason why the person cannot be deactivated, or "" if there is none."""
    if person == by:
        return _("You cannot deactivate yourself. Another admin can.")
    if is_last_admin(person):
        return _("This is the last admin. Make another user an admin first.")
    return ""


def with_link(request: StaffRequest, person: User) -> HttpResponse:
    """Mail a password link to the person, and show the link so that the admin can pass it on.

    If the mail cannot be sent, the error is only logged.
    """
    link = password_link(person)
    try:
        mail_password_link(person, link=link, by=request.user)
        mailed = True
    except (SMTPException, OSError) as error:
        _log.warning("invitation not mailed", error=str(error))
        mailed = False
    context = {"person": person, "link": link, "mailed": mailed}
    response = render(request, "crm/password_link.html", context)
    # The page contains a link that sets the password, so no cache may keep the page.
    response["Cache-Control"] = "no-store"
    return response


def _page(request: StaffRequest, row: User, form: PersonForm, status: int = 200) -> HttpResponse:
    counts = above.open_cases_of(row)
    context = {
        "person": row,
        "form": form,
        "memberships": row.memberships.select_related("department"),
        "open_cases": sum(counts.values()),
        "owned": owned_by(row),
        "why_not": _why_not(row, by=request.user) if row.is_active else "",
    }
    return render(request, "crm/person.html", context, status=status)
