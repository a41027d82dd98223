"""Mark cases as sensitive when an item matches a sensitive topic, and tell the person on call."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from crm.models import Notice
from listening.sensitivity import Sensitivity
from listening.topic_hits import FoundTopic
from routing.models import Case, Procedure
from routing.models.rule import Priority


def kind_of(topics: Iterable[FoundTopic]) -> str:
    """Return the most serious kind among the topics of an item, or ""."""
    found = {topic.sensitivity for topic in topics}
    return next((kind for kind in Sensitivity.values if kind in found), "")


def mark(case: Case, topics: Iterable[FoundTopic], *, said_at: datetime) -> bool:
    """Mark the case as sensitive if an item needs that; return whether it was marked now.

    The case becomes urgent. A case keeps its kind until a more serious one is found. A statutory
    deadline never moves to a later day. The caller saves the case.
    """
    kind = kind_of(topics)
    if not kind:
        return False
    deadline = Procedure.objects.of(kind).deadline(said_at)
    deadlines = [at for at in (deadline, case.statutory_due_at) if at]
    case.statutory_due_at = min(deadlines, default=None)
    case.priority = Priority.URGENT
    order = list(Sensitivity.values)
    if case.sensitive and order.index(case.sensitive) <= order.index(kind):
        return False
    case.sensitive = kind
    return True


def tell_on_call(cases: Iterable[Case], *, now: datetime) -> None:
    """Notify the person on call for each of these cases, which must be saved."""
    for case in cases:
        procedure = Procedure.objects.of(case.sensitive)
        Notice.give(
            procedure.on_call_in(case.department),
            Notice.Kind.SENSITIVE,
            about=case.as_subject,
            text=str(procedure),
            now=now,
        )
