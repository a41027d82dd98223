"""Which topics a mention hits: the current revisions, compiled once per process and change."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from listening import matching
from listening.matching import Hit, Matcher, TopicQuery
from listening.models import Match, Mention, Topic

Hits = dict[int, list[Hit]]
"""Mention id → what it hit; a hit's key is a topic revision's id."""


@lru_cache(maxsize=4)
def _matcher(queries: tuple[TopicQuery, ...]) -> Matcher:
    return matching.compile(queries)


def find_matches(mentions: Iterable[Mention]) -> Hits:
    """Match each mention against all active topics. One statement, no transaction."""
    matcher = _matcher(tuple(sorted(Topic.objects.queries(), key=lambda query: query.key)))
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
