"""Connecting a blog: scrm tests the login before it saves the login, and then adds a source.

Each error is shown at its field.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from crm.models import Account, User
from listening.models import Source
from listening.new_accounts import open_sources
from scrm.net import http
from scrm.net.addresses import networks

NEW = "/our-accounts/new/wordpress/"
SECRET = "abcd efgh ijkl mnop"


class There:
    """A fake blog, which returns a description of itself and of the user who logs in."""

    def __init__(self, server: HTTPServer) -> None:
        self.address, api = server.url_for("/"), server.url_for("/wp-json/")
        self.index: dict[str, Any] = {
            "name": "Skyward stories", "home": "https://blog.example",
            "authentication": {"application-passwords": {"endpoints": {}}},
        }  # fmt: skip
        able = ("publish_posts", "edit_published_posts", "moderate_comments")
        self.me = {"id": 1, "name": "Ada", "capabilities": dict.fromkeys(able, True)}
        self.status = 200
        head = {"Link": f'<{api}>; rel="https://api.w.org/"'}
        server.expect_request("/").respond_with_data("<html>", headers=head)
        server.expect_request("/wp-json/").respond_with_handler(self.answer)
        server.expect_request("/wp-json/wp/v2/users/me").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        at_me = request.path.endswith("/me")
        row, status = (self.me, self.status) if at_me else (self.index, 200)
        return Response(json.dumps(row), status, content_type="application/json")

    def typed(self, owner: User, **facts: Any) -> dict[str, Any]:
        known = {"address": self.address, "user": "ada", "password": SECRET, "owner": owner.pk}
        return known | facts


@pytest.fixture
def there(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> There:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    return There(httpserver)


def test_a_blog_is_connected_and_its_source_appears_by_itself(
    there: There, admin: User, as_: Any
) -> None:
    as_(admin).post(NEW, there.typed(admin))
    account = Account.objects.get()
    assert (account.kind, account.name, account.self_key) == (
        "wordpress", "Skyward stories", "user-1",
    )  # fmt: skip
    for _ in range(2):
        open_sources(now=timezone.now())
    source = Source.objects.get()
    assert (source.account, source.stance, source.owner) == (account, "for us", admin)
    assert source.address == account.address == "https://blog.example"


def test_the_password_is_stored_where_nobody_reads_it(there: There, admin: User, as_: Any) -> None:
    browser = as_(admin)
    browser.post(NEW, there.typed(admin))
    account = Account.objects.get()
    assert account.secrets == {"user": "ada", "password": SECRET}
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets::text, config::text FROM crm_account")
        assert SECRET not in str(cursor.fetchone())
    for page in (f"/our-accounts/{account.pk}/", f"/our-accounts/{account.pk}/connect/"):
        assert SECRET not in browser.get(page).content.decode()


def test_a_test_keeps_nothing_but_what_was_typed(there: There, admin: User, as_: Any) -> None:
    page = as_(admin).post(NEW, there.typed(admin, do="test")).content.decode()
    assert "The login to “Skyward stories” works" in page
    assert f'value="{there.address}"' in page
    assert not Account.objects.exists()


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("address", "does not offer application passwords"),
        ("user", "Ada may not publish posts"),
        ("password", "does not accept this user name and application password"),
    ],
)
def test_trouble_stands_at_the_field_that_it_concerns(
    there: There, admin: User, as_: Any, field: str, words: str
) -> None:
    if field == "address":
        there.index["authentication"] = []
    elif field == "user":
        there.me["capabilities"] = {}
    else:
        there.status = 401
    answer = as_(admin).post(NEW, there.typed(admin))
    assert answer.status_code == 422
    errors = answer.context["form"].errors
    assert errors.keys() == {field}
    assert words in errors[field][0]
    assert 'value="ada"' in answer.content.decode()
    assert not Account.objects.exists()


def test_the_same_blog_twice_is_refused_by_its_name(there: There, admin: User, as_: Any) -> None:
    """A blog can be connected only once.

    A second login is refused, even if it is that of another WordPress user.
    """
    as_(admin).post(NEW, there.typed(admin))
    there.me["id"] = 2
    answer = as_(admin).post(NEW, there.typed(admin))
    assert answer.status_code == 422
    assert "“Skyward stories” already uses this account." in answer.content.decode()


def test_it_is_connected_again_with_another_user_and_password(
    there: There, admin: User, as_: Any
) -> None:
    browser = as_(admin)
    browser.post(NEW, there.typed(admin))
    pk = Account.objects.get().pk
    open_sources(now=timezone.now())
    there.me["id"], there.index["home"] = 2, "http://blog.example"
    browser.post(f"/our-accounts/{pk}/connect/", there.typed(admin, password="other word"))
    account = Account.objects.get()
    assert account.secrets["password"] == "other word"
    assert (account.self_key, account.address) == ("user-2", "http://blog.example")
    open_sources(now=timezone.now())
    assert Source.objects.count() == 1
    there.index["home"] = "https://b.example"
    answer = browser.post(f"/our-accounts/{pk}/connect/", there.typed(admin))
    assert answer.status_code == 422
    assert "This is a different account." in answer.content.decode()


def test_other_accounts_get_no_source_of_their_own(microblog: Account) -> None:
    open_sources(now=timezone.now())
    assert not Source.objects.exists()
