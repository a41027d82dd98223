"""Find the cases of conversations, messages, parties and assignees, for pages outside the inbox."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import Count, QuerySet

from crm.above import CaseLink
from crm.models import Profile, User
from routing.models import Case, CaseConversation, CaseEvent, RecordedOnly
from scrm.db.locks import locked

MAX_CLOSED = 10


def cases_of_conversations(conversations: Collection[int], user: User) -> dict[int, CaseLink]:
    """Return a dict from conversation id to a link to the conversation's current case.

    Conversations that belong to no case are left out. The link contains the id of the case only if
    the user may see the case.
    """
    current = CaseConversation.objects.filter(conversation__in=set(conversations), ended_at=None)
    rows = list(current.values_list("conversation", "case", "case__department__name"))
    visible = Case.objects.visible_to(user).filter(pk__in={case for _, case, _ in rows})
    known = set(visible.values_list("pk", flat=True)) if rows else set()
    return {
        conversation: CaseLink(department, case if case in known else 0)
        for conversation, case, department in rows
    }


def recorded_only(interactions: Collection[int]) -> dict[int, str]:
    """Return a dict from interaction id to the name of the rule that only records it."""
    found = RecordedOnly.objects.filter(interaction__in=interactions)
    return dict(found.values_list("interaction", "revision__rule__name"))


def opened_by(interactions: QuerySet[Any, Any]) -> int:
    """Return how many of these interactions, given by their ids, opened a case."""
    routed = CaseEvent.objects.filter(kind=CaseEvent.Kind.ROUTED, interaction__in=interactions)
    return routed.values("interaction").distinct().count()


def party_cases(profiles: QuerySet[Profile], user: User) -> list[Any]:
    """Return all open cases of these profiles, and their `MAX_CLOSED` newest closed cases.

    Each case gets an attribute `open_to_user`, which says whether the user may see the case.
    """
    cases = Case.objects.unmerged().filter(profile__in=profiles).order_by("-opened_at")
    cases = cases.select_related("department", "assignee")
    living = list(cases.living())
    closed = cases.exclude(pk__in=[case.pk for case in living])[:MAX_CLOSED]
    rows: list[Any] = [*living, *closed]
    visible = Case.objects.visible_to(user).filter(pk__in=[case.pk for case in rows])
    known = set(visible.values_list("pk", flat=True))
    for case in rows:
        case.open_to_user = case.pk in known
    return rows


def open_case_counts() -> dict[int | None, int]:
    """Return a dict from user id to the number of open cases assigned to the user.

    The key None has the number of open cases without an assignee.
    """
    assignees = Case.objects.living().values_list("assignee")
    return dict(assignees.annotate(Count("pk")).order_by())


def open_cases_of(person: User) -> dict[str, int]:
    """Return a dict from department name to the number of open cases assigned to the user."""
    departments = Case.objects.living().filter(assignee=person).values_list("department__name")
    return dict(departments.annotate(Count("pk")).order_by("department__name"))


def give_back(cases: QuerySet[Case], *, by: User) -> int:
    """Unassign these cases, and return the number of cases.

    All cases are locked first, in the order of their ids.
    """
    # Build a list, so that all cases are locked before the first case is changed.
    rows = list(locked(cases))
    for case in rows:
        case.give_back(by=by)
    return len(rows)
