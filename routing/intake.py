"""Route recorded interactions: find or open a case for each interaction, and record the reason.

A routed interaction is called an arrival. Arrivals are decided one by one, in the order of
`said_at`. The number of SQL statements does not depend on the number of arrivals.

A party is a contact with all linked profiles, or a single profile that is linked to no contact.
A case is living if it is neither done nor marked as noise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from crm.models import Conversation, Department, Membership, Notice, Profile, User
from listening.topic_hits import FoundTopic
from routing.due_times import recompute
from routing.facts import to_store
from routing.models import Case, CaseConversation, CaseEvent, RoutingRule
from routing.models.case import restrict
from routing.models.status import LIVING, Status
from routing.rules import Facts, Router, Verdict, after_inbound
from scrm.bus.live import publish

SAME_MATTER = timedelta(days=7)
"""A new conversation joins a living case whose last message is not older than this."""
MAX_HINTS = 20
"""A batch publishes the numbers of at most this many changed cases per department.

If more cases changed, 0 is published instead: it means that any case may have changed.
"""

Kind = CaseEvent.Kind
_DECIDED_BY_RULES = (Kind.ROUTED, Kind.JOINED)
"""Kinds of events that record what the rules decided; only these events store the facts."""


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


@transaction.atomic
def take_in(arrivals: Sequence[Arrival], *, now: datetime) -> dict[int, int]:
    """Route the arrivals; return {interaction id: case id}. The caller must lock the ledger."""
    if not arrivals:
        return {}
    batch = _Batch.open(arrivals, now)
    ordered = sorted(arrivals, key=lambda arrival: (arrival.said_at, arrival.interaction))
    placed = {arrival.interaction: batch.place(arrival) for arrival in ordered}
    batch.write()
    return {interaction: case.pk for interaction, case in placed.items()}


@dataclass
class _Batch:
    """Several arrivals that are routed together. Their data is loaded once and written once."""

    now: datetime
    router: Router
    departments: dict[int, Department]
    by_conversation: dict[int, Case]
    by_party: dict[tuple[str, int], list[Case]]
    cases: dict[int, Case]
    last_handler: dict[int, int]
    workers: set[tuple[int, int]]
    everywhere: set[int]
    created: list[Case] = field(default_factory=list)
    touched: dict[int, Case] = field(default_factory=dict)
    moved: list[int] = field(default_factory=list)
    woken: list[Case] = field(default_factory=list)
    links: list[CaseConversation] = field(default_factory=list)
    events: list[CaseEvent] = field(default_factory=list)

    @classmethod
    def open(cls, arrivals: Sequence[Arrival], now: datetime) -> _Batch:
        """Lock the cases that the arrivals may belong to, and load all data that routing needs."""
        parties = _parties(arrivals)
        # Lock first: an agent must not close or transfer a case between the reads and write().
        cases = _lock_cases(arrivals, parties, now)
        current = CaseConversation.objects.filter(
            conversation__in=[arrival.conversation for arrival in arrivals], ended_at=None
        )
        by_party: dict[tuple[str, int], list[Case]] = defaultdict(list)
        for case in cases.values():
            if case.status in LIVING:
                by_party[parties.get(case.profile_id, ("profile", case.profile_id))].append(case)
        departments = {department.pk: department for department in Department.objects.all()}
        fallback = next(pk for pk, row in departments.items() if row.is_fallback)
        return cls(
            now=now,
            router=Router(RoutingRule.objects.in_force(), fallback),
            departments=departments,
            by_conversation={
                link.conversation_id: cases[link.case_id]
                for link in current
                if link.case_id in cases
            },
            by_party=by_party,
            cases=cases,
            last_handler=_last_handlers(parties),
            workers=set(Membership.objects.working().values_list("department_id", "user_id")),
            everywhere=set(User.objects.seeing_everything().values_list("pk", flat=True)),
        )

    def place(self, arrival: Arrival) -> Case:
        """Return the arrival's case: a case that a user chose, an existing case, or a new case.

        Call this in the order of `said_at`: an arrival may join a case that an earlier call opened.
        """
        case = self.cases.get(arrival.case or 0) or self.by_conversation.get(arrival.conversation)
        if case:
            return self._continue(case, arrival)
        verdict = self.router.route(arrival.facts)
        living = self._living_case(arrival, verdict)
        return self._join(living, arrival) if living else self._open(arrival, verdict)

    def _join(self, case: Case, arrival: Arrival) -> Case:
        """Add the arrival and its conversation to this case, which is a case of the same party."""
        self._link(case, arrival)
        why = "A new conversation was added to this case."
        self._hear(case, arrival, Kind.JOINED, why)
        return case

    def _continue(self, case: Case, arrival: Arrival) -> Case:
        """Add the arrival to this case, or to a case that continues this case.

        If this case is waiting, snoozed, or was done recently, it becomes open again.
        """
        effect = after_inbound(case.status, case.done_at, self.now)  # type: ignore[arg-type]
        if effect == "new":
            return self._start_anew(case, arrival)
        # If a user chose the case, the conversation may belong to no case yet.
        if arrival.conversation not in self.by_conversation:
            self._link(case, arrival)
        if effect == "reopen":
            # Log before the status changes: the event states the old status.
            self._hear(case, arrival, Kind.REOPENED, f"New message; the status was {case.status}.")
            self.woken.append(case)
            case.status, case.done_at, case.snoozed_until = Status.OPEN, None, None
        else:
            self._hear(case, arrival, Kind.HEARD, "")
        return case

    def _start_anew(self, old: Case, arrival: Arrival) -> Case:
        """Add the arrival to a case that continues the old case. If there is none, open one."""
        self.moved.append(arrival.conversation)  # write() ends the link to the old case
        verdict = self.router.route(arrival.facts)
        # A message in another conversation of the old case may have opened such a case already.
        newer = [case for case in self.by_party[_party(arrival)] if case.continues_id == old.pk]
        if not newer or not _agrees(verdict, newer[-1]):
            return self._open(arrival, verdict, continues=old)
        return self._join(newer[-1], arrival)

    def _living_case(self, arrival: Arrival, verdict: Verdict) -> Case | None:
        """Return the party's only recent living case, unless the rules name another department."""
        if not arrival.joins:
            return None
        recent = [
            case
            for case in self.by_party.get(_party(arrival), [])
            if case.last_inbound_at and case.last_inbound_at > self.now - SAME_MATTER
        ]
        # If there are several, it is not clear which case the message is about: open a new case.
        return recent[0] if len(recent) == 1 and _agrees(verdict, recent[0]) else None

    def _open(self, arrival: Arrival, verdict: Verdict, *, continues: Case | None = None) -> Case:
        """Open a case in the department of the verdict, or of the hint if no rule matched."""
        department, why = verdict.department, verdict.why
        # If no rule matched, an answer goes to the department that wrote to the customer.
        if verdict.revision is None and arrival.hint:
            department, why = arrival.hint.department, arrival.hint.why
        case = Case(
            profile_id=arrival.profile,
            department_id=department,
            assignee_id=self._assignee(arrival, verdict, department),
            priority=verdict.priority,
            tags=list(verdict.tags),
            issue_id=arrival.hint.issue if arrival.hint else None,
            continues=continues,
            opened_at=self.now,
            last_inbound_id=arrival.interaction,
            last_inbound_at=arrival.said_at,
        )
        self.created.append(case)
        self._link(case, arrival)
        self.by_party[_party(arrival)].append(case)
        self._log(
            case, arrival, Kind.ROUTED, why, revision=verdict.revision,
            why_not=[list(pair) for pair in verdict.why_not],
        )  # fmt: skip
        return case

    def _assignee(self, arrival: Arrival, verdict: Verdict, department: int) -> int | None:
        if verdict.assign == "person":
            return self._able(verdict.person, department)
        last = self.last_handler.get(arrival.profile) if verdict.assign == "last" else None
        return self._able(last, department)

    def _able(self, person: int | None, department: int) -> int | None:
        """Return the person if the person may work in the department, else None (unassigned)."""
        may_work = person in self.everywhere or (department, person) in self.workers
        return person if may_work else None

    def _hear(self, case: Case, arrival: Arrival, kind: str, why: str) -> None:
        """Make the arrival the last message of an existing case, and log an event."""
        case.last_inbound_id = arrival.interaction
        # If the assignee has left the department, unassign the case: colleagues must find it.
        case.assignee_id = self._able(case.assignee_id, case.department_id)
        # A late message may be older than the last one: the time must not go back.
        case.last_inbound_at = max(arrival.said_at, case.last_inbound_at or arrival.said_at)
        if kind == Kind.JOINED and case.status in {Status.WAITING, Status.SNOOZED}:
            case.status, case.snoozed_until = Status.OPEN, None
        if case.issue_id is None and arrival.hint:
            case.issue_id = arrival.hint.issue
        # A case without a primary key is new: write() creates it with these values.
        if case.pk:
            self.touched[case.pk] = case
        self._log(case, arrival, kind, why)

    def _link(self, case: Case, arrival: Arrival) -> None:
        self.by_conversation[arrival.conversation] = case
        self.links.append(
            CaseConversation(case=case, conversation_id=arrival.conversation, since=self.now)
        )

    def _log(
        self,
        case: Case,
        arrival: Arrival,
        kind: str,
        why: str,
        *,
        revision: int | None = None,
        **data: Any,
    ) -> None:
        by_rules = kind in _DECIDED_BY_RULES
        self.events.append(
            CaseEvent(
                case=case,
                kind=kind,
                at=self.now,
                by_id=arrival.by,
                revision_id=revision,
                interaction_id=arrival.interaction,
                why=why,
                data=data,
                facts=to_store(arrival.facts, arrival.topics) if by_rules else {},
            )
        )

    def write(self) -> None:
        """Write all changes; the number of statements does not depend on the arrivals."""
        # Write the cases first: links and events need their primary keys.
        Case.objects.bulk_create(self.created)
        _update(self.touched.values())
        # End the old links before writing the new links: a conversation has one current case.
        CaseConversation.objects.filter(conversation__in=self.moved, ended_at=None).update(
            ended_at=self.now
        )
        CaseConversation.objects.bulk_create(self.links)
        CaseEvent.objects.bulk_create(self.events)
        # Do this after writing the links: they decide which messages wait for an answer.
        recompute({event.case.pk for event in self.events}, now=self.now)
        # Do this after writing the links: they decide which department may read a conversation.
        self._restrict_texts()
        assigned = [case for case in self.woken if case.assignee_id]
        Notice.give_each(
            Notice.Kind.REOPENED, ((case.as_subject, case.assignee_id) for case in assigned)
        )
        changed: dict[int, set[int]] = defaultdict(set)
        for event in self.events:
            changed[event.case.department_id].add(event.case.pk)
        for department, cases in sorted(changed.items()):
            for case in sorted(cases) if len(cases) <= MAX_HINTS else [0]:
                publish(f"department:{department}", "case", case)

    def _restrict_texts(self) -> None:
        """Restrict newly linked conversations of restricted departments. Lift no restriction."""
        linked = {link.conversation_id: link.case.department_id for link in self.links}
        restricted = [pk for pk, to in linked.items() if self.departments[to].is_restricted]
        wanted = Q(pk__in=restricted) | Q(restricted_to__isnull=False)
        restrict(Conversation.objects.filter(wanted, pk__in=linked), may_open=False)


