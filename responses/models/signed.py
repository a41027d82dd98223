from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone

from crm.models import Notice, User
from responses.rules.judge import Verdict
from routing.models.status import Stale
from scrm.bus.live import publish

if TYPE_CHECKING:
    from crm.models import Department
    from responses.models.approval import Approval
    from routing.models import Case


class Signed(models.Model):
    """How a response comes to the signatures that its rules ask for.

    steps: who signs, in this order. decide_by: when those above are asked. to_review: it went
    out unsigned, and is read afterwards.
    """

    steps = models.JSONField(default=list)
    decide_by = models.DateTimeField(null=True)
    escalated_at = models.DateTimeField(null=True)
    to_review = models.BooleanField("is read afterwards", default=False)
    reviewed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    if TYPE_CHECKING:  # what a Response has
        pk: int
        approvals: models.QuerySet[Approval]
        department: models.ForeignKey[Department, Department]
        department_id: int
        author: models.ForeignKey[User, User]
        author_id: int
        case: models.ForeignKey[Case | None, Case | None]

        @property
        def content_hash(self) -> str: ...

        @property
        def quote(self) -> str: ...

        def note(self, why: str, *, by: User, now: datetime) -> None: ...

        def become(self, state: str) -> None: ...

    @property
    def signatures(self) -> list[Approval]:
        """Those under exactly these words, since it was last sent back."""
        signed: list[Approval] = []
        for each in sorted(self.approvals.all(), key=lambda each: each.pk):
            signed = [*signed, each] if each.approved else []
        return [each for each in signed if each.content_hash == self.content_hash]

    @property
    def is_approved(self) -> bool:
        return len(self.signatures) >= max(len(self.steps), 1)

    @property
    def next_step(self) -> str:
        """Whose signature it waits for: "lead" or "supervisor"; "" where nobody's is missing."""
        missing = (self.steps or ["lead"])[len(self.signatures) :]
        return str(missing[0]) if missing else ""

    def why_not_signed_by(self, user: User) -> str:
        """Why its next signature cannot be theirs, in words; "" if it can."""
        if any(each.by_id == user.pk for each in self.signatures):
            return "You approved it. Another user must give the next approval."
        if self.next_step == "supervisor" and not user.sees_everything:
            return "It waits for approval by a supervisor."
        own = self.author_id == user.pk
        if own and (self.next_step != "lead" or self.department.lone_lead != user):
            return "You cannot approve your own text. Ask another team lead."
        return ""

    @transaction.atomic
    def escalate(self, *, now: datetime) -> None:
        """Nobody decided in time: supervisors and admins are asked."""
        rows: Any = type(self)._default_manager
        mine = rows.undecided(now).filter(pk=self.pk)
        if mine.update(escalated_at=now):
            self._ask_above(now=now)
            publish(f"department:{self.department_id}", "response", self.pk)

    @transaction.atomic
    def review(self, *, by: User, now: datetime | None = None) -> None:
        """Somebody else read it after it had gone out. Raises Stale if it is no longer theirs."""
        now = now or timezone.now()
        rows: Any = type(self)._default_manager
        mine = rows.reviewable_by(by).filter(pk=self.pk)
        if not mine.update(reviewed_by=by, reviewed_at=now):
            raise Stale("It was already reviewed by another user, or it is your own text.")
        self.note("Reviewed after sending.", by=by, now=now)

    def hold(self, verdict: Verdict, *, by: User, now: datetime) -> None:
        """Wait for the signatures that its rules ask for."""
        self.steps = list(verdict.steps)
        self.decide_by = now + timedelta(hours=verdict.within) if verdict.within else None
        self.escalated_at = None
        self.become("held")
        self.note("Held for approval.", by=by, now=now)
        self.ask(now=now)

    def ask(self, *, now: datetime) -> None:
        """Ring for those whose signature is missing; above them, where there is nobody."""
        leads = self.department.leads().exclude(pk=self.author_id)
        if self.next_step == "lead" and leads.exists():
            self._ring(leads, now=now)
        else:
            self._ask_above(now=now)

    def ask_no_more(self) -> None:
        """It waits no longer: whoever was asked to sign need not look."""
        asked = Notice.objects.unread().filter(kind=Notice.Kind.TO_APPROVE, url=self._to_sign)
        asked.update(read_at=timezone.now())

    @property
    def _to_sign(self) -> str:
        return f"{reverse('responses:approvals')}#response-{self.pk}"

    def _ask_above(self, *, now: datetime) -> None:
        above = User.objects.active().filter(role__in=["admin", "supervisor"])
        self._ring(above.exclude(pk=self.author_id), now=now)

    def _ring(self, users: models.QuerySet[User], *, now: datetime) -> None:
        kind, text, url = Notice.Kind.TO_APPROVE, self.quote, self._to_sign
        about = self.case.as_subject if self.case else None
        Notice.give(users, kind, by=self.author, about=about, text=text, url=url, now=now)
