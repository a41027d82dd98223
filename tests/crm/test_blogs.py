"""Connecting a blog: checked before it is saved, errors at their field, its source added."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from crm.forms import blog
from crm.models import Account, User
from listening.models import Source
from scrm.channels.wordpress.connect import Blog, Trouble

NEW = "/our-accounts/new/blog/"
SECRET = "abcd efgh ijkl mnop"


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The answer of the blog. Its login fails with `trouble` if that is set."""
    facts: dict[str, Any] = {
        "blog": Blog("wordpress:blog.example", "user-1", "https://blog.example",
                     "Skyward stories", "https://blog.example/wp-json/"),
        "trouble": None,
    }  # fmt: skip

    def connect(address: str, user: str, password: str) -> Blog:
        if facts["trouble"]:
            raise facts["trouble"]
        blog: Blog = facts["blog"]
        return blog

    monkeypatch.setattr(blog, "connect", connect)
    return facts


def typed(owner: User, **facts: Any) -> dict[str, Any]:
    return {
        "address": "blog.example", "user": "ada", "password": SECRET, "owner": owner.pk,
    } | facts  # fmt: skip


def test_a_blog_is_connected_and_its_source_appears_by_itself(
    there: dict[str, Any], admin: User, as_: Any
) -> None:
    as_(admin).post(NEW, typed(admin))
    account = Account.objects.get()
    assert (account.kind, account.name, account.self_key) == (
        "wordpress", "Skyward stories", "user-1",
    )  # fmt: skip
    for _ in range(2):
        Source.objects.open_for_new_accounts(now=timezone.now())
    source = Source.objects.get()
    assert (source.account, source.stance, source.owner) == (account, "for us", admin)


def test_the_password_is_stored_where_nobody_reads_it(
    there: dict[str, Any], admin: User, as_: Any
) -> None:
    browser = as_(admin)
    browser.post(NEW, typed(admin))
    account = Account.objects.get()
    assert account.secrets == {"user": "ada", "password": SECRET}
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets::text, config::text FROM crm_account")
        assert SECRET not in str(cursor.fetchone())
    for page in (f"/our-accounts/{account.pk}/", f"/our-accounts/{account.pk}/blog/"):
        assert SECRET not in browser.get(page).content.decode()


def test_a_test_keeps_nothing_but_what_was_typed(
    there: dict[str, Any], admin: User, as_: Any
) -> None:
    page = as_(admin).post(NEW, typed(admin, then="test")).content.decode()
    assert "The login to “Skyward stories” works" in page
    assert 'value="blog.example"' in page
    assert not Account.objects.exists()


@pytest.mark.parametrize("field", ["address", "user", "password"])
def test_trouble_stands_at_the_field_that_it_concerns(
    there: dict[str, Any], admin: User, as_: Any, field: str
) -> None:
    there["trouble"] = Trouble(field, "The blog says no.")
    answer = as_(admin).post(NEW, typed(admin))
    assert answer.status_code == 422
    assert answer.context["form"].errors == {field: ["The blog says no."]}
    assert "ada" in answer.content.decode()
    assert not Account.objects.exists()


def test_the_same_blog_twice_is_refused_by_its_name(
    there: dict[str, Any], admin: User, as_: Any
) -> None:
    as_(admin).post(NEW, typed(admin))
    answer = as_(admin).post(NEW, typed(admin))
    assert answer.status_code == 422
    assert "“Skyward stories” already uses this blog." in answer.content.decode()


def test_it_is_connected_again_with_another_password(
    there: dict[str, Any], admin: User, as_: Any
) -> None:
    browser = as_(admin)
    browser.post(NEW, typed(admin))
    pk = Account.objects.get().pk
    browser.post(f"/our-accounts/{pk}/blog/", typed(admin, password="other word"))
    assert Account.objects.get().secrets["password"] == "other word"
    there["blog"] = Blog("wordpress:b.example", "user-1", "https://b.example", "B", "x")
    answer = browser.post(f"/our-accounts/{pk}/blog/", typed(admin))
    assert answer.status_code == 422
    assert "This is a different blog." in answer.content.decode()


def test_other_accounts_get_no_source_of_their_own(microblog: Account) -> None:
    Source.objects.open_for_new_accounts(now=timezone.now())
    assert not Source.objects.exists()
