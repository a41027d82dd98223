"""An X account is connected in three ways, and its tokens are renewed before they expire."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from scrm.channels.base import ChannelError, Credentials
from scrm.channels.connector import Callback, Connected, ConnectError
from scrm.channels.x.client import client_of
from scrm.channels.x.connect import XForm, XOAuth, connect
from scrm.channels.x.oauth import SCOPES, renew
from scrm.net import http
from scrm.net.addresses import networks
from tests.standins.x import APP_TOKEN, OUR_TOKEN, XServer

KEYS = {
    "api_key": "key-of-app", "api_key_secret": "secret-of-app",
    "access_token": "100-token", "access_token_secret": "secret-of-token",
}  # fmt: skip
CALLBACK = Callback("https://scrm.example/connect/done", "state-1")


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> Iterator[XServer]:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    with XServer() as server:
        server.keys["key-of-app", "100-token"] = ("100", "secret-of-app", "secret-of-token")
        server.apps["client-1"] = "secret-of-client"
        server.scope = SCOPES
        yield server


def typed(x: XServer, login: str, **facts: Any) -> dict[str, Any]:
    form = XForm({"login": login, "access": "self-serve", "api": x.url, **facts})
    assert form.is_valid(), form.errors
    return form.cleaned_data


def log_in(
    x: XServer, known: Credentials | None = None, secret: str = "", **changed: Any
) -> Connected:
    """Log in on the login page of the stand-in, a simulated server of X.

    The login page redirects the browser back to scrm. The arguments in `changed` replace parameters
    of this redirect.
    """
    values = typed(x, "oauth2", client_id="client-1", client_secret=secret)
    begun = XOAuth().start(values, known, CALLBACK)
    assert begun is not None
    return XOAuth().finish({**_visit(begun.url), **changed}, begun.kept, known, CALLBACK)


def _visit(url: str) -> dict[str, str]:
    """Allow the access on the login page.

    Returns the parameters of the URL to which the login page redirects the browser.
    """
    session = http.guarded_session()
    answer = session.get(url, allow_redirects=False, timeout=5)
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == CALLBACK.url
    return dict(parse_qsl(back.query))


class TestKeys:
    def test_keys_connect_an_account(self, x: XServer) -> None:
        found = connect(typed(x, "oauth1", **KEYS), None, test=True)
        assert (found.network, found.self_key, found.address) == ("x", "100", "@acme")
        assert (found.secrets, found.name, found.expires_at) == (KEYS, "Acme", None)
        assert list(found.sources_to_open) == ["mentions", "quotes", "messages"]
        assert found.config["access"] == "self-serve"
        assert "max_length" not in found.config

    def test_messages_are_not_opened_without_their_permission(self, x: XServer) -> None:
        x.access_level = "read-write"
        found = connect(typed(x, "oauth1", **KEYS), None, test=True)
        assert list(found.sources_to_open) == ["mentions", "quotes"]

    def test_wrong_keys_are_refused(self, x: XServer) -> None:
        with pytest.raises(ConnectError) as caught:
            connect(typed(x, "oauth1", **{**KEYS, "access_token_secret": "wrong"}), None, test=True)
        assert caught.value.errors[0][0] == "access_token_secret"
        assert "401" in caught.value.errors[0][1]

    def test_the_keys_of_another_account_are_refused(self, x: XServer) -> None:
        known = Credentials("x", "300", "@bob")
        with pytest.raises(ConnectError, match="login of @acme, but this account is @bob"):
            connect(typed(x, "oauth1", **KEYS), known, test=True)

    def test_stored_keys_are_kept_if_the_fields_stay_empty(self, x: XServer) -> None:
        known = connect(typed(x, "oauth1", **KEYS), None, test=True)
        form = XForm(
            {"login": "oauth1", "access": "enterprise", "api": x.url, "long_posts": "on"},
            known=known,
        )
        assert form.is_valid(), form.errors
        again = connect(form.cleaned_data, known, test=False)
        assert (again.secrets, again.self_key) == (KEYS, "100")
        assert (again.config["access"], again.config["max_length"]) == ("enterprise", 25_000)
        assert not any(secret in form.as_p() for secret in KEYS.values())

    def test_a_missing_key_is_asked_for(self, x: XServer) -> None:
        form = XForm({"login": "oauth1", "access": "self-serve", "api": x.url, "api_key": "k"})
        assert not form.is_valid()
        assert set(form.errors) == {"api_key_secret", "access_token", "access_token_secret"}

    @pytest.mark.parametrize("name", KEYS)
    @pytest.mark.parametrize("sign", ["\u2013", "\u00e9", "\u0416", "\x7f"])
    def test_a_sign_that_no_key_contains_is_refused_at_its_field(
        self, x: XServer, name: str, sign: str
    ) -> None:
        keys = {**KEYS, name: f"top-{sign}-secret"}
        form = XForm({"login": "oauth1", "access": "self-serve", "api": x.url, **keys})
        assert list(form.errors) == [name]
        assert "top-" not in str(form.errors[name])

    def test_an_unencrypted_address_is_refused(self, x: XServer) -> None:
        with pytest.raises(ConnectError) as caught:
            connect({**typed(x, "oauth1", **KEYS), "api": "http://api.example"}, None, test=True)
        assert caught.value.errors[0][0] == "api"


class TestAppOnly:
    def test_the_token_of_an_app_opens_no_source(self, x: XServer) -> None:
        found = connect(typed(x, "app", bearer_token=APP_TOKEN), None, test=True)
        assert (found.self_key, found.sources_to_open) == ("app-only", {})
        assert found.config["visibilities"] == []
        assert [request.path for request in x.requests] == ["/2/usage/tweets"]

    def test_a_wrong_token_is_refused(self, x: XServer) -> None:
        with pytest.raises(ConnectError, match="401"):
            connect(typed(x, "app", bearer_token="wrong"), None, test=True)


@pytest.mark.parametrize("name", [*KEYS, "bearer_token"])
def test_a_stored_key_with_a_strange_sign_fails_without_being_shown(x: XServer, name: str) -> None:
    secrets = {**KEYS, name: "top-\u2013-secret"}
    with pytest.raises(ChannelError, match="Connect the account again") as caught:
        client_of(replace(x.account(), secrets=secrets))
    assert caught.value.permanent
    error: BaseException | None = caught.value
    while error:
        assert "top-" not in repr(error)
        error = error.__cause__ or error.__context__


class TestOAuth:
    @pytest.mark.parametrize("secret", ["", "secret-of-client"])
    def test_a_login_on_x_connects_an_account(self, x: XServer, secret: str) -> None:
        found = log_in(x, secret=secret)
        assert (found.self_key, found.address, found.config["login"]) == ("100", "@acme", "oauth2")
        assert list(found.sources_to_open) == ["mentions", "quotes", "messages"]
        assert found.expires_at is not None
        assert found.expires_at - datetime.now(UTC) > timedelta(minutes=115)
        assert found.secrets.get("client_secret", "") == secret

    def test_the_page_gets_a_challenge_and_not_the_verifier(self, x: XServer) -> None:
        begun = XOAuth().start(typed(x, "oauth2", client_id="client-1"), None, CALLBACK)
        assert begun is not None
        asked = parse_qs(urlsplit(begun.url).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert (asked["state"], asked["scope"]) == (["state-1"], [SCOPES])
        assert begun.kept["verifier"] not in begun.url
        assert begun.kept["verifier"] not in repr(begun)

    def test_the_login_page_of_x_itself_is_at_x_com(self) -> None:
        values = {"login": "oauth2", "client_id": "c", "api": "https://api.x.com"}
        begun = XOAuth().start(values, None, CALLBACK)
        assert begun is not None
        assert begun.url.startswith("https://x.com/i/oauth2/authorize?response_type=code&")

    def test_keys_need_no_page(self, x: XServer) -> None:
        assert XOAuth().start(typed(x, "oauth1", **KEYS), None, CALLBACK) is None

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"state": "other"}, "does not belong"),
            ({"state": ""}, "does not belong"),
            ({"code": ""}, "not allowed on X"),
            ({"code": "other"}, "Connect the account again"),
        ],
    )
    def test_an_answer_that_differs_is_refused(
        self, x: XServer, changed: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(ConnectError, match=words):
            log_in(x, **changed)

    def test_a_stolen_code_is_worthless_without_the_verifier(self, x: XServer) -> None:
        values = typed(x, "oauth2", client_id="client-1")
        first = XOAuth().start(values, None, CALLBACK)
        second = XOAuth().start(values, None, CALLBACK)
        assert first is not None
        assert second is not None
        with pytest.raises(ConnectError):
            XOAuth().finish(_visit(first.url), second.kept, None, CALLBACK)

    def test_messages_are_not_opened_without_their_scope(self, x: XServer) -> None:
        x.scope = "tweet.read users.read offline.access"
        assert list(log_in(x).sources_to_open) == ["mentions", "quotes"]

    def test_another_account_than_the_connected_one_is_refused(self, x: XServer) -> None:
        with pytest.raises(ConnectError, match="login of @acme"):
            log_in(x, known=Credentials("x", "300", "@bob"))
        assert log_in(x, known=Credentials("x", "100", "@acme")).self_key == "100"


class TestRenewal:
    def test_tokens_are_exchanged_and_the_old_one_is_dead(self, x: XServer) -> None:
        found = log_in(x)
        renewed = renew(found)
        assert renewed.secrets["access_token"] != found.secrets["access_token"]
        assert renewed.secrets["refresh_token"] != found.secrets["refresh_token"]
        assert renewed.expires_at is not None
        assert renewed.expires_at - datetime.now(UTC) > timedelta(minutes=115)
        assert renew(replace(found, secrets=renewed.secrets)).expires_at is not None
        with pytest.raises(ChannelError, match="Connect the account again") as caught:
            renew(found)
        assert caught.value.permanent

    def test_the_client_secret_is_kept(self, x: XServer) -> None:
        found = log_in(x, secret="secret-of-client")
        assert renew(found).secrets["client_secret"] == "secret-of-client"

    @pytest.mark.parametrize("fault", [{"status": 503}, {"lost": True}, {"torn": True}])
    def test_a_failure_of_x_is_not_permanent(self, x: XServer, fault: dict[str, Any]) -> None:
        found = log_in(x)
        x.fault("/2/oauth2/token", **fault)
        with pytest.raises(ChannelError) as caught:
            renew(found)
        assert not caught.value.permanent

    def test_keys_do_not_end(self, x: XServer) -> None:
        found = connect(typed(x, "oauth1", **KEYS), None, test=True)
        assert (renew(found).secrets, renew(found).expires_at) == (KEYS, None)

    def test_a_login_without_a_refresh_token_must_be_repeated(self, x: XServer) -> None:
        account = replace(x.account(), secrets={"access_token": OUR_TOKEN})
        with pytest.raises(ChannelError, match="no refresh token") as caught:
            renew(account)
        assert caught.value.permanent


def test_no_secret_is_logged_or_shown(x: XServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    found = log_in(x, secret="secret-of-client")
    renewed = renew(found)
    signed = connect(typed(x, "oauth1", **KEYS), None, test=True)
    shown = caplog.text + repr(found) + repr(renewed) + repr(signed)
    for secret in (*found.secrets.values(), *renewed.secrets.values(), *KEYS.values()):
        assert secret not in shown


def test_each_secret_belongs_to_one_kind_of_login() -> None:
    """Fails if a field of a login is missing in the list: the page would always show it."""
    form = XForm()
    logins = {value for value, _label in form.fields["login"].choices}  # type: ignore[attr-defined]
    marked = {
        name: field.widget.attrs["data-only"]
        for name, field in form.fields.items()
        if "data-only" in field.widget.attrs
    }
    assert set(marked.values()) == logins
    assert set(form.fields) - set(marked) == {"login", "access", "long_posts", "api"}
    assert "data-chooses" in form.fields["login"].widget.attrs
