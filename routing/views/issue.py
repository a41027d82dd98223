from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest, worker_only
from routing.forms import CaseNumbersForm, IssueForm
from routing.models import Case, Issue
from routing.models.status import LIVING
from scrm.numbers import number


@require_safe
def issues(request: StaffRequest) -> HttpResponse:
    rows = Issue.objects.select_related("owner").annotate(
        people=Count("cases__profile", distinct=True),
        living=Count("cases", filter=Q(cases__status__in=LIVING)),
    )
    return render(request, "routing/issues.html", {"issues": rows})


@require_safe
def issue(request: StaffRequest, pk: int) -> HttpResponse:
    return _page(request, get_object_or_404(Issue, pk=pk))


@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
def new(request: StaffRequest) -> HttpResponse:
    form = IssueForm(request.POST or None, initial={"owner": request.user})
    if form.is_valid():
        created = form.save()
        messages.success(request, _("The issue is open. Add the cases that are about it."))
        return redirect(created)
    status = 422 if form.is_bound else 200
    return render(request, "routing/issue_form.html", {"form": form}, status=status)


@require_POST
@worker_only
@transaction.atomic
def add(request: StaffRequest, pk: int) -> HttpResponse:
    issue = get_object_or_404(Issue, pk=pk)
    form = CaseNumbersForm(request.POST, user=request.user)
    if not form.is_valid():
        return _page(request, issue, form=form, status=422)
    fresh = [case for case in form.cleaned_data["cases"] if case.issue_id != issue.pk]
    for case in fresh:
        case.group(issue, by=request.user)
    messages.success(request, _("%d cases were added.") % len(fresh))
    return redirect(issue)


@require_POST
def remove(request: StaffRequest, pk: int) -> HttpResponse:
    issue = get_object_or_404(Issue, pk=pk)
    cases = issue.cases.all() & Case.objects.workable_by(request.user)
    case = get_object_or_404(cases, pk=number(request.POST.get("case", "")) or 0)
    case.group(None, by=request.user)
    messages.success(request, _("#%d is no longer part of this issue.") % case.pk)
    return redirect(issue)


@require_POST
def close(request: StaffRequest, pk: int) -> HttpResponse:
    """Close it, or open it again: its owner's, a supervisor's or an admin's to say."""
    theirs = Issue.objects.all() if request.user.sees_everything else request.user.issues.all()
    issue = get_object_or_404(theirs, pk=pk)
    closing = "close" in request.POST
    theirs.filter(pk=pk, closed_at__isnull=closing).update(
        closed_at=timezone.now() if closing else None
    )
    said = _("Closed. Its cases stay as they are.") if closing else _("Open again.")
    messages.success(request, said)
    return redirect(issue)


def _page(
    request: StaffRequest,
    issue: Issue,
    *,
    form: CaseNumbersForm | None = None,
    status: int = 200,
) -> HttpResponse:
    user = request.user
    visible = Case.objects.visible_to(user).filter(issue=issue)
    cases = list(
        visible.select_related("profile", "department", "assignee").order_by("-last_inbound_at")
    )
    workable = Case.objects.workable_by(user).filter(issue=issue)
    context = {
        "issue": issue,
        "cases": cases,
        "workable": set(workable.values_list("pk", flat=True)),
        "hidden": issue.cases.count() - len(cases),
        "people": issue.cases.values("profile").distinct().count(),
        "form": form or CaseNumbersForm(user=user),
        "may_close": user.sees_everything or issue.owner_id == user.pk,
    }
    return render(request, "routing/issue.html", context, status=status)
