"""A single page connects accounts of all channels, including the channel of a plug-in."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from crm import connecting
from crm.models import Account, User, Workspace
from listening.new_accounts import open_sources
from scrm.channels import registry
from tests.crm import pigeon
from tests.crm.blocking import wait_until_blocked

pytestmark = pytest.mark.usefixtures("pigeon_post")
NEW = "/our-accounts/new/pigeon/"


@pytest.fixture
def browser(as_: Callable[[User], Client], admin: User) -> Client:
    return as_(admin)


def typed(owner: User, **facts: Any) -> dict[str, Any]:
    return {"loft": "north", "word": "coo", "street": "Quay", "owner": owner.pk} | facts


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 422
    found: dict[str, list[str]] = answer.context["form"].errors
    return found


@pytest.mark.parametrize("kind", [*registry.connectors(), "pigeon"])
def test_every_connector_has_a_page_that_saves_nothing_without_a_login(
    browser: Client, admin: User, kind: str
) -> None:
    connector = registry.connectors()[kind]
    assert f'href="/our-accounts/new/{kind}/"' in browser.get("/our-accounts/").content.decode()
    shown = browser.get(f"/our-accounts/new/{kind}/").content.decode()
    assert str(connector.title) in shown
    assert escape(str(connector.about)) in shown
    fields = browser.get(f"/our-accounts/new/{kind}/").context["form"].fields
    wanted = {name for name, field in fields.items() if field.required and not field.initial}
    answer = browser.post(f"/our-accounts/new/{kind}/", {"owner": admin.pk, "word": "no"})
    assert errors(answer).keys() >= wanted - {"owner"}
    assert answer.content.decode().count("errorlist") >= len(wanted) - 1
    assert not Account.objects.exists()


def test_kinds_without_a_login_have_no_such_page(browser: Client, microblog: Account) -> None:
    for page in ("new/sandbox/", "new/manual/", "new/nothing/", f"{microblog.pk}/connect/"):
        assert browser.get(f"/our-accounts/{page}").status_code == 404
    assert "Reconnect" not in browser.get(f"/our-accounts/{microblog.pk}/").content.decode()


def test_it_is_connected_and_the_sources_it_asks_for_are_opened_once(
    browser: Client, admin: User
) -> None:
    browser.post(NEW, typed(admin))
    account = Account.objects.get()
    assert (account.kind, account.network, account.self_key) == ("pigeon", "pigeon", "north")
    assert (account.name, account.address) == ("Loft north", "north 1")
    assert (account.secrets, account.config) == ({"word": "coo"}, {"street": "Quay"})
    for _ in range(2):
        open_sources(now=timezone.now())
    assert {(row.address, row.name, row.stance) for row in account.sources.all()} == {
        ("roof", "north: roof", "for us"), ("window", "north: window", "for us"),
    }  # fmt: skip
    assert Account.objects.get().sources_to_open == {}
    assert "is connected" in browser.get(f"/our-accounts/{account.pk}/").content.decode()


def test_an_error_stands_at_its_field_beside_what_was_typed(browser: Client, admin: User) -> None:
    answer = browser.post(NEW, typed(admin, word="moo"))
    assert errors(answer) == {"word": ["The pigeons do not know this word."]}
    assert 'value="north"' in answer.content.decode()
    assert not Account.objects.exists()


def test_a_test_saves_nothing(browser: Client, admin: User) -> None:
    page = browser.post(NEW, typed(admin, do="test")).content.decode()
    assert "The login to “Loft north” works. Nothing has been saved yet." in page
    assert not Account.objects.exists()


def test_what_is_connected_already_is_named(browser: Client, admin: User) -> None:
    browser.post(NEW, typed(admin))
    said = errors(browser.post(NEW, typed(admin)))
    assert said == {"loft": ["“Loft north” already uses this account. Open that account instead."]}


def test_it_is_connected_again_as_the_same_account_only(browser: Client, admin: User) -> None:
    browser.post(NEW, typed(admin))
    account = Account.objects.get()
    account.keep_with({"per_day": 5}, name="Our loft", paused_at=timezone.now())
    again = f"/our-accounts/{account.pk}/connect/"
    assert again in browser.get(f"/our-accounts/{account.pk}/").content.decode()
    assert "coo" not in browser.get(again).content.decode()
    assert errors(browser.post(again, typed(admin, loft="south"))) == {
        "loft": ["This is a different account. Connect it as a new one."]
    }
    assert browser.post(again, typed(admin, word="", street="Lane")).status_code == 302
    account.refresh_from_db()
    assert account.config == {"per_day": 5, "street": "Lane"}
    assert (account.name, account.secrets) == ("Our loft", {"word": "coo"})
    assert account.paused_at


def test_the_signature_of_the_organisation_is_offered(browser: Client, admin: User) -> None:
    Workspace.objects.create(pk=1, organisation="Skyward Air", signature="Your crew")
    assert "Your crew" in browser.get(NEW).content.decode()


def test_fields_of_a_line_stand_side_by_side(browser: Client) -> None:
    rows = browser.get(NEW).context["form"].rows()
    assert [[field.name for field in row] for row in rows] == [
        ["loft"], ["word"], ["street", "number"], ["signature"], ["owner"],
    ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("page", "facts", "field"),
    [
        (NEW, {"loft": "north", "word": "coo"}, "loft"),
        (
            "/our-accounts/new/",
            {"network": "sandbox.mail", "self_key": "us@sky.example", "name": "Us"},
            "network",
        ),
    ],
)
def test_of_two_admins_who_save_at_once_the_second_gets_an_error_at_the_field(
    browser: Client, admin: User, page: str, facts: dict[str, str], field: str
) -> None:
    """If two admins save the same account at the same time, the second gets an error at the field.

    Fails if the error of the database's unique constraint is not handled: the second response is
    then 500.
    """
    network = facts.get("network", "pigeon")
    key = facts.get("self_key", "north")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Account.objects.create(kind="pigeon", network=network, self_key=key, owner=admin)
            second = pool.submit(_post, browser, page, facts | {"owner": admin.pk})
            wait_until_blocked()
        said = errors(second.result())
    assert said[field][0].startswith("Another user has just")
    assert Account.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_who_connect_one_site_at_once_one_account_is_saved(
    browser: Client, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If two admins connect the same site with different logins, only one account is saved.

    Fails without `_wait_for_turn`, because the two logins are then saved as two accounts.
    """
    monkeypatch.setattr(pigeon, "CHANNEL", replace(pigeon.CHANNEL, own_ground=True))
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            connecting._wait_for_turn("pigeon")
            Account.objects.create(kind="pigeon", network="pigeon", self_key="south", owner=admin)
            second = pool.submit(_post, browser, NEW, typed(admin))
            wait_until_blocked()
        assert "Another user has just" in second.result().content.decode()
    assert Account.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_login_that_a_colleague_stores_during_the_test_stays(admin: User) -> None:
    """If a colleague stores a new login while the old one is being tested, the new one is kept.

    The test of a login takes time. Fails if `connecting.save` stores the old secrets that were read
    before the test.
    """
    facts: dict[str, Any] = {"network": "pigeon", "self_key": "north", "secrets": {"word": "coo"}}
    account = Account.objects.create(kind="pigeon", owner=admin, **facts)
    form = {"loft": "north", "word": "", "street": "Other"}
    connected = connecting.log_in(account, pigeon.CHANNEL.connector, form, test=False)
    Account.objects.get().keep_with({}, secrets={"word": "new"})
    connecting.save(account, connected, owner=admin)
    saved = Account.objects.get()
    assert (saved.secrets, saved.config) == ({"word": "new"}, {"street": "Other"})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", ["", "budget/"])
def test_a_password_that_is_saved_meanwhile_stays(
    browser: Client, admin: User, microblog: Account, page: str
) -> None:
    """If an admin saves a name or limit while a colleague saves a password, the new password stays.

    Fails if the whole row is saved, because the older password is then written back.
    """
    facts = {"name": "New name", "owner": admin.pk, "per_hour": "7"}
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            microblog.keep_with({"api": "new", "per_day": 9}, secrets={"password": "new"})
            second = pool.submit(_post, browser, f"/our-accounts/{microblog.pk}/{page}", facts)
            wait_until_blocked()
        assert second.result().status_code == 302
    microblog.refresh_from_db()
    assert microblog.secrets == {"password": "new"}
    limits = {"per_hour": 7} if page else {"per_day": 9}
    assert microblog.config == {"api": "new"} | limits


def _post(browser: Client, page: str, facts: dict[str, Any]) -> Any:
    try:
        return browser.post(page, facts)
    finally:
        connection.close()
