"""Messages that are unanswered again because an edit of them was routed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from routing.arrival import Arrival
from routing.models import BystanderReply, CaseEvent, ItemDecision
from routing.models.item_decision import WAITS_AGAIN


def withdraw_decisions(arrivals: Iterable[Arrival], now: datetime) -> set[int]:
    """Withdraw the decisions of the edited messages; return the versions of those that had one.

    A decision is about the words that were read then. A reply of a bystander counts as decided.
    Call this while the cases of the arrivals are locked.
    """
    versions = {row.edits: row.interaction for row in arrivals if row.edits}
    if not versions:
        return set()
    current = ItemDecision.objects.current().filter(interaction__in=versions)
    decided = set(current.values_list("interaction", flat=True))
    current.withdraw(by=None, now=now)
    stacked = BystanderReply.objects.filter(interaction__in=versions)
    waiting = CaseEvent.objects.filter(
        interaction__revises__in=versions, data__has_key=WAITS_AGAIN
    ).values_list("interaction__revises", flat=True)
    decided |= set(stacked.values_list("interaction", flat=True)) - set(waiting)
    return {versions[pk] for pk in decided}


def mark_events(events: Iterable[CaseEvent], versions: set[int]) -> None:
    """Mark the new events of these versions: their messages wait for an answer from now on."""
    for event in events:
        if event.interaction_id in versions and event.kind != CaseEvent.Kind.BYSTANDER:
            event.data[WAITS_AGAIN] = True
