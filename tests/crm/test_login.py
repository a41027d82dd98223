from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from crm.models import User

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def known(agent: User) -> User:
    agent.set_password(PASSWORD)
    agent.save()
    return agent


def log_in(browser: Client, **facts: str) -> Any:
    return browser.post("/account/login/", {"login": "anna@scrm.example", **facts})


def test_the_right_password_opens_the_page_that_was_asked_for(known: User) -> None:
    browser = Client()
    assert browser.get("/contacts/").url == "/account/login/?next=/contacts/"
    assert log_in(browser, password=PASSWORD, next="/contacts/").url == "/contacts/"
    assert browser.get("/contacts/").status_code == 200


def test_login_leads_to_no_other_site(known: User) -> None:
    assert log_in(Client(), password=PASSWORD, next="https://evil.example/").url == "/"


def test_a_wrong_password_keeps_the_address_and_opens_nothing(known: User) -> None:
    browser = Client()
    response = log_in(browser, password="wrong")
    assert 'value="anna@scrm.example"' in response.content.decode()
    assert "wrong" not in response.content.decode()
    assert browser.get("/contacts/").status_code == 302


def test_an_unknown_address_gets_the_same_answer_as_a_wrong_password(known: User) -> None:
    one = log_in(Client(), password="wrong").context["form"].errors
    two = log_in(Client(), login="nobody@scrm.example", password="wrong").context["form"].errors
    assert one == two


def test_guessing_is_slowed_down(known: User) -> None:
    browser = Client()
    for _ in range(40):
        response = log_in(browser, password="wrong")
    assert log_in(browser, password=PASSWORD).status_code != 302
    assert response.status_code in {200, 429}


def test_the_deactivated_do_not_come_in(known: User) -> None:
    User.objects.update(is_active=False)
    browser = Client()
    log_in(browser, password=PASSWORD)
    assert browser.get("/contacts/").status_code == 302


def test_a_forgotten_password_is_answered_alike_for_known_and_unknown(known: User) -> None:
    answers = set()
    for address in ("anna@scrm.example", "nobody@scrm.example"):
        response = Client().post("/account/password/reset/", {"email": address}, follow=True)
        (main,) = re.findall("<main.*</main>", response.content.decode(), re.DOTALL)
        answers.add(main.replace(address, "…"))
    assert len(answers) == 1
    ours, theirs = mail.outbox
    assert "/account/password/reset/key/" in ours.body
    assert "/account/" not in theirs.body


def test_the_mailed_link_is_on_our_address_whatever_host_was_named(known: User) -> None:
    Client().post("/account/password/reset/", {"email": known.email}, headers={"host": "127.0.0.1"})
    assert "http://localhost:8000/account/password/reset/key/" in mail.outbox[0].body


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_signs_up(db: None, method: str) -> None:
    typed = {"email": "new@scrm.example", "password1": PASSWORD, "password2": PASSWORD}
    response = getattr(Client(), method)("/account/signup/", typed)
    assert "By invitation only" in response.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "page",
    ["login/", "inactive/", "signup/", "password/reset/", "password/reset/done/",
     "password/reset/key/1-no-such/", "password/reset/key/done/"],
)  # fmt: skip
def test_every_page_for_strangers_wears_our_frame(db: None, page: str) -> None:
    body = Client().get(f"/account/{page}", follow=True).content.decode()
    assert 'class="narrow"' in body
    assert "sign up" not in body.lower()
    assert "Menu:" not in body


@pytest.mark.parametrize("page", ["logout/", "password/reset/", "password/reset/done/"])
def test_the_same_pages_fit_into_the_frame_of_staff(known: User, as_: Any, page: str) -> None:
    body = as_(known).get(f"/account/{page}").content.decode()
    assert 'class="shell"' in body
    assert "<h1>" in body


def test_a_password_is_changed_with_the_old_one(known: User, as_: Any) -> None:
    browser, page = as_(known), "/account/password/change/"
    assert 'class="shell"' in browser.get(page).content.decode()
    new = "a much newer one"
    typed = {"oldpassword": "wrong", "password1": new, "password2": new}
    assert browser.post(page, typed).context["form"].errors.keys() == {"oldpassword"}
    browser.post(page, typed | {"oldpassword": PASSWORD})
    known.refresh_from_db()
    assert known.check_password(new)


def test_logging_out_ends_the_session_and_takes_a_post(known: User, as_: Any) -> None:
    browser = as_(known)
    assert "Log out?" in browser.get("/account/logout/").content.decode()
    assert browser.get("/contacts/").status_code == 200
    browser.post("/account/logout/")
    assert browser.get("/contacts/").status_code == 302
