"""Plan, reschedule and close the call-back of a case."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from crm.models import User
from routing.models import CallBack, Case, CaseEvent
from routing.models.status import Status
from scrm.text.phone import international


def open_call_back(case: Case) -> CallBack | None:
    """Return the call-back that is planned. Without a query if `case.call_backs` is prefetched."""
    return next((row for row in case.call_backs.all() if row.closed_at is None), None)


@transaction.atomic
def plan_call_back(
    case: Case, *, number: str, at: datetime, to: User | None, by: User, seen: int | None
) -> None:
    """Plan a call-back, or reschedule the call-back that is planned for the case.

    The case is snoozed until then. Raises Stale like `Case.snooze`.

    to: the user who makes the call; None leaves the case unassigned.
    """
    case.snooze(until=at, by=by, seen=seen)
    if (to.pk if to else None) != case.assignee_id:
        case.assign(to=to, by=by)
    _close(case, by=by)
    CallBack.objects.create(case=case, number=number, at=at, made_by=by)
    why = f"{international(number)}, {timezone.localtime(at):%Y-%m-%d %H:%M}"
    case.log(CaseEvent.Kind.CALL_BACK, by=by, why=why)


@transaction.atomic
def close_call_back(case: Case, *, by: User, why: str) -> bool:
    """Close the open call-back of a case, if there is one, and end the snooze that it set.

    Returns whether a call-back was open.
    """
    case.lock()
    planned = open_call_back(case)
    if planned is None:
        return False
    if case.status == Status.SNOOZED and case.snoozed_until == planned.at:
        case.compare_and_set({}, status=Status.OPEN, snoozed_until=None)
    _close(case, by=by)
    case.log(CaseEvent.Kind.CALL_BACK, by=by, why=why)
    return True


def _close(case: Case, *, by: User) -> None:
    CallBack.objects.filter(case=case, closed_at=None).update(
        closed_at=timezone.now(), closed_by=by
    )
