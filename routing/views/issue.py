from __future__ import annotations

from operator import attrgetter
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.db import models, transaction
from django.db.models import Value, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest, worker_only, works
from crm.models import User
from routing import above
from routing.forms import CaseNumbersForm, IssueForm
from routing.inbox.query import Asked, cases_asked_for, in_order
from routing.inbox.rows import Row, rows
from routing.models import Case, DoneReason, Issue
from routing.models.case import CaseQuerySet
from routing.models.case_access import visible
from routing.models.issue import IssueQuerySet
from routing.models.status import LIVING
from scrm.web.params import midnight, number

MAX_CASES = 100
"""Maximum number of cases on an issue's page; the inbox shows all of them."""
MAX_CLOSED = 100
MAX_FOUND = 20


@require_safe
def issues(request: StaffRequest) -> HttpResponse:
    """List the issues that are offered to the user, open issues first.

    Each issue is shown with its number of people and with the number of cases opened today.
    """
    counted = _counted(request.user).offered_to(request.user).open_first()
    counted = counted.select_related("owner").prefetch_related("departments")
    opened = list(counted.filter(closed_at=None))
    closed = list(counted.exclude(closed_at=None)[:MAX_CLOSED])
    keys = [row.pk for row in (*opened, *closed)]
    shown = {
        "open": opened,
        "closed": closed,
        "stated": above.last_posts(keys),
        "works": works(request.user),
    }
    return render(request, "routing/issues.html", shown)


@require_safe
def issue(request: StaffRequest, pk: int) -> HttpResponse:
    """Show an issue. With the parameter `q`, also show matching cases that can be added to it."""
    issue = get_object_or_404(_counted(request.user), pk=pk)
    words = request.GET.get("q", "").strip()[:200]
    if request.htmx and "q" in request.GET:
        found = {"issue": issue, "words": words, "found": _found(issue, words, request.user)}
        return render(request, "routing/_issue_found.html", found)
    return _page(request, issue)


@require_http_methods(["GET", "HEAD", "POST"])
@worker_only
def new(request: StaffRequest) -> HttpResponse:
    form = IssueForm(request.POST or None, initial={"owner": request.user})
    if form.is_valid():
        created = form.save()
        messages.success(request, _("Issue created. Add its cases now."))
        return redirect(created)
    status = 422 if form.is_bound else 200
    return render(request, "routing/issue_form.html", {"form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StaffRequest, pk: int) -> HttpResponse:
    """Edit the name, description and owner of an issue."""
    issue = get_object_or_404(Issue.objects.editable_by(request.user), pk=pk)
    form = IssueForm(request.POST or None, instance=issue)
    if form.is_valid():
        messages.success(request, _("“%(issue)s” saved.") % {"issue": form.save()})
        return redirect(issue)
    status = 422 if form.is_bound else 200
    return render(request, "routing/issue_form.html", {"form": form}, status=status)


@require_POST
@worker_only
@transaction.atomic
def add(request: StaffRequest, pk: int) -> HttpResponse:
    """Add cases to the issue. The user typed their numbers or ticked them in the search results."""
    issue = get_object_or_404(_counted(request.user).offered_to(request.user), pk=pk)
    ticked = " ".join(request.POST.getlist("case"))
    typed = {"numbers": request.POST.get("numbers", ticked)}
    form = CaseNumbersForm(typed, user=request.user)
    if not form.is_valid():
        return _page(request, issue, form=form, status=422)
    fresh = [case for case in form.cleaned_data["cases"] if case.issue_id != issue.pk]
    # Lock the cases in the order of their ids, as all code does, to prevent deadlocks.
    for case in sorted(fresh, key=attrgetter("pk")):
        case.group(issue, by=request.user)
    messages.success(request, _added(len(fresh)))
    return redirect(issue)


@require_POST
def remove(request: StaffRequest, pk: int) -> HttpResponse:
    issue = get_object_or_404(Issue, pk=pk)
    cases = issue.cases.all() & Case.objects.workable_by(request.user)
    case = get_object_or_404(cases, pk=number(request.POST.get("case", "")) or 0)
    case.group(None, by=request.user)
    messages.success(request, _("Case #%d was removed from this issue.") % case.pk)
    return redirect(issue)


@require_POST
def close(request: StaffRequest, pk: int) -> HttpResponse:
    """Close or reopen the issue. Only the owner, supervisors and admins may do this."""
    editable = Issue.objects.editable_by(request.user)
    issue = get_object_or_404(editable, pk=pk)
    closing = "close" in request.POST
    # Close only an open issue: a second click must not change the closing time.
    editable.filter(pk=pk, closed_at__isnull=closing).update(
        closed_at=timezone.now() if closing else None
    )
    message = _("Issue closed. Its cases are unchanged.") if closing else _("Reopened.")
    messages.success(request, message)
    return redirect(issue)


def _counted(user: User) -> IssueQuerySet:
    """Return the issues with the counts of those cases that the user may see."""
    seen = visible(user, prefix="cases__")
    return Issue.objects.counted(since=midnight(timezone.localdate()), seen=seen)


def _page(
    request: StaffRequest, issue: Any, *, form: CaseNumbersForm | None = None, status: int = 200
) -> HttpResponse:
    """Render the page of an issue, which has the counts of `_counted`."""
    user = request.user
    cases = Case.objects.visible_to(user).filter(issue=issue)
    only_living = request.GET.get("show") == "open"
    words = request.GET.get("q", "").strip()[:200]
    shown_rows = _rows(cases.living() if only_living else cases, user)
    workable = _workable(issue, user)
    shown = {
        "issue": issue,
        "rows": shown_rows,
        "closable": [
            row.case for row in shown_rows if row.case.pk in workable and row.case.status in LIVING
        ],
        "done_reasons": DoneReason.objects.labels(),
        "form_uuid": uuid4(),
        "only_living": only_living,
        "more": max((issue.living_n if only_living else issue.cases_n) - MAX_CASES, 0),
        "workable": workable,
        "form": form or CaseNumbersForm(user=user),
        "words": words,
        "found": _found(issue, words, user) if words else [],
        "works": works(user),
        "may_add": works(user) and Issue.objects.offered_to(user).filter(pk=issue.pk).exists(),
        "may_edit": user.sees_everything or issue.owner_id == user.pk,
    }
    return render(request, "routing/issue.html", shown, status=status)


def _rows(cases: CaseQuerySet, user: User) -> list[Row]:
    """Return rows of the cases: first open cases, then closed cases.

    Both are sorted by the latest message, the newest first. At most `MAX_CASES` rows are returned.
    """
    closed_last = models.Case(When(status__in=LIVING, then=Value(0)), default=Value(1))
    return rows(cases.order_by(closed_last, "-last_inbound_at", "-pk")[:MAX_CASES], user)


def _workable(issue: Issue, user: User) -> set[int]:
    mine = Case.objects.workable_by(user).filter(issue=issue)
    return set(mine.values_list("pk", flat=True))


def _found(issue: Issue, words: str, user: User) -> list[Row]:
    """Return rows of the cases that match the words and that the user may add to the issue."""
    if not words:
        return []
    cases = cases_asked_for(Asked("all", "newest", {"q": words}), user)
    mine = Case.objects.workable_by(user).values("pk")
    others = cases.filter(pk__in=mine).exclude(issue=issue)
    return rows(in_order(others, "newest")[:MAX_FOUND], user, words=words)


def _added(number: int) -> str:
    if not number:
        return _("These cases were already in the issue.")
    return ngettext("%d case was added.", "%d cases were added.", number) % number
