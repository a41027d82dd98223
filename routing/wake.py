"""Reopen cases whose snooze time has passed, or whose call-back is due."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from routing.due_times import recompute
from routing.models import CallBack, Case, CaseEvent
from routing.models.status import Status

MAX_CASES_PER_TICK = 500


@transaction.atomic
def wake_snoozed(*, now: datetime) -> int:
    """Reopen resting cases whose time has come, and return the number of reopened cases.

    A case rests if it is snoozed or waits for a reply. Its time has come if the snooze time has
    passed, or if a call-back is due. A call-back reopens its case only once.

    One call reopens at most `MAX_CASES_PER_TICK` cases. If another transaction has locked a case,
    the case is left for the next call.
    """
    calls = CallBack.objects.filter(closed_at=None, woken_at=None, at__lte=now)
    to_call = Q(status__in=[Status.SNOOZED, Status.WAITING], pk__in=calls.values("case"))
    resting = Case.objects.filter(to_call | Q(status=Status.SNOOZED, snoozed_until__lte=now))
    # Skip locked cases instead of waiting for the user who is changing them.
    free = resting.select_for_update(no_key=True, skip_locked=True, of=("self",))
    due = list(free[:MAX_CASES_PER_TICK])
    woken = Case.objects.filter(pk__in=[case.pk for case in due])
    woken.update(status=Status.OPEN, snoozed_until=None)
    recompute([case.pk for case in due], now=now)
    called = set(calls.filter(case__in=due).values_list("case", flat=True))
    calls.filter(case__in=called).update(woken_at=now)
    why = {True: "The call-back is due.", False: "The snooze time has passed."}
    CaseEvent.objects.bulk_create(
        CaseEvent(case=case, kind=CaseEvent.Kind.WOKEN, at=now, why=why[case.pk in called])
        for case in due
    )
    for case in due:
        case.tell()
    return len(due)
