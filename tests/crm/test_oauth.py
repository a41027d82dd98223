"""An account is connected by a login on a page of its network (OAuth)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from crm import connecting, oauth
from crm.models import Account, OAuthAttempt, User
from crm.models.oauth_attempt import KEPT_FOR
from listening.new_accounts import open_sources
from scrm.channels.base import ChannelError
from tests.crm.pigeon import Gate
from tests.together import at_once

pytestmark = pytest.mark.usefixtures("pigeon_post")
NEW = "/our-accounts/new/pigeon/"
BACK = "/our-accounts/connected/"
PLUS_A_BIT = timedelta(minutes=10, seconds=1)


@pytest.fixture
def browser(as_: Callable[[User], Client], admin: User) -> Client:
    return as_(admin)


def typed(owner: User, **facts: Any) -> dict[str, Any]:
    return {"loft": "any", "word": "", "street": "Quay", "owner": owner.pk} | facts


def started(browser: Client, owner: User, page: str = NEW) -> str:
    """Start a login, and return the state that the gate gets."""
    shown = browser.post(page, typed(owner))
    assert shown.status_code == 200
    state: str = parse_qs(urlsplit(shown.context["url"]).query)["state"][0]
    return state


def come_back(browser: Client, state: str, **answer: str) -> Any:
    return browser.get(BACK, {"state": state, "code": "north"} | answer)


def refused(answer: Any) -> str:
    """Return the words of the page that says that nothing was saved."""
    assert answer.status_code == 400
    page: str = answer.content.decode()
    assert "Nothing was saved." in page
    assert "Start again" in page
    assert not Account.objects.exists()
    return " ".join(page.split())


@pytest.fixture
def account(browser: Client, admin: User) -> Account:
    """A loft that was connected at the gate."""
    come_back(browser, started(browser, admin))
    return Account.objects.get()


def test_the_page_has_a_plain_link_to_the_network(browser: Client, admin: User) -> None:
    page = browser.post(NEW, typed(admin)).content.decode()
    link = re.search(r'<a class="button primary" href="(https://gate.example/allow\?[^"]+)"', page)
    assert link
    assert "back=http://localhost:8000/our-accounts/connected/" in link[1]
    assert "Continue on gate.example" in page
    assert "you come back to scrm" in page
    assert "hush" not in page
    assert not Account.objects.exists()


def test_the_form_names_the_address_that_networks_ask_for(browser: Client) -> None:
    assert "http://localhost:8000/our-accounts/connected/" in browser.get(NEW).content.decode()


def test_a_test_of_the_login_says_that_it_cannot_be_tested(browser: Client, admin: User) -> None:
    page = browser.post(NEW, typed(admin, do="test")).content.decode()
    assert "cannot be tested" in page
    assert "Continue on gate.example" in page


def test_only_the_hash_of_the_state_is_stored_and_the_rest_is_encrypted(
    browser: Client, admin: User
) -> None:
    state = started(browser, admin)
    assert len(state) >= 43  # 32 random bytes
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(a)::text FROM crm_oauthattempt a")
        (row,) = cursor.fetchone()
    assert state not in row
    assert "hush" not in row
    assert OAuthAttempt.objects.get().kept == {"verifier": "hush", "street": "Quay"}


def test_a_login_with_a_password_needs_no_page_of_the_network(browser: Client, admin: User) -> None:
    assert browser.post(NEW, typed(admin, loft="east", word="coo")).status_code == 302
    assert Account.objects.get().secrets == {"word": "coo"}
    assert not OAuthAttempt.objects.exists()


@pytest.mark.parametrize("address", ["javascript:alert(1)//", "data:text/html,x", "https:///x"])
def test_an_odd_address_of_the_network_is_refused(
    browser: Client, admin: User, pigeon_post: Gate, address: str
) -> None:
    """A server that an admin typed cannot make scrm show a link that runs a script.

    Fails without `_refuse_odd_address`.
    """
    pigeon_post.address = address
    page = browser.post(NEW, typed(admin))
    assert page.status_code == 422
    assert "javascript" not in page.content.decode()
    assert not OAuthAttempt.objects.exists()


def test_the_account_is_saved_when_the_user_comes_back(
    browser: Client, admin: User, agent: User
) -> None:
    shown = browser.post(NEW, typed(admin) | {"owner": agent.pk})
    state = parse_qs(urlsplit(shown.context["url"]).query)["state"][0]
    answer = come_back(browser, state)
    account = Account.objects.get()
    assert answer.headers["Location"] == f"/our-accounts/{account.pk}/"
    assert "no-store" in answer.headers["Cache-Control"]
    assert (account.self_key, account.name, account.owner) == ("north", "Loft north", agent)
    assert account.secrets == {"ticket": "first-ticket"}
    assert account.config == {"street": "Quay"}
    assert account.secrets_expire_at
    assert timedelta(0) < account.secrets_expire_at - timezone.now() < timedelta(hours=2)
    attempt = OAuthAttempt.objects.get()
    assert attempt.used_at
    assert attempt.kept == {}
    page = browser.get(f"/our-accounts/{account.pk}/").content.decode()
    assert "is connected" in page
    assert "first-ticket" not in page


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"error": "access_denied"}, "Access was not allowed on the page of the network."),
        ({"error": "server_error"}, "error “server_error”"),
        ({"error": "<b>Call 555 now</b>", "error_description": "Wire it"}, "error “?”"),
        ({"code": ""}, "The gate gave no ticket."),
    ],
)
def test_a_refusal_of_the_network_saves_nothing_and_uses_up_the_attempt(
    browser: Client, admin: User, answer: dict[str, str], words: str
) -> None:
    state = started(browser, admin)
    page = refused(come_back(browser, state, **answer))
    assert words in page
    assert "Call 555" not in page
    assert "Wire it" not in page
    assert f'href="{NEW}"' in page
    assert "already used" in refused(come_back(browser, state))


@pytest.mark.parametrize("state", ["", "guess", "x" * 5000, "\x00", "ü"])
def test_a_guessed_state_is_refused(browser: Client, admin: User, state: str) -> None:
    started(browser, admin)
    page = refused(come_back(browser, state))
    assert "scrm has not started this login" in page
    assert 'href="/our-accounts/#connect"' in page
    assert OAuthAttempt.objects.get().used_at is None


def test_a_call_without_parameters_is_refused(browser: Client, admin: User) -> None:
    refused(browser.get(BACK))
    assert browser.post(BACK).status_code == 405
    assert browser.head(BACK).status_code == 405


def test_another_user_cannot_complete_the_login(
    browser: Client, admin: User, as_: Callable[[User], Client]
) -> None:
    """An admin who is lured to the callback page cannot connect the account of an attacker.

    Fails if the attempt is found without its user.
    """
    state = started(browser, admin)
    other = User.objects.create_user("abe@scrm.example", name="Abe", role="admin")
    assert "started by another user" in refused(come_back(as_(other), state))
    assert come_back(browser, state).status_code == 302


def test_a_user_who_is_no_admin_any_more_cannot_complete_the_login(
    browser: Client, admin: User
) -> None:
    state = started(browser, admin)
    User.objects.filter(pk=admin.pk).update(role="")
    assert come_back(browser, state).status_code == 403
    assert not Account.objects.exists()


def test_after_ten_minutes_it_is_too_late(browser: Client, admin: User) -> None:
    state = started(browser, admin)
    OAuthAttempt.objects.update(started_at=timezone.now() - PLUS_A_BIT)
    assert "More than 10 minutes have passed" in refused(come_back(browser, state))


def test_old_attempts_are_deleted_when_a_new_one_starts(
    browser: Client, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm.models.oauth_attempt.MAX_DELETED", 2)
    old = timezone.now() - KEPT_FOR - timedelta(hours=1)
    for number in range(3):
        OAuthAttempt.objects.create(
            state_hash=str(number), user=admin, owner=admin, kind="pigeon", started_at=old
        )
    started(browser, admin)
    assert OAuthAttempt.objects.count() == 2  # at most two are deleted at once
    started(browser, admin)
    assert OAuthAttempt.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_calls_at_once_one_succeeds(
    admin: User, as_: Callable[[User], Client], pigeon_post: Gate
) -> None:
    """If the callback page is opened twice at the same moment, the account is saved once.

    Fails if the attempt is used up without compare-and-set.
    """
    state = started(as_(admin), admin)
    browsers = [as_(admin), as_(admin)]
    first, second = at_once(*(lambda b=b: come_back(b, state) for b in browsers))
    assert sorted([first.status_code, second.status_code]) == [302, 400]
    assert Account.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_network_is_called_outside_any_transaction(
    browser: Client, admin: User, pigeon_post: Gate
) -> None:
    seen: list[bool] = []
    pigeon_post.meanwhile = lambda: seen.append(connection.in_atomic_block)
    come_back(browser, started(browser, admin))
    assert seen == [False]
    assert Account.objects.exists()


def test_an_account_that_is_connected_already_is_named(
    browser: Client, admin: User, account: Account
) -> None:
    answer = come_back(browser, started(browser, admin))
    assert answer.status_code == 400
    assert "“Loft north” already uses this account." in answer.content.decode()
    assert Account.objects.count() == 1


def test_a_reconnected_account_keeps_its_name_its_sources_and_their_cursors(
    browser: Client, admin: User, account: Account
) -> None:
    open_sources(now=timezone.now())
    account.sources.update(cursor={"seq": 7})
    now = timezone.now()
    Account.objects.update(
        name="Our loft", secrets_expire_at=now, renewal_lease_until=now, reconnect_asked_at=now
    )
    state = started(browser, admin, f"/our-accounts/{account.pk}/connect/")
    assert come_back(browser, state).status_code == 302
    open_sources(now=timezone.now())
    account.refresh_from_db()
    assert account.name == "Our loft"
    assert [source.cursor for source in account.sources.all()] == [{"seq": 7}] * 2
    assert account.secrets_expire_at
    assert account.secrets_expire_at > now + timedelta(hours=1)
    assert account.reconnect_asked_at is account.renewal_lease_until is None


def test_a_reconnect_as_another_account_is_refused(
    browser: Client, admin: User, account: Account
) -> None:
    before = (account.secrets, account.secrets_expire_at)
    state = started(browser, admin, f"/our-accounts/{account.pk}/connect/")
    answer = come_back(browser, state, code="south")
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "This is a different account. Connect it as a new one." in page
    assert f'href="/our-accounts/{account.pk}/connect/"' in page
    account.refresh_from_db()
    assert (account.self_key, account.secrets, account.secrets_expire_at) == ("north", *before)


def test_no_secret_is_logged(
    browser: Client, admin: User, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    state = started(browser, admin)
    come_back(browser, state, code="")
    come_back(browser, started(browser, admin))
    logged = caplog.text + "".join(capfd.readouterr())
    for secret in (state, "hush", "first-ticket"):
        assert secret not in logged


def test_a_failing_renewal_does_not_prevent_a_reconnect(
    browser: Client, admin: User, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user can connect an account again although its stored login cannot be renewed.

    Fails if `connecting.log_in` lets the ChannelError through.
    """

    def fail(_account: Account) -> None:
        raise ChannelError("The login has ended.", permanent=True)

    monkeypatch.setattr(connecting, "fresh_credentials", fail)
    page = f"/our-accounts/{account.pk}/connect/"
    assert browser.post(page, typed(admin, loft="north", word="coo")).status_code == 302
    account.refresh_from_db()
    assert account.secrets == {"word": "coo"}
    assert account.secrets_expire_at is None


def test_the_callback_page_is_the_public_address(settings: Any) -> None:
    settings.PUBLIC_URL = "https://crm.example"
    assert oauth.callback_url() == "https://crm.example/our-accounts/connected/"
