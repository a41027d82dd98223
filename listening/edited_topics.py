"""Match the words of edited items against the topics.

The matches of a version are stored with its interaction, as those of an offline contact. If an
edit adds a topic, the mention is processed again, so that the item is routed by its new words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db.models import Q

from listening.models import Match, Mention, MentionChange, TopicRevision
from listening.topic_hits import Hits, current_matcher, keep_interaction_matches
from listening.versions import Versions
from scrm.db.locks import update_in_order


def keep_version_matches(versions: Versions) -> None:
    """Store the topics that match the words of these versions, unless they are stored already."""
    known = set(
        Match.objects.filter(interaction__in=[pk for _, pk in versions]).values_list(
            "interaction", flat=True
        )
    )
    words = {pk: change for change, pk in versions if pk not in known}
    keep_interaction_matches(_hits(words))


def newest_edits(mentions: Collection[int]) -> dict[int, MentionChange]:
    """Return {mention id: its newest change}, for the mentions whose newest change is an edit."""
    rows = MentionChange.objects.filter(mention__in=mentions).order_by("mention", "-pk")
    newest = rows.distinct("mention").select_related("mention")
    return {row.mention_id: row for row in newest if row.kind == MentionChange.Kind.EDITED}


def edit_hits(edits: Mapping[int, MentionChange]) -> Hits:
    """Return {mention id: hits} of the newest words of these mentions, where a topic matches."""
    return {pk: hits for pk, hits in _hits(edits).items() if hits}


def process_again(changes: Iterable[MentionChange], versions: Versions) -> None:
    """Make the mentions due whose newest words match a topic that no earlier words matched.

    A brand topic does not count if the item is in the ledger already, unless it is sensitive. A
    mention of the backlog may open a case then: a new edit counts as new content.
    changes: the new changes. versions: the interactions that record them.
    """
    changes = list(changes)
    edits = newest_edits({row.mention_id for row in changes})
    mentions = Mention.objects.exclude(processed_at=None).by_others().in_bulk(list(edits))
    hits = edit_hits({pk: edits[pk] for pk in mentions})
    if not hits:
        return
    earlier = _hits_of_earlier_words([mentions[pk] for pk in hits], changes)
    revisions = {hit.key for found in (*hits.values(), *earlier.values()) for hit in found}
    rows = TopicRevision.objects.filter(pk__in=revisions).select_related("topic")
    topics = {row.pk: row.topic for row in rows}
    known = _stored_topics([mentions[pk] for pk in hits], versions)
    due = []
    for pk, found in hits.items():
        before = known[pk] | {topics[hit.key].pk for hit in earlier[pk]}
        new = [topics[hit.key] for hit in found if topics[hit.key].pk not in before]
        is_recorded = mentions[pk].interaction_id is not None
        if any(topic.sensitivity or not (topic.is_brand and is_recorded) for topic in new):
            due.append(pk)
    update_in_order(
        Mention.objects.filter(pk__in=due), processed_at=None, attempt=0, lease_until=None
    )


def _hits_of_earlier_words(mentions: Iterable[Mention], changes: Iterable[MentionChange]) -> Hits:
    """Return {mention id: hits} of the first words and of those before the new changes.

    They are matched again, because a topic may be newer than they are.
    """
    matcher = current_matcher()
    hits = {row.pk: matcher.match(row.title, row.text) for row in mentions}
    older = MentionChange.objects.filter(mention__in=hits).exclude(
        pk__in=[row.pk for row in changes]
    )
    for row in older.order_by("mention", "-pk").distinct("mention"):
        hits[row.mention_id] = [*hits[row.mention_id], *matcher.match(row.title, row.text)]
    return hits


def _stored_topics(mentions: Sequence[Mention], versions: Versions) -> defaultdict[int, set[int]]:
    """Return {mention id: ids of the topics that its words matched when they were found}.

    versions: the new versions, which are left out.
    """
    first = [row.pk for row in mentions]
    items = {row.interaction_id: row.pk for row in mentions if row.interaction_id}
    found = Match.objects.filter(
        Q(mention__in=first) | Q(interaction__revises__in=list(items))
    ).exclude(mention=None, interaction__in=[pk for _, pk in versions])
    known: defaultdict[int, set[int]] = defaultdict(set)
    columns = ("mention", "interaction__revises", "revision__topic")
    for mention, item, topic in found.values_list(*columns):
        known[mention or items[item]].add(topic)
    return known


def _hits(words: Mapping[int, MentionChange]) -> Hits:
    if not words:
        return {}
    matcher = current_matcher()
    return {pk: matcher.match(row.title, row.text) for pk, row in words.items()}
