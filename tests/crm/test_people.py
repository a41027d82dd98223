from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from crm import adapter
from crm.models import Department, Profile, User
from listening.models import Topic
from routing.models import Case

NEW = {"email": "Nina@Scrm.Example", "name": "Nina New", "role": ""}


def choose_password(link: str, password: str) -> Any:
    """Open the form that an invitation links to, and submit a password."""
    browser = Client()
    form = browser.get(link.removeprefix("http://localhost:8000"), follow=True)
    return browser.post(
        form.redirect_chain[-1][0], {"password1": password, "password2": password}, follow=True
    )


def test_an_invitation_shows_and_mails_a_link_that_sets_a_password_once(
    admin: User, as_: Any
) -> None:
    response = as_(admin).post("/people/invite/", NEW)
    link = response.context["link"]
    assert link.startswith("http://localhost:8000/account/password/reset/key/")
    assert link in response.content.decode()
    assert response["Cache-Control"] == "no-store"
    assert link in mail.outbox[0].body
    assert mail.outbox[0].to == ["nina@scrm.example"]
    nina = User.objects.get(email="nina@scrm.example")
    assert not nina.has_usable_password()

    assert "Your password is saved" in choose_password(link, "a long new password").content.decode()
    assert Client().post(
        "/account/login/", {"login": "nina@scrm.example", "password": "a long new password"}
    ).url == "/"  # fmt: skip
    again = Client().get(link.removeprefix("http://localhost:8000"), follow=True)
    assert "no longer works" in again.content.decode()


def test_a_mail_that_cannot_be_sent_does_not_stop_the_invitation(
    admin: User, as_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **facts: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(adapter, "send_mail", refuse)
    response = as_(admin).post("/people/invite/", NEW)
    assert "could not be sent" in response.content.decode()
    assert User.objects.filter(email="nina@scrm.example").exists()


def test_an_address_that_works_here_already_is_refused_at_the_field(
    admin: User, agent: User, as_: Any
) -> None:
    typed = NEW | {"email": agent.email.upper(), "name": "Kept Name"}
    response = as_(admin).post("/people/invite/", typed)
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"email"}
    assert "Kept Name" in response.content.decode()


def test_deactivating_logs_out_at_once_and_lists_the_open_cases(
    admin: User, agent: User, service: Department, as_: Any
) -> None:
    profile = Profile.objects.create(network="x", key="1")
    mine = {"profile": profile, "department": service, "assignee": agent}
    open_one = Case.objects.create(**mine, status="open")
    noise = Case.objects.create(**mine, status="noise")
    browser = as_(agent)
    assert browser.get("/contacts/").status_code == 200

    response = as_(admin).post(f"/people/{agent.pk}/deactivate/", follow=True)
    assert response.redirect_chain[-1][0] == f"/people/{agent.pk}/reassign/"
    assert "1 entry" in response.content.decode()
    assert browser.get("/contacts/").url.startswith("/account/login/")
    open_one.refresh_from_db()
    noise.refresh_from_db()
    assert (open_one.assignee, noise.assignee) == (agent, agent)


def test_an_old_session_stays_dead_after_they_come_back(admin: User, agent: User, as_: Any) -> None:
    browser, chief = as_(agent), as_(admin)
    chief.post(f"/people/{agent.pk}/deactivate/")
    response = chief.post(f"/people/{agent.pk}/activate/")
    assert "/account/password/reset/key/" in response.context["link"]
    assert browser.get("/contacts/").url.startswith("/account/login/")
    agent.refresh_from_db()
    assert agent.is_active


def test_nobody_deactivates_themselves(admin: User, as_: Any) -> None:
    User.objects.create_user("second@scrm.example", name="Second", role="admin")
    response = as_(admin).post(f"/people/{admin.pk}/deactivate/", follow=True)
    assert "cannot deactivate yourself" in response.content.decode()
    admin.refresh_from_db()
    assert admin.is_active


