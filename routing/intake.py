"""Route recorded interactions: find or open a case for each interaction, and record the reason.

A routed interaction is called an arrival. Arrivals are decided one by one, in the order of
`said_at`. The number of SQL statements does not depend on the number of arrivals.

`routing.joining` decides which case an arrival joins. A case is living if it is neither done nor
marked as noise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from routing.arrival import Arrival, Hint, Party
from routing.due_times import recompute
from routing.edited_items import mark_events, withdraw_decisions
from routing.facts import to_store
from routing.intake_notices import tell
from routing.intake_queries import Loaded, restrict_texts, update_cases
from routing.intake_special import SpecialItems
from routing.joining import BystanderItem, Joined, NewItem, OpenCase, case_of_party, why_own_case
from routing.models import BystanderReply, Case, CaseConversation, CaseEvent, ItemDecision
from routing.models.rule import Priority
from routing.models.status import LIVING, Status
from routing.rule_effects import RuleEffects, reopen_set_aside
from routing.rules import Verdict, after_inbound
from scrm.bus.live import publish
from scrm.channels import registry

__all__ = ["Arrival", "Hint", "take_in"]

MAX_HINTS = 20
"""A batch publishes the numbers of at most this many changed cases per department.

If more cases changed, 0 is published instead: it means that any case may have changed.
"""

Kind = CaseEvent.Kind


@transaction.atomic
def take_in(arrivals: Sequence[Arrival], *, now: datetime) -> dict[int, int]:
    """Route the arrivals; return {interaction id: case id}, without muted items.

    For a reply of a bystander, the case is the one below which it was written. Interactions that a
    rule only records are left out. The caller must lock the ledger.
    """
    if not arrivals:
        return {}
    batch = _Batch.open(arrivals, now)
    waits_again = withdraw_decisions(arrivals, now)
    ordered = sorted(arrivals, key=lambda arrival: (arrival.said_at, arrival.interaction))
    special = SpecialItems.open(batch, ordered, now)
    placed = {}
    for arrival in ordered:
        if not special.record_if_muted(arrival):
            case = special.add_thanks(arrival) or batch.place(arrival)
            if case:
                special.mark(case, arrival)
            placed[arrival.interaction] = case
    special.save_marks()
    mark_events(batch.events, waits_again)
    batch.write()
    special.notify_on_call()
    return {interaction: case.pk for interaction, case in placed.items() if case}


@dataclass
class _Batch(Loaded):
    """Several arrivals that are routed together. Their data is loaded once and written once.

    below: {conversation id: the case below which its items were written}.
    logged_by: {case id: ids of the users who logged its new items; None for other items}.
    moved_out: (id of a department, case) for each case that a rule moved out of that department.
    """

    below: dict[int, Case] = field(default_factory=dict)
    created: list[Case] = field(default_factory=list)
    touched: dict[int, Case] = field(default_factory=dict)
    logged_by: dict[int, set[int | None]] = field(default_factory=lambda: defaultdict(set))
    moved: list[int] = field(default_factory=list)
    moved_out: list[tuple[int, Case]] = field(default_factory=list)
    woken: list[Case] = field(default_factory=list)
    joined: list[Case] = field(default_factory=list)
    links: list[CaseConversation] = field(default_factory=list)
    replies: list[BystanderReply] = field(default_factory=list)
    events: list[CaseEvent] = field(default_factory=list)
    effects: RuleEffects = field(default_factory=RuleEffects)
    decisions: list[ItemDecision] = field(default_factory=list)

    def place(self, arrival: Arrival) -> Case | None:
        """Return the arrival's case: a case that a user chose, an existing case, or a new case.

        Returns None if a rule says that the arrival opens no case.

        Call this in the order of `said_at`: an arrival may join a case that an earlier call opened.
        """
        verdict = self.router.route(arrival.facts, needs_case=arrival.needs_case)
        if chosen := self.cases.get(arrival.case or 0):
            chosen = self.cases[chosen.merged_into_id or chosen.pk]
            return self._continue(chosen, arrival, verdict)
        case = self.by_conversation.get(arrival.conversation)
        if case and not self._is_bystander(case, arrival):
            return self._continue(case, arrival, verdict)
        below = case or self._case_above(arrival)
        if below and self._party_of(below) == arrival.party:
            return self._continue(self.cases.get(below.pk, below), arrival, verdict)
        # Check this before stacking: a person with an open case may write below another case.
        joined = self._case_of_party(arrival, verdict) if not case and verdict.opens_case else None
        if joined:
            return self._join(*joined, arrival, verdict)
        if below and not why_own_case(self._as_bystander(arrival, verdict)):
            return self._stack(below, arrival, verdict)
        if case:
            return self._continue(case, arrival, verdict)
        if self.effects.records_only(arrival.message, verdict, self.now):
            return None
        return self._open(arrival, verdict)

    def _party_of(self, case: Case) -> Party:
        return self.parties.get(case.profile_id, ("profile", case.profile_id))

    def _is_bystander(self, case: Case, arrival: Arrival) -> bool:
        """Return whether somebody else wrote in public in a conversation of this case.

        Everybody in a private conversation writes to us, so nobody there is a bystander.
        """
        return (
            arrival.facts.visibility == "public"
            and self._party_of(case) != arrival.party
            and self.starters.get(arrival.conversation) != arrival.profile
        )

    def _case_above(self, arrival: Arrival) -> Case | None:
        """Return the case below whose messages the arrival was written; None if there is none."""
        answered = self.above.get(arrival.message)
        if answered is None:
            return None
        here = answered.conversation
        return self.by_conversation.get(here) or self.below.get(here) or answered.case

    def _as_bystander(self, arrival: Arrival, verdict: Verdict) -> BystanderItem:
        answered = self.above.get(arrival.message)
        return BystanderItem(
            text=arrival.facts.text,
            is_to_us=arrival.facts.stance == "for us" or bool(answered and answered.is_ours),
            has_topic=bool(arrival.own_topics),
            rule=verdict.rule if verdict.asks_what_was_said and verdict.opens_case else "",
        )

    def _stack(self, case: Case, arrival: Arrival, verdict: Verdict) -> Case:
        """Link the reply of a bystander to the case. Nothing else of the case changes."""
        self.below[arrival.conversation] = case
        self.replies.append(BystanderReply(case=case, interaction_id=arrival.message, at=self.now))
        why = "Reply by another person. No topic or rule matched it, and it asks us no question."
        self._log(case, arrival, Kind.BYSTANDER, why, verdict)
        return case

    def _case_of_party(self, arrival: Arrival, verdict: Verdict) -> tuple[Case, str] | None:
        """Return the open case of the same party that the arrival joins, and the reason."""
        if not arrival.joins or verdict.outcome == "aside":
            return None
        named = verdict.department if verdict.revision else None
        item = NewItem(
            said_at=arrival.said_at,
            department=named,
            only_there=named is not None and self.departments[named].is_restricted,
            topics=arrival.own_topics,
            joins_within=registry.joins_within(arrival.facts.channel),
        )
        cases = self.by_party.get(arrival.party, [])
        joined: Joined | None = case_of_party(
            item,
            [
                OpenCase(
                    key=key,
                    department=case.department_id,
                    last_inbound_at=case.last_inbound_at or case.opened_at,
                    is_answered=bool(case.pk) and case.pk not in self.unanswered,
                    topics=frozenset(self.topics[id(case)]),
                )
                for key, case in enumerate(cases)
            ],
        )
        return (cases[joined.key], joined.why) if joined else None

    def _join(self, case: Case, why: str, arrival: Arrival, verdict: Verdict) -> Case:
        """Add the arrival and its conversation to this case, which is a case of the same party."""
        self._link(case, arrival)
        self._hear(case, arrival, Kind.JOINED, why, verdict)
        if case.status in {Status.WAITING, Status.SNOOZED}:
            case.status, case.snoozed_until = Status.OPEN, None
        if self._is_news(case, arrival):
            self.joined.append(case)
        return case

    def _continue(self, case: Case, arrival: Arrival, verdict: Verdict) -> Case | None:
        """Add the arrival to this case, or to a case that continues this case.

        If this case is waiting, snoozed, or was done recently, it becomes open again. But a case of
        an archived department stays closed.
        """
        window = registry.reopens_within(arrival.facts.channel)
        effect = after_inbound(case.status, case.done_at, self.now, reopens_within=window)  # type: ignore[arg-type]
        is_archived = self.departments[case.department_id].archived_at is not None
        if effect == "new" or (effect == "reopen" and is_archived):
            return self._start_anew(case, arrival, verdict)
        # If a user chose the case, the conversation may belong to no case yet.
        if arrival.conversation not in self.by_conversation:
            self._link(case, arrival)
        if effect == "reopen":
            # Log before the status changes: the event states the old status.
            why = f"{arrival.reason_start}; the status was {case.status}."
            self._hear(case, arrival, Kind.REOPENED, why, verdict)
            if self._is_news(case, arrival):
                self.woken.append(case)
            case.status, case.done_at, case.snoozed_until = Status.OPEN, None, None
        else:
            self._hear(case, arrival, Kind.HEARD, "", verdict)
            if self._is_news(case, arrival):
                self.joined.append(case)
        return case

    def _is_news(self, case: Case, arrival: Arrival) -> bool:
        """Return whether the item is news to the assignee of an existing case."""
        return case.pk is not None and arrival.by != case.assignee_id

    def _start_anew(self, old: Case, arrival: Arrival, verdict: Verdict) -> Case | None:
        """Add the arrival to a case that continues the old case. If there is none, open one."""
        if self.effects.records_only(arrival.message, verdict, self.now):
            return None
        if old.pk is None:  # an earlier message of this batch was set aside
            self.by_party[arrival.party] += reopen_set_aside(old, verdict)
            self._hear(old, arrival, Kind.HEARD, "", verdict)
            return old
        self.moved.append(arrival.conversation)  # write() ends the link to the old case
        # A message in another conversation of the old case may have opened such a case already.
        newer = [case for case in self.by_party[arrival.party] if case.continues_id == old.pk]
        if not newer or not verdict.agrees_with(newer[-1].department_id):
            return self._open(arrival, verdict, continues=old)
        return self._join(newer[-1], "It continues the same earlier case.", arrival, verdict)

    def _open(self, arrival: Arrival, verdict: Verdict, *, continues: Case | None = None) -> Case:
        """Open a case in the department of the verdict, or of the hint if no rule matched."""
        department, why = verdict.department, verdict.why
        # If no rule matched, an answer goes to the department that wrote to the customer.
        hint = arrival.hint
        if verdict.revision is None and hint and not self.departments[hint.department].archived_at:
            department, why = hint.department, hint.why
        case = Case(
            profile_id=arrival.profile,
            department=self.departments[department],
            assignee_id=self._assignee(arrival, verdict, department),
            **self.effects.values(verdict, arrival.hint.issue if arrival.hint else None),
            continues=continues,
            opened_at=self.now,
            last_inbound_id=arrival.message,
            last_inbound_at=arrival.said_at,
        )
        self.created.append(case)
        self.effects.routed.append((case, verdict))
        self.topics[id(case)] = set(arrival.own_topics)
        self._link(case, arrival)
        self.by_party[arrival.party] += [case] if case.status in LIVING else []
        self._log(case, arrival, Kind.ROUTED, why, verdict)
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

    def _hear(self, case: Case, arrival: Arrival, kind: str, why: str, verdict: Verdict) -> None:
        """Make the arrival the last message of an existing case, route it, and log an event."""
        # If the assignee has left the department, unassign the case: colleagues must find it.
        case.assignee_id = self._able(case.assignee_id, case.department_id)
        if arrival.edits is None:
            case.last_inbound_id = arrival.interaction
            # A late message may be older than the last one: the time must not go back.
            case.last_inbound_at = max(arrival.said_at, case.last_inbound_at or arrival.said_at)
        case.issue_id = case.issue_id or (arrival.hint and arrival.hint.issue) or verdict.issue
        self.effects.routed.append((case, verdict))
        self.topics[id(case)] |= arrival.own_topics
        # A case without a primary key is new: write() creates it with these values.
        if case.pk:
            self.touched[case.pk] = case
            self.logged_by[case.pk].add(arrival.by)
            self.unanswered.add(case.pk)
        offer = self._apply(case, arrival, verdict)
        self._log(case, arrival, kind, why, verdict, **offer)

    def _apply(self, case: Case, arrival: Arrival, verdict: Verdict) -> dict[str, Any]:
        """Apply the verdict to an existing case, as if the arrival were new.

        The priority never falls and no tag is removed. Another department or person is applied if
        nobody has the case or writes a text for it, and if no user chose its department; otherwise
        it is returned as an offer for the event. A rule that only asks where and how somebody wrote
        moves no existing case.
        """
        order = list(Priority.values)
        if order.index(verdict.priority) < order.index(case.priority):
            case.priority = verdict.priority
        case.tags = [*case.tags, *(tag for tag in verdict.tags if tag not in case.tags)]
        old = case.department_id
        person = self._assignee(arrival, verdict, verdict.department)
        asks = verdict.asks_what_was_said or not verdict.topics_asked.isdisjoint(
            arrival.topic_names
        )
        moves = asks and verdict.names_department and verdict.department != old
        gives = asks and verdict.assign == "person" and person not in (None, case.assignee_id)
        offer: dict[str, Any] = {}
        is_free = case.assignee_id is None and case.pk not in self.being_answered
        if is_free and not (moves and self._stays(case, arrival)):
            if moves or verdict.department == old:
                case.assignee_id = person
            if moves:
                case.department = self.departments[verdict.department]
                self.moved_out.append((old, case))
                self._log(
                    case, arrival, Kind.TRANSFERRED, verdict.why, verdict,
                    from_=self.departments[old].name, to=case.department.name,
                )  # fmt: skip
        elif moves or gives:
            offer = {"offer": {"department": verdict.department, "person": person}}
        return offer

    def _stays(self, case: Case, arrival: Arrival) -> bool:
        """Return whether a rule must not move this case, although nobody has it."""
        restricted = self.departments[case.department_id].is_restricted
        return bool(arrival.case) or restricted or case.pk in self.transferred_by_users

    def _link(self, case: Case, arrival: Arrival) -> None:
        self.by_conversation[arrival.conversation] = case
        self.links.append(
            CaseConversation(case=case, conversation_id=arrival.conversation, since=self.now)
        )

    def _log(
        self, case: Case, arrival: Arrival, kind: str, why: str, verdict: Verdict, **data: Any
    ) -> None:
        self.events.append(
            CaseEvent(
                case=case,
                kind=kind,
                at=self.now,
                by_id=arrival.by,
                revision_id=verdict.revision,
                interaction_id=arrival.interaction,
                why=why,
                data=self.effects.data(verdict) | data,
                facts=to_store(arrival.facts, arrival.topics),
            )
        )

    def write(self) -> None:
        """Write all changes; the number of SQL statements does not depend on their number."""
        # Write the cases first: links and events need their primary keys.
        Case.objects.bulk_create(self.created)
        update_cases(self.touched.values())
        # End the old links before writing the new links: a conversation has one current case.
        CaseConversation.objects.filter(conversation__in=self.moved, ended_at=None).update(
            ended_at=self.now
        )
        CaseConversation.objects.bulk_create(self.links)
        # An edited reply may have been stacked already.
        BystanderReply.objects.bulk_create(self.replies, ignore_conflicts=True)
        CaseEvent.objects.bulk_create(self.events)
        ItemDecision.objects.bulk_create([*self.decisions, *self.effects.decisions])
        # Do this after writing the links: they decide which messages wait for an answer.
        # A case below which only bystanders wrote is not locked, and its clocks stay.
        recompute({case.pk for case in (*self.created, *self.touched.values())}, now=self.now)
        restrict_texts(
            self.links, (case for _old, case in self.moved_out), self.departments
        )  # after the links, which decide who may read a conversation
        tell(self.woken, self.joined, self.touched.values(), self.logged_by)
        self.effects.write(self._able)
        changed: dict[int, set[int]] = defaultdict(set)
        for event in self.events:
            changed[event.case.department_id].add(event.case.pk)
        for department, case in self.moved_out:
            changed[department].add(case.pk)
        for department, cases in sorted(changed.items()):
            for case_id in sorted(cases) if len(cases) <= MAX_HINTS else [0]:
                publish(f"department:{department}", "case", case_id)
