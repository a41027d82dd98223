"""Store the edits and deletions of items that networks report after the items were found."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

from crm.ledger import tellable
from listening.models import Fetch, Mention, MentionChange
from scrm.channels.base import Change
from scrm.db.locks import locked


def keep_changes(fetch: Fetch, changes: Iterable[Change], *, now: datetime) -> list[MentionChange]:
    """Store the changes that are new, in the order in which they are reported; return them.

    A change is not new if the mention already has this content, or was already deleted. If an item
    was never found, its changes are ignored.
    """
    changes = list(changes)
    mentions = _mentions(changes)
    now_known = {mention.pk: _state(mention) for mention in mentions.values()}
    new = []
    for change in changes:
        mention = mentions.get((change.scope, change.key))
        state = _hash(change)
        if mention and now_known[mention.pk] != state:
            now_known[mention.pk] = state
            new.append(_row(fetch, mention, change, state, now))
    return MentionChange.objects.bulk_create(new)


def _mentions(changes: list[Change]) -> dict[tuple[str, str], Mention]:
    if not changes:
        return {}
    found = Mention.objects.filter(
        scope__in={change.scope for change in changes}, key__in={change.key for change in changes}
    )
    # Locked, because two sources may report the same change at the same moment.
    rows = locked(found.prefetch_related("changes"))
    return {(row.scope, row.key): row for row in rows}


def _state(mention: Mention) -> str:
    """Return the hash of the mention's content after the newest stored change.

    If the mention was deleted, the result is "deleted". If no change is stored, the result is the
    hash of the content that was found first.
    """
    last = list(mention.changes.all())[-1:]
    return last[0].content_hash if last else _content_hash(mention.title, mention.text)


def _hash(change: Change) -> str:
    return "deleted" if change.kind == "deleted" else _content_hash(change.title, change.text)


def _content_hash(title: str, text: str) -> str:
    return sha256(f"{title}\0{text}".encode()).hexdigest()


def _row(
    fetch: Fetch, mention: Mention, change: Change, state: str, now: datetime
) -> MentionChange:
    return MentionChange(
        mention=mention,
        fetch=fetch,
        kind=change.kind,
        title=change.title,
        text=change.text,
        html=change.html,
        content_hash=state,
        occurred_at=tellable(change.occurred_at),
        recorded_at=now,
    )
