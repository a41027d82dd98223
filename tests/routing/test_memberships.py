"""Memberships are set when a user is invited, and can be changed later.

A single form sets the memberships in all departments.
"""

from __future__ import annotations

from typing import Any

from crm.models import Department, Membership, Profile, User
from routing.models import Case

NEW = {"email": "Nina@Scrm.Example", "name": "Nina New", "role": ""}


def parts(person: User) -> dict[str, str]:
    return dict(person.memberships.values_list("department__name", "role"))


def test_an_invitation_names_the_departments_too(
    admin: User, service: Department, sales: Department, as_: Any
) -> None:
    typed = NEW | {f"part-{service.pk}": "lead", f"part-{sales.pk}": ""}
    page = as_(admin).post("/people/invite/", typed)
    assert "/account/password/reset/key/" in page.context["link"]
    assert parts(User.objects.get(email="nina@scrm.example")) == {"Customer service": "lead"}


def test_a_wrong_part_invites_nobody(admin: User, service: Department, as_: Any) -> None:
    page = as_(admin).post("/people/invite/", NEW | {f"part-{service.pk}": "king"})
    assert page.status_code == 422
    assert "Nina New" in page.content.decode()
    assert not User.objects.filter(email="nina@scrm.example").exists()


def test_a_wrong_address_keeps_the_part_that_was_chosen(
    admin: User, agent: User, service: Department, as_: Any
) -> None:
    typed = NEW | {"email": agent.email, f"part-{service.pk}": "reader"}
    page = as_(admin).post("/people/invite/", typed)
    assert page.status_code == 422
    assert 'value="reader" selected' in page.content.decode()


def test_all_parts_are_set_at_once(
    admin: User, agent: User, service: Department, sales: Department, as_: Any
) -> None:
    typed = {f"part-{service.pk}": "", f"part-{sales.pk}": "lead"}
    page = as_(admin).post(f"/people/{agent.pk}/departments/", typed)
    assert page.url == f"/people/{agent.pk}/"
    assert parts(agent) == {"Sales": "lead"}


def test_cases_go_back_where_they_no_longer_work(
    admin: User, agent: User, service: Department, sales: Department, as_: Any
) -> None:
    Membership.objects.create(user=agent, department=sales, role="agent")
    mine = {"assignee": agent, "status": "open"}
    left, kept = (
        Case.objects.create(
            profile=Profile.objects.create(network="x", key=each.name), department=each, **mine
        )
        for each in (service, sales)
    )
    typed = {f"part-{service.pk}": "reader", f"part-{sales.pk}": "agent"}
    page = as_(admin).post(f"/people/{agent.pk}/departments/", typed, follow=True)
    assert "1 case is unassigned again" in page.content.decode()
    left.refresh_from_db()
    kept.refresh_from_db()
    assert (left.assignee, kept.assignee) == (None, agent)


def test_a_part_that_stays_leaves_no_trace(
    admin: User, agent: User, service: Department, as_: Any
) -> None:
    before = Membership.objects.get(user=agent).pk
    as_(admin).post(f"/people/{agent.pk}/departments/", {f"part-{service.pk}": "agent"})
    assert Membership.objects.get(user=agent).pk == before


def test_the_form_comes_into_the_persons_page_or_stands_alone(
    admin: User, agent: User, service: Department, as_: Any
) -> None:
    browser, address = as_(admin), f"/people/{agent.pk}/departments/"
    assert address in browser.get(f"/people/{agent.pk}/").content.decode()
    assert "<html" in browser.get(address).content.decode()
    part = browser.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert 'value="agent" selected' in part
