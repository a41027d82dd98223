"""Write interactions to the ledger. No other module writes to the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from django.db import connection, transaction

from crm.impostors import mark_taken_handles
from crm.models import Conversation, Interaction, Profile, ProfileLink, ProfileName
from crm.threads import Parent, Person, conversation_key
from scrm.channels.base import Author, Json, Visibility

# The key of the advisory lock. Its value does not matter, but all processes must use the same.
_LOCK = 0x5C12
Place = tuple[str, str]
"""(scope, key): the identity of an entry on its network."""
# Two days inside the range of datetime; `tellable` says why.
_FIRST, _LAST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One interaction that is to be recorded.

    author: the outside party, which may be the sender or the recipient; None for a text that we
    wrote to many people.
    account, staff: the ids of our account and of the member of staff.
    revises: the id of the earlier interaction that this one corrects or withdraws.
    details: the facts of a call or a letter; see `crm.interaction_details`.
    conversation: the id of the conversation if it is known. If it is None, the thread rule in
    `crm.threads` chooses the conversation.
    """

    scope: str
    key: str
    author: Author | None
    channel: str
    kind: str
    visibility: Visibility
    text: str
    direction: str = "in"
    title: str = ""
    html: str = ""
    url: str = ""
    other_address: str = ""
    occurred_at: datetime | None = None
    thread_key: str = ""
    in_reply_to: str = ""
    account: int | None = None
    staff: int | None = None
    conversation: int | None = None
    revises: int | None = None
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The ids of the rows that belong to an entry.

    new: False if the entry was already in the ledger when `record` was called.
    """

    interaction: int
    conversation: int
    profile: int | None
    contact: int | None
    contact_kind: str
    new: bool


def tellable(moment: datetime | None) -> datetime | None:
    """Return `moment` in UTC, limited to a range that can be shown in every time zone.

    The range begins two days after `datetime.min` and ends two days before `datetime.max`. If the
    moment is earlier than the range, the result is the start of the range. If it is later, the
    result is the end of the range. The result is in UTC, because PostgreSQL refuses UTC offsets of
    16 hours or more.
    """
    return moment and min(max(moment, _FIRST), _LAST).astimezone(UTC)


def lock_workspace() -> None:
    """Take the advisory lock that every writer of the ledger needs. The commit releases it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


@transaction.atomic
def record(entries: Sequence[Entry], *, now: datetime) -> list[Recorded]:
    """Record the entries; return one result for each entry, in the order of `entries`.

    Older entries are recorded first. The number of SQL statements does not depend on the number of
    entries. An entry whose (scope, key) is already in the ledger is not written again.
    """
    # Lock before _known(): otherwise another transaction could record the same entries in between.
    lock_workspace()
    known = _known(entries)
    ordered = _in_order(entries, known)
    profiles = _profiles([entry.author for entry in ordered if entry.author], now)
    # Oldest first: the conversation of an item must be known before its answers are assigned to it.
    keys = _conversation_keys(ordered, known)
    # Only new entries: writing the same (scope, key) twice would abort the whole batch.
    fresh = [entry for entry in ordered if (entry.scope, entry.key) not in known]
    conversations = _conversations(fresh, keys, now)
    written = _interactions(fresh, profiles, conversations, keys, now)
    links = _links(profiles.values())
    return [
        _recorded(entry, known.get((entry.scope, entry.key)), written, links) for entry in entries
    ]


def _recorded(
    entry: Entry,
    before: Interaction | None,
    written: dict[Place, Interaction],
    links: dict[int, ProfileLink],
) -> Recorded:
    row = before or written[entry.scope, entry.key]
    link = links.get(row.profile_id or 0)
    return Recorded(
        interaction=row.pk,
        conversation=row.conversation_id,
        profile=row.profile_id,
        contact=link.contact_id if link else None,
        contact_kind=link.contact.kind if link else "",
        new=before is None,
    )