def _agrees(verdict: Verdict, case: Case) -> bool:
    """Return whether no rule matched, or the rule that matched names the department of the case."""
    return verdict.revision is None or verdict.department == case.department_id


def _party(arrival: Arrival) -> tuple[str, int]:
    return ("contact", arrival.contact) if arrival.contact else ("profile", arrival.profile)


def _parties(arrivals: Iterable[Arrival]) -> dict[int, tuple[str, int]]:
    """Return {profile id: party} for the authors and for all profiles of their contacts."""
    parties = {arrival.profile: _party(arrival) for arrival in arrivals}
    contacts = {contact for kind, contact in parties.values() if kind == "contact"}
    linked = Profile.objects.filter(links__contact__in=contacts, links__ended_at=None)
    for profile, contact in linked.values_list("pk", "links__contact"):
        if contact in contacts:
            parties[profile] = ("contact", contact)
    return parties


def _lock_cases(
    arrivals: Sequence[Arrival], parties: dict[int, tuple[str, int]], now: datetime
) -> dict[int, Case]:
    """Lock every case that an arrival may belong to, and return a dict from case id to case."""
    conversations = [arrival.conversation for arrival in arrivals]
    current = CaseConversation.objects.filter(conversation__in=conversations, ended_at=None)
    named = [arrival.case for arrival in arrivals if arrival.case]
    recent = Q(profile__in=list(parties), status__in=LIVING, last_inbound_at__gt=now - SAME_MATTER)
    wanted = Q(pk__in=current.values("case")) | Q(pk__in=named) | recent
    found = [case.pk for case in Case.objects.filter(wanted).lock()]
    # Join in a second query: a locking query with joins leaves out cases transferred meanwhile.
    cases = Case.objects.filter(pk__in=found).select_related("profile", "department")
    return {case.pk: case for case in cases.order_by("pk")}