def test_the_last_admin_cannot_give_up_the_role(admin: User, as_: Any) -> None:
    User.objects.create_user("gone@scrm.example", name="Gone", role="admin")
    User.objects.filter(email="gone@scrm.example").update(is_active=False)
    browser, edit = as_(admin), f"/people/{admin.pk}/edit/"
    response = browser.post(edit, {"name": "Ada the Great", "email": admin.email, "role": ""})
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"role"}
    assert "Ada the Great" in response.content.decode()
    admin.refresh_from_db()
    assert admin.is_admin
    browser.post(edit, {"name": "Ada the Great", "email": admin.email, "role": "admin"})
    admin.refresh_from_db()
    assert admin.name == "Ada the Great"


def test_a_new_link_leaves_the_old_password_until_it_is_used(
    admin: User, agent: User, as_: Any
) -> None:
    agent.set_password("the old password")
    agent.save()
    link = as_(admin).post(f"/people/{agent.pk}/reset-password/").context["link"]
    agent.refresh_from_db()
    assert agent.check_password("the old password")
    choose_password(link, "the new password")
    agent.refresh_from_db()
    assert agent.check_password("the new password")


def test_there_is_no_link_for_a_deactivated_person(admin: User, agent: User, as_: Any) -> None:
    User.objects.filter(pk=agent.pk).update(is_active=False)
    assert as_(admin).post(f"/people/{agent.pk}/reset-password/").status_code == 404


@pytest.mark.parametrize("who", ["supervisor", "lead", "agent"])
def test_only_admins_see_people(
    who: str, admin: User, as_: Any, request: pytest.FixtureRequest
) -> None:
    browser = as_(request.getfixturevalue(who))
    for page in ("/people/", f"/people/{admin.pk}/", "/people/invite/"):
        assert browser.get(page).status_code == 403
    for verb in ("edit", "deactivate", "activate", "reset-password"):
        assert browser.post(f"/people/{admin.pk}/{verb}/").status_code == 403


def test_the_list_names_departments_and_who_has_not_come_yet(
    admin: User, agent: User, as_: Any
) -> None:
    body = as_(admin).get("/people/").content.decode()
    assert "Customer service · Agent" in body
    assert "invited" in body


def test_the_list_counts_open_cases_and_opens_them(
    admin: User, agent: User, service: Department, as_: Any
) -> None:
    for key, status in (("1", "open"), ("2", "waiting"), ("3", "done"), ("4", "noise")):
        profile = Profile.objects.create(network="x", key=key)
        done_at = timezone.now() if status == "done" else None
        Case.objects.create(
            profile=profile, department=service, assignee=agent, status=status, done_at=done_at
        )
    browser = as_(admin)
    assert browser.get("/people/").context["open_cases"] == {agent.pk: 2}
    address = f"/?view=all&status=living&assignee={agent.pk}"
    assert address.replace("&", "&amp;") in browser.get("/people/").content.decode()
    assert len(browser.get(address).context["rows"]) == 2


def test_before_a_deactivation_its_page_says_what_will_happen(
    admin: User, agent: User, service: Department, brand: Topic, as_: Any
) -> None:
    Topic.objects.update(owner=agent)
    profile = Profile.objects.create(network="x", key="1")
    Case.objects.create(profile=profile, department=service, assignee=agent, status="open")
    body = as_(admin).get(f"/people/{agent.pk}/").content.decode()
    assert "Planned responses are held." in body
    assert "Open cases: 1" in body
    assert "Topics: 1" in body
    assert f"/people/{agent.pk}/reassign/" in body


def test_the_last_admin_is_told_why_not_before_they_try(admin: User, as_: Any) -> None:
    body = as_(admin).get(f"/people/{admin.pk}/").content.decode()
    assert "You cannot deactivate yourself" in body
    assert f"/people/{admin.pk}/deactivate/" not in body
