"""Match the words of edited items against the topics.

The matches of a version are stored with its interaction, as those of an offline contact. If an
edit adds a topic, the mention is processed again, so that the item is routed by its new words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from django.db.models import F, Q
from django.db.models.functions import Coalesce

from listening.models import Match, Mention, MentionChange, TopicRevision
from listening.topic_hits import Hits, current_matcher, keep_offline_matches
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
    keep_offline_matches(_hits(words))


def newest_edits(mentions: Collection[int]) -> dict[int, MentionChange]:
    """Return {mention id: its newest change}, for the mentions whose newest change is an edit."""
    rows = MentionChange.objects.filter(mention__in=mentions).order_by("mention", "-pk")
    newest = rows.distinct("mention").select_related("mention")
    return {row.mention_id: row for row in newest if row.kind == MentionChange.Kind.EDITED}


def edit_hits(edits: Mapping[int, MentionChange]) -> Hits:
    """Return {mention id: hits} of the newest words of these mentions, where a topic matches."""
    return {pk: hits for pk, hits in _hits(edits).items() if hits}


def process_again(changes: Iterable[MentionChange]) -> None:
    """Make the mentions due whose edited words match a topic that no earlier words matched.

    A brand topic does not count if the item is in the ledger already. A mention of the backlog may
    open a case then: what was edited now is news.
    """
    edits = {row.mention_id: row for row in changes if row.kind == MentionChange.Kind.EDITED}
    mentions = Mention.objects.exclude(processed_at=None).by_others().in_bulk(list(edits))
    hits = edit_hits({pk: edits[pk] for pk in mentions})
    if not hits:
        return
    revisions = {hit.key for found in hits.values() for hit in found}
    rows = TopicRevision.objects.filter(pk__in=revisions).select_related("topic")
    topics = {row.pk: row.topic for row in rows}
    known = _known_topics(hits, edits)
    due = []
    for pk, found in hits.items():
        new = [topics[hit.key] for hit in found if topics[hit.key].pk not in known[pk]]
        is_recorded = mentions[pk].interaction_id is not None
        if any(topic.sensitivity or not (topic.is_brand and is_recorded) for topic in new):
            due.append(pk)
    update_in_order(
        Mention.objects.filter(pk__in=due),
        processed_at=None, attempt=0, lease_until=None, backlog=False,
    )  # fmt: skip


def _known_topics(
    mentions: Iterable[int], edits: Mapping[int, MentionChange]
) -> defaultdict[int, set[int]]:
    """Return {mention id: ids of the topics that its earlier words matched}."""
    items = {edits[pk].mention.interaction_id: pk for pk in mentions}
    words = {(edits[pk].mention_id, edits[pk].title, edits[pk].text) for pk in mentions}
    found = Match.objects.filter(
        Q(mention__in=list(mentions)) | Q(interaction__revises__in=[pk for pk in items if pk])
    ).annotate(item=Coalesce(F("interaction__revises"), F("interaction")))
    known: defaultdict[int, set[int]] = defaultdict(set)
    columns = ("mention", "item", "revision__topic", "interaction__title", "interaction__text")
    for mention, item, topic, title, text in found.values_list(*columns):
        pk = mention or items[item]
        # The newest version has its matches already.
        if mention or (pk, title, text) not in words:
            known[pk].add(topic)
    return known


def _hits(words: Mapping[int, MentionChange]) -> Hits:
    if not words:
        return {}
    matcher = current_matcher()
    return {pk: matcher.match(row.title, row.text) for pk, row in words.items()}
