"""Process one batch of mentions, from matching to routing, in one transaction.

If a batch fails, each of its halves is processed as a separate batch, and so on, until the failing
mention is found. That mention is quarantined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import connection, transaction
from django.db.models.functions import Lower
from django.utils import timezone

from crm.interaction_details import MailDetails
from crm.ledger import Entry, Recorded, lock_workspace, record
from crm.models import Account, Interaction, Profile, User
from listening.models import Mention, Quarantined, Sighting, Source
from listening.models.mention import HOPELESS
from listening.topic_hits import FoundTopic, Hits, find_matches, found_topics, keep_matches
from responses import bounces, outbox
from responses.results import feedback
from responses.results.feedback import Answered, Heard
from routing.facts import Origin, facts
from routing.intake import Arrival, Hint, take_in
from routing.models import Case
from routing.when_written import WhenWritten
from scrm.channels.base import AUTOMATIC, BOUNCE, NOTICE, Author, Item
from scrm.db.locks import locked
from scrm.db.retry import again, is_passing
from scrm.edited_mentions import Edit, arrivals_to_route, edits_with_topics, record_edits

_log = structlog.get_logger(__name__)
_KEPT_DETAILS = {"call", "mail"}
"""The keys of `Mention.details` that become details of the interaction."""


def process_or_halve(mentions: Sequence[Mention]) -> None:
    """Match and process a claimed batch of mentions.

    If the batch fails, each half is processed separately, until the mention that causes the failure
    is found and quarantined. A transient error of the database is raised again. This implements
    guarantee G5 in `docs/guarantees.md`.
    """
    # Every attempt with this mention ended with a dead worker; another attempt could kill this
    # worker too.
    if mentions[0].attempt > HOPELESS:
        _quarantine(
            mentions[0], f"The worker died {mentions[0].attempt - 1} times while processing it."
        )
        return
    try:
        # Outside the transaction: matching takes long and must not hold locks.
        hits = find_matches(mentions)
        again(lambda: process_batch(mentions, hits, now=timezone.now()))
    except Exception as error:
        # A transient database error is not caused by the items: the lease lapses, and a later tick
        # tries the batch again.
        if is_passing(error):
            raise
        if len(mentions) == 1:
            _log.exception("quarantined", mention=mentions[0].pk)
            _quarantine(mentions[0], f"{type(error).__name__}: {error}")
            return
        # Each half is processed as its own batch, so that only the failing mention is lost.
        half = len(mentions) // 2
        process_or_halve(mentions[:half])
        process_or_halve(mentions[half:])


def process_batch(claimed: Sequence[Mention], hits: Hits, *, now: datetime) -> None:
    """Update the deliveries to which the mentions refer, then record and route the mentions.

    For example, a bounce or an answer refers to a delivery. The number of SQL statements does not
    depend on the size of the batch.
    """
    # Loaded once for both functions: if an account is connected between the two calls, they must
    # still agree on who wrote a mention.
    speakers = _Speakers.load()
    _confirm_deliveries(claimed, speakers, now=now)
    _record_and_route(claimed, speakers, hits, now=now)


def _confirm_deliveries(mentions: Sequence[Mention], speakers: _Speakers, *, now: datetime) -> None:
    """Update the state of the deliveries to which the mentions of the batch refer.

    A bounce shows that a delivery bounced. Our own post, or an answer to it, shows that the
    delivery was sent. Each of these updates locks deliveries, and the routing of the batch locks
    cases later. In one transaction, cases must be locked before deliveries, so each update runs in
    its own transaction. All updates are idempotent, because a batch may be claimed twice.
    """
    fresh = [mention for mention in mentions if mention.kind not in (BOUNCE, NOTICE)]
    fresh = [mention for mention in fresh if not mention.backlog]
    # Process bounces before mentions are recorded: a bounce changes its delivery and must not be
    # recorded as a message.
    back = [_item(mention) for mention in mentions if mention.kind in (BOUNCE, NOTICE)]
    bounces.come_back(back, now=now)
    # Call this before record(), because only a post that is not yet in the ledger proves that its
    # delivery was sent.
    spoken = ((mention, speakers.speaker(mention)) for mention in fresh)
    own = [(_item(mention), account) for mention, account in spoken if account]
    outbox.heard_ourselves(own, now=now)
    # Call this before feedback is linked, because an answer can only be linked to a delivery whose
    # state is sent.
    outbox.prove([_item(mention) for mention in fresh], now=now)


@transaction.atomic
def _record_and_route(
    claimed: Sequence[Mention], speakers: _Speakers, hits: Hits, *, now: datetime
) -> None:
    """Record and route the mentions, and link feedback, in one transaction.

    Recording also finds or creates the profiles of the authors.
    """
    # Take this lock before any row is locked: otherwise two batches could deadlock with each other.
    lock_workspace()
    # This checks the fence: another worker may have claimed these mentions after our lease lapsed.
    mentions = _still_ours(claimed)
    hits = {mention.pk: hits[mention.pk] for mention in mentions}
    context = _Context.load(mentions, hits, speakers)
    kept = [mention for mention in mentions if context.keeps(mention)]
    recorded = record([context.entry(mention) for mention in kept], now=now)
    ledger = {m.pk: row.interaction for m, row in zip(kept, recorded, strict=True)}
    # An item that was edited after it was routed is routed again, by its new words.
    routed_before = {mention.pk for mention in mentions if mention.interaction_id}
    # Call this after record(), because a match refers to the interaction that was recorded for its
    # mention.
    keep_matches(hits, ledger)
    versions = record_edits(kept, ledger, now)
    inbound = {
        mention.pk: (mention, row)
        for mention, row in zip(kept, recorded, strict=True)
        if not context.is_ours(mention)
    }
    # These authors wrote to us, so their profiles count as reachable again.
    heard = [row.profile or 0 for pk, (_, row) in inbound.items() if pk not in routed_before]
    Profile.objects.filter(pk__in=heard).heard()
    # Automatic answers are recorded, but they open no case and do not count as feedback.
    messages = [pair for pair in inbound.values() if pair[0].kind != AUTOMATIC]
    fresh = [pair for pair in messages if pair[0].pk not in routed_before]
    answers = feedback.answered(_heard(*pair) for pair in fresh)
    arrivals = {pair[0].pk: context.arrival(*pair, answers) for pair in messages}
    take_in(arrivals_to_route(arrivals, context.edits, versions, routed_before), now=now)
    _update_pages([row for mention, row in inbound.values() if mention.kind == AUTOMATIC])
    feedback.link(answers, now=now)
    # Call this last and in the same transaction, so that the whole batch is due again if the worker
    # dies before the commit.
    _finish(mentions, ledger, now)


def _still_ours(claimed: Sequence[Mention]) -> list[Mention]:
    """Lock and return the mentions of the batch on which this worker still has its claim.

    If the lease of a mention lapsed and another worker claimed the mention, it is left out.
    """
    fenced = {mention.pk: mention.attempt for mention in claimed}
    rows = locked(Mention.objects.filter(pk__in=fenced, processed_at=None))
    return [row for row in rows if row.attempt == fenced[row.pk]]


@dataclass(frozen=True, slots=True)
class _Speakers:
    """Determines which of our accounts, if any, wrote a mention."""

    ours: dict[tuple[str, str], int]
    grounds: dict[str, int]

    @classmethod
    def load(cls) -> _Speakers:
        accounts = list(Account.objects.only("pk", "kind", "network", "self_key"))
        return cls(
            ours={
                (account.network, account.self_key): account.pk
                for account in accounts
                if account.self_key
            },
            grounds={
                account.network: account.pk for account in accounts if account.channel.own_ground
            },
        )

    def speaker(self, mention: Mention) -> int | None:
        """Return the id of our account that wrote a mention, or None for an outside author.

        On some networks, such as our own blog, only we can publish posts. There, every post that is
        not an answer counts as written by us.
        """
        ours = self.ours.get((mention.author_network, mention.author_key))
        if ours or mention.kind != "post" or mention.in_reply_to:
            return ours
        return self.grounds.get(mention.scope)


@dataclass(frozen=True, slots=True)
class _Context:
    """The rows that a batch needs, loaded with a fixed number of queries."""

    sources: dict[int, Source]
    topics: dict[int, tuple[FoundTopic, ...]]
    edits: dict[int, Edit]
    speakers: _Speakers
    answers_us: set[tuple[str, str]]
    agents: dict[str, int]
    clock: WhenWritten

    @classmethod
    def load(cls, mentions: Sequence[Mention], hits: Hits, speakers: _Speakers) -> _Context:
        sightings = Sighting.objects.filter(mention__in=[m.pk for m in mentions])
        parents = {mention.in_reply_to for mention in mentions} - {""}
        answerable = Interaction.objects.filter(
            scope__in={mention.scope for mention in mentions}, key__in=parents, direction="out"
        )
        ours = speakers.ours
        # Our own posts of this batch are not in the ledger yet, but other mentions of the batch may
        # already answer them.
        own = {(m.scope, m.key) for m in mentions if (m.author_network, m.author_key) in ours}
        return cls(
            sources=sightings.decisive(),
            topics=found_topics(hits),
            edits=edits_with_topics(mentions),
            speakers=speakers,
            agents=_agents(mentions),
            clock=WhenWritten.load(),
            answers_us=own | set(answerable.values_list("scope", "key")),
        )

    def is_ours(self, mention: Mention) -> bool:
        called = mention.details.get("direction") == "out"
        return called or self.speakers.speaker(mention) is not None

    def keeps(self, mention: Mention) -> bool:
        """Return whether a mention is to be recorded in the ledger.

        A mention is recorded if we wrote it, if its source is addressed to us, if a topic matched
        its first or its newest words, or if it answers a message of ours. Bounces and delivery
        notices are never recorded, and an item of the backlog only if a topic matches its newest
        edit.
        """
        if mention.kind in (BOUNCE, NOTICE):
            return False
        if mention.backlog and not mention.interaction_id:
            return mention.pk in self.edits
        return bool(
            mention.interaction_id
            or self.is_ours(mention)
            or self.sources[mention.pk].stance == Source.Stance.FOR_US
            or self.topics[mention.pk]
            or mention.pk in self.edits
            or (mention.scope, mention.in_reply_to) in self.answers_us
        )

    def entry(self, mention: Mention) -> Entry:
        ours = self.speakers.speaker(mention)
        source = self.sources[mention.pk]
        call = mention.details.get("call")
        author = mention.author
        if mention.interaction_id:
            # It is processed again: its names may be older than those of the profile.
            author = Author(author.network, author.key)
        return Entry(
            scope=mention.scope,
            key=mention.key,
            author=None if ours else author,
            direction="out" if self.is_ours(mention) else "in",
            channel=source.kind,
            kind=mention.kind,
            visibility=mention.visibility,  # type: ignore[arg-type]
            title=mention.title,
            text=mention.text,
            html=mention.html,
            url=mention.url,
            other_address=mention.other_address,
            occurred_at=mention.occurred_at,
            thread_key=mention.thread_key,
            in_reply_to=mention.in_reply_to,
            account=ours or source.account_id,
            staff=self.agents.get(call.get("agent", "").lower()) if call else None,
            details={name: mention.details[name] for name in _KEPT_DETAILS & {*mention.details}},
        )

    def arrival(self, mention: Mention, row: Recorded, answers: dict[int, Answered]) -> Arrival:
        answer = answers.get(row.interaction)
        return Arrival(
            interaction=row.interaction,
            conversation=row.conversation,
            profile=row.profile or 0,
            contact=row.contact,
            said_at=mention.sort_at,
            facts=facts(
                self.entry(mention),
                Origin.online(mention, self.sources[mention.pk]),
                topics=self.topics[mention.pk],
                contact_kind=row.contact_kind if row.contact else None,
                written=self.clock.at(mention.sort_at),
            ),
            topics=self.topics[mention.pk],
            joins=not (mention.other_address or MailDetails.read(mention.details).unverified),
            hint=_hint(answer) if answer else None,
        )


def _agents(mentions: Sequence[Mention]) -> dict[str, int]:
    """Return login address → id of the colleagues who made or took the calls of a batch."""
    calls = [mention.details["call"] for mention in mentions if "call" in mention.details]
    named = {call["agent"].lower() for call in calls if "agent" in call}
    users = User.objects.annotate(login=Lower("email")).filter(login__in=named) if named else ()
    return {user.email.lower(): user.pk for user in users}


def _update_pages(rows: Sequence[Recorded]) -> None:
    """Tell open pages to update the cases of these recorded messages.

    The messages are automatic answers. They open no case, but their conversation may have a case.
    """
    conversations = [row.conversation for row in rows]
    if not conversations:
        return
    current = Case.objects.filter(
        conversation_links__conversation__in=conversations, conversation_links__ended_at=None
    )
    for case in current.distinct():
        case.tell()


def _hint(answer: Answered) -> Hint:
    what = "post" if answer.macro else "reply"
    return Hint(answer.department, answer.issue, f"It replies to a {what} of this department.")


def _heard(mention: Mention, row: Recorded) -> Heard:
    return Heard(
        interaction=row.interaction,
        conversation=row.conversation,
        scope=mention.scope,
        in_reply_to=mention.in_reply_to,
        visibility=mention.visibility,
        said_at=mention.sort_at,
    )


def _item(mention: Mention) -> Item:
    return Item(
        scope=mention.scope,
        key=mention.key,
        author=mention.author,
        text=mention.text,
        kind=mention.kind,
        url=mention.url,
        visibility=mention.visibility,  # type: ignore[arg-type]
        thread_key=mention.thread_key,
        in_reply_to=mention.in_reply_to,
        details=mention.details,
    )


def _finish(mentions: Sequence[Mention], ledger: dict[int, int], now: datetime) -> None:
    """Mark mentions as processed and attach their files to the interactions.

    ledger: a mapping from mention id to the id of the interaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE listening_mention SET processed_at = %s, lease_until = NULL, "
            "interaction_id = done.interaction_id, "
            # A recorded item is no longer part of the backlog.
            "backlog = backlog AND done.interaction_id IS NULL "
            "FROM unnest(%s::bigint[], %s::bigint[]) AS done (id, interaction_id) "
            "WHERE listening_mention.id = done.id",
            [now, [m.pk for m in mentions], [ledger.get(m.pk) for m in mentions]],
        )
        cursor.execute(
            "UPDATE crm_attachment SET interaction_id = done.interaction_id "
            "FROM listening_enclosure kept "
            "JOIN listening_mention done ON done.id = kept.mention_id "
            "WHERE kept.attachment_id = crm_attachment.id AND done.id = ANY(%s)",
            [[m.pk for m in mentions]],
        )


@transaction.atomic
def _quarantine(mention: Mention, reason: str) -> None:
    now = timezone.now()
    # The attempt is the fence: quarantine the mention only if no other worker has claimed it.
    mine = Mention.objects.unprocessed().filter(pk=mention.pk, attempt=mention.attempt)
    if not mine.update(processed_at=now, lease_until=None):
        return
    Quarantined.objects.update_or_create(
        mention=mention,
        defaults={
            "fetch_id": mention.fetch_id,
            "raw": bytes(mention.raw),
            "reason": reason[:2000],
            "at": now,
            "replayed_at": None,
        },
    )
