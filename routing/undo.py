"""Undo an action on a case: take a snapshot before the action, and restore the snapshot later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm.models import Notice, User
from routing.models.case import Case
from routing.models.case_conversation import restrict
from routing.models.case_event import HEARING, LOOKING, CaseEvent
from routing.models.closing import closing_decisions
from routing.models.status import CLOSED, Stale
from scrm.bus.live import publish

UNDO_WITHIN = timedelta(minutes=10)
"""An action can be undone within this time, if nobody changed the case meanwhile."""
_CHANGED = "Another user has changed the case since. Nothing was undone."


def snapshot(case: Case) -> dict[str, Any]:
    """Return the values of the case that an undo restores. They are serializable as JSON."""
    times = {name: getattr(case, name) for name in ("done_at", "snoozed_until")}
    return {
        "status": str(case.status),
        "department_id": case.department_id,
        "assignee_id": case.assignee_id,
        "issue_id": case.issue_id,
        "tags": list(case.tags),
        **{name: at.isoformat() if at else None for name, at in times.items()},
    }


@transaction.atomic
def restore(case: Case, before: dict[str, Any], *, after: dict[str, Any], by: User) -> None:
    """Restore the snapshot `before`, which was taken before an action.

    after: the snapshot that was taken after the action. If the present state of the case differs
      from it, Stale is raised.
    """
    # Lock first: nobody may change the case between the comparison and the update.
    case.lock()
    if snapshot(case) != after:
        raise Stale(_CHANGED)
    case.check_not_continued()
    if after["status"] in CLOSED and before["status"] not in CLOSED:
        closing_decisions(case).withdraw(by=by, now=timezone.now())
    was_transferred = before["department_id"] != after["department_id"]
    transfer = _take_back_transfer(case, by=by) if was_transferred else None
    case.compare_and_set({}, **before)
    if transfer is not None:
        # Do this after setting the department, which decides who may read the conversations.
        restrict(case.conversations)
        # tell() publishes only to the restored department: pages of the other must update too.
        publish(f"department:{after['department_id']}", "case", case.pk)
    case.tell()
    case.events.create(kind=CaseEvent.Kind.UNDONE, by=by, undoes=transfer)


def _take_back_transfer(case: Case, *, by: User) -> CaseEvent:
    """Return the event of the transfer to undo, and delete the unread notice of the transfer.

    Raises Stale if the new department has already worked on the case, because notes of that
    department must not move to the old department.
    """
    transfer = CaseEvent.transfers(by=by).filter(case=case.pk).last()
    if transfer is None:
        raise Stale(_CHANGED)
    later = case.events.filter(pk__gt=transfer.pk).exclude(by=by)
    if later.exclude(kind__in=[*LOOKING, *HEARING]).exists():
        raise Stale(
            "The new department has already worked on the case. The transfer was not undone."
        )
    given = Notice.objects.filter(about=case.as_subject.key, kind=Notice.Kind.TRANSFERRED, by=by)
    given.filter(at__gte=transfer.at, read_at=None).delete()
    return transfer
