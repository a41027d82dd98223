"""The map shows current numbers, and each number links to the list of exactly the counted rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import User, Workspace
from listening.models import Mention
from routing.models import Case
from scrm.reports import figures
from scrm.reports.figures import Figure

As = Callable[[User], Client]
ROWS = {
    "/": "rows", "/mentions/": "items", "/sources/": "sources", "/responses/": "responses",
    "/approvals/": "rows", "/delivery-problems/": "rows",
}  # fmt: skip
"""Page → the name of its rows in the template context."""
WHAT_THE_AGENT_SEES = {
    "heard": 7, "kept": 5, "unmatched": 1, "answers": 1, "waiting": 1, "failing": 1,
    "quarantined": 1,
    "offline": 1, "heard_cases": 4, "known": 1, "strangers": 3, "unassigned": 2, "late": 1,
    "micro": 2, "macro": 1, "released": 2, "check": 1,
}  # fmt: skip


def shown(browser: Client) -> dict[str, Figure]:
    context = browser.get("/map/").context
    return {each.key: each for stage in context["stages"] for each in stage.figures}


def rows_behind(browser: Client, figure: Figure) -> int:
    page = browser.get(figure.url)
    assert page.status_code == 200
    assert not page.context.get("older")
    assert not ("listing" in page.context and page.context["listing"].older)
    return len(page.context[ROWS[figure.url.partition("?")[0]]])


@pytest.mark.parametrize("who", ["agent", "lead", "reader", "outsider", "supervisor", "admin"])
def test_each_figure_opens_the_rows_that_it_counts(
    who: str, busy_day: None, as_: As, request: pytest.FixtureRequest
) -> None:
    """For each figure of the map, the linked list has as many rows as the figure says.

    Fails if a figure is counted without `visible_to`, or if its link lacks a parameter.
    """
    browser = as_(request.getfixturevalue(who))
    found = shown(browser)
    assert len(found) >= 10
    assert {key: rows_behind(browser, each) for key, each in found.items()} == {
        key: each.n for key, each in found.items()
    }


@pytest.mark.parametrize("who", ["agent", "reader", "outsider", "supervisor"])
def test_snoozed_overdue_cases_are_a_figure_that_equals_its_list(
    who: str, busy_day: None, as_: As, request: pytest.FixtureRequest
) -> None:
    """Fails if snoozed cases are not counted, or if they count as overdue cases to work on."""
    before = shown(as_(request.getfixturevalue(who)))
    now = timezone.now()
    snoozed = {"status": "snoozed", "snoozed_until": now + timedelta(days=1)}
    late = now - timedelta(hours=5)
    for key, due in (("ann", late), ("dan", late), ("cleo", now + timedelta(hours=1))):
        Case.objects.filter(profile__key=key).update(due_at=due, **snoozed)
    browser = as_(request.getfixturevalue(who))
    found = shown(browser)
    assert "snoozed" not in before
    expected = {"agent": 1, "reader": 1, "outsider": 1, "supervisor": 2}[who]
    assert rows_behind(browser, found["snoozed"]) == found["snoozed"].n == expected
    assert found["snoozed"].age == "5 h"
    assert found["snoozed"].url == "/?due=snoozed"
    late_before = before["late"].n if "late" in before else 0
    assert (found["late"].n if "late" in found else 0) == late_before


def test_today_and_now_are_told_apart_and_yesterday_is_neither(
    busy_day: None, agent: User, as_: As
) -> None:
    found = figures.edges(agent, now=timezone.now())
    counts = {each.key: each.n for row in found.values() for each in row}
    assert counts == WHAT_THE_AGENT_SEES


def test_only_a_lead_is_told_what_waits_for_a_lead(
    busy_day: None, agent: User, lead: User, as_: As
) -> None:
    assert "held" not in shown(as_(agent))
    assert shown(as_(lead))["held"].n == 1


def test_other_departments_cases_are_not_counted(
    busy_day: None, outsider: User, supervisor: User, as_: As
) -> None:
    assert shown(as_(outsider))["heard_cases"].n == 1
    assert shown(as_(supervisor))["heard_cases"].n == 5


def test_trouble_that_is_not_there_is_not_drawn(agent: User, as_: As) -> None:
    page = as_(agent).get("/map/").content.decode()
    assert "map-failing" not in page
    assert "map-late" not in page
    assert 'id="map-heard"' in page


def test_the_oldest_is_told_in_one_unit(noon: datetime) -> None:
    ages = {
        timedelta(seconds=12): "12 s",
        timedelta(minutes=41): "41 m",
        timedelta(hours=3, minutes=59): "3 h",
        timedelta(days=2, hours=3): "2 d",
        timedelta(seconds=-5): "0 s",
    }
    assert {figures.ago(noon - age, noon) for age in ages} == set(ages.values())
    assert figures.ago(None, noon) == ""


def test_a_day_is_a_day_of_the_workspace(agent: User, as_: As, busy_day: None) -> None:
    """A day begins at midnight in the time zone of the workspace.

    Fails without the middleware that activates this time zone, because the day then begins at
    midnight UTC.
    """
    Workspace.objects.create(organisation="Skyward", zone="Pacific/Auckland")
    midnight_there = datetime(2026, 3, 4, 11, tzinfo=UTC)  # thirteen hours ahead of UTC
    Case.objects.update(last_inbound_at=midnight_there - timedelta(minutes=1))
    Case.objects.filter(profile__key="ann").update(last_inbound_at=midnight_there)
    with time_machine.travel(midnight_there + timedelta(hours=1), tick=False):
        assert shown(as_(agent))["heard_cases"].n == 1


def test_the_next_request_does_not_inherit_the_zone(agent: User, as_: As) -> None:
    Workspace.objects.create(organisation="Acme", zone="Asia/Tokyo")
    page = as_(agent).get("/map/")
    assert page.context["now"].utcoffset() == timedelta(hours=9)
    assert timezone.get_current_timezone_name() == "UTC"


def test_the_drawing_refreshes_itself_and_alone(busy_day: None, agent: User, as_: As) -> None:
    browser = as_(agent)
    page = browser.get("/map/").content.decode()
    part = browser.get("/map/", headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="every 30s"' in part
    assert part.lstrip().startswith('<div id="map"')
    assert part.count("<svg") == page.count('class="map-drawing"') == 1
    assert "<html" not in part


def test_ids_stand_once_so_that_a_refresh_keeps_the_focus(
    busy_day: None, admin: User, as_: As
) -> None:
    ids = re.findall(r'\bid="([^"]+)"', as_(admin).get("/map/").content.decode())
    assert len(ids) == len(set(ids))


def test_the_map_costs_few_statements_whatever_there_is(
    busy_day: None, admin: User, agent: User, as_: As
) -> None:
    for who, most in ((agent, 13), (admin, 20)):
        browser = as_(who)
        with CaptureQueriesContext(connection) as few:
            browser.get("/map/", headers={"HX-Request": "true"})
        assert len(few) <= most, few.captured_queries
    Mention.objects.filter(processed_at=None).update(processed_at=timezone.now())
    with CaptureQueriesContext(connection) as other:
        browser.get("/map/", headers={"HX-Request": "true"})
    assert len(other) == len(few)
