"""Which topics a text hits: the current revisions, compiled once per process and change."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from listening import matching
from listening.matching import Hit, Matcher
from listening.models import Match, Mention, Topic, TopicStamp

Hits = dict[int, list[Hit]]
"""Mention id → what it hit; a hit's key is a topic revision's id."""
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


def keep_matches(hits: Hits) -> None:
    """Store the spans that hit, in code points. What is stored already stays."""
    Match.objects.bulk_create(
        [
            Match(
                mention_id=mention,
                revision_id=hit.key,
                spans=[[span.field, span.start, span.end] for span in hit.spans],
            )
            for mention, found in sorted(hits.items())
            for hit in found
        ],
        ignore_conflicts=True,
    )
