"""Mark cases as sensitive when an item matches a sensitive topic, and tell the person on call."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from crm.models import Notice, User
from listening.sensitivity import Sensitivity
from listening.topic_hits import FoundTopic
from routing.models import Case, Procedure
from routing.models.rule import Priority


def kinds_of(topics: Iterable[FoundTopic]) -> list[str]:
    """Return the kinds among the topics of an item, the most serious first."""
    found = {topic.sensitivity for topic in topics}
    return [kind for kind in Sensitivity.values if kind in found]


def kind_of(topics: Iterable[FoundTopic]) -> str:
    """Return the most serious kind among the topics of an item, or ""."""
    return next(iter(kinds_of(topics)), "")


def more_serious(one: str, other: str) -> str:
    """Return the more serious of two kinds; "" stands for no kind."""
    return next((kind for kind in Sensitivity.values if kind in {one, other}), "")


def mark(
    case: Case, topics: Iterable[FoundTopic], *, said_at: datetime, was_done: bool = False
) -> bool:
    """Mark the case as sensitive if an item needs that; return whether it was marked now.

    The case becomes urgent. A case keeps its kind until a more serious one is found. A statutory
    deadline never moves to a later day, unless the case was done: then the item is a new request.
    The caller saves the case.
    """
    kinds = kinds_of(topics)
    if not kinds:
        return False
    kind = kinds[0]
    # Every kind counts: a letter that threatens with a lawyer may also be a data request.
    found = [Procedure.objects.of(each).deadline(said_at) for each in kinds]
    deadlines = [at for at in found if at]
    if case.statutory_due_at and not (was_done and deadlines):
        deadlines.append(case.statutory_due_at)
    case.statutory_due_at = min(deadlines, default=None)
    case.priority = Priority.URGENT
    before, case.sensitive = case.sensitive, more_serious(case.sensitive, kind)
    return case.sensitive != before


def tell_on_call(cases: Iterable[Case], *, now: datetime, by: User | None = None) -> None:
    """Notify the person on call for each of these cases, which must be saved.

    by: the user whose action made the cases sensitive, and who is not notified.
    """
    for case in cases:
        procedure = Procedure.objects.of(case.sensitive)
        Notice.give(
            responsible(procedure, case),
            Notice.Kind.SENSITIVE,
            by=by,
            about=case.as_subject,
            text=str(procedure),
            now=now,
        )


def responsible(procedure: Procedure, case: Case) -> list[int]:
    """Return the ids of the users who are told about a sensitive case.

    The person on call is told, else the team leads, else those who see everything: the first of
    them who are not away. If all are away, they are told nevertheless. Nobody is told who may not
    see the case.
    """
    on_call = procedure.on_call
    first = [on_call] if on_call and on_call.is_active and _sees(on_call, case) else []
    seats = case.department.memberships.leading().select_related("user").order_by("user")
    leads = [seat.user for seat in seats if seat.user.is_active]
    groups = [first, leads, list(User.objects.seeing_everything().order_by("pk"))]
    present = ([user for user in group if not user.is_away] for group in groups)
    told = next((group for group in (*present, *groups) if group), [])
    return [user.pk for user in told]


def _sees(user: User, case: Case) -> bool:
    return Case.objects.visible_to(user).filter(pk=case.pk).exists()
