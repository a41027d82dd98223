"""Find out whether the item that a response answers was edited or deleted at its source."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from crm.models import Interaction
from listening.models import MentionChange
from responses.models import Delivery
from scrm.channels.base import ChannelError


@dataclass(frozen=True, slots=True)
class LastChange:
    """The newest change of an item at its source.

    recorded_at: when scrm learned of it. occurred_at: when it happened, if the source states it.
    """

    is_deletion: bool
    recorded_at: datetime
    occurred_at: datetime | None = None


def last_changes(items: Collection[int]) -> dict[int, LastChange]:
    """Return {interaction id: its newest change} for the items that were changed.

    This takes one query for any number of items.
    """
    if not items:
        return {}
    changes = MentionChange.objects.filter(mention__interaction__in=items)
    last = changes.order_by("mention__interaction", "-pk").distinct("mention__interaction")
    rows = last.values_list("mention__interaction", "kind", "recorded_at", "occurred_at")
    deleted = MentionChange.Kind.DELETED
    return {pk: LastChange(kind == deleted, noticed, at) for pk, kind, noticed, at in rows}


def deletions(items: Collection[int]) -> dict[int, datetime]:
    """Return {interaction id: when scrm learned of it} for the items that were deleted."""
    changes = last_changes(items).items()
    return {pk: change.recorded_at for pk, change in changes if change.is_deletion}


def deleted_at(item: Interaction | None) -> datetime | None:
    """Return when scrm learned that the author has deleted the item.

    Returns None if the item was not deleted, or if `item` is None.
    """
    return deletions([item.pk]).get(item.pk) if item else None


def why_not_answered(item: Interaction | None) -> str:
    """Return a sentence for users if the author has deleted the item, or "" if not."""
    at = deleted_at(item)
    if at is None:
        return ""
    return (
        "The message that you answer was deleted at the source (noticed on "
        f"{timezone.localtime(at):%-d %b at %H:%M}). "
        "Nothing was sent. Write a private message instead, or close the case without a reply."
    )


def refuse_if_changed(delivery: Delivery) -> None:
    """Raise a permanent ChannelError if the item that the delivery answers has changed.

    A reply to a deleted item is never sent. If the item was edited after a user has released the
    reply, the reply is not sent until a user sends it again.
    """
    item = delivery.response.in_reply_to
    change = last_changes([item.pk]).get(item.pk) if item else None
    if change is None:
        return
    if change.is_deletion:
        raise ChannelError(why_not_answered(item), permanent=True)
    # A user who sends it again has read the new text.
    first = delivery.replaces
    decided_at = first.settled_at if first else delivery.response.released_at
    noticed_at = change.recorded_at
    if decided_at and noticed_at > decided_at:
        raise ChannelError(
            "The message that you answer was edited at the source after the reply was released "
            f"(noticed on {timezone.localtime(noticed_at):%-d %b at %H:%M}). Nothing was sent. "
            "Read the new text in the case. If the reply still fits, send it again.",
            permanent=True,
        )
