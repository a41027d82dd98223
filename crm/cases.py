"""Which case an exchange belongs to, as far as somebody may know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from crm.models import Profile, User


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


def cases_with(profiles: QuerySet[Profile], *, user: User, most: int = 10) -> list[Any]:
    """All cases of a party, living ones first; each says by `open_to_user` whether they may look.

    No more than `most` of the closed ones.
    """
    cases = user.cases.model.objects
    theirs = cases.filter(profile__in=profiles).order_by("-opened_at")
    theirs = theirs.select_related("department", "assignee")
    living = list(theirs.living())
    closed = theirs.exclude(pk__in=[case.pk for case in living])[:most]
    rows = [*living, *closed]
    visible = cases.visible_to(user).filter(pk__in=[case.pk for case in rows])
    mine = set(visible.values_list("pk", flat=True))
    for case in rows:
        case.open_to_user = case.pk in mine
    return rows


def give_back(cases: QuerySet[Any], *, by: User) -> int:
    """Let go of these cases, in the order in which everybody locks them → how many."""
    locked = list(cases.select_for_update(of=("self",)).order_by("pk"))
    for case in locked:
        case.give_back(by=by)
    return len(locked)
