from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from crm.models import Conversation, Interaction, Profile, User
from routing.models.case_event import CaseEvent
from routing.models.case_indexes import INDEXES
from routing.models.department import Department, Membership
from routing.models.issue import Issue
from routing.models.notice import Notice
from routing.models.rule import Priority
from routing.models.sla import SlaPolicy
from routing.models.status import ACTIVE, CLOSED, LIVING, Stale, Status
from routing.models.undoable import Undoable
from scrm.bus.live import publish

Kind = CaseEvent.Kind


MANY = 4
"""Departments; who is in more sees so much that a filter along the whole list finds it soon."""


class CaseQuerySet(models.QuerySet["Case"]):
    def visible_to(self, user: User) -> CaseQuerySet:
        """Their departments' cases, and those they handed over until these are done."""
        if user.sees_everything:
            return self
        handed = CaseEvent.handed_over(by=user).filter(case=OuterRef("pk"))
        member = Membership.objects.filter(department=OuterRef("department"), user=user)
        return self.filter(Exists(member) | (Exists(handed) & ~Q(status__in=CLOSED)))

    def in_departments_of(self, user: User) -> CaseQuerySet:
        """Without those that they only handed over."""
        if user.sees_everything:
            return self
        return self.filter(department__in=user.memberships.values("department"))

    def parts_visible_to(
        self, user: User, *, handed: int | Collection[int] | None
    ) -> list[CaseQuerySet]:
        """What they see, in parts that do not overlap and go along an index each.

        handed: of what they handed over that which they handed last, so many; or those among
        these; None for all.
        """
        if user.sees_everything:
            return [self]
        mine = list(user.memberships.values_list("department", flat=True))
        if len(mine) > MANY:
            return [self.in_departments_of(user) if handed == 0 else self.visible_to(user)]
        parts = [self.filter(department=department) for department in mine]
        if handed != 0:
            events = CaseEvent.handed_over(by=user).values("case")
            elsewhere = self.exclude(status__in=CLOSED).exclude(department__in=mine)
            if isinstance(handed, int):
                events = events.filter(case__in=elsewhere).order_by("-pk")[:handed]
            elif handed is not None:
                events = events.filter(case__in=handed)
            parts.append(elsewhere.filter(pk__in=events))
        return parts

    def workable_by(self, user: User) -> CaseQuerySet:
        """Those that a user may not only read but act on."""
        if user.sees_everything:
            return self
        member = Membership.objects.filter(department=OuterRef("department"), user=user)
        return self.filter(Exists(member.exclude(role=Membership.Role.READER)))

    def active(self) -> CaseQuerySet:
        return self.filter(status__in=ACTIVE)

    def living(self) -> CaseQuerySet:
        return self.filter(status__in=LIVING)

    def unclaimed(self) -> CaseQuerySet:
        return self.filter(assignee=None)

    def of(self, user: User) -> CaseQuerySet:
        return self.filter(assignee=user)

    def wake(self, *, now: datetime) -> int:
        """Open again what was snoozed until now → how many."""
        with transaction.atomic():
            due = list(
                self.select_for_update(skip_locked=True, of=("self",)).filter(
                    status=Status.SNOOZED, snoozed_until__lte=now
                )[:500]
            )
            self.filter(pk__in=[case.pk for case in due]).update(
                status=Status.OPEN, snoozed_until=None
            )
            CaseEvent.objects.bulk_create(
                CaseEvent(case=case, kind=Kind.WOKEN, at=now, why="Its time had come.")
                for case in due
            )
            for case in due:
                case.tell()
        return len(due)


