"""The timeline of some profiles: all interactions on all channels that a user may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from django.db.models import QuerySet
from django.utils import timezone

from crm import above
from crm.models import Interaction, Profile, User
from crm.models.interaction import InteractionQuerySet
from scrm.web.params import number

PAGE = 50


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity of a timeline.

    readable: whether its text may be shown. department: the one that holds its conversation, "" if
    there is none. case: the id of its case, 0 if there is none that the user may see.
    """

    interaction: Interaction
    readable: bool
    department: str
    case: int

    @property
    def icon(self) -> str:
        # What we wrote to many has no profile; heard on the network, it is a post as any other.
        return self.interaction.icon if self.interaction.profile_id else "megaphone"


@dataclass(frozen=True, slots=True)
class Met:
    """The channels and kinds of interactions that occurred with some profiles."""

    channels: frozenset[str]
    kinds: frozenset[str]


def met(profiles: QuerySet[Profile]) -> Met:
    """Return the channels and kinds among the newest thousand interactions."""
    newest = Interaction.objects.on_timeline_of(profiles=profiles, most=1_000)
    pairs = set(newest.values_list("channel", "kind"))
    return Met(frozenset(pair[0] for pair in pairs), frozenset(pair[1] for pair in pairs))


def by_day(activities: Sequence[Activity]) -> list[tuple[date, list[Activity]]]:
    """Group activities by day, in the current time zone."""
    days = groupby(
        activities, key=lambda activity: timezone.localdate(activity.interaction.sort_at)
    )
    return [(day, list(each)) for day, each in days]


def timeline(
    profiles: QuerySet[Profile],
    *,
    user: User,
    before: str = "",
    most: int = PAGE,
    among: InteractionQuerySet | None = None,
) -> tuple[list[Activity], int]:
    """Return a page of `most` activities, newest first, and the key of the next page, 0 at the end.

    before: such a key from the query string; any other value starts at the newest.
    among: the interactions that may be shown; None for all.
    """
    rows = Interaction.objects.all() if among is None else among
    anchor = before and Interaction.objects.filter(pk=number(before) or 0).first()
    if anchor:
        rows = rows.before(anchor)
    found = rows.on_timeline_of(profiles=profiles, most=most + 1)
    page = list(
        found.with_later()
        .select_related("profile", "staff", "account", "conversation")
        .prefetch_related("attachments")
    )
    older = page[most - 1].pk if len(page) > most else 0
    return _activities(page[:most], user), older


def _activities(rows: Sequence[Interaction], user: User) -> list[Activity]:
    conversations = {row.conversation_id for row in rows}
    closed = [row.pk for row in rows if row.conversation.restricted_to_id]
    opened = set(
        Interaction.objects.readable_by(user).filter(pk__in=closed).values_list("pk", flat=True)
    )
    links = above.cases_of_conversations(conversations, user)
    none = above.CaseLink("", 0)
    return [
        Activity(
            interaction=row,
            readable=not row.conversation.restricted_to_id or row.pk in opened,
            department=links.get(row.conversation_id, none).department,
            case=links.get(row.conversation_id, none).case,
        )
        for row in rows
    ]
