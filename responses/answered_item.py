"""Find out whether the item that a response answers was deleted on its network."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from crm.models import Interaction
from listening.models import MentionChange
from scrm.channels.base import ChannelError


def deleted_at(item: Interaction | None) -> datetime | None:
    """Return when scrm learned that the author has deleted the item.

    Returns None if the item was not deleted, or if `item` is None.
    """
    if item is None:
        return None
    last = MentionChange.objects.filter(mention__interaction=item).order_by("-pk").first()
    is_deleted = last is not None and last.kind == MentionChange.Kind.DELETED
    return last.recorded_at if last and is_deleted else None


def refuse_if_deleted(item: Interaction | None) -> None:
    """Raise a permanent ChannelError if the author has deleted the item."""
    if at := deleted_at(item):
        when = timezone.localtime(at)
        raise ChannelError(
            f"The author deleted the message that you answer (noticed on {when:%-d %b at %H:%M}). "
            "Nothing was sent. Write a private message instead, or close the case without a reply.",
            permanent=True,
        )
