"""Filters of the inbox by people: by participant and by follower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q

from crm.models import Contact, Profile, User
from crm.search import people_and_contacts_named
from routing.models import BystanderReply, CaseFollower, CaseParticipant
from routing.models.case_access import visible
from routing.offline import find_person
from scrm.web.params import number

_PROFILE = "profile-"
MAX_NAMED = MAX_FOUND = 500
"""Maximum numbers of profiles or contacts that typed words find, and of cases of each kind."""


@dataclass(frozen=True, slots=True)
class Participant:
    """The people for whom a filter asks: one person, or all people whom typed words find.

    name: the name of the person, or the typed words.
    profiles: ids of the profiles. contacts: ids of the contacts.
    is_one: whether one person was chosen, and no words were typed.
    """

    name: str
    profiles: frozenset[int]
    contacts: frozenset[int]
    is_one: bool

    def __str__(self) -> str:
        return self.name


def participant_of(value: str) -> Participant:
    """Return the people for the value of the filter: a result of `value_of`, or typed words."""
    one = _one(value)
    if one is None:
        profiles, contacts = people_and_contacts_named(value, most=MAX_NAMED)
        return Participant(value, frozenset(profiles), frozenset(contacts), is_one=False)
    contact = one if isinstance(one, Contact) else one.contact
    if contact is None:
        return Participant(str(one), frozenset([one.pk]), frozenset(), is_one=True)
    linked = Profile.objects.of_contact(contact).values_list("pk", flat=True)
    return Participant(str(one), frozenset(linked), frozenset([contact.pk]), is_one=True)


def value_of(one: Profile | Contact) -> str:
    """Return the value of the filter for one person. Typed digits are words, and no such value."""
    value = find_person.value_of(one)
    return value if isinstance(one, Contact) else f"{_PROFILE}{value}"


def _one(value: str) -> Profile | Contact | None:
    found = find_person.chosen(value.removeprefix(_PROFILE))
    return found if found and value_of(found) == value else None


def takes_part(participant: Participant, user: User) -> Q:
    """Return the condition: cases of these people, or with them as added or as bystanders.

    At most `MAX_FOUND` cases with them as added, and as bystanders, are found: the newest that the
    user may see.
    """
    profiles, contacts = list(participant.profiles), list(participant.contacts)
    added = CaseParticipant.objects.filter(Q(profile__in=profiles) | Q(contact__in=contacts))
    replies = BystanderReply.objects.filter(interaction__profile__in=profiles)
    seen = visible(user, prefix="case__")
    # Read the ids first: PostgreSQL can then use the indexes of both columns, or read the newest
    # cases until a page is full, whichever is cheaper.
    found = {
        *added.filter(seen).order_by("-pk").values_list("case", flat=True)[:MAX_FOUND],
        *replies.filter(seen).order_by("-pk").values_list("case", flat=True)[:MAX_FOUND],
    }
    return Q(profile__in=profiles) | Q(pk__in=found)


def followed_by(value: Any, user: User) -> Q:
    """Return the condition: cases that a user follows. value: the id of the user, or "me"."""
    follower = user.pk if value == "me" else number(value)
    return Q(Exists(CaseFollower.objects.filter(case=OuterRef("pk"), user=follower)))
