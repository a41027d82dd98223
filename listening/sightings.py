"""Record which mentions a source shows, and find those that it shows with another content."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models.functions import Coalesce

from listening.models import Fetch, Sighting, Source
from listening.models.seen import digest
from scrm.channels.base import Item
from scrm.db.locks import update_in_order

REMOVED = b""
"""The `Sighting.content_hash` of an item that was removed. If the item returns, it has changed."""
Shown = tuple[int, Item]
"""The id of a mention, and the item as the source shows it now."""


@dataclass(frozen=True, slots=True)
class ShownMentions:
    """The mentions of a fetch about which the source shows something new.

    new: the source shows the mention for the first time.
    unhashed: the source showed the mention before, but the hash of its content was not stored.
    edited: the raw content differs from what the source showed before.
    """

    new: tuple[Shown, ...] = ()
    unhashed: tuple[Shown, ...] = ()
    edited: tuple[Shown, ...] = ()


def record_sightings(
    fetch: Fetch, source: Source, items: Sequence[Item], now: datetime
) -> ShownMentions:
    """Record the mentions that the source shows for the first time; return what is new or edited.

    The hashes of edited items are not stored; see `remember`.
    """
    # One join says for all items whether they are new to this source, known or edited.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT mention.id, found.n, seen.id IS NULL, seen.content_hash IS NULL "
            "FROM unnest(%s::text[], %s::text[], %s::bytea[]) WITH ORDINALITY "
            "AS found (scope, key, content_hash, n) JOIN listening_mention mention "
            "ON mention.scope = found.scope AND mention.key = found.key "
            "LEFT JOIN listening_sighting seen "
            "ON seen.mention_id = mention.id AND seen.source_id = %s "
            "WHERE seen.id IS NULL OR seen.content_hash <> found.content_hash "
            "OR (seen.content_hash IS NULL AND found.content_hash IS NOT NULL) "
            "ORDER BY mention.id",
            [
                [item.scope for item in items],
                [item.key for item in items],
                [_digest(item) for item in items],
                source.pk,
            ],
        )
        rows = [
            ((mention, items[n - 1]), is_new, is_unhashed)
            for mention, n, is_new, is_unhashed in cursor.fetchall()
        ]
    return ShownMentions(
        new=_insert(fetch, source, [shown for shown, is_new, _ in rows if is_new], now),
        unhashed=tuple(shown for shown, is_new, unhashed in rows if unhashed and not is_new),
        edited=tuple(shown for shown, _, unhashed in rows if not unhashed),
    )


def remember(source: Source, shown: Iterable[Shown], now: datetime) -> None:
    """Store the hashes of the content that the source shows now."""
    hashes = {mention: _digest(item) for mention, item in shown}
    if not hashes:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            # Locked in the order of `update_in_order`: another source may report a deletion.
            "UPDATE listening_sighting "
            "SET content_hash = shown.content_hash, content_hash_at = %s "
            "FROM (SELECT seen.id, found.content_hash "
            "FROM unnest(%s::bigint[], %s::bytea[]) AS found (mention_id, content_hash) "
            "JOIN listening_sighting seen ON seen.mention_id = found.mention_id "
            "AND seen.source_id = %s ORDER BY seen.id FOR NO KEY UPDATE OF seen) AS shown "
            "WHERE listening_sighting.id = shown.id",
            [now, list(hashes), list(hashes.values()), source.pk],
        )


def previous_content_since(source: int, mentions: Collection[int]) -> dict[int, datetime]:
    """Return {mention id: since when the source has shown the content that is stored for it}."""
    seen = Sighting.objects.filter(source=source, mention__in=mentions)
    return dict(seen.values_list("mention", Coalesce("content_hash_at", "at")))


def mark_removed(mentions: Iterable[int]) -> None:
    """Store that these mentions were removed, so that they count as edited if they return."""
    hashed = Sighting.objects.filter(mention__in=list(mentions), content_hash__isnull=False)
    update_in_order(hashed, content_hash=REMOVED)


def _insert(
    fetch: Fetch, source: Source, shown: Sequence[Shown], now: datetime
) -> tuple[Shown, ...]:
    """Store new sightings; return those that no other fetch has stored meanwhile."""
    if not shown:
        return ()
    # Two fetches may run at once: ORDER BY prevents deadlocks, ON CONFLICT prevents duplicates.
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO listening_sighting "
            "(mention_id, source_id, fetch_id, at, content_hash, content_hash_at) "
            "SELECT mention_id, %s, %s, %s, content_hash, %s "
            "FROM unnest(%s::bigint[], %s::bytea[]) AS found (mention_id, content_hash) "
            "ORDER BY mention_id ON CONFLICT DO NOTHING RETURNING mention_id",
            [
                source.pk,
                fetch.pk,
                now,
                now,
                [mention for mention, _ in shown],
                [_digest(item) for _, item in shown],
            ],
        )
        stored = {mention for (mention,) in cursor.fetchall()}
    return tuple(pair for pair in shown if pair[0] in stored)


def _digest(item: Item) -> bytes | None:
    return digest(item.content_hash) if item.content_hash else None
