"""Fetch a source once: claim, fetch without a transaction, store under the fence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from types import MappingProxyType

import structlog
from django.core.files.base import ContentFile
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from crm.ledger import tellable
from crm.models import Attachment
from listening.models.mention import Enclosure, Mention
from listening.models.quarantined import Quarantined
from listening.models.seen import Seen
from listening.models.source import EVERYTHING, Fetch, Source
from scrm.channels.base import Batch, ChannelError, File, Item
from scrm.db.locks import update_in_order
from scrm.db.retry import again, is_passing
from scrm.text.clean import storable

_log = structlog.get_logger(__name__)
Files = Mapping[tuple[str, str], Sequence[Attachment]]
"""(scope, key) of an item → the files that came with it."""
NONE: Files = MappingProxyType({})
_CHUNK = 2000
_ENDING = re.compile(r"\.[a-z0-9]{1,10}")


def fetch_source(source: Source | None = None) -> Fetch | None:
    """Fetch this source, or the one that has been due longest; return the finished fetch.

    None if no source is due, or another worker is fetching it.
    """
    # Commits the claim first: a worker that dies in the fetch leaves a lease that lapses.
    fetch = (source or Source.objects).start_fetch(now=timezone.now())
    if fetch is None:
        return None
    source = fetch.source
    try:
        # No transaction from here on: a slow network must not hold locks.
        batch = _listen(source)
        # Before the transaction: a rollback cannot remove files.
        files = _set_down(batch.items)
        again(lambda: _keep(fetch, batch, files, now=timezone.now()))
    except ChannelError as error:
        _fail(fetch, error)
    except Exception as error:  # a broken listener must not stop the other sources
        # a transient error of our own database: the lease lapses and the fetch is repeated
        if is_passing(error):
            raise
        _log.exception("fetch failed", source=source.pk)
        _fail(fetch, ChannelError(f"scrm could not read the response: {error!r}"[:500]))
    return fetch


def _listen(source: Source) -> Batch:
    listener = source.channel.listener
    if listener is None:
        raise ChannelError(f"{source.channel.label} cannot be listened to.", permanent=True)
    return listener.listen(source.fetch_request)


@transaction.atomic
def _keep(fetch: Fetch, batch: Batch, files: Files, *, now: datetime) -> None:
    """Store items and cursor in one transaction; an overtaken fetch stores nothing."""
    # The fence: if another fetch has begun since, its cursor must not be overwritten.
    source = fetch.fence()
    if source is None:
        return
    Quarantined.objects.bulk_create(
        Quarantined(fetch=fetch, raw=each.raw, reason=each.reason, at=now)
        for each in batch.unreadable
    )
    fetch.found, fetch.size = len(batch.items), batch.size
    fetch.new = store(fetch, source, batch.items, files, now=now) if batch.items else 0
    fetch.quarantined = fetch.quarantined_items.count()
    fetch.end(Fetch.Outcome.UNCHANGED if batch.unchanged else Fetch.Outcome.OK, now=now)
    source.record_success(cursor=batch.cursor, next_after=batch.next_after, now=now)


def _fail(fetch: Fetch, error: ChannelError) -> None:
    now = timezone.now()
    with transaction.atomic():
        source = fetch.fence()
        if source:
            fetch.end(Fetch.Outcome.FAILED, now=now, error=error.message)
            source.record_failure(error, now=now)


def store(
    fetch: Fetch, source: Source, items: Sequence[Item], files: Files = NONE, *, now: datetime
) -> int:
    """Store new items and record every sighting; return how many items were new.

    files: those of new items, stored already. Runs inside the caller's fenced transaction. Items
    that the database refuses are found by halving and quarantined with their raw bytes; the others
    are stored all the same.
    """
    # Sorted: two sources that found the same items lock them in the same order.
    by_place = {(item.scope, item.key): item for item in items}
    ordered = [by_place[place] for place in sorted(by_place)]
    return sum(
        _store_or_halve(fetch, source, ordered[start : start + _CHUNK], files, now)
        for start in range(0, len(ordered), _CHUNK)
    )


def _store_or_halve(
    fetch: Fetch, source: Source, items: Sequence[Item], files: Files, now: datetime
) -> int:
    try:
        # A savepoint: without it one refused item would abort the whole transaction.
        with transaction.atomic():
            return _store(fetch, source, items, files, now)
    except (DatabaseError, ValueError, OverflowError) as error:
        if is_passing(error):
            raise
        if len(items) == 1:
            Quarantined.objects.create(
                fetch=fetch, raw=items[0].raw, reason=str(error)[:2000], at=now
            )
            return 0
        half = len(items) // 2
        halves = (items[:half], items[half:])
        return sum(_store_or_halve(fetch, source, each, files, now) for each in halves)


def _store(fetch: Fetch, source: Source, items: Sequence[Item], files: Files, now: datetime) -> int:
    # Claiming decides which items are new, even against a fetch that runs at the same moment.
    fresh = Seen.objects.claim({(item.scope, item.key) for item in items})
    new = [item for item in items if (item.scope, item.key) in fresh]
    mentions = Mention.objects.bulk_create(_mention(fetch, source, item, now) for item in new)
    _enclose(zip(mentions, new, strict=True), files)
    sighted = _sight(fetch, source, items, now)
    if source.stance == Source.Stance.FOR_US and len(sighted) > len(fresh):
        # First found as talk about us, now known to be addressed to us: process it again.
        mere_talk = Mention.objects.filter(pk__in=sighted, interaction=None, backlog=False)
        update_in_order(mere_talk.exclude(processed_at=None), processed_at=None, attempt=0)
    return len(fresh)


def _set_down(items: Iterable[Item]) -> Files:
    """Store the files of items that seem new, each on its own, outside any transaction.

    Files that no mention refers to in the end, because the fetch was void, are removed later.
    """
    carrying = {(item.scope, item.key): item for item in items if item.attachments}
    known = Seen.objects.known(set(carrying))
    return {
        place: [_attachment(file) for file in item.attachments]
        for place, item in carrying.items()
        if place not in known
    }


def _attachment(file: File) -> Attachment:
    ending = PurePath(file.name).suffix.lower()
    ending = ending if _ENDING.fullmatch(ending) else ""
    return Attachment.objects.create(
        name=storable(file.name)[-255:],
        content_type=storable(file.content_type)[:100],
        size=len(file.content),
        file=ContentFile(file.content, name=f"received{ending}"),
    )


def _enclose(found: Iterable[tuple[Mention, Item]], files: Files) -> None:
    """Attach stored files to mentions. Nobody can read them before the mention is recorded."""
    Enclosure.objects.bulk_create(
        Enclosure(mention=mention, attachment=attachment)
        for mention, item in found
        if item.attachments
        for attachment in files[item.scope, item.key]
    )


def _mention(fetch: Fetch, source: Source, item: Item, now: datetime) -> Mention:
    return Mention(
        scope=item.scope,
        key=item.key,
        fetch=fetch,
        author_network=item.author.network,
        author_key=item.author.key,
        author_handle=item.author.handle[:300],
        author_name=item.author.name[:300],
        author_url=item.author.url[:1000],
        author_reach=item.author.reach,
        kind=item.kind,
        visibility=item.visibility,
        thread_key=item.thread_key,
        in_reply_to=item.in_reply_to,
        title=item.title,
        text=item.text,
        html=item.html,
        url=item.url[:2000],
        language=item.language[:20],
        other_address=item.other_address,
        raw=item.raw,
        occurred_at=tellable(item.occurred_at),
        recorded_at=now,
        backlog=_is_backlog(source, item),
    )


def _is_backlog(source: Source, item: Item) -> bool:
    """Whether an item is older than the date from which cases are opened.

    Undated items are old only at the first fetch.
    """
    if item.occurred_at is None:
        return source.last_ok_at is None and source.cases_since > EVERYTHING
    return item.occurred_at < source.cases_since


def _sight(fetch: Fetch, source: Source, items: Sequence[Item], now: datetime) -> list[int]:
    """Record which mentions this source shows for the first time; return their ids."""
    # ORDER BY and ON CONFLICT: two sources may record the same mentions at the same moment.
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO listening_sighting (mention_id, source_id, fetch_id, at) "
            "SELECT mention.id, %s, %s, %s FROM listening_mention mention "
            "JOIN unnest(%s::text[], %s::text[]) AS found (scope, key) "
            "ON mention.scope = found.scope AND mention.key = found.key "
            "WHERE NOT EXISTS (SELECT FROM listening_sighting seen "
            "WHERE seen.mention_id = mention.id AND seen.source_id = %s) "
            "ORDER BY mention.id ON CONFLICT DO NOTHING RETURNING mention_id",
            [
                source.pk,
                fetch.pk,
                now,
                [item.scope for item in items],
                [item.key for item in items],
                source.pk,
            ],
        )
        return [pk for (pk,) in cursor.fetchall()]
