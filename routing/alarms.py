"""Tell assignees and team leads that cases are due soon or overdue, and what was heard late.

The tick calls `raise_alarms`. In a spike, and for messages that were heard late, a person gets one
digest instead of a notice for each case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import ngettext

from crm.models import Membership, Notice
from routing.models import CaseClock
from routing.models.case_clock import CaseClockQuerySet
from routing.models.status import CLOSED

MAX_ALARMS = 1_000
"""The number of clocks of each kind that one tick announces."""
SPIKE = 5
"""If more cases than this are announced to a person at once, the person gets a digest."""
QUIET = timedelta(hours=1)
"""After a digest, a person gets no further notices of its kind for so long."""


def raise_alarms(*, now: datetime) -> None:
    """Announce the clocks whose warning is due, the overdue ones, and what was heard late."""
    _announce(CaseClock.objects.breached(now), Notice.Kind.OVERDUE, "breached_at", now)
    _announce(CaseClock.objects.to_warn(now), Notice.Kind.DUE_SOON, "warned_at", now)
    _announce_heard_late(now)


@transaction.atomic
def _announce(clocks: CaseClockQuerySet, kind: Notice.Kind, column: str, now: datetime) -> None:
    rows = _taken(clocks, column, now)
    if kind == Notice.Kind.DUE_SOON:
        # A clock that is overdue already was just announced as overdue.
        rows = [row for row in rows if row.due_at and row.due_at > now]
    leads = _leads(rows)
    cases: defaultdict[int, dict[int, CaseClock]] = defaultdict(dict)
    for row in rows:
        for user in {row.case.assignee_id, *leads[row.case.department_id]} - {None}:
            cases[user or 0][row.case_id] = row
    quiet = _quiet(kind, cases, now)
    for user, mine in cases.items():
        if user in quiet:
            continue
        late = any(row.heard_late for row in mine.values())
        if len(mine) > SPIKE or (late and len(mine) > 1):
            _digest(user, kind, len(mine), now)
            continue
        for row in mine.values():
            about = row.case.as_subject
            text = str(row.get_kind_display())
            Notice.give([user], kind, about=about, text=text, now=now)


def _taken(clocks: CaseClockQuerySet, column: str, now: datetime) -> list[CaseClock]:
    """Mark these clocks as announced, and return them with their cases."""
    # Skip locked rows: their case is being changed, and the next tick looks again.
    free = clocks.exclude(case__status__in=CLOSED).order_by("pk")
    rows = list(free.select_for_update(no_key=True, skip_locked=True, of=("self",))[:MAX_ALARMS])
    CaseClock.objects.filter(pk__in=[row.pk for row in rows]).update(**{column: now})
    taken = CaseClock.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk")
    return list(taken.select_related("case__department", "case__profile"))


def _leads(rows: Iterable[CaseClock]) -> defaultdict[int, list[int]]:
    departments = {row.case.department_id for row in rows}
    seats: QuerySet[Membership] = Membership.objects.leading().filter(department__in=departments)
    leads: defaultdict[int, list[int]] = defaultdict(list)
    for department, user in seats.values_list("department_id", "user_id"):
        leads[department].append(user)
    return leads


def _quiet(kind: Notice.Kind, users: Iterable[int], now: datetime) -> set[int]:
    """Return the users who got a digest of this kind not long ago."""
    recent = Notice.objects.filter(user__in=list(users), kind=kind, about="", at__gt=now - QUIET)
    return set(recent.values_list("user_id", flat=True))


def _digest(user: int, kind: Notice.Kind, number: int, now: datetime) -> None:
    if kind == Notice.Kind.OVERDUE:
        text = ngettext("%d case is overdue.", "%d cases are overdue.", number)
        url = "/?view=open&due=over"
    else:
        text = ngettext("%d case is due soon.", "%d cases are due soon.", number)
        url = "/?view=open&due=soon"
    Notice.give([user], kind, text=text % number, url=url, now=now)


@transaction.atomic
def _announce_heard_late(now: datetime) -> None:
    """Tell the team leads how many messages were heard late: one notice for each lead."""
    late = CaseClock.objects.current().filter(heard_late=True, announced_at=None)
    rows = _taken(late, "announced_at", now)
    leads = _leads(rows)
    mine: defaultdict[int, list[CaseClock]] = defaultdict(list)
    for row in rows:
        for user in leads[row.case.department_id]:
            mine[user].append(row)
    for user, found in mine.items():
        Notice.give([user], Notice.Kind.HEARD_LATE, text=_late_words(found), url=_LATE, now=now)


_LATE = "/?view=open&late=yes"


def _late_words(rows: Sequence[CaseClock]) -> str:
    received = timezone.localtime(min(row.running_since for row in rows if row.running_since))
    text = ngettext(
        "%(n)d message was received late, at %(at)s. It counts from then.",
        "%(n)d messages were received late, from %(at)s on. They count from then.",
        len(rows),
    )
    return text % {"n": len(rows), "at": received.strftime("%Y-%m-%d %H:%M")}
