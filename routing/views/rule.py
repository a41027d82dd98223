from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from django.contrib import messages
from django.db import transaction
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crm.access import StaffRequest, admin_only
from crm.models import User
from routing.forms import RuleForm
from routing.models import Case, RecordedOnly, RoutingRule, RuleRevision
from routing.models.rule import find_errors
from routing.rule_trial import Trial, try_rules
from scrm.conditions.form_rows import is_change
from scrm.db.locks import locked
from scrm.web.params import number


@admin_only
@require_safe
def rules(request: StaffRequest) -> HttpResponse:
    """List the rules in order. With the parameter `case`, also test the rules on that case."""
    rows = list(
        RoutingRule.objects.select_related(
            "owner", "current__department", "current__person", "current__issue"
        )
    )
    errors = find_errors([rule.current for rule in rows if rule.current])
    recorded = _recorded_counts()
    notified = _names(user for rule in rows if rule.current for user in rule.current.notify)
    for rule in rows:
        rule.errors = errors.get(rule.current_id or 0, [])  # type: ignore[attr-defined]
        rule.recorded = recorded.get(rule.pk, 0)  # type: ignore[attr-defined]
        named = rule.current.notify if rule.current else []
        rule.notified = [notified[user] for user in named if user in notified]  # type: ignore[attr-defined]
    always = [rule for rule in rows if rule.always_runs]
    deciding = [rule for rule in rows if not rule.always_runs]
    asked = request.GET.get("case", "").strip().lstrip("#")
    context = {
        "always": always,
        "rules": deciding,
        "number": asked,
        "trial": _trial(asked) if asked else None,
    }
    return render(request, "routing/rules.html", context)


def _recorded_counts() -> dict[int, int]:
    """Return rule id → how many interactions of the last 30 days opened no case because of it."""
    since = timezone.now() - timedelta(days=30)
    recent = RecordedOnly.objects.filter(at__gte=since).values_list("revision__rule")
    return dict(recent.annotate(Count("pk")).order_by())


def _names(users: Iterable[int]) -> dict[int, str]:
    return {user.pk: str(user) for user in User.objects.filter(pk__in=set(users))}


def _trial(asked: str) -> Trial | None:
    case = Case.objects.filter(pk=number(asked) or 0).first()
    return try_rules(case) if case else None


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    form = RuleForm(request.POST or None, initial={"owner": request.user})
    if is_change(request.POST):
        return _changed(request, form, None)
    if form.is_valid() and form.keep(by=request.user):
        messages.success(request, _("Rule saved and active. It is the last in the order."))
        return redirect("routing:rules")
    return _page(request, form, None, status=422 if form.is_bound else 200)


