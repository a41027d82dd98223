"""All that was said with some profiles, on every touchpoint, as one person may read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from crm.cases import cases_of
from crm.models import Conversation, Interaction, Profile, User
from scrm.numbers import number

PAGE = 50


@dataclass(frozen=True, slots=True)
class Touch:
    """One touchpoint. department: who has its conversation, "" for nobody.

    readable: whether its text may be shown. case: 0 for none that the reader may see.
    """

    interaction: Interaction
    readable: bool
    department: str
    case: int


def timeline(
    profiles: QuerySet[Profile], *, user: User, before: str = "", most: int = PAGE
) -> tuple[list[Touch], int]:
    """A page, newest first, and the key that begins the next one; 0 at the end.

    before: such a key, as it stands in the address; anything else begins at the newest.
    """
    rows = Interaction.objects.on_timeline_of(profiles=profiles)
    anchor = Interaction.objects.filter(pk=number(before) or 0).first()
    if anchor:
        same = Q(sort_at=anchor.sort_at, pk__lt=anchor.pk)
        rows = rows.filter(Q(sort_at__lt=anchor.sort_at) | same)
    page = list(rows.select_related("profile", "staff").prefetch_related("attachments")[: most + 1])
    older = page[most - 1].pk if len(page) > most else 0
    return _touches(page[:most], user), older


def _touches(rows: Sequence[Interaction], user: User) -> list[Touch]:
    conversations = {row.conversation_id for row in rows}
    ids = [row.pk for row in rows]
    readable = set(
        Interaction.objects.readable_by(user).filter(pk__in=ids).values_list("pk", flat=True)
    )
    departments = dict(
        Conversation.objects.filter(
            pk__in=conversations, case_links__ended_at=None, case_links__isnull=False
        ).values_list("pk", "case_links__case__department__name")
    )
    cases = cases_of(conversations, user=user)
    return [
        Touch(
            interaction=row,
            readable=row.pk in readable,
            department=departments.get(row.conversation_id, ""),
            case=cases.get(row.conversation_id, 0),
        )
        for row in rows
    ]
