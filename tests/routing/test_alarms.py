"""What assignees and leads are told of due times, alone and in a spike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Department, Notice, User
from routing.alarms import raise_alarms
from routing.models import Case, CaseClock
from tests.routing.test_due_times import (
    FRIDAY,
    HOUR,
    MINUTE,
    MONDAY,
    answer,
    desk,
    house,
    say,
    say_all,
)

__all__ = ["desk", "house"]
pytestmark = pytest.mark.django_db
Kind = Notice.Kind
SECOND = timedelta(seconds=1)


def unread(user: User, kind: str) -> list[str]:
    return list(user.notices.filter(kind=kind, read_at=None).values_list("text", flat=True))


def spread(number: int, *, over: timedelta, late: timedelta = timedelta(0)) -> None:
    """Let people post one after the other, within this time from Friday or Monday morning on."""
    for place in range(number):
        heard = MONDAY + place * (over / number)
        say(f"p{place}", at=heard - late, heard=heard)


def test_the_assignee_and_the_lead_are_warned_and_told_of_the_breach_once(
    agent: User, teammate: User, lead: User
) -> None:
    case = say()
    case.claim(by=agent)
    kinds = Notice.Kind
    told: Callable[[], list[Any]] = lambda: sorted(  # noqa: E731
        Notice.objects.values_list("user__name", "kind")
    )
    raise_alarms(now=FRIDAY + 44 * MINUTE)
    assert told() == []
    raise_alarms(now=FRIDAY + 45 * MINUTE)
    raise_alarms(now=FRIDAY + 46 * MINUTE)
    soon = [("Anna Agent", kinds.DUE_SOON), ("Lea Lead", kinds.DUE_SOON)]
    assert told() == soon
    raise_alarms(now=FRIDAY + 61 * MINUTE)
    late = [("Anna Agent", kinds.OVERDUE), ("Lea Lead", kinds.OVERDUE)]
    assert told() == sorted(soon + late)


def test_an_answered_case_raises_no_alarm(agent: User, lead: User) -> None:
    answer(say(), at=FRIDAY + 10 * MINUTE)
    CaseClock.objects.filter(kind="resolution").delete()
    raise_alarms(now=FRIDAY + 5 * HOUR)
    assert not Notice.objects.exists()


def test_in_a_spike_each_person_gets_one_digest_that_counts_all(agent: User, lead: User) -> None:
    """The posts have different due times, and the tick comes every few seconds."""
    spread(30, over=10 * MINUTE)
    for seconds in range(0, 11 * 60, 5):
        raise_alarms(now=MONDAY + 45 * MINUTE + seconds * SECOND)
    notices = lead.notices.filter(kind=Kind.DUE_SOON)
    assert notices.count() == 6
    assert notices.get(about="").text == "30 cases are due soon."


def test_after_an_outage_of_six_hours_there_is_one_digest(agent: User, lead: User) -> None:
    """The source was down from 03:00 to 09:00, and its backlog takes minutes."""
    spread(40, over=5 * MINUTE, late=6 * HOUR)
    Case.objects.update(assignee=agent)
    for seconds in range(0, 2 * 60 * 60, 20):
        raise_alarms(now=MONDAY + seconds * SECOND)
    late = Notice.objects.get(kind=Kind.HEARD_LATE)
    assert late.user == lead
    assert late.text.startswith("40 messages were received late, the first at 2026-12-07 09:00.")
    for user in (agent, lead):
        assert unread(user, Kind.DUE_SOON) == ["40 cases are due soon."]
        assert unread(user, Kind.OVERDUE) == ["40 cases are overdue."]


def test_a_digest_that_was_read_is_unread_again_when_it_counts_more(lead: User) -> None:
    say_all([f"p{number}" for number in range(20)], at=MONDAY)
    say("urgent", at=MONDAY + MINUTE)
    raise_alarms(now=MONDAY + 45 * MINUTE)
    lead.notices.update(read_at=MONDAY)
    raise_alarms(now=MONDAY + 46 * MINUTE)
    assert unread(lead, Kind.DUE_SOON) == ["21 cases are due soon."]


def test_half_an_hour_after_a_digest_a_case_is_announced_by_itself(lead: User) -> None:
    say_all([f"p{number}" for number in range(20)], at=MONDAY)
    raise_alarms(now=MONDAY + 45 * MINUTE)
    case = say("urgent", at=MONDAY + 30 * MINUTE)
    raise_alarms(now=MONDAY + 75 * MINUTE)
    assert lead.notices.get(kind=Kind.DUE_SOON, about=case.as_subject.key)


def test_without_an_assignee_and_a_lead_the_owner_of_the_department_is_told(
    service: Department,
) -> None:
    case = say()
    raise_alarms(now=FRIDAY + 50 * MINUTE)
    notice = Notice.objects.get(kind=Kind.DUE_SOON)
    assert (notice.user, notice.about) == (service.owner, case.as_subject.key)


@pytest.mark.parametrize(("minutes", "kind"), [(50, Kind.DUE_SOON), (70, Kind.OVERDUE)])
def test_a_digest_opens_the_list_of_its_cases_also_the_snoozed_ones(
    as_: Callable[[User], Client], lead: User, sales: Department, minutes: int, kind: str
) -> None:
    now = timezone.now()
    cases = say_all([f"p{number}" for number in range(6)], at=now - minutes * MINUTE)
    Case.objects.filter(pk=cases[0].pk).update(status="snoozed")
    say("later", at=now - 5 * MINUTE)
    elsewhere = say("other", at=now - minutes * MINUTE)
    raise_alarms(now=now)
    Case.objects.filter(pk=elsewhere.pk).update(department=sales)
    page = as_(lead).get(lead.notices.get(kind=kind).url)
    found = {row.case.pk for row in page.context["listing"].rows}
    assert found == {case.pk for case in cases}
