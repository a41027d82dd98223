from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models, transaction

from crm.models import User
from routing.models.case_event import LOOKING, CaseEvent
from routing.models.notice import Notice
from routing.models.status import LIVING, Stale, Status
from scrm.bus.live import publish

if TYPE_CHECKING:
    from routing.models.case import Case
    from routing.models.case_conversation import CaseConversation
    from routing.models.department import Department


class Undoable(models.Model):
    """How a case stood, and its way back there."""

    class Meta:
        abstract = True

    if TYPE_CHECKING:  # what a Case has
        pk: int
        status: str
        tags: list[str]
        department: models.ForeignKey[Department, Department]
        department_id: int
        assignee_id: int | None
        issue_id: int | None
        done_at: datetime | None
        due_at: datetime | None
        snoozed_until: datetime | None
        events: models.QuerySet[CaseEvent]
        notices: models.QuerySet[Notice]
        continued_by: models.QuerySet[Case]
        conversation_links: models.QuerySet[CaseConversation]

        def tell(self, event: str = "case") -> None: ...

        def _lock(self) -> None: ...

        def _swap(self, expected: dict[str, Any], **values: Any) -> None: ...

        def _restrict(self, department: Department) -> None: ...

    @property
    def standing(self) -> dict[str, Any]:
        """What an undo puts back, as JSON holds it."""
        times = {name: getattr(self, name) for name in ("done_at", "due_at", "snoozed_until")}
        return {
            "status": str(self.status),
            "department_id": self.department_id,
            "assignee_id": self.assignee_id,
            "issue_id": self.issue_id,
            "tags": list(self.tags),
            **{name: at.isoformat() if at else None for name, at in times.items()},
        }

    @property
    def newer(self) -> Case | None:
        """The open case that has all of what was set aside here, because they wrote again."""
        if self.status != Status.NOISE or self.conversation_links.filter(ended_at=None).exists():
            return None
        return self.continued_by.filter(status__in=LIVING).order_by("pk").last()

    def check_not_continued(self) -> None:
        """One conversation is not the work of two cases. Raises Stale."""
        if newer := self.newer:
            raise Stale(f"They wrote again: that is case #{newer.pk}. This one stays set aside.")

    @transaction.atomic
    def put_back(self, before: dict[str, Any], *, after: dict[str, Any], by: User) -> None:
        """Undo: stand as before, unless somebody changed it since. Raises Stale."""
        self._lock()
        if self.standing != after:
            raise Stale("Somebody changed it since. It was left as it is.")
        self.check_not_continued()
        theirs = before["department_id"] != after["department_id"]
        handed = self._taken_back(by=by) if theirs else None
        self._swap({}, **before)
        if handed is not None:
            self._restrict(self.department)
            publish(f"department:{after['department_id']}", "case", self.pk)
        self.tell()
        self.events.create(kind=CaseEvent.Kind.UNDONE, by=by, undoes=handed)

    def _taken_back(self, *, by: User) -> CaseEvent:
        """The handing over, if nothing of theirs would come along; who has it hears no more."""
        handed = CaseEvent.handed_over(by=by).filter(case=self.pk).last()
        if handed is None:
            raise Stale("Somebody changed it since. It was left as it is.")
        if self.events.filter(pk__gt=handed.pk).exclude(by=by).exclude(kind__in=LOOKING).exists():
            raise Stale("Something was said or written there since. It was left with them.")
        notices = self.notices.filter(kind=Notice.Kind.HANDED_OVER, by=by, at__gte=handed.at)
        notices.filter(read_at=None).delete()
        return handed
