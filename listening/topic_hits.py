"""Match texts against the current topics, which are compiled once per process and change."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from listening import matching
from listening.matching import Hit, Matcher
from listening.models import Match, Mention, Topic, TopicRevision, TopicStamp

Hits = dict[int, list[Hit]]
"""Id of a mention or a ledger row → its hits. The key of a hit is the id of a topic revision."""
_compiled: dict[uuid.UUID, Matcher] = {}
"""The compiled topics by their stamp; only the latest."""


def current_matcher() -> Matcher:
    """Return the matcher of all active topics; one small statement unless a topic changed."""
    stamp = TopicStamp.objects.values_list("stamp", flat=True).first()
    matcher = _compiled.get(stamp) if stamp else None
    if matcher is None:
        # Stamp and topics by one statement: a change in between would keep old topics under a new
        # stamp.
        stamp, queries = Topic.objects.stamped_queries()
        matcher = matching.compile(queries)
        if stamp:
            _compiled.clear()
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
            # Replayed mentions have hits already: only the ledger row may be new.
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
    """Return the columns of a Match; spans are in code points."""
    spans = [[span.field, span.start, span.end] for span in hit.spans]
    return {"revision_id": hit.key, "spans": spans}


def topic_names(hits: Hits) -> dict[int, frozenset[str]]:
    """Return the names of the topics that hit each mention or ledger row. One statement."""
    revisions = {hit.key for found in hits.values() for hit in found}
    rows = TopicRevision.objects.filter(pk__in=revisions).values_list("pk", "topic__name")
    names = dict(rows)
    return {pk: frozenset(names[hit.key] for hit in found) for pk, found in hits.items()}
