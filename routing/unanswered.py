"""Find the unanswered items of cases: inbound items that still need a decision.

An item of a case is unanswered if it has no current `ItemDecision`. It does not matter who wrote
it: everybody in a private conversation writes to us, also the person who got a copy of a mail.
Replies of bystanders, which are stacked, need no decision; neither do automatic answers, such as
out-of-office mails.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Case, DateTimeField, F, Min, QuerySet, When

from routing.models.item_decision import unanswered
from scrm.channels import registry

__all__ = ["UnansweredItem", "oldest_unanswered", "unanswered"]


@dataclass(frozen=True, slots=True)
class UnansweredItem:
    """The unanswered item of a case that waits longest, without its text.

    said_at: when it was written, or recorded if that is unknown or earlier (`Interaction.sort_at`).
    since: the time from which it waits for an answer: `said_at`, or when we received it if it was
      heard late, or `edited_at`.
    edited_at: when an edit made it wait again; otherwise None.
    window_ends: the earliest end of a reply window of all unanswered items of the case; None if no
      channel limits the time.
    """

    interaction: int
    said_at: datetime
    since: datetime
    edited_at: datetime | None = None
    window_ends: datetime | None = None

    @property
    def heard_late(self) -> bool:
        return self.since not in (self.said_at, self.edited_at)


def oldest_unanswered(cases: Collection[int] | QuerySet[Any, Any]) -> dict[int, UnansweredItem]:
    """Return {case id: the item that waits longest}; cases without such an item are left out.

    Runs one SQL statement, and a second one if a channel with a reply window is among them.
    """
    items: Any = unanswered(cases)
    groups = ("in_case", "channel", "visibility")
    first = items.order_by(*groups, "counts_from", "pk").distinct(*groups)
    columns = ("in_case", "channel", "visibility", "pk", "sort_at", "counts_from", "edited_at")
    found: dict[int, UnansweredItem] = {}
    private = set()
    for case, channel, visibility, *fields in first.values_list(*columns):
        item = UnansweredItem(*fields)
        found[case] = min(
            item, found.get(case, item), key=lambda item: (item.since, item.interaction)
        )
        if visibility == "private":
            private.add(channel)
    for case, end in _window_ends(items, private).items():
        if case in found:  # a message may commit between the two statements
            found[case] = replace(found[case], window_ends=end)
    return found


def _window_ends(items: Any, channels: Iterable[str]) -> dict[int, datetime]:
    """Return {case id: the earliest end of a reply window} for private items of these channels.

    A reply window that ended before we received the message is not a deadline.
    """
    windows = {each: window for each in channels if (window := registry.reply_window(each))}
    if not windows:
        return {}
    ends = Case(
        *(When(channel=each, then=F("sort_at") + window) for each, window in windows.items()),
        output_field=DateTimeField(),
    )
    limited = items.filter(visibility="private", channel__in=windows).annotate(ends=ends)
    limited = limited.filter(ends__gt=F("counts_from")).order_by().values("in_case")
    return dict(limited.annotate(first=Min("ends")).values_list("in_case", "first"))
