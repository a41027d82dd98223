"""The edits and deletions of messages as the case page shows them, with the words that matched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from django.utils.safestring import SafeString

from listening.highlight import highlight
from listening.models import Match, MentionChange


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A change of a message at its source.

    title, text: the new words as safe HTML, in which the words that matched a topic are marked.
    topics: the names of these topics.
    """

    change: MentionChange
    title: SafeString
    text: SafeString
    topics: tuple[str, ...] = ()


def version_matches(interactions: Collection[int]) -> defaultdict[int, list[Match]]:
    """Return {id of an interaction: the matches of its later versions}."""
    found = Match.objects.filter(interaction__revises__in=interactions)
    matches: defaultdict[int, list[Match]] = defaultdict(list)
    for match in found.select_related("interaction", "revision__topic"):
        if match.interaction and match.interaction.revises_id:
            matches[match.interaction.revises_id].append(match)
    return matches


def shown_change(change: MentionChange, matches: Collection[Match]) -> ShownChange:
    """Return the change with the matches of the version that has its words."""
    own = {
        match.revision_id: match
        for match in matches
        if match.interaction
        and (match.interaction.title, match.interaction.text) == (change.title, change.text)
    }
    spans = [span for match in own.values() for span in match.spans]
    return ShownChange(
        change,
        title=highlight(change.title, spans, field="title"),
        text=highlight(change.text, spans),
        topics=tuple(sorted(match.revision.topic.name for match in own.values())),
    )
