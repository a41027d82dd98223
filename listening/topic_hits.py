"""Match texts against the active topics; each process compiles them again after a change."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from listening import matching
from listening.matching import Hit, Matcher
from listening.models import Match, Mention, Topic, TopicRevision, TopicStamp

Hits = dict[int, list[Hit]]
"""Id of a mention or a ledger row → its hits. The key of a hit is the id of a topic revision."""
Spans = list[list[str | int]]
"""Places of hits: [["text", start, end], …] in code points; `end` is exclusive."""
_compiled: dict[uuid.UUID, Matcher] = {}
"""Stamp → the topics compiled under it; at most one entry, the newest."""


def current_matcher() -> Matcher:
    """Return the matcher of all active topics; one small statement unless a topic changed."""
    stamp = TopicStamp.objects.values_list("stamp", flat=True).first()
    matcher = _compiled.get(stamp) if stamp else None
    if matcher is None:
        # Stamp and topics come from one statement: if a change came between two statements, old
        # topics would be stored under a new stamp.
        stamp, queries = Topic.objects.stamped_queries()
        matcher = matching.compile(queries)
        if stamp:
            _compiled.clear()  # matchers are large: keep only the newest
            _compiled[stamp] = matcher
    return matcher


def find_matches(mentions: Iterable[Mention]) -> Hits:
    """Match each mention against all active topics. Needs no transaction."""
    matcher = current_matcher()
    return {mention.pk: matcher.match(mention.title, mention.text) for mention in mentions}


def keep_matches(hits: Hits, recorded: Mapping[int, int]) -> None:
    """Store the hits of mentions. recorded: mention id → ledger row, if it was recorded.

    A hit that is stored already only gets its ledger row. One statement.
    """
    Match.objects.bulk_create(
        [
            Match(mention_id=pk, interaction_id=recorded.get(pk), **_columns(hit))
            for pk, found in sorted(hits.items())
            for hit in found
            # A replayed mention has hits already: only their ledger row may be new.
        ],
        update_conflicts=True,
        unique_fields=["mention", "revision"],
        update_fields=["interaction"],
    )


def keep_offline_matches(hits: Hits) -> None:
    """Store the hits of ledger rows that have no mention. One statement."""
    Match.objects.bulk_create(
        Match(interaction_id=pk, **_columns(hit)) for pk, found in hits.items() for hit in found
    )


def _columns(hit: Hit) -> dict[str, Any]:
    """Return the columns of a Match."""
    return {"revision_id": hit.key, "spans": _spans(hit)}


def _spans(hit: Hit) -> Spans:
    return [[span.field, span.start, span.end] for span in hit.spans]


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic that matched an item. topic, revision: ids."""

    name: str
    topic: int
    revision: int
    spans: Spans


def topics_found_in(interaction: int) -> tuple[FoundTopic, ...]:
    """Return the topics whose matches are stored with this ledger row. One statement."""
    rows = Match.objects.filter(interaction=interaction).select_related("revision__topic")
    return tuple(
        FoundTopic(row.revision.topic.name, row.revision.topic_id, row.revision_id, row.spans)
        for row in rows
    )


def found_topics(hits: Hits) -> dict[int, tuple[FoundTopic, ...]]:
    """Return the topics that matched each mention or ledger row. One statement."""
    revisions = {hit.key for found in hits.values() for hit in found}
    rows = TopicRevision.objects.filter(pk__in=revisions)
    topics = {
        pk: (name, topic) for pk, name, topic in rows.values_list("pk", "topic__name", "topic")
    }
    return {
        pk: tuple(FoundTopic(*topics[hit.key], hit.key, _spans(hit)) for hit in found)
        for pk, found in hits.items()
    }
