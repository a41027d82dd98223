from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from crm.models import Account, Department, Membership, User
from routing.models import Case

As = Callable[[User], Client]


def typed(department: Department, **facts: Any) -> dict[str, Any]:
    known = {"name": department.name, "colour": "#112233", "owner": department.owner_id}
    return known | ({"is_fallback": "on"} if department.is_fallback else {}) | facts


@pytest.mark.parametrize("path", ["/departments/", "/departments/new/", "/departments/{}/"])
@pytest.mark.parametrize("who", ["agent", "lead", "supervisor"])
def test_only_admins_come_here(
    as_: As, service: Department, path: str, who: str, request: pytest.FixtureRequest
) -> None:
    client = as_(request.getfixturevalue(who))
    assert client.get(path.format(service.pk)).status_code == 403
    assert client.post(path.format(service.pk)).status_code == 403
    assert client.post(f"/departments/{service.pk}/members/").status_code == 403


def test_a_department_is_made_with_its_accounts(
    as_: As, admin: User, service: Department, microblog: Account
) -> None:
    form = {"name": "Legal", "colour": "#aabbcc", "owner": admin.pk, "accounts": [microblog.pk]}
    as_(admin).post("/departments/new/", form)
    legal = Department.objects.get(name="Legal")
    assert list(legal.accounts.all()) == [microblog]


def test_the_fallback_moves_and_there_is_always_one(
    as_: As, admin: User, service: Department, sales: Department
) -> None:
    as_(admin).post(f"/departments/{sales.pk}/", typed(sales, is_fallback="on"))
    assert Department.objects.fallback() == sales
    page = as_(admin).post(f"/departments/{sales.pk}/", typed(sales))
    assert page.status_code == 422
    assert "There must be a fallback department" in page.content.decode()
    assert Department.objects.fallback() == sales


@pytest.mark.parametrize(
    ("field", "value"),
    [("colour", "red;}"), ("name", ""), ("name", "Sales")],
)
def test_errors_stand_at_their_fields_and_nothing_is_changed(
    as_: As, admin: User, service: Department, sales: Department, field: str, value: str
) -> None:
    form = typed(service, name="Front desk") | {field: value}
    page = as_(admin).post(f"/departments/{service.pk}/", form)
    assert page.status_code == 422
    assert set(page.context["form"].errors) == {field}
    service.refresh_from_db()
    assert service.name == "Customer service"


def test_restricting_a_department_restricts_what_it_has(
    as_: As, admin: User, service: Department, case: Case
) -> None:
    as_(admin).post(f"/departments/{service.pk}/", typed(service, is_restricted="on"))
    assert case.conversations.get().restricted_to
    as_(admin).post(f"/departments/{service.pk}/", typed(service))
    assert not case.conversations.get().restricted_to


def test_people_are_added_changed_and_taken_out(
    as_: As, admin: User, outsider: User, service: Department
) -> None:
    client = as_(admin)
    path = f"/departments/{service.pk}/members/"
    client.post(path, {"user": outsider.pk, "role": "agent"})
    assert service.memberships.get(user=outsider).role == "agent"
    client.post(path, {"user": outsider.pk, "role": "lead"})
    assert service.memberships.get(user=outsider).role == "lead"
    client.post(path, {"user": outsider.pk, "role": "lead", "remove": "1"})
    assert not Membership.objects.filter(user=outsider, department=service).exists()


def test_a_role_that_does_not_exist_is_refused(
    as_: As, admin: User, outsider: User, service: Department
) -> None:
    form = {"user": outsider.pk, "role": "king"}
    page = as_(admin).post(f"/departments/{service.pk}/members/", form)
    assert page.status_code == 422
    assert f'<option value="{outsider.pk}" selected>' in page.content.decode()


@pytest.mark.parametrize("how", [{"role": "agent", "remove": "1"}, {"role": "reader"}])
def test_who_no_longer_works_there_gives_their_cases_back(
    as_: As, admin: User, agent: User, service: Department, make_case: Callable[..., Case],
    sales: Department, how: dict[str, str],
) -> None:  # fmt: skip
    """A user who is removed from a department is no longer the assignee of its cases.

    Fails if only the membership is removed.
    """
    Membership.objects.create(user=agent, department=sales)
    mine = make_case(by="ron", assignee=agent)
    done = make_case(by="rita", assignee=agent, status="noise")
    elsewhere = make_case(by="rosa", assignee=agent, department=sales)
    path = f"/departments/{service.pk}/members/"
    page = as_(admin).post(path, {"user": agent.pk} | how, follow=True)
    assert "1 case is unassigned again" in page.content.decode()
    for case in (mine, done, elsewhere):
        case.refresh_from_db()
    assert (mine.assignee, done.assignee, elsewhere.assignee) == (None, agent, agent)
    assert mine.events.get(kind="released").by == admin


@pytest.mark.parametrize("who", ["agent", "supervisor"])
def test_who_may_still_work_on_them_keeps_their_cases(
    as_: As, admin: User, service: Department, make_case: Callable[..., Case], who: str,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    user = request.getfixturevalue(who)
    case = make_case(assignee=user)
    role = "lead" if who == "agent" else "reader"
    path = f"/departments/{service.pk}/members/"
    page = as_(admin).post(path, {"user": user.pk, "role": role}, follow=True)
    assert "unassigned again" not in page.content.decode()
    case.refresh_from_db()
    assert case.assignee == user
