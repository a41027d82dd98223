"""Roles of users in departments, and invitations with them.

Logins belong to crm. This app combines both, because departments are in a layer above crm.
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
    """Create a login and its department roles together; the link is shown and mailed."""
    typed = request.POST or None
    form, memberships = InviteForm(typed), MembershipsForm(typed)
    # One transaction: a login must not remain without its departments.
    with transaction.atomic():
        person = form.save_if_free() if form.is_valid() and memberships.is_valid() else None
        if person:
            _save_memberships(person, memberships, by=request.user)
    # After the commit: no mail for a login that is rolled back.
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
        given_back = _save_memberships(person, form, by=request.user)
    said = ngettext(
        "%d case is unassigned again.", "%d cases are unassigned again.",
        given_back,
    )  # fmt: skip
    messages.success(request, f"{_('Saved.')} {said % given_back if given_back else ''}".strip())
    return redirect("crm:person", pk)


def _save_memberships(person: User, form: MembershipsForm, *, by: User) -> int:
    """Set the roles → number of cases unassigned because the person may not work on them now."""
    changes = list(form.changes)
    for department, role in changes:
        if role:
            Membership.objects.update_or_create(
                user=person, department=department, defaults={"role": role}
            )
        else:
            Membership.objects.filter(user=person, department=department).delete()
    # After the roles are set: they decide what the person may work on.
    workable = Case.objects.workable_by(person).values("pk")
    touched = [department.pk for department, _role in changes]
    theirs = Case.objects.living().of(person).filter(department__in=touched)
    return give_back(theirs.exclude(pk__in=workable), by=by)


def _page(
    request: StaffRequest, person: User, form: MembershipsForm, *, status: int
) -> HttpResponse:
    context = {"person": person, "memberships": form}
    page = "routing/_memberships.html" if request.htmx else "routing/memberships.html"
    return render(request, page, context, status=status)
