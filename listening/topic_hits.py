"""Match texts against the active topics.

Each process compiles the topics again after one of them has changed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from listening import matching
from listening.matching import Hit, Matcher
from listening.models import Match, Mention, Topic, TopicRevision, TopicStamp

Hits = dict[int, list[Hit]]
"""Id of a mention or of a ledger row → its hits. `Hit.key` is the id of a topic revision."""
Spans = list[list[str | int]]
"""The places of hits: [["text", start, end], …].

Positions are in code points; `end` is exclusive.
"""
_compiled: dict[uuid.UUID, Matcher] = {}
"""Stamp → the topics compiled when the stamp had this value; only the newest is kept."""


def current_matcher() -> Matcher:
    """Return the matcher of all active topics.

    If no topic was changed since the last call in this process, this takes one small SQL query.
    """
    stamp = TopicStamp.objects.values_list("stamp", flat=True).first()
    matcher = _compiled.get(stamp) if stamp else None
    if matcher is None:
        # One SQL query reads the stamp and the topics. With two queries, a change between them
        # would store old topics under a new stamp.
        stamp, queries = Topic.objects.stamped_queries()
        matcher = matching.compile(queries)
        if stamp:
            _compiled.clear()  # matchers are large: keep only the newest
            _compiled[stamp] = matcher
    return matcher


def find_matches(mentions: Iterable[Mention]) -> Hits:
    """Match each mention against all active topics. This needs no transaction."""
    matcher = current_matcher()
    return {mention.pk: matcher.match(mention.title, mention.text) for mention in mentions}


def keep_matches(hits: Hits, recorded: Mapping[int, int]) -> None:
    """Store the hits of mentions, with one SQL statement.

    recorded: a mapping from mention id to the id of the ledger row, for the mentions that were
    recorded in the ledger.
    If a hit is already stored, only its ledger row is updated.
    """
    Match.objects.bulk_create(
        [
            Match(mention_id=pk, interaction_id=recorded.get(pk), **_columns(hit))
            for pk, found in sorted(hits.items())
            for hit in found
            # A mention that is processed again already has hits; only their ledger row may be new.
        ],
        update_conflicts=True,
        unique_fields=["mention", "revision"],
        update_fields=["interaction"],
    )


def keep_interaction_matches(hits: Hits) -> None:
    """Store the hits of interactions without a mention, with one SQL statement.

    These are offline contacts and the versions of edited items.
    """
    Match.objects.bulk_create(
        Match(interaction_id=pk, **_columns(hit)) for pk, found in hits.items() for hit in found
    )


def _columns(hit: Hit) -> dict[str, Any]:
    """Return the values of the columns of a Match for this hit."""
    return {"revision_id": hit.key, "spans": _spans(hit)}


def _spans(hit: Hit) -> Spans:
    return [[span.field, span.start, span.end] for span in hit.spans]


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic that matched an item.

    topic, revision: the ids of the topic and of the revision that matched.
    is_brand: see `Topic.is_brand`.
    sensitivity: see `Topic.sensitivity`.
    """

    name: str
    topic: int
    revision: int
    spans: Spans
    is_brand: bool = False
    sensitivity: str = ""


def topics_found_in(interaction: int) -> tuple[FoundTopic, ...]:
    """Return the topics of the matches that are stored for this ledger row, with one SQL query."""
    rows = Match.objects.filter(interaction=interaction).select_related("revision__topic")
    return tuple(
        FoundTopic(
            row.revision.topic.name,
            row.revision.topic_id,
            row.revision_id,
            row.spans,
            row.revision.topic.is_brand,
            row.revision.topic.sensitivity,
        )
        for row in rows
    )


def found_topics(hits: Hits) -> dict[int, tuple[FoundTopic, ...]]:
    """Return the topics that matched, by the id of the mention or ledger row.

    This uses one SQL query.
    """
    revisions = {hit.key for found in hits.values() for hit in found}
    rows = TopicRevision.objects.filter(pk__in=revisions)
    names = ("topic__name", "topic", "topic__is_brand", "topic__sensitivity")
    topics = {pk: values for pk, *values in rows.values_list("pk", *names)}

    def found_topic(hit: Hit) -> FoundTopic:
        name, topic, is_brand, sensitivity = topics[hit.key]
        return FoundTopic(name, topic, hit.key, _spans(hit), is_brand, sensitivity)

    return {pk: tuple(map(found_topic, found)) for pk, found in hits.items()}
