"""Login addresses: users change their own address and must enter their password.

Admins can change the address of any user.
"""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from crm.adapter import password_link
from crm.forms import AddressForm
from crm.models import User

PASSWORD = "a long password"


@pytest.fixture
def anna(agent: User) -> User:
    agent.set_password(PASSWORD)
    agent.save()
    EmailAddress.objects.create(user=agent, email=agent.email, verified=True, primary=True)
    return agent


def log_in(email: str) -> bool:
    typed = {"login": email, "password": PASSWORD}
    return Client().post("/account/login/", typed).status_code == 302


def change(browser: Client, email: str, password: str = PASSWORD) -> Any:
    return browser.post("/me/", {"name": "Anna", "email": email, "password": password})


def test_ones_own_is_changed_with_the_password(anna: User, as_: Any) -> None:
    """A user changes their own address with their password.

    The old address cannot be used to log in any more. Fails without `forget_old_addresses`.
    """
    browser, old = as_(anna), anna.email
    assert change(browser, " Anna@Acme.Example ").status_code == 302
    anna.refresh_from_db()
    assert anna.email == "anna@acme.example"
    assert browser.get("/me/").status_code == 200
    assert log_in("anna@acme.example")
    assert not log_in(old)


@pytest.mark.parametrize("password", ["", "wrong"])
def test_not_without_it(anna: User, as_: Any, password: str) -> None:
    page = change(as_(anna), "anna@acme.example", password)
    assert page.status_code == 422
    assert page.context["form"].errors.keys() == {"password"}
    words = page.content.decode()
    assert 'value="anna@acme.example"' in words
    assert page.context["user"].email == "anna@scrm.example"
    assert "wrong" not in words
    anna.refresh_from_db()
    assert anna.email == "anna@scrm.example"


def test_everything_else_needs_no_password(anna: User, as_: Any) -> None:
    assert change(as_(anna), anna.email, "").status_code == 302
    anna.refresh_from_db()
    assert anna.name == "Anna"


@pytest.mark.parametrize("email", ["ADMIN@scrm.example", "nobody", ""])
def test_what_is_no_address_or_somebody_elses_is_refused_at_the_field(
    anna: User, admin: User, as_: Any, email: str
) -> None:
    page = change(as_(anna), email)
    assert page.status_code == 422
    assert page.context["form"].errors.keys() == {"email"}


def test_an_admin_changes_anybodys(anna: User, admin: User, as_: Any) -> None:
    link, old = password_link(anna).removeprefix("http://localhost:8000"), anna.email
    url = f"/people/{anna.pk}/edit/"
    typed = {"name": "Anna", "email": "anna@acme.example", "role": ""}
    assert as_(admin).post(url, typed).status_code == 302
    assert log_in("anna@acme.example")
    assert not log_in(old)
    assert "no longer works" in Client().get(link, follow=True).content.decode()
    taken = as_(admin).post(url, typed | {"email": admin.email})
    assert taken.status_code == 422
    assert taken.context["form"].errors.keys() == {"email"}
    assert taken.context["person"].email == "anna@acme.example"


@pytest.mark.parametrize("page", ["/me/", "/people/{}/edit/", "/people/invite/"])
def test_an_address_taken_since_the_check_is_refused_at_the_field(
    page: str, anna: User, admin: User, as_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another user takes the address after the form's check, the field shows an error.

    Fails if the error of the database is not handled: `save` then raises IntegrityError, and the
    response is 500.
    """
    save = AddressForm.save

    def another_saves_first(form: AddressForm, commit: bool = True) -> User:
        User.objects.create_user("new@acme.example", name="Somebody else")
        return save(form, commit)

    monkeypatch.setattr(AddressForm, "save", another_saves_first)
    browser = as_(anna if page == "/me/" else admin)
    typed = {"name": "Anna", "email": "new@acme.example", "password": PASSWORD, "role": ""}
    answer = browser.post(page.format(anna.pk), typed)
    assert answer.status_code == 422
    assert answer.context["form"].errors == {"email": ["This address is already in use."]}
    anna.refresh_from_db()
    assert anna.email == "anna@scrm.example"
