"""Which topics a text hits: the current revisions, compiled once per process and change."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from listening import matching
from listening.matching import Hit, Matcher
from listening.models import Match, Mention, Topic, TopicRevision, TopicStamp

Hits = dict[int, list[Hit]]
"""Mention id, or ledger row's → what hit it; a hit's key is a topic revision's id."""
_compiled: dict[uuid.UUID, Matcher] = {}
"""By the stamp that stood for the topics when they were read; the latest only."""


def current_matcher() -> Matcher:
    """All active topics. One small statement, unless one of them was changed since."""
    stamp = TopicStamp.objects.values_list("stamp", flat=True).first()
    matcher = _compiled.get(stamp) if stamp else None
    if matcher is None:
        stamp, queries = Topic.objects.stamped_queries()
        matcher = matching.compile(queries)
        if stamp:
            _compiled.clear()
            _compiled[stamp] = matcher
    return matcher


def find_matches(mentions: Iterable[Mention]) -> Hits:
    """Match each mention against all active topics, without a transaction."""
    matcher = current_matcher()
    return {mention.pk: matcher.match(mention.title, mention.text) for mention in mentions}


def keep_matches(hits: Hits, recorded: Mapping[int, int]) -> None:
    """Store what hit mentions. recorded: mention id → its ledger row, where it was kept.

    What is stored already stays, but for the ledger row. One statement.
    """
    Match.objects.bulk_create(
        [
            Match(mention_id=pk, interaction_id=recorded.get(pk), **_columns(hit))
            for pk, found in sorted(hits.items())
            for hit in found
        ],
        update_conflicts=True,
        unique_fields=["mention", "revision"],
        update_fields=["interaction"],
    )


def keep_offline_matches(hits: Hits) -> None:
    """Store what hit ledger rows that no mention stands for. One statement."""
    Match.objects.bulk_create(
        Match(interaction_id=pk, **_columns(hit)) for pk, found in hits.items() for hit in found
    )


def _columns(hit: Hit) -> dict[str, Any]:
    """The spans are kept in code points."""
    spans = [[span.field, span.start, span.end] for span in hit.spans]
    return {"revision_id": hit.key, "spans": spans}


def topic_names(hits: Hits) -> dict[int, frozenset[str]]:
    """Mention or ledger row → the names of the topics that hit it. One statement."""
    revisions = {hit.key for found in hits.values() for hit in found}
    rows = TopicRevision.objects.filter(pk__in=revisions).values_list("pk", "topic__name")
    names = dict(rows)
    return {pk: frozenset(names[hit.key] for hit in found) for pk, found in hits.items()}
