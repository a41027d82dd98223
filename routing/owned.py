"""The kinds of rows of this app that users own."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from crm.models import User
from crm.ownership import OwnedKind, owner_field
from routing.models import Calendar, Case, Issue, Procedure, RoutingRule, SavedView
from routing.reassign import reassign_cases
from scrm.db.locks import locked


def _cases(user: User) -> QuerySet[Any, Any]:
    return Case.objects.living().of(user).select_related("profile").order_by("pk")


def _reassign_cases(person: User, to: User, by: User) -> int:
    return len(reassign_cases(Case.objects.living(), person=person, to=to, by=by).cases)


def _naming_rules(user: User) -> QuerySet[Any, Any]:
    named = Q(current__person=user) | Q(current__notify__contains=[user.pk])
    return RoutingRule.objects.filter(named).order_by("pk")


@transaction.atomic
def _reassign_naming_rules(person: User, to: User, by: User) -> int:
    """Let the rules that name `person` name `to` instead, with a new revision.

    A rule stays if it assigns cases and `to` does not work in its department.
    """
    count = 0
    found = _naming_rules(person).values_list("pk", flat=True)
    for rule in locked(RoutingRule.objects.filter(pk__in=list(found))):
        old = rule.current
        assigned = old is not None and old.person_id == person.pk
        if old is None or (assigned and not (old.department and old.department.has_worker(to))):
            continue
        rule.revise_like(
            old,
            by=by,
            person=to if assigned else old.person,
            notify=[to.pk if user == person.pk else user for user in old.notify],
        )
        count += 1
    return count


OWNED = (
    OwnedKind("cases", "routing.Case.assignee", _("Open cases"), _cases, _reassign_cases),
    OwnedKind(
        "naming_rules",
        "routing.RuleRevision.person",
        _("Routing rules that name this user"),
        _naming_rules,
        _reassign_naming_rules,
    ),
    owner_field("rules", _("Routing rules"), RoutingRule.objects),
    owner_field("issues", _("Issues"), Issue.objects.filter(closed_at=None)),
    owner_field("calendars", _("Calendars"), Calendar.objects),
    owner_field(
        "procedures", _("Person on call for sensitive cases"), Procedure.objects, field="on_call"
    ),
    owner_field("views", _("Saved views of the inbox"), SavedView.objects),
)
