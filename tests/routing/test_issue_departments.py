"""Issues have departments: who is offered an issue for cases, and who only reads its name."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Department, Membership, User
from routing.models import Case, Issue
from scrm.pages.navigation import Frame

As = Callable[[User], Client]
DESK = {"HX-Request": "true", "HX-Target": "open"}


@pytest.fixture
def fares(sales: Department, admin: User) -> Issue:
    """An open issue of the sales department only."""
    issue = Issue.objects.create(name="Fares", owner=admin)
    issue.departments.add(sales)
    return issue


@pytest.fixture
def seats(admin: User) -> Issue:
    """An open issue of all departments."""
    return Issue.objects.create(name="Seats", owner=admin)


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def offered(client: Client, case: Case) -> dict[str, str]:
    """The pages and pickers that can name an issue, as HTML."""
    page = html(client.get(case.get_absolute_url()))
    return {
        "case": page.partition('id="group_issue"')[2].partition("</select>")[0],
        "filter": page.partition('id="inboxform_issue"')[2].partition("</select>")[0],
        "bulk": html(client.get("/suggestions/")),
        "palette": "".join(
            html(client.get("/palette/", {"q": words})).partition("Search all")[0]
            for words in ("far", "sea")
        ),
        "list": html(client.get("/issues/")).partition("<main")[2],
    }


def test_pickers_offer_the_issues_of_the_users_departments(
    as_: As, agent: User, service: Department, case: Case, fares: Issue, seats: Issue
) -> None:
    """Fails if one of the lists reads all issues."""
    client = as_(agent)
    shown = offered(client, case)
    assert [place for place, text in shown.items() if "Fares" in text] == []
    assert [place for place, text in shown.items() if "Seats" not in text] == []
    assert [item.label for item in Frame(agent).issues] == ["Seats"]
    fares.departments.add(service)
    assert [place for place, text in offered(client, case).items() if "Fares" not in text] == []
    assert {item.label for item in Frame(agent).issues} == {"Fares", "Seats"}


@pytest.mark.parametrize("who", ["supervisor", "admin"])
def test_supervisors_and_admins_are_offered_all(
    who: str, as_: As, case: Case, fares: Issue, request: pytest.FixtureRequest
) -> None:
    user = request.getfixturevalue(who)
    shown = offered(as_(user), case)
    assert [place for place, text in shown.items() if "Fares" not in text] == []


def test_the_owner_is_offered_the_issue_whatever_its_departments(agent: User, fares: Issue) -> None:
    assert not Issue.objects.offered_to(agent).exists()
    Issue.objects.update(owner=agent)
    assert Issue.objects.offered_to(agent).get() == fares


def test_an_agent_of_two_departments_is_offered_the_issue_once(
    agent: User, sales: Department, service: Department, fares: Issue
) -> None:
    fares.departments.add(service)
    Membership.objects.create(user=agent, department=sales, role=Membership.Role.AGENT)
    assert list(Issue.objects.offered_to(agent)) == [fares]


def test_a_case_is_not_grouped_with_an_issue_of_other_departments(
    as_: As, agent: User, case: Case, fares: Issue
) -> None:
    """Fails if only the pages leave the issue out."""
    client = as_(agent)
    assert client.post(f"/cases/{case.pk}/issue/", {"issue": fares.pk}).status_code == 422
    added = client.post(f"/issues/{fares.pk}/add/", {"numbers": str(case.pk)})
    assert added.status_code == 404
    shown = f"{case.pk}:{case.last_inbound_id}:0"
    typed = {"verb": "group", "issue": "fares", "case": [shown], "form": str(uuid.uuid4())}
    answer = html(client.post("/bulk/", typed, headers=DESK))
    assert "“fares” is an issue of other departments. Enter another name." in answer
    assert Issue.objects.get() == fares
    case.refresh_from_db()
    assert case.issue is None


def test_a_case_that_has_it_shows_its_name_and_keeps_it(
    as_: As, agent: User, case: Case, fares: Issue
) -> None:
    Case.objects.update(issue=fares)
    client = as_(agent)
    page = html(client.get(case.get_absolute_url()))
    assert f'href="{fares.get_absolute_url()}">Fares</a>' in page
    assert client.post(f"/cases/{case.pk}/issue/", {"issue": fares.pk}).status_code == 302
    issue = html(client.get(fares.get_absolute_url()))
    assert "Add cases" not in issue
    listed = html(client.get("/", {"issue": fares.pk}))
    assert f'<option value="{fares.pk}" selected>Fares</option>' in listed


def test_the_form_edits_the_departments(
    as_: As, agent: User, service: Department, sales: Department
) -> None:
    client = as_(agent)
    typed = {"name": "Bags", "about": "", "owner": agent.pk, "departments": [service.pk]}
    page = html(client.post("/issues/new/", typed, follow=True))
    issue = Issue.objects.get()
    assert list(issue.departments.all()) == [service]
    assert '<span class="muted">Departments</span> Customer service' in page
    form = html(client.get(f"/issues/{issue.pk}/edit/"))
    assert form.count('name="departments"') == 2
    client.post(f"/issues/{issue.pk}/edit/", typed | {"departments": []})
    assert not issue.departments.exists()


def test_an_archived_department_stays_in_the_form_of_its_issue(
    as_: As, admin: User, service: Department, fares: Issue, sales: Department
) -> None:
    Department.objects.filter(pk=sales.pk).update(archived_at=timezone.now())
    assert f'value="{sales.pk}"' in html(as_(admin).get(f"/issues/{fares.pk}/edit/"))
    assert f'value="{sales.pk}"' not in html(as_(admin).get("/issues/new/"))
