"""One batch of mentions, from raw to routed, in one transaction; or by halves to the culprit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import connection, transaction
from django.utils import timezone

from crm.ledger import Entry, Recorded, lock_workspace, record
from crm.models import Account, Interaction, Profile
from listening.models import Mention, SetApart, Sighting, Source
from listening.models.mention import HOPELESS
from listening.topic_hits import Hits, find_matches, keep_matches, topic_names
from responses import bounces, outbox
from responses.results import feedback
from responses.results.feedback import Answered, Heard
from routing.facts import Origin, facts
from routing.intake import Arrival, Hint, take_in
from routing.models import Case
from scrm.channels.base import AUTOMATIC, BOUNCE, NOTICE, Item
from scrm.db.retry import again, is_passing

_log = structlog.get_logger(__name__)


def process_or_halve(mentions: Sequence[Mention]) -> None:
    """Match and process a claimed batch; what breaks it is found by halving and set apart (G5)."""
    if mentions[0].attempt > HOPELESS:
        _set_apart(mentions[0], f"Its worker died {mentions[0].attempt - 1} times.")
        return
    try:
        hits = find_matches(mentions)
        again(lambda: process_batch(mentions, hits, now=timezone.now()))
    except Exception as error:
        if is_passing(error):  # the database's trouble, not the items': the tick comes back
            raise
        if len(mentions) == 1:
            _log.exception("set apart", mention=mentions[0].pk)
            _set_apart(mentions[0], f"{type(error).__name__}: {error}")
            return
        half = len(mentions) // 2
        process_or_halve(mentions[:half])
        process_or_halve(mentions[half:])


@transaction.atomic
def process_batch(claimed: Sequence[Mention], hits: Hits, *, now: datetime) -> None:
    """Identify, record, route, link feedback. Statements are constant in the batch's size."""
    lock_workspace()
    mentions = _still_ours(claimed)
    hits = {mention.pk: hits[mention.pk] for mention in mentions}
    context = _Context.load(mentions, hits)
    back = [_item(each) for each in mentions if each.kind in (BOUNCE, NOTICE)]
    bounces.come_back(back, now=now)
    kept = [mention for mention in mentions if context.keeps(mention)]
    spoken = ((mention, context.speaker(mention)) for mention in kept)
    own = [(_item(mention), account) for mention, account in spoken if account]
    outbox.heard_ourselves(own, now=now)
    outbox.prove([_item(mention) for mention in kept], now=now)
    recorded = record([context.entry(mention) for mention in kept], now=now)
    ledger = {m.pk: row.interaction for m, row in zip(kept, recorded, strict=True)}
    keep_matches(hits, ledger)
    inbound = {
        mention.pk: (mention, row)
        for mention, row in zip(kept, recorded, strict=True)
        if not context.is_ours(mention)
    }
    Profile.objects.filter(pk__in=[row.profile or 0 for _, row in inbound.values()]).heard()
    said = [pair for pair in inbound.values() if pair[0].kind != AUTOMATIC]
    answers = feedback.answered(_heard(*pair) for pair in said)
    take_in([context.arrival(*pair, answers) for pair in said], now=now)
    _show([row for mention, row in inbound.values() if mention.kind == AUTOMATIC])
    feedback.link(answers, now=now)
    _finish(mentions, ledger, now)


def _still_ours(claimed: Sequence[Mention]) -> list[Mention]:
    """Those whose claim has not lapsed and gone to somebody else; the fence of the batch."""
    fenced = {mention.pk: mention.attempt for mention in claimed}
    rows = Mention.objects.select_for_update().filter(pk__in=fenced, processed_at=None)
    return [row for row in rows.order_by("pk") if row.attempt == fenced[row.pk]]


@dataclass(frozen=True, slots=True)
class _Context:
    """All that a batch needs to know, by a fixed number of look-ups."""

    sources: dict[int, Source]
    topics: dict[int, frozenset[str]]
    ours: dict[tuple[str, str], int]
    grounds: dict[str, int]
    answers_us: set[tuple[str, str]]

    @classmethod
    def load(cls, mentions: Sequence[Mention], hits: Hits) -> _Context:
        sightings = Sighting.objects.filter(mention__in=[m.pk for m in mentions])
        parents = {mention.in_reply_to for mention in mentions} - {""}
        said = Interaction.objects.filter(
            scope__in={mention.scope for mention in mentions}, key__in=parents, direction="out"
        )
        accounts = list(Account.objects.only("pk", "kind", "network", "self_key"))
        ours = {(each.network, each.self_key): each.pk for each in accounts if each.self_key}
        own = {(m.scope, m.key) for m in mentions if (m.author_network, m.author_key) in ours}
        return cls(
            sources=sightings.decisive(),
            topics=topic_names(hits),
            ours=ours,
            grounds={each.network: each.pk for each in accounts if each.channel.own_ground},
            answers_us=own | set(said.values_list("scope", "key")),
        )

    def speaker(self, mention: Mention) -> int | None:
        """Our account that said it: its author's, or that of a site where only we begin."""
        ours = self.ours.get((mention.author_network, mention.author_key))
        if ours or mention.kind != "post" or mention.in_reply_to:
            return ours
        return self.grounds.get(mention.scope)

    def is_ours(self, mention: Mention) -> bool:
        return self.speaker(mention) is not None

    def keeps(self, mention: Mention) -> bool:
        """Ours, for us, matched, or an answer to us; but nothing from before we came."""
        if mention.backlog or mention.kind in (BOUNCE, NOTICE):
            return False
        return bool(
            self.is_ours(mention)
            or self.sources[mention.pk].stance == Source.Stance.FOR_US
            or self.topics[mention.pk]
            or (mention.scope, mention.in_reply_to) in self.answers_us
        )

    def entry(self, mention: Mention) -> Entry:
        ours = self.speaker(mention)
        source = self.sources[mention.pk]
        return Entry(
            scope=mention.scope,
            key=mention.key,
            author=None if ours else mention.author,
            direction="out" if ours else "in",
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
            ),
            joins=not mention.other_address,
            hint=_hint(answer) if answer else None,
        )


def _show(rows: Sequence[Recorded]) -> None:
    """What opens no case stands in its conversation's, if it has one: whoever looks sees it."""
    conversations = [row.conversation for row in rows]
    if not conversations:
        return
    current = Case.objects.filter(
        conversation_links__conversation__in=conversations, conversation_links__ended_at=None
    )
    for case in current.distinct():
        case.tell()


def _hint(answer: Answered) -> Hint:
    what = "statement" if answer.macro else "reply"
    return Hint(answer.department, answer.issue, f"It answers a {what} of this department.")


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
    )


def _finish(mentions: Sequence[Mention], ledger: dict[int, int], now: datetime) -> None:
    """Processed, and the files that came along belong to what was recorded: two statements."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE listening_mention SET processed_at = %s, lease_until = NULL, "
            "interaction_id = done.interaction_id "
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
def _set_apart(mention: Mention, reason: str) -> None:
    now = timezone.now()
    mine = Mention.objects.unprocessed().filter(pk=mention.pk, attempt=mention.attempt)
    if not mine.update(processed_at=now, lease_until=None):
        return
    SetApart.objects.update_or_create(
        mention=mention,
        defaults={
            "poll_id": mention.poll_id,
            "raw": bytes(mention.raw),
            "reason": reason[:2000],
            "at": now,
            "replayed_at": None,
        },
    )
