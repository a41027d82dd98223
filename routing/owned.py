"""The kinds of rows of this app that users own."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from crm.models import User
from crm.ownership import OwnedKind, owner_field
from routing.hand_over import hand_over
from routing.models import Case, Issue, RoutingRule, SavedView
from scrm.db.locks import locked


def _cases(user: User) -> QuerySet[Any, Any]:
    return Case.objects.living().of(user).select_related("profile").order_by("pk")


def _give_cases(person: User, to: User, by: User) -> int:
    return len(hand_over(Case.objects.living(), person=person, to=to, by=by).cases)


def _naming_rules(user: User) -> QuerySet[Any, Any]:
    return RoutingRule.objects.filter(current__person=user).order_by("pk")


@transaction.atomic
def _give_naming_rules(person: User, to: User, by: User) -> int:
    """Let the rules that assign cases to `person` assign them to `to`, with a new revision.

    A rule stays if `to` does not work in the department of the rule.
    """
    given = 0
    for rule in locked(_naming_rules(person)).select_related("current__department"):
        old = rule.current
        if old and old.department.has_worker(to):
            rule.revise(
                conditions=old.conditions,
                department=old.department,
                by=by,
                assign=old.assign,
                person=to,
                priority=old.priority,
                tags=tuple(old.tags),
            )
            given += 1
    return given


OWNED = (
    OwnedKind("cases", "routing.Case.assignee", _("Open cases"), _cases, _give_cases),
    OwnedKind(
        "naming_rules",
        "routing.RuleRevision.person",
        _("Routing rules that assign cases to this user"),
        _naming_rules,
        _give_naming_rules,
    ),
    owner_field("rules", _("Routing rules"), RoutingRule.objects),
    owner_field("issues", _("Issues"), Issue.objects.filter(closed_at=None)),
    owner_field("views", _("Saved views of the inbox"), SavedView.objects),
)
