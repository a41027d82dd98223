"""Count what happened to the mentions of a CSV import: a new case, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q
from django.utils import timezone

from listening import above, filters
from listening.models import Mention


@dataclass(frozen=True, slots=True)
class Outcome:
    """The mentions of one import. Each mention is counted once, as one of these.

    opened: mentions that opened a case.
    added: mentions that were recorded without a new case, for example in an open case.
    unmatched: mentions that no topic matched. old: mentions from before the chosen date.
    waiting: mentions that are not processed yet.
    """

    opened: int
    added: int
    unmatched: int
    old: int
    waiting: int


def outcome(fetch: int) -> Outcome:
    """Return the counts for the mentions that this fetch has stored."""
    now, mentions = timezone.now(), Mention.objects.filter(fetch=fetch)
    counts = mentions.aggregate(
        recorded=Count("pk", filter=filters.items("kept", now=now)),
        unmatched=Count("pk", filter=filters.items("unmatched", now=now)),
        old=Count("pk", filter=Q(backlog=True, interaction=None, processed_at__isnull=False)),
        waiting=Count("pk", filter=filters.items("waiting", now=now)),
    )
    opened = above.opened_cases(mentions.filter(interaction__isnull=False).values("interaction"))
    return Outcome(
        opened,
        counts["recorded"] - opened,
        counts["unmatched"],
        counts["old"],
        counts["waiting"],
    )
