"""Notify users of statutory deadlines that are near or have passed.

A deadline is announced 7 days before, 1 day before, and when it has passed: to the assignee and to
those who are responsible for the sensitive case. The number of SQL statements grows only with the
number of kinds and of cases that are announced, not with that of all cases.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import Notice
from routing.models import Case, Procedure
from routing.sensitive import responsible

DAYS_BEFORE = (1, 7)
MAX_CASES = 1_000
"""The number of cases that one tick looks at, the first due first."""


@transaction.atomic
def announce_deadlines(*, now: datetime) -> None:
    """Announce the deadlines of open cases. A user is told of each stage of a deadline once."""
    soon = now + timedelta(days=max(DAYS_BEFORE))
    near = Case.objects.living().exclude(sensitive="").filter(statutory_due_at__lte=soon)
    near = near.select_related("profile", "department", "assignee")
    # Skip locked rows: their case is being changed, and the next tick looks again.
    rows = near.order_by("statutory_due_at", "pk").select_for_update(
        no_key=True, skip_locked=True, of=("self",)
    )
    cases = {_url(case, now): case for case in rows[:MAX_CASES]}
    told = Notice.objects.filter(
        about__in=[case.as_subject.key for case in cases.values()], url__in=list(cases)
    )
    for url in cases.keys() - set(told.values_list("url", flat=True)):
        _announce(cases[url], url, now)


def _url(case: Case, now: datetime) -> str:
    """Return the address of the case with a mark of this deadline and of its stage."""
    due = case.statutory_due_at
    assert due is not None
    stage = next((days for days in DAYS_BEFORE if due <= now + timedelta(days=days)), "")
    stage = "passed" if due < now else stage
    return f"{case.get_absolute_url()}#deadline-{due:%Y-%m-%d}-{stage}"


def _announce(case: Case, url: str, now: datetime) -> None:
    assert case.statutory_due_at is not None
    is_late = case.statutory_due_at < now
    users = set(responsible(Procedure.objects.of(case.sensitive), case))
    if case.assignee and case.assignee.is_active:
        users.add(case.assignee.pk)
    date = f"{timezone.localtime(case.statutory_due_at):%Y-%m-%d}"
    text = _("The statutory deadline %s has passed.") if is_late else _("Statutory deadline: %s")
    kind = Notice.Kind.OVERDUE if is_late else Notice.Kind.DUE_SOON
    Notice.give(users, kind, about=case.as_subject, text=text % date, url=url, now=now)
