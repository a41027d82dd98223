"""Recognise items that a source shows again under new ids.

A feed changes the ids of its entries if the site moves to https or to another host, or if it gets
new software. Then the entries must not count as new. A channel states facts that identify an item
besides its key (`Item.aliases`); they are stored as `ItemAlias`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection

from crm.ledger import tellable
from listening.models import Source
from listening.models.seen import Place, digest
from listening.sightings import Shown
from scrm.channels.base import Item


@dataclass(frozen=True, slots=True)
class Recognised:
    """The items of a fetch after the comparison with their aliases.

    items: an item under a new id has the scope and the key under which it was found first.
    cases_since: if the ids of the source have changed, the time of the last successful fetch: an
    older item that was not recognised opens no case. Otherwise None.
    """

    items: tuple[Item, ...]
    cases_since: datetime | None = None


def recognise(source: Source, items: Sequence[Item], known: set[Place]) -> Recognised:
    """Find the items that the source has shown before under other ids.

    known: the places of the items that were found before.

    An item whose alias is known is the same item if it is not newer than the last successful fetch
    or has the date of the known one. Another newer item may have the same words, for example the
    warning of another day. The author must be the same, too: otherwise a stranger could give an
    entry the title and the date of another author's. But if most items of the fetch are
    recognised, new software may write the authors in another way.
    """
    unknown = [item for item in items if item.aliases and _place(item) not in known]
    if source.last_ok_at is None or not unknown:
        return Recognised(tuple(items))
    shown = {_place(item) for item in items}
    same = _same(unknown, _mentions(source, unknown), shown)
    # Feeds state whole seconds.
    last_fetch = source.last_ok_at.replace(microsecond=0)
    by_key = {place: found for place, found in same.items() if found.by_key}
    by_fact = {place: found for place, found in same.items() if not found.by_key}
    all_new = shown.isdisjoint(known) and not by_key
    by_fact = {
        place: found for place, found in by_fact.items() if not _is_another(found, last_fetch)
    }
    is_most = len(by_fact) > 1 and 2 * len(by_fact) > len(items)
    by_fact = {place: found for place, found in by_fact.items() if found.by_author or is_most}
    _remember_ids(source, by_fact.values())
    same = by_key | by_fact
    mostly = 2 * len(by_fact) > len(unknown) - len(by_key)
    ids_changed = bool(by_fact) and (all_new or mostly)
    return Recognised(
        tuple(same[place].original if (place := _place(item)) in same else item for item in items),
        last_fetch if ids_changed else None,
    )


def remember(source: Source, shown: Iterable[Shown]) -> None:
    """Store the aliases of these mentions."""
    _insert(source, [(_alias(alias), pk) for pk, item in shown for alias in item.aliases])


@dataclass(frozen=True, slots=True)
class _Same:
    """An item under a new id.

    original: the item with the scope and the key of the mention. by_key: whether the item was
    recognised under this id before. by_author: whether the mention has the author of the item.
    known_date: the date of the mention, or None.
    """

    item: Item
    original: Item
    mention: int
    by_key: bool
    by_author: bool
    known_date: datetime | None


_Found = Mapping[bytes, tuple[int, str, str, str, datetime | None]]
"""Digest of an alias → id, scope, key, key of the author and date of the mention."""


def _same(items: Sequence[Item], found: _Found, shown: set[Place]) -> dict[Place, _Same]:
    # Two items that share an alias are different items: the alias identifies neither.
    shared = Counter(alias for item in items for alias in set(item.aliases))
    same: dict[Place, _Same] = {}
    taken: set[int] = set()
    for item in items:
        own = [_alias(alias) for alias in item.aliases if shared[alias] == 1]
        hit = next((digest for digest in (_id(item), *own) if digest in found), None)
        if hit is None:
            continue
        mention, scope, key, author, date = found[hit]
        # The source still shows the mention under its own id, so this is another item.
        if mention in taken or (scope, key) in shown:
            continue
        taken.add(mention)
        original = replace(item, scope=scope, key=key)
        same[_place(item)] = _Same(
            item, original, mention, hit == _id(item), author == item.author.key, date
        )
    return same


def _mentions(source: Source, items: Sequence[Item]) -> _Found:
    digests = {_alias(alias) for item in items for alias in item.aliases}
    digests |= {_id(item) for item in items}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT alias.digest, mention.id, mention.scope, mention.key, mention.author_key, "
            "mention.occurred_at "
            "FROM unnest(%s::bytea[]) AS asked (digest) JOIN listening_itemalias alias "
            "ON alias.source_id = %s AND alias.digest = asked.digest "
            "JOIN listening_mention mention ON mention.id = alias.mention_id",
            [sorted(digests), source.pk],
        )
        return {bytes(digest): mention for digest, *mention in cursor.fetchall()}


def _remember_ids(source: Source, found: Iterable[_Same]) -> None:
    """Store the new ids, so that the items are recognised even after they were edited."""
    _insert(source, [(_id(same.item), same.mention) for same in found])


def _insert(source: Source, pairs: Sequence[tuple[bytes, int]]) -> None:
    if not pairs:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO listening_itemalias (source_id, digest, mention_id) "
            "SELECT %s, digest, mention_id "
            "FROM unnest(%s::bytea[], %s::bigint[]) AS new (digest, mention_id) "
            "ORDER BY digest ON CONFLICT DO NOTHING",
            [source.pk, [digest for digest, _ in pairs], [mention for _, mention in pairs]],
        )


def _is_another(found: _Same, last_fetch: datetime) -> bool:
    """Return whether the item appeared after the last fetch, with the same words as the mention."""
    date = found.item.occurred_at
    return date is not None and date > last_fetch and tellable(date) != found.known_date


def _place(item: Item) -> Place:
    return item.scope, item.key


def _alias(alias: str) -> bytes:
    return digest(f"alias\0{alias}")


def _id(item: Item) -> bytes:
    return digest(f"id\0{item.scope}\0{item.key}")
