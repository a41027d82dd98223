"""Find the unanswered items of cases: inbound items that still need a decision.

An item is unanswered if it has no current `ItemDecision`. Only items of the case's party count.
In a conversation of a case, other people (bystanders) write too: their items need no decision, and
they move no clock of the case. Automatic answers, such as out-of-office mails, need none either.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from routing.models.case import Case
from routing.models.item_decision import unanswered

__all__ = ["UnansweredItem", "oldest_unanswered", "unanswered"]


@dataclass(frozen=True, slots=True)
class UnansweredItem:
    """One unanswered item, without its text.

    said_at: when it was written, or recorded if that is unknown or earlier (`Interaction.sort_at`).
    recorded_at: when we received it.
    channel, visibility: as in `Interaction`.
    """

    interaction: int
    said_at: datetime
    recorded_at: datetime
    channel: str
    visibility: str


def oldest_unanswered(
    cases: Collection[int] | QuerySet[Case, Any],
) -> dict[int, UnansweredItem]:
    """Return {case id: its oldest unanswered item}; cases without such an item are left out."""
    items: Any = unanswered(cases)
    oldest = items.order_by("in_case", "sort_at", "pk").distinct("in_case")
    facts = oldest.values_list("in_case", "pk", "sort_at", "recorded_at", "channel", "visibility")
    return {case: UnansweredItem(*item) for case, *item in facts}
