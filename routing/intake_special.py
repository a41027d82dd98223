"""Items that intake does not treat like others: thanks, items of muted people, sensitive items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from django.db.models import Exists, OuterRef

from crm.models import Attachment, Interaction, ProfileLink
from listening.models import Enclosure
from listening.topic_hits import FoundTopic
from routing import sensitive
from routing.models import Case, CaseEvent, ItemDecision
from routing.models.status import ACTIVE, Status
from routing.mutes import may_be_muted, muted_pairs
from routing.rules import Facts, Router
from routing.thanks_detection import is_thanks

_MARKED = ["sensitive", "statutory_due_at", "priority"]


class Item(Protocol):
    """The parts of `routing.intake.Arrival` that are used here."""

    @property
    def interaction(self) -> int: ...
    @property
    def message(self) -> int: ...
    @property
    def edits(self) -> int | None: ...
    @property
    def conversation(self) -> int: ...
    @property
    def profile(self) -> int: ...
    @property
    def contact(self) -> int | None: ...
    @property
    def said_at(self) -> datetime: ...
    @property
    def facts(self) -> Facts: ...
    @property
    def topics(self) -> tuple[FoundTopic, ...]: ...
    @property
    def case(self) -> int | None: ...
    @property
    def by(self) -> int | None: ...


class Batch(Protocol):
    """The parts of the batch of intake that are used here."""

    router: Router
    cases: dict[int, Case]
    by_conversation: dict[int, Case]
    touched: dict[int, Case]
    events: list[CaseEvent]
    decisions: list[ItemDecision]


@dataclass
class SpecialItems:
    """What is known about the items of one batch. Call its methods in the order of intake.

    muted: (profile id, department id) of the mutes in force.
    contacts: {profile id: contact id} of the cases' profiles.
    thanks: ids of the items that only say thanks.
    status_before: {case id: its status before the batch}.
    marked: the cases that a sensitive item has marked or changed.
    to_notify: the cases of which the person on call must be notified.
    """

    batch: Batch
    now: datetime
    muted: set[tuple[int, int]]
    contacts: dict[int, int]
    thanks: set[int]
    status_before: dict[int, str]
    marked: list[Case] = field(default_factory=list)
    to_notify: list[Case] = field(default_factory=list)

    @classmethod
    def open(cls, batch: Batch, arrivals: Sequence[Item], now: datetime) -> SpecialItems:
        profiles = {case.profile_id for case in batch.by_conversation.values()}
        links = ProfileLink.objects.filter(profile__in=profiles, ended_at=None)
        muted = muted_pairs({arrival.profile for arrival in arrivals}, now)
        before = {case.pk: case.status for case in batch.cases.values()}
        contacts = dict(links.values_list("profile", "contact"))
        return cls(batch, now, muted, contacts, _only_thanks(arrivals), before)

    def record_if_muted(self, arrival: Item) -> bool:
        """Record that the item is muted, if it is; return whether it is."""
        muted_by = {department for profile, department in self.muted if profile == arrival.profile}
        if not muted_by or arrival.by or arrival.case:
            return False
        if not may_be_muted(arrival.facts.visibility, arrival.topics):
            return False
        case = self.batch.by_conversation.get(arrival.conversation)
        there = case.department_id if case else self.batch.router.route(arrival.facts).department
        if there not in muted_by:
            return False
        self._decide(arrival, ItemDecision.Outcome.MUTED, case)
        return True

    def add_thanks(self, arrival: Item) -> Case | None:
        """Add the item to its case without any other change, if it only says thanks.

        Returns None if it says more, if its conversation has no case, or if somebody else wrote it.
        """
        case = self.batch.by_conversation.get(arrival.conversation)
        if case is None or case.status == Status.NOISE or arrival.by or arrival.case:
            return None
        if arrival.edits:
            return None
        if not self._is_party(arrival, case) or arrival.interaction not in self.thanks:
            return None
        case.last_inbound_id = arrival.interaction
        case.last_inbound_at = max(arrival.said_at, case.last_inbound_at or arrival.said_at)
        if case.pk:
            self.batch.touched[case.pk] = case
        self._decide(arrival, ItemDecision.Outcome.THANKS, case)
        self.batch.events.append(
            CaseEvent(
                case=case,
                kind=CaseEvent.Kind.HEARD,
                at=self.now,
                interaction_id=arrival.interaction,
                why="This message only says thanks. The case was not changed.",
            )
        )
        return case

    def _is_party(self, arrival: Item, case: Case) -> bool:
        if arrival.profile == case.profile_id:
            return True
        contact = self.contacts.get(case.profile_id)
        return contact is not None and contact == arrival.contact

    def mark(self, case: Case, arrival: Item) -> None:
        """Mark the case as sensitive, if the item needs that.

        If a rule has set aside the new case of an item, the item is decided as noise; but a rule
        sets no sensitive item aside.
        """
        is_new_noise = case.pk is None and case.status == Status.NOISE
        if is_new_noise and not sensitive.kind_of(arrival.topics):
            self._decide(arrival, ItemDecision.Outcome.NOISE, case)
        if sensitive.kind_of(arrival.topics):
            if is_new_noise:
                case.status = Status.NEW
            was = self.status_before.pop(case.pk, Status.OPEN)
            is_marked = sensitive.mark(
                case, arrival.topics, said_at=arrival.said_at, was_done=was == Status.DONE
            )
            # In an active case, a second message of the same kind tells nobody again.
            if is_marked or was not in ACTIVE:
                self.to_notify.append(case)
            self.marked.append(case)

    def save_marks(self) -> None:
        """Store the marks of existing cases; new cases are stored with their marks."""
        existing = {case.pk: case for case in self.marked if case.pk}
        Case.objects.bulk_update(existing.values(), _MARKED)

    def notify_on_call(self) -> None:
        """Notify the people on call. Call this when all cases are stored."""
        sensitive.tell_on_call(self.to_notify, now=self.now)

    def _decide(self, arrival: Item, outcome: str, case: Case | None) -> None:
        self.batch.decisions.append(
            ItemDecision(interaction_id=arrival.message, case=case, outcome=outcome, at=self.now)
        )


def _only_thanks(arrivals: Sequence[Item]) -> set[int]:
    """Return the ids of the items that say thanks and nothing else."""
    # The files of a mention are attached to its interaction only after intake.
    kept = Enclosure.objects.filter(mention__scope=OuterRef("scope"), mention__key=OuterRef("key"))
    found = Interaction.objects.filter(pk__in=[arrival.interaction for arrival in arrivals])
    files = Exists(kept) | Exists(Attachment.objects.filter(interaction=OuterRef("pk")))
    rows = found.annotate(has_files=files).values_list("pk", "text", "title", "has_files")
    return {
        pk
        for pk, text, title, has_files in rows
        if is_thanks(text, title=title, has_files=has_files)
    }
