"""Find the unanswered items of cases: inbound items that still need a decision.

An item of a case is unanswered if it has no current `ItemDecision`. It does not matter who wrote
it: everybody in a private conversation writes to us, also the person who got a copy of a mail.
Replies of bystanders, which are stacked, need no decision; neither do automatic answers, such as
out-of-office mails.
"""

from __future__ import annotations

from collections import defaultdict
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
    since: the time from which it waits for an answer: `said_at`, or when we received it if it was
      heard late.
    channel, visibility: as in `Interaction`.
    """

    interaction: int
    said_at: datetime
    since: datetime
    channel: str
    visibility: str

    @property
    def heard_late(self) -> bool:
        return self.since != self.said_at


def oldest_unanswered(
    cases: Collection[int] | QuerySet[Case, Any],
) -> dict[int, list[UnansweredItem]]:
    """Return {case id: its oldest unanswered items}; cases without such an item are left out.

    The first item of each list is the one that waits longest. The others are the oldest items of
    each channel, because channels have different reply windows.
    """
    items: Any = unanswered(cases)
    groups = ("in_case", "channel", "visibility")
    oldest = items.order_by(*groups, "counts_from", "pk").distinct(*groups)
    facts = oldest.values_list("in_case", "pk", "sort_at", "counts_from", "channel", "visibility")
    found: defaultdict[int, list[UnansweredItem]] = defaultdict(list)
    for case, *item in facts:
        found[case].append(UnansweredItem(*item))
    return {
        case: sorted(items, key=lambda item: (item.since, item.interaction))
        for case, items in found.items()
    }