def _last_handlers(parties: dict[int, tuple[str, int]]) -> dict[int, int]:
    """Return {profile id: assignee of the party's newest case that has an active assignee}."""
    handled = (
        Case.objects.filter(profile__in=list(parties), assignee__is_active=True)
        .order_by("pk")
        .values_list("profile_id", "assignee_id")
    )
    by_party = {parties[profile]: assignee for profile, assignee in handled}
    return {profile: by_party[party] for profile, party in parties.items() if party in by_party}


def _update(cases: Iterable[Case]) -> None:
    """Write all columns of these cases that routing can change, with one SQL statement."""
    rows = list(cases)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE routing_case SET status = heard.status, issue_id = heard.issue_id, "
            "last_inbound_id = heard.interaction_id, last_inbound_at = heard.at, "
            "done_at = heard.done_at, snoozed_until = heard.snoozed, "
            "assignee_id = heard.assignee_id "
            "FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], "
            "%s::timestamptz[], %s::timestamptz[], %s::timestamptz[], "
            "%s::bigint[]) "
            "AS heard (id, status, issue_id, interaction_id, at, done_at, snoozed, "
            "assignee_id) "
            "WHERE routing_case.id = heard.id",
            [
                [case.pk for case in rows],
                [str(case.status) for case in rows],
                [case.issue_id for case in rows],
                [case.last_inbound_id for case in rows],
                [case.last_inbound_at for case in rows],
                [case.done_at for case in rows],
                [case.snoozed_until for case in rows],
                [case.assignee_id for case in rows],
            ],
        )
