from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import (
    About,
    Conversation,
    Department,
    Interaction,
    Membership,
    Notice,
    Profile,
    User,
)
from listening.sensitivity import Sensitivity
from routing.models import case_clock, closing
from routing.models.case_access import visible
from routing.models.case_conversation import restrict
from routing.models.case_event import CaseEvent
from routing.models.case_indexes import DUE_SORT, INDEXES
from routing.models.issue import Issue
from routing.models.rule import Priority
from routing.models.status import ACTIVE, CLOSED, LIVING, Stale, Status
from scrm.bus.live import publish
from scrm.db.locks import locked

Kind = CaseEvent.Kind


class CaseQuerySet(models.QuerySet["Case"]):
    def visible_to(self, user: User) -> CaseQuerySet:
        """Return cases of the user's departments, and unclosed cases that the user transferred."""
        return self.filter(visible(user))

    def in_departments_of(self, user: User) -> CaseQuerySet:
        """Return only the cases that are in the user's departments now."""
        if user.sees_everything:
            return self
        return self.filter(department__in=user.memberships.values("department"))

    def workable_by(self, user: User) -> CaseQuerySet:
        """Return the cases of the departments in which the user may work, not only read."""
        if user.sees_everything:
            return self
        works = Membership.objects.working().filter(department=OuterRef("department"), user=user)
        return self.filter(Exists(works))

    def active(self) -> CaseQuerySet:
        return self.filter(status__in=ACTIVE)

    def living(self) -> CaseQuerySet:
        return self.filter(status__in=LIVING)

    def unmerged(self) -> CaseQuerySet:
        return self.filter(merged_into=None)

    def unclaimed(self) -> CaseQuerySet:
        return self.filter(assignee=None)

    def of(self, user: User) -> CaseQuerySet:
        return self.filter(assignee=user)

    def lock(self) -> list[Case]:
        """Lock these cases until the commit, in the order of their ids, and return them."""
        return list(locked(self))