@admin_only
@require_http_methods(["GET", "HEAD", "POST"])
def rule(request: StaffRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(RoutingRule.objects.select_related("current"), pk=pk)
    form = RuleForm(request.POST or None, rule=row)
    if is_change(request.POST):
        return _changed(request, form, row)
    # Check the revision first: an admin must not overwrite a revision that the page did not show.
    if form.is_bound and request.POST.get("revision", "") != str(row.current_id or ""):
        messages.error(request, _("Another user changed this rule meanwhile. See "
                                  "its revisions below. Nothing was saved, and your "
                                  "input was kept."))  # fmt: skip
        return _page(request, form, row, status=409)
    if form.is_valid() and form.keep(by=request.user):
        messages.success(request, _("Rule saved. Cases routed before keep their revision."))
        return redirect(row)
    return _page(request, form, row, status=422 if form.is_bound else 200)


@admin_only
@require_POST
@transaction.atomic
def move(request: StaffRequest, pk: int) -> HttpResponse:
    """Move a rule one place up or down, and renumber the positions of all rules."""
    # Lock all rules: two requests at the same time must not overwrite each other's positions.
    rules = locked(RoutingRule.objects.select_related("current"))
    order = sorted(rules, key=lambda rule: (rule.position, rule.pk))
    row = get_object_or_404(RoutingRule.objects.select_related("current"), pk=pk)
    # A rule moves among its own kind: rules that always run are before those that decide.
    group = [rule for rule in order if rule.always_runs == row.always_runs]
    here = group.index(row)
    there = here + (1 if request.POST.get("to") == "down" else -1)
    if 0 <= there < len(group):
        group[here], group[there] = group[there], group[here]
    others = [rule for rule in order if rule.always_runs != row.always_runs]
    for position, rule in enumerate([*group, *others] if row.always_runs else [*others, *group]):
        if rule.position != position:
            rule.position = position
            rule.save(update_fields=["position"])
    return redirect("routing:rules")


@admin_only
@require_POST
def switch(request: StaffRequest, pk: int) -> HttpResponse:
    """Turn a rule on or off.

    The form contains the wanted state, so that a second click does not undo the first click.
    """
    row = get_object_or_404(RoutingRule, pk=pk)
    row.is_active = request.POST.get("to") == "on"
    row.save(update_fields=["is_active"])
    message = _("“%s” is active.") if row.is_active else _("“%s” is off. It matches no cases.")
    messages.success(request, message % row)
    return redirect("routing:rules")


def _changed(request: StaffRequest, form: RuleForm, rule: RoutingRule | None) -> HttpResponse:
    """Show the form again after a button changed the rows. Nothing is checked or saved yet."""
    form.errors.clear()
    return _page(request, form, rule, status=200)


@dataclass(frozen=True, slots=True)
class Change:
    """One revision, with a description of its differences from the previous revision."""

    revision: RuleRevision
    differences: list[str]


def _page(
    request: StaffRequest, form: RuleForm, rule: RoutingRule | None, *, status: int
) -> HttpResponse:
    fields = list(form.visible_fields())
    context = {
        "form": form,
        "first": fields[:2],
        "last": fields[2:],
        "rule": rule,
        "rows": form.rows,
        "history": _history(rule) if rule else [],
    }
    return render(request, "routing/rule.html", context, status=status)


def _history(rule: RoutingRule) -> list[Change]:
    revisions = list(rule.revisions.select_related("department", "person", "made_by", "issue"))
    changes = [Change(new, _differences(old, new)) for new, old in pairwise(revisions)]
    return [*changes, *(Change(first, [_("First revision.")]) for first in revisions[-1:])]


def _differences(old: RuleRevision, new: RuleRevision) -> list[str]:
    pairs = {
        _("condition"): (old.sentence, new.sentence),
        _("department"): (str(old.department or ""), str(new.department or "")),
        _("assignee"): (_assignee(old), _assignee(new)),
        _("priority"): (old.get_priority_display(), new.get_priority_display()),
        _("tags"): (", ".join(old.tags), ", ".join(new.tags)),
        _("runs"): (_runs(old), _runs(new)),
        _("outcome"): (str(old.get_outcome_display()), str(new.get_outcome_display())),
        _("issue"): (str(old.issue or ""), str(new.issue or "")),
        _("notices"): (_notices(old), _notices(new)),
    }
    changes = [
        _("%(what)s: “%(old)s” → “%(new)s”")
        % {"what": what, "old": before or _("none"), "new": after or _("none")}
        for what, (before, after) in pairs.items()
        if before != after
    ]
    return changes or [_("No changes except the number.")]


def _runs(revision: RuleRevision) -> str:
    return _("always") if revision.always else _("until the first match")


def _notices(revision: RuleRevision) -> str:
    leads = [_("team leads")] if revision.notify_leads else []
    people = len(revision.notify)
    named = [ngettext("%d user", "%d users", people) % people] if people else []
    return ", ".join([*named, *leads])


def _assignee(revision: RuleRevision) -> str:
    return str(revision.person) if revision.person else str(revision.get_assign_display())
