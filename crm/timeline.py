"""Build the timeline of profiles: all interactions with them, newest first.

The text of an interaction is shown only if the user may read it.
"""

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

    readable: whether the user may read the text.
    department: the name of the department that has the case of the conversation; "" if there is no
    case.
    case: the id of that case; 0 if there is no case or the user may not see it.
    rule: the name of the routing rule because of which it opened no case; "" if there is none.
    """

    interaction: Interaction
    readable: bool
    department: str
    case: int
    rule: str = ""

    @property
    def icon(self) -> str:
        # Our own posts have no profile. The kind is not enough to tell: if a source found our post,
        # its kind is that of any other post.
        return self.interaction.icon if self.interaction.profile_id else "megaphone"


@dataclass(frozen=True, slots=True)
class TimelineOptions:
    """The channels and kinds that the filter of a timeline offers."""

    channels: frozenset[str]
    kinds: frozenset[str]


def timeline_options(profiles: QuerySet[Profile]) -> TimelineOptions:
    """Return the channels and kinds of the newest thousand interactions with these profiles."""
    newest = Interaction.objects.on_timeline_of(profiles=profiles, most=1_000)
    pairs = set(newest.values_list("channel", "kind"))
    channels = frozenset(channel for channel, _kind in pairs)
    return TimelineOptions(channels, frozenset(kind for _channel, kind in pairs))


def by_day(activities: Sequence[Activity]) -> list[tuple[date, list[Activity]]]:
    """Group activities by day in the current time zone."""
    days = groupby(
        activities, key=lambda activity: timezone.localdate(activity.interaction.sort_at)
    )
    return [(day, list(group)) for day, group in days]


def timeline(
    profiles: QuerySet[Profile],
    *,
    user: User,
    before: str = "",
    most: int = PAGE,
    among: InteractionQuerySet | None = None,
) -> tuple[list[Activity], int]:
    """Return one page of activities, newest first, and the key of the next page.

    The key is 0 if there is no next page.
    before: the key of the page to return, from the query string. For a value that is no key, the
    first page is returned.
    most: the maximum number of activities on the page.
    among: the interactions that may be shown; None if all may be shown.
    """
    rows = Interaction.objects.all() if among is None else among
    anchor = before and Interaction.objects.filter(pk=number(before) or 0).first()
    if anchor:
        rows = rows.before(anchor)
    found = rows.on_timeline_of(profiles=profiles, most=most + 1)
    # This reads one row more than the page has: the extra row shows that there is a next page.
    page = list(
        found.with_later()
        .select_related("profile", "staff", "account", "conversation")
        .prefetch_related("attachments")
    )
    older = page[most - 1].pk if len(page) > most else 0
    return _activities(page[:most], user), older


def _activities(rows: Sequence[Interaction], user: User) -> list[Activity]:
    conversations = {row.conversation_id for row in rows}
    # The text of a restricted conversation must not reach a user who may not read it.
    restricted = [row.pk for row in rows if row.conversation.restricted_to_id]
    readable = set(
        Interaction.objects.readable_by(user).filter(pk__in=restricted).values_list("pk", flat=True)
    )
    links = above.cases_of_conversations(conversations, user)
    recorded = above.recorded_only([row.pk for row in rows])
    none = above.CaseLink("", 0)
    return [
        Activity(
            interaction=row,
            readable=not row.conversation.restricted_to_id or row.pk in readable,
            department=links.get(row.conversation_id, none).department,
            case=links.get(row.conversation_id, none).case,
            rule=recorded.get(row.pk, ""),
        )
        for row in rows
    ]
