"""How a Mastodon account is connected: by OAuth with PKCE, or with a token."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from scrm.channels.base import ChannelError, Credentials, FetchRequest
from scrm.channels.connector import Authorization, Callback, Connected, ConnectError
from scrm.channels.mastodon.account import find_server, limits
from scrm.channels.mastodon.client import network_of
from scrm.channels.mastodon.connect import CONNECTOR, ServerForm, connect
from scrm.channels.mastodon.listen import MastodonListener
from scrm.channels.mastodon.oauth import SCOPES, MastodonOAuth
from scrm.net import http
from scrm.net.addresses import networks
from tests.standins.mastodon import DOMAIN, TOKEN, Fault, MastodonServer
from tests.standins.mastodon_routes import Request, answer

OAUTH = MastodonOAuth()
CALLBACK = Callback("https://scrm.example/accounts/connected/", "state-123")


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))


@pytest.fixture
def net() -> Iterator[MastodonServer]:
    with MastodonServer() as server:
        yield server


def start(net: MastodonServer) -> Authorization:
    begun = OAUTH.start({"address": net.url, "token": ""}, None, CALLBACK)
    assert begun is not None
    return begun


def log_in(net: MastodonServer, known: Any = None) -> Connected:
    begun = start(net)
    return OAUTH.finish(press(net, begun.url), begun.kept, known, CALLBACK)


def press(net: MastodonServer, url: str) -> dict[str, str]:
    """Allow access on the page of the server, and return the parameters of the way back."""
    parts = urlsplit(url)
    request = Request("GET", parts.path, parse_qs(parts.query), {}, {}, {})
    status, location = answer(net, request)
    assert status == 302
    assert location.startswith(CALLBACK.url)
    return dict(parse_qsl(urlsplit(location).query))


class TestOAuth:
    def test_a_login_returns_the_account(self, net: MastodonServer) -> None:
        net.max_characters = 5000
        us = log_in(net)
        assert (us.network, us.self_key) == (network_of(net.url), net.us["id"])
        assert us.address == us.name == f"@us@{DOMAIN}"
        assert us.sources_to_open == {"mentions": f"Mentions of @us@{DOMAIN}"}
        assert us.expires_at is None
        assert us.config["max_length"] == 5000
        assert us.config["media"] == {
            "count": 4, "image_bytes": 16777216, "description": 1500, "types": ["image/png"],
        }  # fmt: skip
        assert us.secrets == {
            "token": TOKEN, "client_id": "client-0", "client_secret": "app-5ecret-0",
        }  # fmt: skip
        assert MastodonListener().listen(FetchRequest("mentions", {}, us)).unchanged

    def test_the_page_gets_state_scopes_and_challenge(self, net: MastodonServer) -> None:
        begun = start(net)
        query = dict(parse_qsl(urlsplit(begun.url).query))
        assert begun.url.startswith(f"{net.url}/oauth/authorize?")
        assert query["state"] == CALLBACK.state
        assert query["redirect_uri"] == net.apps["client-0"]["uri"] == CALLBACK.url
        assert query["scope"] == net.apps["client-0"]["scopes"] == " ".join(SCOPES)
        assert query["code_challenge_method"] == "S256"
        assert begun.kept["verifier"] not in begun.url
        assert begun.kept["client_secret"] not in begun.url
        assert begun.kept["verifier"] not in repr(begun)

    def test_another_verifier_is_refused(self, net: MastodonServer) -> None:
        begun = start(net)
        kept = {**begun.kept, "verifier": "x" * 64}
        with pytest.raises(ConnectError, match="did not accept the login"):
            OAUTH.finish(press(net, begun.url), kept, None, CALLBACK)

    def test_an_old_server_is_asked_without_pkce(self, net: MastodonServer) -> None:
        net.has_pkce = False
        begun = start(net)
        assert "code_challenge" not in begun.url
        assert OAUTH.finish(press(net, begun.url), begun.kept, None, CALLBACK).self_key

    @pytest.mark.parametrize("state", ["", "state-124", "státe"])
    def test_a_wrong_state_is_refused_before_anything_is_asked(
        self, net: MastodonServer, state: str
    ) -> None:
        begun = start(net)
        returned = press(net, begun.url) | {"state": state}
        asked = len(net.asked)
        with pytest.raises(ConnectError, match="not started here"):
            OAUTH.finish(returned, begun.kept, None, CALLBACK)
        assert len(net.asked) == asked

    def test_a_user_who_refuses_is_told_so(self, net: MastodonServer) -> None:
        returned = {"state": CALLBACK.state, "error": "access_denied"}
        with pytest.raises(ConnectError, match="Access was not allowed at 127"):
            OAUTH.finish(returned, start(net).kept, None, CALLBACK)

    def test_a_code_works_once(self, net: MastodonServer) -> None:
        begun = start(net)
        returned = press(net, begun.url)
        OAUTH.finish(returned, begun.kept, None, CALLBACK)
        with pytest.raises(ConnectError, match="The grant is invalid"):
            OAUTH.finish(returned, begun.kept, None, CALLBACK)

    def test_missing_permissions_are_refused(self, net: MastodonServer) -> None:
        begun = start(net)
        returned = press(net, begun.url)
        net.codes[returned["code"]]["scope"] = "read"
        with pytest.raises(ConnectError, match="did not grant every permission"):
            OAUTH.finish(returned, begun.kept, None, CALLBACK)

    def test_connecting_again_returns_the_same_account(self, net: MastodonServer) -> None:
        first = log_in(net)
        second = log_in(net, first)
        assert (second.network, second.self_key) == (first.network, first.self_key)
        assert second.sources_to_open == {}

    @pytest.mark.parametrize("what", ["torn", "web page", "closed", 500, 403])
    @pytest.mark.parametrize(
        "where",
        ["/oauth/token", "/v1/apps", "verify_credentials", "oauth-authorization", "instance"],
    )
    def test_no_secret_is_in_a_message_or_a_log(
        self, net: MastodonServer, caplog: pytest.LogCaptureFixture, where: str, what: Any
    ) -> None:
        caplog.set_level(logging.DEBUG)
        net.faults.append(Fault(where, what, times=9))
        text, secrets = "", ["5ecret", "torn-tok"]
        try:
            begun = start(net)
            secrets.append(begun.kept["verifier"] or "5ecret")
            OAUTH.finish(press(net, begun.url), begun.kept, None, CALLBACK)
        except ConnectError as error:
            text = f"{error} {error.errors} {error.__cause__!r}"
        # Without metadata the login works without PKCE, unless there is no answer at all.
        assert text or ("authorization" in where and what != "closed")
        for secret in secrets:
            assert secret not in text
            assert secret not in caplog.text


class TestToken:
    def test_a_typed_token_needs_no_page(self, net: MastodonServer) -> None:
        typed = {"address": net.url, "token": f" {TOKEN} "}
        assert OAUTH.start(typed, None, CALLBACK) is None
        us = connect(typed, None)
        assert (us.self_key, us.secrets) == (net.us["id"], {"token": TOKEN})
        assert TOKEN not in repr(us)

    def test_a_wrong_token_is_shown_at_its_field(self, net: MastodonServer) -> None:
        with pytest.raises(ConnectError, match="does not accept this login") as caught:
            connect({"address": net.url, "token": "wrong"}, None)
        assert caught.value.errors[0][0] == "token"
        with pytest.raises(ConnectError, match="Enter an access token"):
            connect({"address": net.url, "token": " "}, None)


class TestServers:
    def test_an_account_or_a_page_names_the_server(
        self, net: MastodonServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def fetch(url: str, **_options: Any) -> http.Response:
            asked.append(url)
            return http.Response(200, url, "", {}, b'{"domain": "x", "configuration": {}}')

        monkeypatch.setattr(http, "fetch", fetch)
        for typed in ("mastodon.example", " @us@mastodon.example ", "us@Mastodon.example/",
                      "https://mastodon.example/@us", "http://mastodon.example"):  # fmt: skip
            assert find_server(typed) == "https://mastodon.example"
        assert asked[0] == "https://mastodon.example/api/v2/instance"
        assert all(url.startswith("https://") for url in asked)

    def test_a_redirect_to_the_host_of_the_pages_is_followed(self, net: MastodonServer) -> None:
        with MastodonServer() as other:
            there = {"Location": f"{net.url}/api/v2/instance"}
            other.faults.append(Fault("instance", 301, headers=there))
            assert find_server(other.url) == net.url

    @pytest.mark.parametrize("typed", ["", "@", "https://", "https://[::1", "@us@"])
    def test_nothing_typed_is_refused(self, typed: str) -> None:
        with pytest.raises(ChannelError, match="Enter the address"):
            find_server(typed)

    @pytest.mark.parametrize("what", [404, "web page", "torn", 500])
    def test_another_kind_of_server_is_refused(self, net: MastodonServer, what: Any) -> None:
        net.faults.append(Fault("instance", what))
        with pytest.raises(ConnectError, match="no Mastodon server") as caught:
            OAUTH.start({"address": net.url}, None, CALLBACK)
        assert caught.value.errors[0][0] == "address"
        assert net.apps == {}

    def test_a_closed_server_shows_its_limits_after_the_login(self, net: MastodonServer) -> None:
        net.faults.append(Fault("instance", 401))
        assert log_in(net).config["max_length"] == 500

    def test_a_server_cannot_take_the_name_of_another(self) -> None:
        assert network_of("https://evil.example") == "mastodon:evil.example"
        long = network_of(f"https://{'a' * 60}.example")
        assert len(long) == 60
        assert long != network_of(f"https://{'a' * 60}.example2")

    @pytest.mark.parametrize("instance", [
        {}, {"configuration": 5}, {"configuration": {"statuses": []}},
        {"configuration": {"statuses": {"max_characters": "x"}}},
        {"configuration": {"statuses": {"max_characters": -1}, "media_attachments": {}}},
    ])  # fmt: skip
    def test_limits_that_are_not_stated_are_the_usual_ones(self, instance: Any) -> None:
        assert limits(instance)["max_length"] == 500
        assert limits(instance)["media"]["count"] == 4


def test_the_form_accepts_a_server_alone() -> None:
    form = ServerForm({"address": "mastodon.example"})
    assert form.is_valid(), form.errors
    assert list(form.fields) == ["address", "token"]
    assert CONNECTOR.oauth is not None
    assert CONNECTOR.renew is None


def test_the_form_shows_the_web_address_of_a_known_server() -> None:
    """Fails if the domain of the accounts is shown, which can differ from the web address."""
    form = ServerForm()
    form.show(
        Credentials("mastodon:s", "1", "@us@short.example", {}, {"api": "https://web.example"})
    )
    assert form.initial["address"] == "https://web.example"
