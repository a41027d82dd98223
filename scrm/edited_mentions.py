"""The edited words of the mentions of a batch: what they match, and how they are routed."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from listening.edited_topics import edit_hits, keep_version_matches, newest_edits
from listening.models import Mention, MentionChange
from listening.topic_hits import FoundTopic, found_topics
from listening.versions import record_versions
from routing.intake import Arrival


@dataclass(frozen=True, slots=True)
class Edit:
    """The newest words of a mention, and the topics that match them."""

    change: MentionChange
    topics: tuple[FoundTopic, ...]

    def arrival(self, of_item: Arrival, version: int, *, is_routed: bool) -> Arrival:
        """Return the arrival of the edited item, which is routed by its newest words.

        of_item: the arrival of the item with its first words. version: the id of the interaction
        that records the edit. is_routed: whether the item was routed already. Otherwise the topics
        of its first words count too.
        """
        # A network may state a time in the future.
        stated, recorded_at = self.change.occurred_at, self.change.recorded_at
        edited = {found.topic for found in self.topics}
        before = () if is_routed else of_item.topics
        topics = (*self.topics, *(found for found in before if found.topic not in edited))
        text = f"{self.change.title}\n{self.change.text}".strip()
        names = frozenset(found.name for found in topics)
        return replace(
            of_item,
            interaction=version,
            edits=of_item.interaction,
            said_at=min(stated or recorded_at, recorded_at),
            facts=replace(of_item.facts, text=text, topics=names),
            topics=topics,
        )


def edits_with_topics(mentions: Sequence[Mention]) -> dict[int, Edit]:
    """Return {mention id: edit} for the mentions whose newest words match a topic."""
    changes = newest_edits([mention.pk for mention in mentions])
    if not changes:
        return {}
    topics = found_topics(edit_hits(changes))
    return {pk: Edit(changes[pk], found) for pk, found in topics.items()}


def record_edits(
    kept: Sequence[Mention], ledger: Mapping[int, int], now: datetime
) -> dict[int, int]:
    """Record the changes of the mentions that are in the ledger now.

    The items may have been edited before they were recorded. Returns {change id: interaction id}.
    ledger: {mention id: interaction id}.
    """
    mentions = {mention.pk: mention for mention in kept}
    changes = list(MentionChange.objects.filter(mention__in=mentions))
    for change in changes:
        change.mention = mentions[change.mention_id]
        change.mention.interaction_id = ledger[change.mention_id]
    versions = record_versions(changes, now=now)
    keep_version_matches(versions)
    return {change.pk: interaction for change, interaction in versions}


def arrivals_to_route(
    arrivals: Mapping[int, Arrival],
    edits: Mapping[int, Edit],
    versions: Mapping[int, int],
    is_routed: Container[int],
) -> list[Arrival]:
    """Return the arrivals to route: the edited items with their newest words.

    An item that was routed already is left out, unless its newest words match a topic.
    arrivals, edits, is_routed: by mention id. versions: {change id: interaction id}.
    """
    routed = []
    for pk, arrival in arrivals.items():
        edit = edits.get(pk)
        version = versions.get(edit.change.pk) if edit else None
        if edit and version:
            routed.append(edit.arrival(arrival, version, is_routed=pk in is_routed))
        elif pk not in is_routed:
            routed.append(arrival)
    return routed
