"""Notify assignees and team leads of cases that are due soon or overdue, and of late messages.

The tick calls `raise_alarms`. In a spike, and for messages that were received late, a person gets
one digest instead of a notice for each case. While new alarms come in, the digest counts them too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode

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
SPIKE, SPIKE_WITHIN = 5, timedelta(minutes=10)
"""If more cases than this are announced to a person in this time, the person gets a digest."""
DIGEST_LASTS = timedelta(hours=1)
"""A digest counts later alarms of its kind too, for so long; then there is a new digest."""
_Kind = Notice.Kind
_COLUMNS = {
    _Kind.OVERDUE: "breached_at", _Kind.DUE_SOON: "warned_at", _Kind.HEARD_LATE: "announced_at",
}  # fmt: skip
_FILTERS = {
    _Kind.OVERDUE: ("due", "over"), _Kind.DUE_SOON: ("due", "warned"),
    _Kind.HEARD_LATE: ("late", "yes"),
}  # fmt: skip
"""Kind → the filter of the inbox that finds the cases of a digest."""


def raise_alarms(*, now: datetime) -> None:
    """Announce the clocks whose warning is due, the overdue ones, and what was heard late."""
    current = CaseClock.objects.current()
    _announce(CaseClock.objects.breached(now), _Kind.OVERDUE, now)
    _announce(CaseClock.objects.to_warn(now), _Kind.DUE_SOON, now)
    _announce(current.filter(heard_late=True, announced_at=None), _Kind.HEARD_LATE, now)


@transaction.atomic
def _announce(clocks: CaseClockQuerySet, kind: _Kind, now: datetime) -> None:
    new = _by_user(_without_overdue(_claim(clocks, _COLUMNS[kind], now), kind, now), kind)
    if not new:
        return
    recent = _by_user(_without_overdue(_announced(kind, now), kind, now), kind)
    digests = _digests(kind, new, now)
    for user, mine in new.items():
        digest = digests.get(user)
        if _wants_digest(kind, mine, recent[user], now):
            since = digest.at if digest else now
            if kind != _Kind.HEARD_LATE:
                since -= SPIKE_WITHIN
            _digest(user, kind, _since(recent[user], kind, since), digest, now)
            continue
        for row in mine.values():
            about, text = row.case.as_subject, str(row.get_kind_display())
            Notice.give([user], kind, about=about, text=text, now=now)


def _wants_digest(
    kind: _Kind, new: dict[int, CaseClock], recent: dict[int, CaseClock], now: datetime
) -> bool:
    late = kind == _Kind.HEARD_LATE or any(row.heard_late for row in new.values())
    return late or len(_since(recent, kind, now - SPIKE_WITHIN)) > SPIKE


def _since(cases: dict[int, CaseClock], kind: _Kind, since: datetime) -> list[CaseClock]:
    return [row for row in cases.values() if getattr(row, _COLUMNS[kind]) >= since]


def _claim(clocks: CaseClockQuerySet, column: str, now: datetime) -> list[CaseClock]:
    """Mark these clocks as announced, and return them with their cases."""
    # Skip locked rows: their case is being changed, and the next tick looks again.
    free = clocks.exclude(case__status__in=CLOSED).order_by("pk")
    rows = list(free.select_for_update(no_key=True, skip_locked=True, of=("self",))[:MAX_ALARMS])
    if not rows:
        return []
    CaseClock.objects.filter(pk__in=[row.pk for row in rows]).update(**{column: now})
    taken = CaseClock.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk")
    return list(taken.select_related("case__department", "case__profile"))


def _announced(kind: _Kind, now: datetime) -> list[CaseClock]:
    """Return the current clocks that a digest could count, the last announced ones last."""
    column = _COLUMNS[kind]
    since = now - DIGEST_LASTS - SPIKE_WITHIN
    rows = CaseClock.objects.current().filter(**{f"{column}__gt": since})
    if kind == _Kind.HEARD_LATE:
        rows = rows.filter(heard_late=True)
    rows = rows.exclude(case__status__in=CLOSED).order_by(column, "pk")
    return list(rows.select_related("case__department"))


def _without_overdue(rows: Iterable[CaseClock], kind: _Kind, now: datetime) -> list[CaseClock]:
    """Leave out the warnings of clocks that are overdue: they are announced as overdue."""
    if kind != _Kind.DUE_SOON:
        return list(rows)
    return [row for row in rows if row.due_at and row.due_at > now]


def _by_user(rows: Sequence[CaseClock], kind: _Kind) -> dict[int, dict[int, CaseClock]]:
    """Return {user: {case: clock}}: the assignee and the leads, or the owner of the department."""
    leads = _leads(rows) if rows else {}
    cases: defaultdict[int, dict[int, CaseClock]] = defaultdict(dict)
    for row in rows:
        users = {*leads.get(row.case.department_id, ())}
        if kind != _Kind.HEARD_LATE and row.case.assignee_id:
            users.add(row.case.assignee_id)
        for user in users or {row.case.department.owner_id}:
            # Move the case to the end: the clocks are in the order in which they were announced.
            cases[user].pop(row.case_id, None)
            cases[user][row.case_id] = row
    return cases


def _leads(rows: Iterable[CaseClock]) -> defaultdict[int, list[int]]:
    departments = {row.case.department_id for row in rows}
    seats: QuerySet[Membership] = Membership.objects.leading().filter(department__in=departments)
    leads: defaultdict[int, list[int]] = defaultdict(list)
    for department, user in seats.values_list("department_id", "user_id"):
        leads[department].append(user)
    return leads


def _digests(kind: _Kind, users: Iterable[int], now: datetime) -> dict[int, Notice]:
    """Return the digests of this kind that still count further alarms, by user."""
    since = now - DIGEST_LASTS
    recent = Notice.objects.filter(user__in=list(users), kind=kind, about="", at__gt=since)
    return {digest.user_id: digest for digest in recent.order_by("pk")}


def _digest(
    user: int, kind: _Kind, rows: Sequence[CaseClock], earlier: Notice | None, now: datetime
) -> None:
    url = rows[0].case.get_absolute_url() if len(rows) == 1 else _list_url(rows, kind, user)
    if earlier:
        earlier.renew(text=_digest_text(rows, kind), url=url)
    else:
        Notice.give([user], kind, text=_digest_text(rows, kind), url=url, now=now)


def _list_url(rows: Sequence[CaseClock], kind: _Kind, user: int) -> str:
    """Return the URL of the list that has these cases, also the snoozed ones."""
    name, value = _FILTERS[kind]
    asked = {"view": "all", "status": "living", name: value, "sort": "due"}
    departments = {row.case.department_id for row in rows}
    if len(departments) == 1:
        asked["department"] = str(*departments)
    if {row.case.assignee_id for row in rows} == {user}:
        asked["assignee"] = str(user)
    return f"/?{urlencode(asked)}"


def _digest_text(rows: Sequence[CaseClock], kind: _Kind) -> str:
    number = len(rows)
    if kind == _Kind.OVERDUE:
        return ngettext("%d case is overdue.", "%d cases are overdue.", number) % number
    if kind == _Kind.DUE_SOON:
        return ngettext("%d case is due soon.", "%d cases are due soon.", number) % number
    received = timezone.localtime(min(row.running_since for row in rows if row.running_since))
    text = ngettext(
        "%(n)d message was received late, at %(at)s. Its due time is counted from then.",
        "%(n)d messages were received late, the first at %(at)s. Their due times are counted from "
        "when they were received.",
        number,
    )
    return text % {"n": number, "at": received.strftime("%Y-%m-%d %H:%M")}
