"""Write to the ledger: who said it, in which conversation, what. The only way in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from crm.models import Conversation, Interaction, Profile, ProfileLink, ProfileName
from crm.threads import Parent, Person, conversation_key
from scrm.channels.base import Author, Visibility

_LOCK = 0x5C12


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing said or done, ready to be written down.

    author: the outside party: who spoke, or whom we addressed; None where we spoke to many.
    conversation: the id of one that is known already, else None and the thread rule decides.
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
    occurred_at: datetime | None = None
    thread_key: str = ""
    in_reply_to: str = ""
    account: int | None = None
    staff: int | None = None
    conversation: int | None = None
    revises: int | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where an entry stands in the CRM. `new` is false for what stood there already."""

    interaction: int
    conversation: int
    profile: int | None
    contact: int | None
    contact_kind: str
    new: bool


def lock_workspace() -> None:
    """Take the one lock under which ledger rows are written; held until the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


@transaction.atomic
def record(entries: Sequence[Entry], *, now: datetime) -> list[Recorded]:
    """Write entries, oldest first; one result each, in the order given.

    Statements are constant in the number of entries. An entry whose (scope, key) is in the
    ledger already is not written again.
    """
    lock_workspace()
    profiles = _profiles([entry.author for entry in entries if entry.author], now)
    known = _known(entries)
    keys = _conversation_keys(entries, known)
    conversations = _conversations(entries, keys, now)
    written = _interactions(entries, known, profiles, conversations, keys, now)
    links = _links(profiles.values())
    return [
        _recorded(entry, known.get((entry.scope, entry.key)), written, links) for entry in entries
    ]


def _recorded(
    entry: Entry,
    before: Interaction | None,
    written: dict[tuple[str, str], Interaction],
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
    """Make or refresh the profiles of authors → their ids. A former name is kept."""
    latest = {(author.network, author.key): author for author in authors}
    networks, keys = {n for n, _ in latest}, {k for _, k in latest}
    known = {
        (row.network, row.key): row
        for row in Profile.objects.filter(network__in=networks, key__in=keys)
    }
    rows, past = [], []
    for person in sorted(latest):
        author, before = latest[person], known.get(person)
        row = Profile(
            network=author.network,
            key=author.key,
            handle=author.handle[:300] or (before.handle if before else ""),
            name=author.name[:300] or (before.name if before else ""),
            url=author.url[:1000] or (before.url if before else ""),
            reach=_bigint(author.reach) if author.reach is not None or not before else before.reach,
            first_seen_at=now,
        )
        rows.append(row)
        if before and (before.handle, before.name) != (row.handle, row.name):
            past.append(
                ProfileName(profile=before, handle=before.handle, name=before.name, until=now)
            )
    stored = Profile.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["network", "key"],
        update_fields=["handle", "name", "url", "reach"],
    )
    ProfileName.objects.bulk_create(past)
    return {(row.network, row.key): row.pk for row in stored}


def _bigint(number: int | None) -> int | None:
    return None if number is None else max(0, min(number, 2**62))


def _links(profiles: Iterable[int]) -> dict[int, ProfileLink]:
    current = ProfileLink.objects.filter(profile__in=list(profiles), ended_at=None)
    return {link.profile_id: link for link in current.select_related("contact")}


def _known(entries: Sequence[Entry]) -> dict[tuple[str, str], Interaction]:
    """Ledger rows that are these entries already, or that they answer."""
    keys = {entry.key for entry in entries} | {entry.in_reply_to for entry in entries} - {""}
    rows = Interaction.objects.filter(
        scope__in={entry.scope for entry in entries}, key__in=keys
    ).select_related("conversation")
    return {(row.scope, row.key): row for row in rows}


def _conversation_keys(
    entries: Sequence[Entry],
    known: dict[tuple[str, str], Interaction],
) -> dict[tuple[str, str], str]:
    """(scope, key) of each entry without a conversation → the key of the one it belongs to."""
    people = _people(row.conversation_id for row in known.values())
    parents = {
        (row.scope, row.key): (row.conversation.key, row.is_ours and row.profile_id is not None)
        for row in known.values()
    }
    keys: dict[tuple[str, str], str] = {}
    for entry in sorted(entries, key=_age):
        place = (entry.scope, entry.key)
        author = (entry.author.network, entry.author.key) if entry.author else None
        joined, addressed = parents.get((entry.scope, entry.in_reply_to), ("", False))
        keys[place] = conversation_key(
            key=entry.key,
            thread_key=entry.thread_key,
            private=entry.visibility == "private",
            author=author,
            parent=Parent(joined, addressed, frozenset(people[entry.scope, joined]))
            if joined
            else None,
        )
        if author:
            people[entry.scope, keys[place]].add(author)
        spoken_to = entry.direction == "out" and entry.author is not None
        parents.setdefault(place, (keys[place], spoken_to))
    return keys


def _age(entry: Entry) -> tuple[bool, float, str]:
    """Sort key: oldest first, undated last, ties by key; a parent before its answer."""
    at = entry.occurred_at
    return (at is None, at.timestamp() if at else 0.0, entry.key)


def _people(conversations: Iterable[int]) -> defaultdict[tuple[str, str], set[Person]]:
    """Who takes part, by (network, key) of the conversation."""
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
    entries: Sequence[Entry], keys: dict[tuple[str, str], str], now: datetime
) -> dict[tuple[str, str], int]:
    """Make or find the conversations of entries → ids by (scope, conversation key)."""
    first: dict[tuple[str, str], Entry] = {}
    for entry in sorted(entries, key=_age):
        if entry.conversation is None:
            first.setdefault((entry.scope, keys[entry.scope, entry.key]), entry)
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
            for (scope, key), entry in sorted(first.items(), key=lambda item: item[0])
        ],
        update_conflicts=True,
        unique_fields=["network", "key"],
        update_fields=["visibility"],
    )
    return {(row.network, row.key): row.pk for row in stored}


def _interactions(
    entries: Sequence[Entry],
    known: dict[tuple[str, str], Interaction],
    profiles: dict[Person, int],
    conversations: dict[tuple[str, str], int],
    keys: dict[tuple[str, str], str],
    now: datetime,
) -> dict[tuple[str, str], Interaction]:
    fresh = {
        (entry.scope, entry.key): entry
        for entry in sorted(entries, key=_age)
        if (entry.scope, entry.key) not in known
    }
    rows = Interaction.objects.bulk_create(
        Interaction(
            scope=entry.scope,
            key=entry.key,
            conversation_id=entry.conversation or conversations[entry.scope, keys[place]],
            profile_id=_profile(entry, known, profiles),
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
            occurred_at=entry.occurred_at,
            recorded_at=now,
        )
        for place, entry in fresh.items()
    )
    return {(row.scope, row.key): row for row in rows}


def _profile(
    entry: Entry, known: dict[tuple[str, str], Interaction], profiles: dict[Person, int]
) -> int | None:
    """Who spoke or was addressed; where we answered without saying whom, whoever we answered."""
    if entry.author:
        return profiles[entry.author.network, entry.author.key]
    answered = known.get((entry.scope, entry.in_reply_to))
    return answered.profile_id if answered else None
