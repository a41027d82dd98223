"""Move items of the ledger to another conversation. No other module changes a conversation."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from crm.models import Conversation, Interaction, InteractionMove, User
from crm.threads import SPLIT


def split_conversation(of: Conversation, *, now: datetime) -> Conversation:
    """Create an empty conversation for items that are split off from another one.

    It keeps the thread key, so that replies in it continue the same thread on the network.
    """
    return Conversation.objects.create(
        network=of.network,
        key=f"{SPLIT}{uuid.uuid4()}",
        thread_key=of.thread_key,
        visibility=of.visibility,
        title=of.title,
        account=of.account,
        restricted_to=of.restricted_to,
        started_at=now,
    )


def move_items(
    items: Sequence[Interaction], *, to: Conversation, by: User | None, why: str, now: datetime
) -> None:
    """Move these items to another conversation. The caller must hold the lock of the ledger."""
    # The moves come first: the trigger compares each change with the latest move.
    InteractionMove.objects.bulk_create(
        InteractionMove(
            interaction=item,
            from_conversation_id=item.conversation_id,
            to_conversation=to,
            by=by,
            why=why,
            at=now,
        )
        for item in items
    )
    Interaction.objects.filter(pk__in=[item.pk for item in items]).update(conversation=to)
