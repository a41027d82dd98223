"""The tick of `routing` does everything that has to happen by itself."""

from __future__ import annotations

import pytest
from django.utils import timezone

from crm.models import Notice, User
from routing.models import Case, CaseClock, Presence
from routing.models.presence import FRESH
from routing.tick import run_tick
from tests.routing.test_due_times import HOUR, MINUTE, house, say

__all__ = ["house"]
pytestmark = pytest.mark.django_db
Kind = Notice.Kind


def told(user: User) -> list[str]:
    return list(user.notices.order_by("pk").values_list("kind", flat=True))


def test_it_warns_and_tells_of_a_breach(lead: User) -> None:
    """Fails if nothing calls `raise_alarms`."""
    at = timezone.now()
    case = say(at=at)
    run_tick(now=at + 50 * MINUTE)
    assert told(lead) == [Kind.DUE_SOON]
    run_tick(now=at + 61 * MINUTE)
    assert told(lead) == [Kind.DUE_SOON, Kind.OVERDUE]
    assert CaseClock.objects.get(case=case, kind="first").breached_at


def test_it_announces_deadlines_by_law(lead: User) -> None:
    """Fails if nothing calls `announce_deadlines`."""
    case, now = say(at=timezone.now()), timezone.now()
    deadline = now + 20 * HOUR
    Case.objects.filter(pk=case.pk).update(sensitive="data request", statutory_due_at=deadline)
    run_tick(now=now)
    notice = lead.notices.get()
    assert (notice.kind, notice.about) == (Kind.DUE_SOON, case.as_subject.key)
    assert f"{timezone.localdate(deadline):%Y-%m-%d}" in notice.text


def test_it_wakes_snoozed_cases_and_forgets_who_left(agent: User) -> None:
    case, now = say(at=timezone.now()), timezone.now()
    case.snooze(until=now + HOUR, by=agent, seen=case.last_inbound_id)
    Presence.objects.create(case=case, user=agent, at=now)
    run_tick(now=now + FRESH / 2)
    case.refresh_from_db()
    assert (case.status, Presence.objects.count()) == ("snoozed", 1)
    run_tick(now=now + HOUR + MINUTE)
    case.refresh_from_db()
    assert case.status == "open"
    assert not Presence.objects.exists()
