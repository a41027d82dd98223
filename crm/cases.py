"""Which case an exchange belongs to, as far as somebody may know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from crm.models import User


def cases_of(conversations: Iterable[int], *, user: User) -> dict[int, int]:
    """Conversation → its current case, where the user may see that.

    The case's own rule decides; it is reached through the user's reverse accessor because
    cases stand above this layer.
    """
    visible = user.cases.model.objects.visible_to(user)
    links = visible.filter(
        conversation_links__conversation__in=set(conversations),
        conversation_links__ended_at=None,
    )
    return dict(links.values_list("conversation_links__conversation", "pk"))


def give_back(cases: QuerySet[Any], *, by: User) -> int:
    """Let go of these cases, in the order in which everybody locks them → how many."""
    locked = list(cases.select_for_update(of=("self",)).order_by("pk"))
    for case in locked:
        case.give_back(by=by)
    return len(locked)


def works(user: User) -> bool:
    """Whether they may change what we know of people outside: not as a mere reader."""
    return user.sees_everything or user.memberships.exclude(role="reader").exists()
