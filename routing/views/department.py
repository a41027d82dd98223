from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest, admin_only
from crm.models import Department, Membership, User
from routing.forms import DepartmentForm, MemberForm
from routing.models import Case, RoutingRule
from routing.models.status import ACTIVE
from routing.party_cases import give_back
from scrm.db.locks import locked


@admin_only
@require_safe
def departments(request: StaffRequest) -> HttpResponse:
    rows = Department.objects.select_related("owner").annotate(
        people=Count("memberships", distinct=True),
        active=Count("cases", filter=Q(cases__status__in=ACTIVE), distinct=True),
    )
    return render(request, "routing/departments.html", {"departments": rows})


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    form = DepartmentForm(request.POST or None, initial={"owner": request.user})
    if form.is_valid():
        created = form.save()
        messages.success(request, _("Department created. Add its members now."))
        return redirect("routing:department", created.pk)
    status = 422 if form.is_bound else 200
    return render(request, "routing/department.html", {"form": form}, status=status)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def department(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Department, pk=pk)
    form = DepartmentForm(request.POST or None, instance=row)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("routing:department", row.pk)
    return _page(request, row, form, MemberForm(), status=422 if form.is_bound else 200)


@admin_only
@require_POST
@transaction.atomic
def archive(request: StaffRequest, pk: int) -> HttpResponse:
    """Archive a department or bring it back; the form contains the wanted state.

    The fallback department and departments with open cases cannot be archived.
    """
    row = get_object_or_404(locked(Department.objects.all()), pk=pk)
    if request.POST.get("to") == "back":
        row.archived_at = None
        message = _("“%s” was restored. Cases can be routed and transferred to it.") % row
    elif refusal := _why_not_archived(row):
        messages.error(request, refusal)
        return redirect("routing:department", pk)
    else:
        row.archived_at = row.archived_at or timezone.now()
        message = _("“%s” is archived. Its closed cases can still be read.") % row
        rules = RoutingRule.objects.filter(is_active=True, current__department=row)
        if names := [f"“{rule}”" for rule in rules]:
            message += " " + _("These rules are no longer applied: %s.") % ", ".join(names)
    row.save(update_fields=["archived_at"])
    messages.success(request, message)
    return redirect("routing:department", pk)


def _why_not_archived(department: Department) -> str:
    """Return the reason why the department cannot be archived, or "" if there is none."""
    if department.is_fallback:
        return _("This is the fallback department. Choose another fallback first.")
    count = Case.objects.living().filter(department=department).count()
    message = ngettext(
        "The department has %d open case. Transfer or close the case first.",
        "The department has %d open cases. Transfer or close them first.",
        count,
    )
    return message % count if count else ""


@admin_only
@require_POST
@transaction.atomic
def member(request: StaffRequest, pk: int) -> HttpResponse:
    """Add a user to the department, change the user's role, or remove the user."""
    row = get_object_or_404(Department, pk=pk)
    form = MemberForm(request.POST)
    if not form.is_valid():
        return _page(request, row, DepartmentForm(instance=row), form, status=422)
    user, role = form.cleaned_data["user"], form.cleaned_data["role"]
    if "remove" in request.POST:
        Membership.objects.filter(department=row, user=user).delete()
        message = _("%s was removed from this department.") % user
    else:
        Membership.objects.update_or_create(department=row, user=user, defaults={"role": role})
        role_label = Membership.Role(role).label
        message = _("%(person)s: %(role)s.") % {"person": user, "role": role_label}
    # Do this after changing the membership, which decides on which cases the user may work.
    unassigned = _unassign_cases(row, user, by=request.user)
    messages.success(request, f"{message} {unassigned}".strip())
    return redirect("routing:department", row.pk)


def _unassign_cases(department: Department, user: User, *, by: User) -> str:
    """Unassign the user's cases in the department if the user may no longer work on them.

    Closed cases are not changed. Returns a message with the number of cases; "" if there are none.
    """
    workable = Case.objects.workable_by(user).values("pk")
    count = give_back(
        Case.objects.living().of(user).filter(department=department).exclude(pk__in=workable),
        by=by,
    )
    message = ngettext("%d case is unassigned again.", "%d cases are unassigned again.", count)
    return message % count if count else ""


def _page(
    request: StaffRequest,
    department: Department,
    form: DepartmentForm,
    member_form: MemberForm,
    *,
    status: int,
) -> HttpResponse:
    context = {
        "department": Department.objects.get(pk=department.pk),
        "form": form,
        "member_form": member_form,
        "members": department.memberships.select_related("user").order_by("user__name"),
        "roles": Membership.Role.choices,
    }
    return render(request, "routing/department.html", context, status=status)
