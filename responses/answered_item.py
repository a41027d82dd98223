"""Find out whether the item that a response answers was deleted on its network."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.utils import timezone

from crm.models import Interaction
from listening.models import MentionChange
from scrm.channels.base import ChannelError


def deletions(items: Collection[int]) -> dict[int, datetime]:
    """Return {interaction id: when scrm learned of it} for the items that were deleted.

    This takes one query for any number of items.
    """
    if not items:
        return {}
    changes = MentionChange.objects.filter(mention__interaction__in=items)
    last = changes.order_by("mention__interaction", "-pk").distinct("mention__interaction")
    rows = last.values_list("mention__interaction", "kind", "recorded_at")
    return {pk: at for pk, kind, at in rows if kind == MentionChange.Kind.DELETED}


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
        "The author deleted the message that you answer (noticed on "
        f"{timezone.localtime(at):%-d %b at %H:%M}). "
        "Nothing was sent. Write a private message instead, or close the case without a reply."
    )


def refuse_if_deleted(item: Interaction | None) -> None:
    """Raise a permanent ChannelError if the author has deleted the item."""
    if why := why_not_answered(item):
        raise ChannelError(why, permanent=True)
