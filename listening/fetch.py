"""Fetch a source once: claim the source, get its items, then store the items.

The items are requested from the network outside any database transaction. They are stored only if
the worker still has its claim on the source (see `Fetch.fence`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import structlog
from django.core.files.base import ContentFile
from django.db import DatabaseError, transaction
from django.utils import timezone

from crm.ledger import lock_workspace, tellable
from crm.models import Attachment
from crm.models.attachment import stored_name
from crm.money import Refusal
from crm.renewal import fresh_credentials
from crm.spending import Reservation
from listening import aliases, gaps, paid
from listening.changes import keep_changes, keep_edits
from listening.models.mention import Enclosure, Mention
from listening.models.quarantined import Quarantined
from listening.models.seen import Place, Seen
from listening.models.source import EVERYTHING, Fetch, Source
from listening.sightings import record_sightings, remember
from scrm.channels.base import Author, Batch, ChannelError, Credentials, FetchRequest, File, Item
from scrm.db.locks import update_in_order
from scrm.db.retry import again, is_passing
from scrm.text.clean import storable

_log = structlog.get_logger(__name__)
Files = Mapping[tuple[str, str], Sequence[Attachment]]
"""(scope, key) of an item → the stored files of that item."""
NO_FILES: Files = MappingProxyType({})
_CHUNK = 2000


def fetch_source(source: Source | None = None) -> Fetch | None:
    """Fetch the given source, and return the row of this fetch.

    If no source is given, the source that has been due longest is fetched. Returns None if no
    source is due, or if another worker is fetching the source.
    """
    # This commits the claim before the fetch: if the worker dies, the lease lapses.
    fetch = (source or Source.objects).start_fetch(now=timezone.now())
    if fetch is None:
        return None
    source = fetch.source
    try:
        # Before the reservation: if the login cannot be renewed, nothing is booked.
        request = source.fetch_request(_credentials(source))
        booked = again(lambda: paid.reserve(source, now=timezone.now()))
        if isinstance(booked, Refusal):
            paid.wait(fetch, booked, now=timezone.now())
            return fetch
        # Outside any transaction, because a slow network must not keep locks in the database.
        batch = _listen(source, request, booked)
        # Before the transaction, because a rollback does not remove files.
        files = _store_files(batch.items)
        again(lambda: _keep(fetch, batch, files, now=timezone.now()))
    except ChannelError as error:
        _fail(fetch, error)
    except Exception as error:  # an error in a listener must not stop the other sources
        # If our own database had a transient error, let the lease lapse: the fetch is repeated
        # then.
        if is_passing(error):
            raise
        _log.exception("fetch failed", source=source.pk)
        _fail(fetch, ChannelError(f"scrm could not read the response: {error!r}"[:500]))
    return fetch


def _listen(source: Source, request: FetchRequest, booked: Reservation | None) -> Batch:
    """Ask the network, and book what it charged. A dead worker leaves the reserved cost booked."""
    listener = source.channel.listener
    try:
        if listener is None:
            raise ChannelError(f"{source.channel.label} cannot be listened to.", permanent=True)
        batch = listener.listen(replace(request, max_items=booked.units) if booked else request)
    except ChannelError as error:
        if booked:
            paid.settle_failed(booked, error)
        raise
    if booked:
        paid.settle(booked, batch.usage)
    return batch


def _credentials(source: Source) -> Credentials | None:
    return fresh_credentials(source.account) if source.account else None


@transaction.atomic
def _keep(fetch: Fetch, batch: Batch, files: Files, *, now: datetime) -> None:
    """Store the items and the cursor of a fetch in one transaction.

    If the fetch has lost its claim, nothing is stored.
    """
    # If another fetch has begun since, its items and its cursor must not be overwritten.
    source = fetch.fence()
    if source is None:
        return
    Quarantined.objects.bulk_create(
        Quarantined(fetch=fetch, raw=item.raw, reason=item.reason, at=now)
        for item in batch.unreadable
    )
    if batch.changes:
        # Before rows are locked: a batch of mentions takes this lock first, too.
        lock_workspace()
    fetch.found, fetch.size = len(batch.items), batch.size
    fetch.new = store(fetch, source, batch.items, files, now=now) if batch.items else 0
    # After store(): a network may report a new item and its change in one fetch.
    keep_changes(fetch, batch.changes, now=now)
    fetch.quarantined = fetch.quarantined_items.count()
    fetch.end(Fetch.Outcome.UNCHANGED if batch.unchanged else Fetch.Outcome.OK, now=now)
    gaps.after_success(source, found_new=fetch.new > 0, now=now)
    # In the same transaction as the items: if only the cursor were stored, items would be lost.
    source.record_success(cursor=batch.cursor, next_after=batch.next_after, now=now)


def _fail(fetch: Fetch, error: ChannelError) -> None:
    now = timezone.now()
    with transaction.atomic():
        # A fetch that lost its claim must not count as a failure of the source.
        source = fetch.fence()
        if source:
            fetch.end(Fetch.Outcome.FAILED, now=now, error=error.message)
            gaps.after_failure(source, error, now=now)
            source.record_failure(error, now=now)


@dataclass(frozen=True, slots=True)
class _Context:
    """What storing the items of a fetch needs.

    files: the stored files of the new items. known: the items that were found before.
    cases_since: an older item opens no case.
    """

    fetch: Fetch
    source: Source
    files: Files
    known: set[Place]
    cases_since: datetime
    now: datetime


def store(
    fetch: Fetch, source: Source, items: Sequence[Item], files: Files = NO_FILES, *, now: datetime
) -> int:
    """Store the new items of a fetch and return how many items are new.

    This also records that the source found all these items, new or not, and stores the edits of
    known items. Call this inside the transaction that holds the lock of `Fetch.fence`.
    files: the stored files of the new items.
    If the database refuses a group of items, each half of the group is stored separately, and so
    on, until the refused items are found. The refused items are quarantined with their raw data;
    the other items are stored.
    """
    known = Seen.objects.known({(item.scope, item.key) for item in items})
    recognised = aliases.recognise(source, items, known)
    cases_since = max(source.cases_since, recognised.cases_since or source.cases_since)
    # Sorted, so that two sources with the same items lock the rows in the same order.
    by_place = {(item.scope, item.key): item for item in recognised.items}
    ordered = [by_place[place] for place in sorted(by_place)]
    context = _Context(fetch, source, files, known, cases_since, now)
    return sum(
        _store_or_halve(context, ordered[start : start + _CHUNK])
        for start in range(0, len(ordered), _CHUNK)
    )


def _store_or_halve(context: _Context, items: Sequence[Item]) -> int:
    try:
        # Without this savepoint, one refused item would abort the whole transaction.
        with transaction.atomic():
            return _store(context, items)
    except (DatabaseError, ValueError, OverflowError) as error:
        # A transient error of the database is not caused by an item: the whole fetch is repeated.
        if is_passing(error):
            raise
        if len(items) == 1:
            Quarantined.objects.create(
                fetch=context.fetch, raw=items[0].raw, reason=str(error)[:2000], at=context.now
            )
            return 0
        half = len(items) // 2
        return sum(_store_or_halve(context, part) for part in (items[:half], items[half:]))


def _store(context: _Context, items: Sequence[Item]) -> int:
    fetch, source, now = context.fetch, context.source, context.now
    # claim() decides which items are new, even if another fetch runs at the same moment.
    places = {(item.scope, item.key) for item in items}
    fresh = Seen.objects.claim(places, places & context.known)
    new = [item for item in items if (item.scope, item.key) in fresh]
    mentions = Mention.objects.bulk_create(_mention(context, item) for item in new)
    _enclose(zip(mentions, new, strict=True), context.files)
    shown = record_sightings(fetch, source, items, now)
    known = keep_edits(fetch, shown.edited, now=now) if shown.edited else []
    remember(source, [*shown.unhashed, *known], now)
    aliases.remember(source, [*shown.new, *shown.unhashed, *known])
    if source.stance == Source.Stance.FOR_US and len(shown.new) > len(fresh):
        # Mentions that so far only sources about us had found are now addressed to us: process them
        # again.
        newly_shown = [mention for mention, _ in shown.new]
        unrouted = Mention.objects.filter(pk__in=newly_shown, interaction=None, backlog=False)
        update_in_order(unrouted.exclude(processed_at=None), processed_at=None, attempt=0)
    return len(fresh)


def _store_files(items: Iterable[Item]) -> Files:
    """Store the files of the items that seem to be new; this runs outside any transaction.

    If the fetch is discarded, no mention refers to these files. A cleanup removes them later.
    """
    with_files = {(item.scope, item.key): item for item in items if item.attachments}
    known = Seen.objects.known(set(with_files))
    return {
        place: [_attachment(file) for file in item.attachments]
        for place, item in with_files.items()
        if place not in known
    }


def _attachment(file: File) -> Attachment:
    return Attachment.objects.create(
        name=storable(file.name)[-255:],
        content_type=storable(file.content_type)[:100],
        size=len(file.content),
        file=ContentFile(file.content, name=stored_name(file.name)),
    )


def _enclose(found: Iterable[tuple[Mention, Item]], files: Files) -> None:
    """Link the stored files to their mentions.

    No user can read these files until the mention is recorded in the ledger.
    """
    Enclosure.objects.bulk_create(
        Enclosure(mention=mention, attachment=attachment)
        for mention, item in found
        if item.attachments
        for attachment in files[item.scope, item.key]
    )


def _mention(context: _Context, item: Item) -> Mention:
    return Mention(
        scope=item.scope,
        key=item.key,
        fetch=context.fetch,
        author_network=item.author.network,
        author_key=item.author.key,
        author_handle=item.author.handle[:300],
        author_name=item.author.name[:300],
        author_url=item.author.url[:1000],
        author_reach=item.author.reach,
        author_about=_about(item.author),
        kind=item.kind,
        visibility=item.visibility,
        thread_key=item.thread_key,
        in_reply_to=item.in_reply_to,
        mentioned=list(item.mentions),
        quotes=item.quotes,
        title=item.title,
        text=item.text,
        html=item.html,
        url=item.url[:2000],
        language=item.language[:20],
        other_address=item.other_address,
        details=dict(item.details),
        raw=item.raw,
        occurred_at=tellable(item.occurred_at),
        recorded_at=context.now,
        backlog=_is_backlog(context.source, item, context.cases_since),
    )


def _about(author: Author) -> dict[str, Any]:
    """Return the facts that the network states about the author, as `Mention` stores them."""
    facts = {
        "verified": author.verified,
        "bio": author.bio[:1000],
        "place": author.place[:200],
        "language": author.language[:20],
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _is_backlog(source: Source, item: Item, cases_since: datetime) -> bool:
    """Return whether an item is older than the date from which its source opens cases.

    An item without a date counts as older if the source was never fetched successfully before.
    If all items of the source may open cases (see EVERYTHING), or if items are sent to us as they
    occur, an item without a date never counts as older.
    """
    if item.occurred_at is None and source.is_pushed:
        return False
    if item.occurred_at is None:
        return source.last_ok_at is None and cases_since > EVERYTHING
    return item.occurred_at < cases_since