def _profiles(authors: Iterable[Author], now: datetime) -> dict[Person, int]:
    """Create or update the profiles of the authors; return (network, key) → id of the profile.

    If a handle or a name changed, the former handle and name are stored as a ProfileName.
    """
    latest = {(author.network, author.key): author for author in authors}
    networks, keys = {n for n, _ in latest}, {k for _, k in latest}
    known = {
        (row.network, row.key): row
        for row in Profile.objects.filter(network__in=networks, key__in=keys)
    }
    rows, past = [], []
    # Sorted: two transactions lock the same profiles in the same order, so they do not deadlock.
    for person in sorted(latest):
        author, before = latest[person], known.get(person)
        row = _profile(author, before, now)
        rows.append(row)
        if before and (before.handle, before.name) != (row.handle, row.name):
            past.append(
                ProfileName(profile=before, handle=before.handle, name=before.name, until=now)
            )
    stored = Profile.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["network", "key"],
        update_fields=[
            "handle",
            "name",
            "url",
            "reach",
            "verified",
            "bio",
            "place",
            "language",
        ],
    )
    ProfileName.objects.bulk_create(past)
    by_person = {(row.network, row.key): row for row in stored}
    handles = {person: row.handle for person, row in known.items()}
    # In the order of `latest`: the oldest message first.
    mark_taken_handles(
        [row for person in latest if (row := by_person[person]).handle != handles.get(person)]
    )
    return {person: row.pk for person, row in by_person.items()}


def _profile(author: Author, before: Profile | None, now: datetime) -> Profile:
    """Return the row to store. A value that the network does not state keeps its stored value."""
    return Profile(
        network=author.network,
        key=author.key,
        handle=author.handle[:300] or (before.handle if before else ""),
        name=author.name[:300] or (before.name if before else ""),
        url=author.url[:1000] or (before.url if before else ""),
        reach=_bigint(author.reach) if author.reach is not None or not before else before.reach,
        verified=before.verified if before and author.verified is None else author.verified,
        bio=author.bio[:1000] or (before.bio if before else ""),
        place=author.place[:200] or (before.place if before else ""),
        language=author.language[:20] or (before.language if before else ""),
        first_seen_at=now,
    )


def _bigint(number: int | None) -> int | None:
    # Networks may report any number, but PostgreSQL refuses a number too large for a bigint.
    return None if number is None else max(0, min(number, 2**62))


def _links(profiles: Iterable[int]) -> dict[int, ProfileLink]:
    current = ProfileLink.objects.filter(profile__in=list(profiles), ended_at=None)
    return {link.profile_id: link for link in current.select_related("contact")}


def _known(entries: Sequence[Entry]) -> dict[tuple[str, str], Interaction]:
    """Return the ledger rows that exist for these entries and for the items that they answer.

    The result maps (scope, key) to the row.
    """
    keys = {entry.key for entry in entries} | {entry.in_reply_to for entry in entries} - {""}
    rows = Interaction.objects.filter(
        scope__in={entry.scope for entry in entries}, key__in=keys
    ).select_related("conversation", "profile")
    return {(row.scope, row.key): row for row in rows}


def _in_order(entries: Sequence[Entry], known: dict[Place, Interaction]) -> list[Entry]:
    """Return the entries without duplicates, in the order in which to record them.

    Older entries come first and entries without a time come last. Each item comes before its
    answers. If an entry has no author, it gets the author of the item that it answers.
    """
    by_place = {(entry.scope, entry.key): entry for entry in entries}
    ordered: dict[Place, Entry] = {}
    for entry in sorted(by_place.values(), key=_age):
        chain: dict[Place, Entry] = {}
        ancestor: Entry | None = entry
        # Check `place in chain`: otherwise the loop would never end for items that answer each
        # other in a circle.
        while ancestor:
            place = (ancestor.scope, ancestor.key)
            if place in ordered or place in chain:
                break
            chain[place] = ancestor
            ancestor = by_place.get((ancestor.scope, ancestor.in_reply_to))
        for place, link in reversed(chain.items()):
            parent = (link.scope, link.in_reply_to)
            answered = _author(ordered.get(parent), known.get(parent))
            ordered[place] = replace(link, author=link.author or answered)
    return list(ordered.values())


def _author(entry: Entry | None, row: Interaction | None) -> Author | None:
    """Return the outside party of an item, or None if the item has none.

    If the entry has an author, the result is this author. Otherwise the result is the profile of
    the ledger row.
    """
    if entry and entry.author:
        return entry.author
    return Author(row.profile.network, row.profile.key) if row and row.profile else None


