"""Reopen cases whose snooze time has passed."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from routing.models import Case, CaseEvent
from routing.models.status import Status

MAX_CASES_PER_TICK = 500


@transaction.atomic
def wake_snoozed(*, now: datetime) -> int:
    """Reopen cases whose snooze time has passed, and return the number of reopened cases.

    One call reopens at most `MAX_CASES_PER_TICK` cases. If another transaction has locked a case,
    the case is left for the next call.
    """
    snoozed = Case.objects.filter(status=Status.SNOOZED, snoozed_until__lte=now)
    # Skip locked cases instead of waiting for the user who is changing them.
    free = snoozed.select_for_update(no_key=True, skip_locked=True, of=("self",))
    due = list(free[:MAX_CASES_PER_TICK])
    woken = Case.objects.filter(pk__in=[case.pk for case in due])
    woken.update(status=Status.OPEN, snoozed_until=None)
    CaseEvent.objects.bulk_create(
        CaseEvent(case=case, kind=CaseEvent.Kind.WOKEN, at=now, why="The snooze time has passed.")
        for case in due
    )
    for case in due:
        case.tell()
    return len(due)
