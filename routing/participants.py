"""Who took part in a case: the party, bystanders, and our staff."""

from __future__ import annotations

from dataclasses import dataclass

from crm.models import Interaction, Profile, User
from routing.models import BystanderReply, Case

MAX_NAMED = 8


@dataclass(frozen=True, slots=True)
class Participants:
    """The people of a case. Of each kind, at most `MAX_NAMED` are named.

    askers: the people who wrote in its conversations.
    bystanders: the number of people who replied below its messages.
    staff: our colleagues who wrote in it.
    """

    askers: list[Profile]
    bystanders: int
    staff: list[User]


def participants(case: Case) -> Participants:
    """Return the participants of the case. This takes three SQL queries."""
    items = Interaction.objects.filter(conversation__in=case.conversations)
    wrote = items.filter(direction="in").exclude(below_case__case=case)
    askers = Profile.objects.filter(pk__in=wrote.values("profile")).order_by("pk")
    staff = User.objects.filter(pk__in=items.filter(direction="out").values("staff"))
    replies = BystanderReply.objects.filter(case=case)
    bystanders = replies.values("interaction__profile").distinct().count()
    return Participants(
        list(askers[:MAX_NAMED]), bystanders, list(staff.order_by("name")[:MAX_NAMED])
    )