class Case(Undoable):
    """One matter with one outside party, as work. Its number is its key.

    last_inbound is what staleness is judged by: who acts must have seen it.
    """

    # Indexed below, with what they are asked together with.
    profile = models.ForeignKey(Profile, models.PROTECT, related_name="cases", db_index=False)
    department = models.ForeignKey(Department, models.PROTECT, related_name="cases", db_index=False)
    assignee = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="cases", db_index=False
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.NEW)
    priority = models.CharField(max_length=10, choices=Priority.choices, default=Priority.NORMAL)
    rank = models.GeneratedField(  # what the list by priority is ordered by
        expression=models.Case(
            *(models.When(priority=each, then=n) for n, each in enumerate(Priority.values)),
            default=len(Priority.values),
        ),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    tags = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    issue = models.ForeignKey(
        Issue, models.PROTECT, null=True, related_name="cases", db_index=False
    )
    continues = models.ForeignKey("self", models.PROTECT, null=True, related_name="continued_by")
    opened_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True)
    first_response_at = models.DateTimeField(null=True)
    last_inbound = models.ForeignKey(Interaction, models.PROTECT, null=True, related_name="+")
    last_inbound_at = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        indexes = INDEXES
        constraints = [
            models.CheckConstraint(
                condition=Q(status="done", done_at__isnull=False) | ~Q(status="done"),
                name="done_has_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.profile}"

    def get_absolute_url(self) -> str:
        return reverse("routing:case", args=[self.pk])

    @property
    def is_closed(self) -> bool:
        return self.status in CLOSED

    @property
    def was_set_aside(self) -> bool:
        """Whether it goes on with a conversation that was set aside as noise before."""
        return self.continues is not None and self.continues.status == Status.NOISE

    @property
    def conversations(self) -> models.QuerySet[Conversation]:
        return Conversation.objects.filter(case_links__case=self, case_links__ended_at=None)

    def log(
        self,
        kind: str,
        *,
        by: User | None,
        why: str = "",
        now: datetime | None = None,
        interaction: Interaction | None = None,
        **data: Any,
    ) -> CaseEvent:
        """Write what happened into the case's history and tell whoever looks at it."""
        self.tell()
        return self.events.create(
            kind=kind,
            by=by,
            why=why,
            at=now or timezone.now(),
            interaction=interaction,
            data=data,
        )

    def tell(self, event: str = "case") -> None:
        publish(f"department:{self.department_id}", event, self.pk)

    # Verbs. Each compares only what it depends on, by compare-and-set.

    @transaction.atomic
    def claim(self, *, by: User, seen: int | None = None) -> None:
        """Take it. seen: the assignee's id on the page, None for nobody. Raises Stale."""
        if self.assignee_id == by.pk:
            return
        self._swap(
            {"assignee_id": seen},
            assignee_id=by.pk,
            status=models.Case(
                models.When(status=Status.NEW, then=models.Value(Status.OPEN)),
                default=models.F("status"),
            ),
        )
        self.log(Kind.CLAIMED, by=by)

    @transaction.atomic
    def give_back(self, *, by: User) -> None:
        self._swap({"assignee_id": self.assignee_id}, assignee_id=None)
        self.log(Kind.RELEASED, by=by)

    @transaction.atomic
    def hand_over(self, *, to: Department, by: User, why: str, person: User | None = None) -> None:
        """Pass it on with a reason and its whole context."""
        before = self.department
        self._swap(
            {"department_id": before.pk}, department_id=to.pk, assignee_id=person and person.pk
        )
        self._restrict(to)
        self.log(
            Kind.HANDED_OVER, by=by, why=why, from_=before.name, to=to.name,
            person=str(person) if person else "",
        )  # fmt: skip
        Notice.give([person] if person else [], Notice.Kind.HANDED_OVER, by=by, case=self, text=why)
        publish(f"department:{before.pk}", "case", self.pk)

    @transaction.atomic
    def note(
        self, text: str, *, by: User, mentioned: Sequence[User] = (), form: UUID | None = None
    ) -> CaseEvent:
        """Write something down that never leaves the house; who is mentioned is told.

        form: its form's UUID, so that one click is one note.
        """
        self._lock()
        before = self.events.filter(kind=Kind.NOTED, data__form=str(form)).first() if form else None
        if before is not None:
            return before
        Notice.give(mentioned, Notice.Kind.MENTIONED, by=by, case=self, text=text)
        told = [user.pk for user in mentioned]
        return self.log(Kind.NOTED, by=by, why=text, mentioned=told, form=form and str(form))

    @transaction.atomic
    def snooze(self, *, until: datetime | None, by: User, seen: int | None) -> None:
        """Put it off until then, or without a time until they write."""
        self.check_seen(seen)
        self._swap({}, status=Status.SNOOZED, snoozed_until=until)
        self.log(Kind.SNOOZED, by=by, until=until.isoformat() if until else "")

    @transaction.atomic
    def assign(self, *, to: User | None, by: User) -> None:
        """Give it to somebody, whoever has it; they are told."""
        if to is not None and not Case.objects.workable_by(to).filter(pk=self.pk).exists():
            raise Stale(f"{to} does not work in {self.department}. Nothing was changed.")
        self._swap({}, assignee_id=to and to.pk)
        self.log(Kind.CLAIMED if to else Kind.RELEASED, by=by, person=str(to) if to else "")
        Notice.give([to] if to else [], Notice.Kind.ASSIGNED, by=by, case=self)

    @transaction.atomic
    def tag(self, *, by: User, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Put tags on it and take some off. What others tagged meanwhile stays."""
        self._lock()
        added = [tag for tag in add if tag not in self.tags]
        gone = [tag for tag in remove if tag in self.tags]
        if added or gone:
            self._swap({}, tags=[tag for tag in self.tags if tag not in gone] + added)
            said = [*(f"+{tag}" for tag in added), *(f"-{tag}" for tag in gone)]
            self.log(Kind.TAGGED, by=by, why=" ".join(said), added=added, gone=gone)

    @transaction.atomic
    def rank_as(self, priority: str, *, by: User) -> None:
        """How urgent it is; the time to answer by goes with it."""
        self._lock()
        if priority == self.priority:
            return
        before = self.get_priority_display()
        values: dict[str, Any] = {"priority": priority}
        if self.due_at is not None:
            hours = SlaPolicy.objects.hours().get((self.department_id, priority))
            values["due_at"] = SlaPolicy.due(self.last_inbound_at or self.opened_at, hours)
        self._swap({}, **values)
        self.log(Kind.RANKED, by=by, why=f"{before} → {self.get_priority_display()}")

    @transaction.atomic
    def finish(
        self, *, by: User, seen: int | None, why: str = "", now: datetime | None = None
    ) -> None:
        """Done. Refused with Stale if they said something that `by` has not seen."""
        self.check_seen(seen)
        now = now or timezone.now()
        if Case.objects.filter(pk=self.pk, status=Status.DONE).exists():
            return  # somebody else has just done it
        self._swap({}, status=Status.DONE, done_at=now, due_at=None, snoozed_until=None)
        self.log(Kind.DONE, by=by, why=why, now=now)

    @transaction.atomic
    def set_aside(self, *, by: User, why: str = "") -> None:
        """Noise: never deleted, and can be taken back. What they write from now on is new work."""
        self._swap({}, status=Status.NOISE, due_at=None)
        self.log(Kind.NOISE, by=by, why=why)

    @transaction.atomic
    def reopen(self, *, by: User | None, why: str) -> None:
        """Raises Stale where a newer case has what was set aside here."""
        self._lock()
        self.check_not_continued()
        self._swap({}, status=Status.OPEN, done_at=None, snoozed_until=None)
        self.log(Kind.REOPENED, by=by, why=why)

    @transaction.atomic
    def wait(self, *, answered_at: datetime, seen: int | None) -> None:
        """We answered what we had seen: now it is their turn, unless they wrote again."""
        self._lock()
        values: dict[str, Any] = {"first_response_at": self.first_response_at or answered_at}
        if self.last_inbound_id == seen:
            values["due_at"] = None
            if self.status in ACTIVE:
                values["status"] = Status.WAITING
        self._swap({}, **values)
        self.tell()

    @transaction.atomic
    def hear(self, interaction: Interaction, *, now: datetime, why: str) -> None:
        """Something said elsewhere turns out to belong here: open it again, if it rests."""
        self._lock()
        self.count_in(interaction.conversation_id, now=now)
        values: dict[str, Any] = {}
        if self.last_inbound_id is None or self.last_inbound_id < interaction.pk:
            values = {"last_inbound_id": interaction.pk, "last_inbound_at": interaction.sort_at}
        resting = self.status in {Status.WAITING, Status.SNOOZED, Status.DONE}
        if resting:
            values |= {"status": Status.OPEN, "done_at": None, "snoozed_until": None}
        if values:
            self._swap({}, **values)
        if resting and self.assignee_id:
            Notice.give([self.assignee_id], Notice.Kind.REOPENED, case=self, now=now)
        kind = Kind.REOPENED if resting else Kind.HEARD
        self.log(kind, by=None, why=why, now=now, interaction=interaction)

    @transaction.atomic
    def group(self, issue: Issue | None, *, by: User) -> None:
        """Count it to an issue, or to none."""
        before = self.issue
        self._swap({}, issue_id=issue and issue.pk)
        why = f"Part of “{issue}”." if issue else f"No longer part of “{before}”."
        self.log(Kind.GROUPED, by=by, why=why, issue=issue and issue.pk)

    def count_in(self, conversation: int, *, now: datetime) -> None:
        """An exchange that belongs to no case belongs to this one from now on."""
        links = self.conversation_links.model.objects
        links.get_or_create(
            conversation_id=conversation, ended_at=None, defaults={"case": self, "since": now}
        )
        self._restrict(self.department)

    def check_seen(self, seen: int | None) -> None:
        """Raises Stale if they wrote something that is not on the page; locks the case."""
        current = (
            Case.objects.select_for_update(of=("self",))
            .values_list("last_inbound_id", flat=True)
            .get(pk=self.pk)
        )
        if current != seen:
            raise Stale("They wrote again while you were looking. Nothing was changed.")

    def _lock(self) -> None:
        """Hold the row until the commit and see it as it is."""
        Case.objects.select_for_update(of=("self",)).get(pk=self.pk)
        self.refresh_from_db()

    def _swap(self, expected: dict[str, Any], **values: Any) -> None:
        """Compare and set; tell the loser who won."""
        if not Case.objects.filter(pk=self.pk, **expected).update(**values):
            now = Case.objects.select_related("assignee", "department").get(pk=self.pk)
            raise Stale(
                f"This case is with {now.assignee or 'nobody'} in {now.department} now. "
                "Nothing was changed."
            )
        self.refresh_from_db()

    def _restrict(self, department: Department) -> None:
        self.conversations.update(restricted=department.is_restricted)
