"""Who takes part in a case: the party, bystanders, our staff, and people whom a user added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from crm.models import Contact, Interaction, Profile, User
from routing.models import BystanderReply, Case, CaseEvent, CaseParticipant

MAX_NAMED = 8


@dataclass(frozen=True, slots=True)
class Participants:
    """The people of a case. Of those who wrote, at most `MAX_NAMED` of each kind are named.

    authors: the people who wrote in its conversations.
    bystanders: the number of people who replied below its messages.
    staff: our colleagues who wrote in it.
    added: the people whom a user added; they are not among `authors`.
    """

    authors: list[Profile]
    bystanders: int
    staff: list[User]
    added: list[CaseParticipant]


def participants(case: Case) -> Participants:
    """Return the participants of the case. This takes four SQL queries."""
    added = list(case.participants.select_related("profile", "contact").order_by("pk"))
    items = Interaction.objects.filter(conversation__in=case.conversations)
    wrote = items.filter(direction="in", revises=None).exclude(below_case__case=case)
    authors = Profile.objects.filter(pk__in=wrote.values("profile")).order_by("pk")
    authors = authors.exclude(pk__in=[row.profile_id for row in added if row.profile_id])
    staff = User.objects.filter(pk__in=items.filter(direction="out").values("staff"))
    replies = BystanderReply.objects.filter(case=case)
    bystanders = replies.values("interaction__profile").distinct().count()
    return Participants(
        list(authors[:MAX_NAMED]), bystanders, list(staff.order_by("name")[:MAX_NAMED]), added
    )


@transaction.atomic
def add_participant(case: Case, person: Profile | Contact, *, role: str, by: User) -> None:
    """Add a person to the case, or change the role of a person who was added.

    A second call with the same role changes nothing. Raises Stale if the case was merged.
    """
    case.lock()
    field, other = ("contact", "profile") if isinstance(person, Contact) else ("profile", "contact")
    named: dict[str, Any] = {field: person, other: None}
    row, is_new = CaseParticipant.objects.get_or_create(
        case=case, **named, defaults={"role": role, "by": by}
    )
    if not is_new and row.role == role:
        return
    row.role = role
    row.save(update_fields=["role"])
    words = {"person": person, "role": row.get_role_display().lower()}
    why = _("Added %(person)s as %(role)s.") if is_new else _("%(person)s is now %(role)s.")
    case.log(CaseEvent.Kind.PARTICIPANT, by=by, why=why % words)


@transaction.atomic
def remove_participant(case: Case, pk: int, *, by: User) -> None:
    """Remove a person whom a user added. A second call changes nothing."""
    case.lock()
    row = case.participants.filter(pk=pk).first()
    if row is not None:
        row.delete()
        case.log(CaseEvent.Kind.PARTICIPANT, by=by, why=_("Removed %s.") % row.person)
