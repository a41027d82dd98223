"""Which case an exchange belongs to, as far as somebody may know."""

from __future__ import annotations

from collections.abc import Iterable

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


def works(user: User) -> bool:
    """Whether they may change what we know of people outside: not as a mere reader."""
    return user.sees_everything or user.memberships.exclude(role="reader").exists()
