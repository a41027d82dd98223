"""Error pages are never blank: each error page has a text and a link."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client, RequestFactory
from django.views.defaults import server_error

from crm.models import User

As = Callable[[User], Client]


def test_a_fault_of_ours_needs_neither_database_nor_request() -> None:
    """The page for status 500 is rendered without database queries and without request data.

    This test has no database mark, so pytest-django lets the test fail if the page executes SQL.
    """
    page = server_error(RequestFactory().get("/"))
    assert page.status_code == 500
    assert "Something went wrong on our side" in page.content.decode()
    assert 'href="/"' in page.content.decode()


@pytest.mark.django_db
def test_a_stranger_who_is_lost_gets_words_and_the_login() -> None:
    """A user who is not logged in gets a 404 page with a text and a link to the login page.

    Fails if only logged-in users get the text, because then the page is blank for all others.
    """
    page = Client().get("/nowhere/")
    assert page.status_code == 404
    assert "Page not found" in page.content.decode()
    assert "/account/login/" in page.content.decode()


def test_staff_who_are_lost_get_back_to_the_inbox(as_: As, agent: User) -> None:
    page = as_(agent).get("/nowhere/").content.decode()
    assert "Back to the inbox" in page


def test_what_is_not_for_a_role_says_so(as_: As, agent: User) -> None:
    page = as_(agent).get("/topics/new/")
    assert page.status_code == 403
    assert "Your role has no access to this page" in page.content.decode()


@pytest.mark.django_db
def test_a_form_that_was_open_for_too_long_says_what_to_do() -> None:
    page = Client(enforce_csrf_checks=True).post("/account/login/", {"login": "a@b.example"})
    assert page.status_code == 403
    assert "This page has expired" in page.content.decode()