def _conversation_keys(
    ordered: Sequence[Entry], known: dict[Place, Interaction]
) -> dict[Place, str]:
    """Return (scope, key) of each entry → key of its conversation, by the rule in `crm.threads`."""
    people = _people(row.conversation_id for row in known.values())
    parents = {
        (row.scope, row.key): (row.conversation.key, row.visibility == "private")
        for row in known.values()
    }
    keys: dict[Place, str] = {}
    for entry in ordered:
        place = (entry.scope, entry.key)
        author = (entry.author.network, entry.author.key) if entry.author else None
        joined, is_private = parents.get((entry.scope, entry.in_reply_to), ("", False))
        keys[place] = conversation_key(
            key=entry.key,
            thread_key=entry.thread_key,
            private=entry.visibility == "private",
            author=author,
            parent=Parent(joined, frozenset(people[entry.scope, joined]), is_private)
            if joined
            else None,
        )
        if author:
            people[entry.scope, keys[place]].add(author)
        parents.setdefault(place, (keys[place], entry.visibility == "private"))
    return keys


def _age(entry: Entry) -> tuple[bool, float, str]:
    """Return the sort key of an entry.

    Older entries come first and entries without a time come last. Entries of the same time are
    sorted by their keys.
    """
    at = entry.occurred_at
    return (at is None, at.timestamp() if at else 0.0, entry.key)


def _people(conversations: Iterable[int]) -> defaultdict[tuple[str, str], set[Person]]:
    """Return (network, key) of each conversation → the identities of its participants."""
    pairs = (
        Interaction.objects.filter(conversation__in=set(conversations), profile__isnull=False)
        .values_list(
            "conversation__network", "conversation__key", "profile__network", "profile__key"
        )
        .distinct()
    )
    people: defaultdict[tuple[str, str], set[Person]] = defaultdict(set)
    for network, key, *person in pairs:
        people[network, key].add((person[0], person[1]))
    return people


def _conversations(
    fresh: Sequence[Entry], keys: dict[Place, str], now: datetime
) -> dict[tuple[str, str], int]:
    """Find or create the conversations of new entries; return (scope, conversation key) → id."""
    first: dict[tuple[str, str], Entry] = {}
    for entry in fresh:
        if entry.conversation is None:
            first.setdefault((entry.scope, keys[entry.scope, entry.key]), entry)
    networks, names = {scope for scope, _ in first}, {key for _, key in first}
    existing = Conversation.objects.filter(network__in=networks, key__in=names)
    known = {(row.network, row.key, row.visibility): row.pk for row in existing}
    stored = Conversation.objects.bulk_create(
        [
            Conversation(
                network=scope,
                key=key,
                thread_key=entry.thread_key or entry.key,
                visibility=entry.visibility,
                title=entry.title[:500],
                account_id=entry.account,
                started_at=now,
            )
            # Sorted, so that all transactions lock the rows in the same order.
            for (scope, key), entry in sorted(first.items(), key=lambda item: item[0])
            # Do not write an existing row again. That would lock the conversation before its case,
            # while a transfer locks the case first, so the two could deadlock.
            if (scope, key, entry.visibility) not in known
        ],
        update_conflicts=True,
        unique_fields=["network", "key"],
        update_fields=["visibility"],
    )
    ids = {(network, key): pk for (network, key, _), pk in known.items()}
    return ids | {(row.network, row.key): row.pk for row in stored}


def _interactions(
    fresh: Sequence[Entry],
    profiles: dict[Person, int],
    conversations: dict[tuple[str, str], int],
    keys: dict[Place, str],
    now: datetime,
) -> dict[Place, Interaction]:
    rows = Interaction.objects.bulk_create(
        Interaction(
            scope=entry.scope,
            key=entry.key,
            conversation_id=entry.conversation
            or conversations[entry.scope, keys[entry.scope, entry.key]],
            profile_id=profiles[entry.author.network, entry.author.key] if entry.author else None,
            account_id=entry.account,
            staff_id=entry.staff,
            direction=entry.direction,
            channel=entry.channel,
            kind=entry.kind,
            visibility=entry.visibility,
            in_reply_to=entry.in_reply_to,
            revises_id=entry.revises,
            title=entry.title,
            text=entry.text,
            html=entry.html,
            url=entry.url[:2000],
            other_address=entry.other_address,
            details=entry.details,
            occurred_at=tellable(entry.occurred_at),
            recorded_at=now,
        )
        for entry in fresh
    )
    return {(row.scope, row.key): row for row in rows}