class Case(models.Model):
    """The work on one matter with one party. The case number is the primary key.

    last_inbound: the newest inbound message. Actions such as snooze raise Stale if the user's
    page did not show this message.
    sensitive: the kind of special care that the case needs, or ""; see `routing.sensitive`.
    received_late: whether a message that waits was received long after it was written.
    statutory_due_at: a legal deadline, for example for a data-subject request. It is independent of
      the clocks of the case.
    merged_into: the case that took over everything of this case, which is done; see
      `routing.merging`. It is never a merged case itself.
    """

    # db_index=False: the combined indexes in case_indexes.py serve these columns.
    profile = models.ForeignKey(Profile, models.PROTECT, related_name="cases", db_index=False)
    department = models.ForeignKey(Department, models.PROTECT, related_name="cases", db_index=False)
    assignee = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="cases", db_index=False
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.NEW)
    priority = models.CharField(max_length=10, choices=Priority.choices, default=Priority.NORMAL)
    rank = models.GeneratedField(  # sort key for the order by priority: 0 is the most urgent
        expression=models.Case(
            *(models.When(priority=name, then=n) for n, name in enumerate(Priority.values)),
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
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, related_name="absorbed")
    opened_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True)
    due_sort = DUE_SORT
    received_late = models.BooleanField(default=False)
    sensitive = models.CharField(max_length=20, choices=Sensitivity.choices, blank=True)
    statutory_due_at = models.DateTimeField(null=True)
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
            ),
            models.CheckConstraint(
                condition=Q(merged_into=None) | Q(status="done"), name="merged_is_done"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.profile}"

    def get_absolute_url(self) -> str:
        return reverse("routing:case", args=[self.pk])

    @property
    def as_subject(self) -> About:
        """Return the title, department and link of the case, for a notice about the case."""
        key, place = f"case:{self.pk}", str(self.department)
        return About(key=key, title=str(self), place=place, url=self.get_absolute_url())

    @property
    def is_closed(self) -> bool:
        return self.status in CLOSED

    @property
    def was_set_aside(self) -> bool:
        """Return whether this case continues a case that was marked as noise."""
        return self.continues is not None and self.continues.status == Status.NOISE

    @property
    def newer(self) -> Case | None:
        """Return the newer case that took over the conversations of this closed case, or None."""
        if not self.is_closed or self.conversation_links.filter(ended_at=None).exists():
            return None
        return self.continued_by.order_by("pk").last()

    @property
    def survivor(self) -> Case:
        """Return the case into which this case was merged; the case itself if it was not merged."""
        return self.merged_into or self

    def check_not_continued(self) -> None:
        """Raise Stale if a newer case has taken over the conversations of this closed case."""
        if newer := self.newer:
            raise Stale(f"A new message opened case #{newer.pk}. This case stays closed.")

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
        """Add an event to the case's history, and tell open pages that the case changed."""
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

    # Actions. Each compares only the values that it depends on: other values may have changed.

    @transaction.atomic
    def claim(self, *, by: User, seen: int | None = None) -> None:
        """Assign the case to `by`. Raises Stale if another user was assigned meanwhile.

        seen: id of the assignee that the user's page showed; None if it showed no assignee.
        """
        if self.assignee_id == by.pk:
            return
        self.compare_and_set(
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
        self.compare_and_set({"assignee_id": self.assignee_id}, assignee_id=None)
        self.log(Kind.RELEASED, by=by)

    @transaction.atomic
    def transfer(self, *, to: Department, by: User, why: str, person: User | None = None) -> None:
        """Transfer the case to another department, and assign `person` or, if None, nobody."""
        before = self.department
        self.compare_and_set(
            {"department_id": before.pk}, department_id=to.pk, assignee_id=person and person.pk
        )
        # Do this after setting the department, which decides who may read the conversations.
        restrict(self.conversations)
        self.log(
            Kind.TRANSFERRED, by=by, why=why, from_=before.name, to=to.name,
            person=str(person) if person else "",
        )  # fmt: skip
        Notice.give(
            [person] if person else [],
            Notice.Kind.TRANSFERRED,
            by=by,
            about=self.as_subject,
            text=why,
        )
        # log() published to the new department only; pages of the old department must update too.
        publish(f"department:{before.pk}", "case", self.pk)

    @transaction.atomic
    def note(
        self, text: str, *, by: User, mentioned: Sequence[User] = (), form: UUID | None = None
    ) -> CaseEvent:
        """Add an internal note, and notify the mentioned users. A note is never sent to the party.

        form: UUID of the form. If the form is submitted twice, only one note is added.
        """
        # Lock before looking for an earlier note: two clicks must not add two notes.
        self.lock()
        before = self.events.filter(kind=Kind.NOTED, data__form=str(form)).first() if form else None
        if before is not None:
            return before
        Notice.give(mentioned, Notice.Kind.MENTIONED, by=by, about=self.as_subject, text=text)
        users = [user.pk for user in mentioned]
        return self.log(Kind.NOTED, by=by, why=text, mentioned=users, form=form and str(form))

    @transaction.atomic
    def snooze(self, *, until: datetime | None, by: User, seen: int | None) -> None:
        """Snooze until a time; None means until the next message.

        Raises Stale like `finish`, and if the case is closed.
        """
        self.check_seen(seen)
        self.check_open()
        self.compare_and_set({}, status=Status.SNOOZED, snoozed_until=until)
        self.log(Kind.SNOOZED, by=by, until=until.isoformat() if until else "")

    @transaction.atomic
    def assign(self, *, to: User | None, by: User) -> None:
        """Assign and notify `to`; None unassigns. Raises Stale if `to` may not work on the case."""
        if to is not None and not Case.objects.workable_by(to).filter(pk=self.pk).exists():
            raise Stale(f"{to} does not work in {self.department}. Nothing was changed.")
        self.compare_and_set({}, assignee_id=to and to.pk)
        self.log(Kind.CLAIMED if to else Kind.RELEASED, by=by, person=str(to) if to else "")
        Notice.give([to] if to else [], Notice.Kind.ASSIGNED, by=by, about=self.as_subject)

    @transaction.atomic
    def tag(self, *, by: User, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Add and remove tags. Tags that another user added meanwhile are kept."""
        # Lock and reload the case: the new list of tags is computed from the current list.
        self.lock()
        added = [tag for tag in add if tag not in self.tags]
        gone = [tag for tag in remove if tag in self.tags]
        if added or gone:
            self.compare_and_set({}, tags=[tag for tag in self.tags if tag not in gone] + added)
            changes = [*(f"+{tag}" for tag in added), *(f"-{tag}" for tag in gone)]
            self.log(Kind.TAGGED, by=by, why=" ".join(changes), added=added, gone=gone)

    @transaction.atomic
    def rank_as(self, priority: str, *, by: User) -> None:
        self.lock()
        if priority == self.priority:
            return
        before = self.get_priority_display()
        self.compare_and_set({}, priority=priority)
        self.log(Kind.RANKED, by=by, why=f"{before} → {self.get_priority_display()}")

    finish = closing.finish
    set_aside = closing.set_aside
    reopen = closing.reopen

    @transaction.atomic
    def group(self, issue: Issue | None, *, by: User) -> None:
        """Add the case to an issue. If `issue` is None, remove the case from its issue."""
        before = self.issue
        self.compare_and_set({}, issue_id=issue and issue.pk)
        why = f"Added to “{issue}”." if issue else f"Removed from “{before}”."
        self.log(Kind.GROUPED, by=by, why=why, issue=issue and issue.pk)

    def check_seen(self, seen: int | None) -> None:
        """Lock the case. Raise Stale if its last inbound message is not `seen` (a message id)."""
        current = locked(Case.objects.filter(pk=self.pk)).get()
        current.check_not_merged()
        if current.last_inbound_id != seen:
            raise Stale("A new message arrived meanwhile. Nothing was changed.")

    def check_open(self) -> None:
        """Raise Stale if the case is closed. Lock it first: a colleague may close it meanwhile."""
        if Case.objects.filter(pk=self.pk, status__in=CLOSED).exists():
            refusal = _("This case is closed. Reopen it first.")
            raise Stale(f"{refusal} " + _("Nothing was changed."))

    def lock(self) -> None:
        """Lock the row of this case until the commit, reload it; raise Stale if it was merged."""
        locked(Case.objects.filter(pk=self.pk)).get()
        self.refresh_from_db()
        self.check_not_merged()

    def check_not_merged(self) -> None:
        if self.merged_into_id:
            raise Stale(f"This case was merged into #{self.merged_into_id}. Nothing was changed.")

    def compare_and_set(self, expected: dict[str, Any], **values: Any) -> None:
        """Update the row if it has the expected values; else raise Stale (names the assignee).

        If a clock of the case depends on one of the values, the clocks are recomputed.
        """
        if not Case.objects.filter(pk=self.pk, merged_into=None, **expected).update(**values):
            now = Case.objects.select_related("assignee", "department").get(pk=self.pk)
            now.check_not_merged()
            raise Stale(
                f"This case is with {now.assignee or 'no assignee'} in {now.department} now. "
                "Nothing was changed."
            )
        if case_clock.CHANGES_CLOCKS & values.keys():
            case_clock.recompute([self.pk])
        self.refresh_from_db()
