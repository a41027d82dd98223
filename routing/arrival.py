"""The input of intake: a recorded interaction with everything that routing uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from crm.models import Profile
from listening.topic_hits import FoundTopic
from routing.rules import Facts

Party = tuple[str, int]
"""("contact", id of the contact) or ("profile", id of the profile)."""


@dataclass(frozen=True, slots=True)
class Hint:
    """The department and issue for a new case, if its message answers a response of ours."""

    department: int
    issue: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One recorded inbound interaction, with everything that routing uses.

    contact: id of the profile's contact, if any.
    said_at: aware time of the message.
    topics: the topics that matched, with the places of the matching words.
    hint: set if the message answers a response of ours.
    case: id of the case that a user chose. by: id of the user who logged an offline contact.
    joins: whether the message may join the living case of its party.
    edits: id of the first version of the message, if the interaction records an edit of it;
    otherwise None.
    """

    interaction: int
    conversation: int
    profile: int
    contact: int | None
    said_at: datetime
    facts: Facts
    topics: tuple[FoundTopic, ...] = ()
    hint: Hint | None = None
    case: int | None = None
    by: int | None = None
    joins: bool = True
    edits: int | None = None

    @property
    def message(self) -> int:
        """The id of the message: of the first version if the interaction is a later one."""
        return self.edits or self.interaction

    @property
    def reason_start(self) -> str:
        """The start of the reason in the case event."""
        return "A message was edited at its source" if self.edits else "New message"

    @property
    def party(self) -> Party:
        return ("contact", self.contact) if self.contact else ("profile", self.profile)

    @property
    def own_topics(self) -> frozenset[int]:
        """The ids of the topics that matched, without brand topics that are not sensitive."""
        return frozenset(
            found.topic for found in self.topics if found.sensitivity or not found.is_brand
        )

    @property
    def needs_case(self) -> bool:
        """Whether the item needs an open case, because a user logged it or it is sensitive."""
        return self.by is not None or any(found.sensitivity for found in self.topics)

    @property
    def topic_names(self) -> frozenset[str]:
        """The names of the topics that matched, without brand topics."""
        return frozenset(found.name for found in self.topics if not found.is_brand)


def parties_of(arrivals: Iterable[Arrival]) -> dict[int, Party]:
    """Return {profile id: party} for the authors and for all profiles of their contacts."""
    parties = {arrival.profile: arrival.party for arrival in arrivals}
    contacts = {contact for kind, contact in parties.values() if kind == "contact"}
    linked = Profile.objects.filter(links__contact__in=contacts, links__ended_at=None)
    for profile, contact in linked.values_list("pk", "links__contact"):
        if contact in contacts:
            parties[profile] = ("contact", contact)
    return parties
