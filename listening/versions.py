"""Record the edits and deletions of items in the ledger, as interactions that revise the item."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from hashlib import sha256

from crm.interaction_kinds import DELETION, EDIT
from crm.ledger import Entry, lock_workspace, record
from crm.models import Interaction
from listening.models import MentionChange
from scrm.channels.base import Author
from scrm.channels.bounded import bounded_key

Versions = list[tuple[MentionChange, int]]
"""Changes, with the ids of the interactions that record them."""


def record_versions(changes: Collection[MentionChange], *, now: datetime) -> Versions:
    """Record changes of items that others wrote and that are in the ledger.

    Our own posts are left out: their corrections are recorded when they are sent. A second call
    with the same changes records nothing and returns the same.
    """
    of_item = {pk for row in changes if (pk := row.mention.interaction_id)}
    if not of_item:
        return []
    # Before the interactions are read: a split may move them to another conversation.
    lock_workspace()
    items = Interaction.objects.filter(pk__in=of_item, direction="in").select_related("profile")
    by_pk = items.in_bulk()
    chains = _chains({row.mention_id for row in changes})
    recorded = [row for row in changes if row.mention.interaction_id in by_pk]
    entries = [
        _entry(row, by_pk[row.mention.interaction_id or 0], chains[row.pk]) for row in recorded
    ]
    versions = record(entries, now=now) if entries else []
    return [(row, version.interaction) for row, version in zip(recorded, versions, strict=True)]


def _chains(mentions: Collection[int]) -> dict[int, str]:
    """Return for each change of the mentions a hash of the changes up to it.

    So the key of a version differs from that of an earlier version with the same text.
    """
    hashes: defaultdict[int, str] = defaultdict(str)
    chains = {}
    rows = MentionChange.objects.filter(mention__in=mentions).order_by("pk")
    for pk, mention, content_hash in rows.values_list("pk", "mention", "content_hash"):
        hashes[mention] = sha256(f"{hashes[mention]}{content_hash}".encode()).hexdigest()
        chains[pk] = hashes[mention][:16]
    return chains


def _entry(change: MentionChange, item: Interaction, chain: str) -> Entry:
    assert item.profile
    deleted = change.kind == MentionChange.Kind.DELETED
    return Entry(
        scope=item.scope,
        key=bounded_key(f"{item.key}~{chain}"),
        # Without name and handle: those of the mention may be older than those of the profile.
        author=Author(item.profile.network, item.profile.key),
        channel=item.channel,
        kind=DELETION if deleted else EDIT,
        visibility=item.visibility,  # type: ignore[arg-type]
        title=change.title,
        text=change.text,
        html=change.html,
        url=item.url,
        occurred_at=change.occurred_at,
        account=item.account_id,
        conversation=item.conversation_id,
        revises=item.pk,
    )
