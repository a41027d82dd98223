"""Load the replies of bystanders that the case page shows as one stack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Q, QuerySet, Subquery

from crm.models import Interaction, User
from routing.models import BystanderReply, Case, CaseConversation

MAX_SHOWN = 50
"""The stack shows at most this many replies, the newest."""


@dataclass(frozen=True, slots=True)
class StackedReply:
    """One reply of a bystander.

    own_case: the number of the case to which the reply belongs; None if it has none.
    readable: whether the user may read the text.
    """

    interaction: Interaction
    own_case: int | None
    readable: bool


@dataclass(frozen=True, slots=True)
class Stack:
    """The replies of bystanders below the messages of one case.

    at: the time of the oldest reply that is shown, which is the place of the stack on the timeline.
    replies: the newest replies, the oldest first.
    older: the number of replies that are left out.
    """

    at: datetime
    replies: list[StackedReply]
    older: int

    @property
    def count(self) -> int:
        return len(self.replies) + self.older


def stack_of(case: Case, user: User) -> Stack | None:
    """Return the stack of the case; None if no bystander wrote. This takes at most 3 queries."""
    links = CaseConversation.objects.filter(
        conversation=OuterRef("interaction__conversation"), ended_at=None
    )
    rows: QuerySet[BystanderReply] = BystanderReply.objects.filter(
        case__in=Case.objects.filter(Q(pk=case.pk) | Q(merged_into=case)).values("pk")
    )
    newest = list(
        rows.select_related("interaction__profile", "interaction__conversation")
        .annotate(own_case=Subquery(links.values("case")[:1]))
        .order_by("-interaction")[:MAX_SHOWN]
    )
    if not newest:
        return None
    older = rows.count() - MAX_SHOWN if len(newest) == MAX_SHOWN else 0
    readable = _readable([row.interaction for row in newest], user)
    replies = [
        StackedReply(row.interaction, row.own_case, row.interaction_id in readable)
        for row in reversed(newest)
    ]
    return Stack(min(reply.interaction.sort_at for reply in replies), replies, older)


def _readable(interactions: list[Interaction], user: User) -> set[int]:
    closed = {row.pk for row in interactions if row.conversation.restricted_to_id}
    keys = {row.pk for row in interactions} - closed
    if not closed:
        return keys
    rows = Interaction.objects.readable_by(user).filter(pk__in=closed)
    return keys | set(rows.values_list("pk", flat=True))
