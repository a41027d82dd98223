"""Store edits and deletions of items at their source.

Networks report them as changes. Feeds and blogs only return the new content. Both become rows of
`MentionChange`, and if the item is in the ledger, also interactions that revise the first one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from django.db.models import F, Prefetch, QuerySet

from crm.ledger import lock_workspace, tellable
from listening import above
from listening.edited_topics import keep_version_matches, process_again
from listening.models import Fetch, Mention, MentionChange
from listening.same_edit import edits_by_other_sources, is_same_edit
from listening.sightings import Shown, mark_removed, previous_content_since
from listening.versions import record_versions
from scrm.channels.base import Change, Item
from scrm.db.locks import locked, update_in_order

MAX_EDITS = 3
"""After so many edits in an hour nobody is notified: the item shows a counter, for example."""
MANY_EDITS = 20
"""After so many edits of an item that a source shows, one a day is stored; others are counted."""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_DELETED = "deleted"


def keep_changes(fetch: Fetch, changes: Iterable[Change], *, now: datetime) -> list[MentionChange]:
    """Store the changes that are new, in the order in which they are reported; return them.

    A change is not new if the mention already has this content, or was already deleted. If an item
    was never found, its changes are ignored.
    """
    changes = list(changes)
    if not changes:
        return []
    # Before any row is locked: this is the order in which a batch takes these locks.
    lock_workspace()
    mentions = _mentions(changes)
    now_known = {mention.pk: _state(mention) for mention in mentions.values()}
    new = []
    for change in changes:
        mention = mentions.get((change.scope, change.key))
        state = _hash(change)
        if mention and now_known[mention.pk] != state:
            now_known[mention.pk] = state
            new.append(_row(fetch, mention, change, state, now))
    mark_removed(row.mention_id for row in new if row.kind == MentionChange.Kind.DELETED)
    return _keep(new, now=now)


def keep_edits(fetch: Fetch, edited: Sequence[Shown], *, now: datetime) -> list[Shown]:
    """Store the items that their source shows with another content.

    Returns the items whose content is now known. After MANY_EDITS of an item, one edit a day is
    stored. The others are only counted, and their content stays unknown, so that a later fetch
    stores it. If only the markup has changed and not the words, nothing is stored. Nor is an edit
    that another source has shown already; see `is_same_edit`.
    """
    # Before any row is locked: this is the order in which a batch takes these locks.
    lock_workspace()
    mentions = _with_changes(Mention.objects.filter(pk__in=[pk for pk, _ in edited]))
    since = previous_content_since(fetch.source_id, list(mentions))
    others = edits_by_other_sources(mentions, fetch.source_id, since)
    known: list[tuple[Mention, Item]] = []
    other: list[tuple[Mention, Item]] = []
    for pk, item in edited:
        row = mentions[pk]
        is_known = _state(row) == _item_hash(item) or (
            pk in others and is_same_edit(item, others[pk])
        )
        (known if is_known else other).append((row, item))
    counted = [row.pk for row, _ in other if _is_full(row, now)]
    update_in_order(
        Mention.objects.filter(pk__in=counted), unrecorded_changes=F("unrecorded_changes") + 1
    )
    new = [(row.pk, item) for row, item in other if row.pk not in counted]
    changed_at = {row.pk: _last_change(row) for row, _ in other}
    found = [_edit(item, (since.get(pk), changed_at[pk]), now) for pk, item in new]
    keep_changes(fetch, found, now=now)
    return [(row.pk, item) for row, item in known] + new


def _is_full(mention: Mention, now: datetime) -> bool:
    """Return whether the next edit of this mention is only counted."""
    edits = _edits(mention)
    return len(edits) >= MANY_EDITS and edits[-1].recorded_at > now - _DAY


def _last_change(mention: Mention) -> datetime | None:
    rows = list(mention.changes.all())[-1:]
    return rows[0].recorded_at if rows else None


def _edit(item: Item, earlier: Iterable[datetime | None], now: datetime) -> Change:
    """Return the edit of an item, with the time that the source states if it can be true.

    A source may state the time of an earlier edit: then the time of this one is unknown.
    earlier: when the text before it was seen. A day is allowed for wrong clocks and caches.
    """
    at = item.edited_at
    after = [item.occurred_at, *(seen - _DAY for seen in earlier if seen)]
    if at and (at > now or any(at <= each for each in after if each)):
        at = None
    return Change(
        item.scope, item.key, "edited", title=item.title, text=item.text, html=item.html,
        occurred_at=at,
    )  # fmt: skip


def _keep(rows: list[MentionChange], *, now: datetime) -> list[MentionChange]:
    if not rows:
        return []
    # Before the new rows are stored: they are compared with the edits before them.
    notifies = {
        row.mention_id
        for row in rows
        if row.kind == MentionChange.Kind.DELETED or not _is_volatile(row.mention, now)
    }
    stored = MentionChange.objects.bulk_create(rows)
    versions = record_versions(stored, now=now)
    keep_version_matches(versions)
    process_again(stored, versions)
    changed = {row.mention.interaction_id: row.mention_id in notifies for row in stored}
    above.tell_changed({pk: notify for pk, notify in changed.items() if pk}, now)
    return stored


def _mentions(changes: Collection[Change]) -> dict[tuple[str, str], Mention]:
    found = Mention.objects.filter(
        scope__in={change.scope for change in changes}, key__in={change.key for change in changes}
    )
    # Locked, because two sources may report the same change at the same moment.
    return {(row.scope, row.key): row for row in _with_changes(locked(found)).values()}


def _with_changes(mentions: QuerySet[Mention]) -> dict[int, Mention]:
    earlier = MentionChange.objects.defer("title", "text", "html").select_related("fetch")
    return {row.pk: row for row in mentions.prefetch_related(Prefetch("changes", earlier))}


def _edits(mention: Mention) -> list[MentionChange]:
    """Return the stored edits, oldest first."""
    return [row for row in mention.changes.all() if row.kind == MentionChange.Kind.EDITED]


def _is_volatile(mention: Mention, now: datetime) -> bool:
    """Return whether the mention had MAX_EDITS in the last hour."""
    return sum(row.recorded_at > now - _HOUR for row in _edits(mention)) >= MAX_EDITS


def _state(mention: Mention) -> str:
    """Return the hash of the mention's content after the newest stored change.

    If the mention was deleted, the result is "deleted". If no change is stored, the result is the
    hash of the content that was found first.
    """
    last = list(mention.changes.all())[-1:]
    return last[0].content_hash if last else _content_hash(mention.title, mention.text)


def _hash(change: Change) -> str:
    return _DELETED if change.kind == "deleted" else _content_hash(change.title, change.text)


def _item_hash(item: Item) -> str:
    return _content_hash(item.title, item.text)


def _content_hash(title: str, text: str) -> str:
    """Return a hash of the words: other software may write the same words with other spaces."""
    return sha256(f"{' '.join(title.split())}\0{' '.join(text.split())}".encode()).hexdigest()


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
