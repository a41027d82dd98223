"""An agent is ill: cases, drafts and call-backs move in one step, and the clocks stay."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Department, Membership, Notice, Profile, User
from responses.models import Draft
from routing.call_back import plan_call_back
from routing.models import CallBack, Case, CaseClock, CaseEvent, ResponseTarget
from routing.wake import wake_snoozed
from tests.routing.hearing import DAY, HOUR, MINUTE, hear

As = Callable[[User], Client]


@pytest.fixture
def twelve(agent: User, service: Department) -> list[Case]:
    """Twelve open cases of the agent, with running clocks, two drafts and one call-back."""
    ResponseTarget.objects.create(
        department=service, priority="normal", first=60, next=120, resolution=480
    )
    now = timezone.now()
    cases = [hear(f"Person {number}", now=now - number * HOUR) for number in range(12)]
    for case in cases:
        case.claim(by=agent)
    for case in cases[:2]:
        Draft.objects.create(case=case, kind="reply", author=agent, text=f"Dear {case.profile}")
    plan_call_back(
        cases[3], number="+12125550100", at=now + DAY, to=agent, by=agent,
        seen=cases[3].last_inbound_id,
    )  # fmt: skip
    return cases


@pytest.fixture
def colleague(service: Department) -> User:
    user = User.objects.create_user("mia@scrm.example", name="Mia")
    Membership.objects.create(user=user, department=service, role="agent")
    return user


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def clocks() -> tuple[list[Any], dict[int, Any]]:
    """Return all clocks and all due times."""
    cases = Case.objects.order_by("pk").values_list("pk", "due_at")
    return list(CaseClock.objects.order_by("pk").values()), dict(cases)


def test_twelve_cases_two_drafts_and_one_call_back_move_in_one_step(
    as_: As, agent: User, colleague: User, twelve: list[Case]
) -> None:
    """The colleague makes the call too. Fails if any clock stops, starts again or moves."""
    before = clocks()
    assert len(before[0]) == 24  # of the first answer, and of the resolution
    browser, url = as_(colleague), f"/people/{agent.pk}/take-over/"
    assert "12 open cases" in html(browser.get(url))
    page = browser.post(url, {"to": colleague.pk})
    assert "12 cases, 2 drafts and 1 call-back were reassigned to Mia." in html(page)
    assert set(Case.objects.values_list("assignee", flat=True)) == {colleague.pk}
    assert clocks() == before
    assert set(Draft.objects.values_list("author", flat=True)) == {colleague.pk}
    event = CaseEvent.objects.filter(case=twelve[0]).latest("pk")
    assert (event.kind, event.by, event.why) == ("claimed", colleague, f"Reassigned from {agent}.")
    call = CallBack.objects.get(closed_at=None)
    assert call.case == twelve[3]
    with time_machine.travel(call.at + MINUTE, tick=False):
        wake_snoozed(now=timezone.now())
        assert twelve[3].pk in {
            row.case.pk for row in browser.get("/?view=mine").context["listing"].rows
        }


def test_a_lead_gives_them_to_a_colleague_who_gets_one_notice(
    as_: As, agent: User, lead: User, colleague: User, twelve: list[Case]
) -> None:
    as_(lead).post(f"/people/{agent.pk}/take-over/", {"to": colleague.pk})
    notice = Notice.objects.get(user=colleague)
    assert notice.text == "12 cases, 2 drafts and 1 call-back"
    assert notice.title == f"Cases of {agent}"


def test_it_can_be_undone_as_far_as_nobody_has_worked_on_it(
    as_: As, agent: User, colleague: User, lead: User, twelve: list[Case]
) -> None:
    browser, url = as_(colleague), f"/people/{agent.pk}/take-over/"
    page = html(browser.post(url, {"to": colleague.pk}))
    token = re.search('name="token" value="([^"]+)"', page)
    assert token
    Case.objects.get(pk=twelve[0].pk).assign(to=lead, by=lead)
    page = html(browser.post(f"{url}undo/", {"token": token[1]}, follow=True))
    assert "Undone: 11 cases were returned" in page
    assert Case.objects.of(agent).count() == 11
    assert set(Draft.objects.values_list("author", flat=True)) == {agent.pk}
    assert as_(lead).post(f"{url}undo/", {"token": token[1]}, follow=True).status_code == 200
    assert Case.objects.of(agent).count() == 11


def test_cases_of_departments_where_one_does_not_work_stay(
    as_: As, agent: User, lead: User, outsider: User, sales: Department, twelve: list[Case]
) -> None:
    Membership.objects.create(user=agent, department=sales, role="agent")
    Case.objects.filter(pk=twelve[0].pk).update(department=sales)
    Membership.objects.create(user=lead, department=sales, role="lead")
    page = html(as_(lead).post(f"/people/{agent.pk}/take-over/", {"to": outsider.pk}))
    assert [case.pk for case in Case.objects.of(outsider)] == [twelve[0].pk]
    assert "1 case and 1 draft were reassigned to" in page
    assert "11 cases were not reassigned, because" in page


def test_only_colleagues_who_can_work_on_a_case_are_offered(
    as_: As, agent: User, lead: User, outsider: User, sales: Department, twelve: list[Case]
) -> None:
    """Fails if a colleague of a department without such a case is offered: nothing would happen."""
    Membership.objects.create(user=lead, department=sales, role="lead")
    browser, url = as_(lead), f"/people/{agent.pk}/take-over/"
    assert f'<option value="{outsider.pk}"' not in html(browser.get(url))
    page = browser.post(url, {"to": outsider.pk})
    assert page.status_code == 422


def test_a_draft_stays_where_the_new_assignee_has_one(
    as_: As, agent: User, colleague: User, twelve: list[Case]
) -> None:
    Draft.objects.create(case=twelve[0], kind="reply", author=colleague, text="Mine")
    as_(colleague).post(f"/people/{agent.pk}/take-over/", {"to": colleague.pk})
    drafts = Draft.objects.filter(case=twelve[0]).values_list("author", "text")
    assert set(drafts) == {(agent.pk, "Dear Person 0"), (colleague.pk, "Mine")}


def test_the_page_takes_the_same_number_of_queries_for_any_number_of_cases(
    as_: As, agent: User, colleague: User, service: Department, django_assert_num_queries: Any
) -> None:
    browser, url = as_(colleague), f"/people/{agent.pk}/take-over/"
    profile = Profile.objects.create(network="x", key="a")
    mine = {"profile": profile, "department": service, "assignee": agent, "status": "open"}
    Case.objects.create(**mine)
    browser.get(url)
    with CaptureQueriesContext(connection) as one:
        browser.get(url)
    for _ in range(10):
        Case.objects.create(**mine)
    with django_assert_num_queries(len(one)):
        browser.get(url)


def test_read_only_members_take_nothing(as_: As, agent: User, reader: User) -> None:
    assert as_(reader).get(f"/people/{agent.pk}/take-over/").status_code == 403
