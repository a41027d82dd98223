"""Edit a user's roles in departments, and invite a user with roles.

These views are in `routing`, because a changed role can unassign cases, and the app `crm` does not
use the app `routing`.
"""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from crm.access import StaffRequest, admin_only
from crm.forms import InviteForm
from crm.models import Membership, User
from crm.views.people import with_link
from routing.forms import MembershipsForm
from routing.models import Case
from routing.party_cases import give_back


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: StaffRequest) -> HttpResponse:
    """Create a user with roles in departments. The login link is shown and sent by mail."""
    typed = request.POST or None
    form, memberships = InviteForm(typed), MembershipsForm(typed)
    # Use one transaction: no user must be created without the chosen roles.
    with transaction.atomic():
        person = form.save_if_free() if form.is_valid() and memberships.is_valid() else None
        if person:
            _save_memberships(person, memberships, by=request.user)
    # Send the mail after the commit: no mail must be sent if the transaction is rolled back.
    if person:
        return with_link(request, person)
    status = 422 if form.is_bound else 200
    return render(
        request, "routing/invite.html", {"form": form, "memberships": memberships}, status=status
    )


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def memberships(request: StaffRequest, pk: int) -> HttpResponse:
    """Edit a user's role in each department."""
    person = get_object_or_404(User, pk=pk)
    form = MembershipsForm(request.POST or None, person=person)
    if not form.is_valid():
        status = 422 if form.is_bound else 200
        return _page(request, person, form, status=status)
    with transaction.atomic():
        unassigned = _save_memberships(person, form, by=request.user)
    message = ngettext(
        "%d case is unassigned again.", "%d cases are unassigned again.",
        unassigned,
    )  # fmt: skip
    details = message % unassigned if unassigned else ""
    messages.success(request, f"{_('Saved.')} {details}".strip())
    return redirect("crm:person", pk)


def _save_memberships(person: User, form: MembershipsForm, *, by: User) -> int:
    """Save the roles of a user, and unassign the user's cases if necessary.

    A case is unassigned if the user may no longer work on it. Closed cases are not changed. Returns
    the number of unassigned cases.
    """
    changes = list(form.changes)
    for department, role in changes:
        if role:
            Membership.objects.update_or_create(
                user=person, department=department, defaults={"role": role}
            )
        else:
            Membership.objects.filter(user=person, department=department).delete()
    # Do this after saving the roles, which decide on which cases the user may work.
    workable = Case.objects.workable_by(person).values("pk")
    changed = [department.pk for department, _role in changes]
    assigned = Case.objects.living().of(person).filter(department__in=changed)
    return give_back(assigned.exclude(pk__in=workable), by=by)


def _page(
    request: StaffRequest, person: User, form: MembershipsForm, *, status: int
) -> HttpResponse:
    context = {"person": person, "memberships": form}
    page = "routing/_memberships.html" if request.htmx else "routing/memberships.html"
    return render(request, page, context, status=status)
