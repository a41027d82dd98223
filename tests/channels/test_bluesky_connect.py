"""Connecting a Bluesky account and renewing its session.

The tests use a simulated Bluesky server, the stand-in in `tests/standins`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scrm.channels.base import ChannelError, Credentials
from scrm.channels.bluesky.client import encrypted_or_local
from scrm.channels.bluesky.connect import CONNECTOR, SERVER, BlueskyForm, connect
from scrm.channels.bluesky.session import claims, expiry, renew
from scrm.channels.connector import ConnectError, Renewed
from tests.channels.bluesky_fixtures import care, jo, listen, log_in, network, us
from tests.standins.bluesky import Bluesky, Person

__all__ = ["care", "jo", "network", "us"]

REFRESH, LOGIN = "com.atproto.server.refreshSession", "com.atproto.server.createSession"


def renewed(us: Credentials, fresh: Renewed) -> Credentials:
    return Credentials(us.network, us.self_key, us.address, fresh.secrets, us.config)


class TestConnecting:
    def test_what_is_stored_about_an_account(self, network: Bluesky, care: Person) -> None:
        typed = {"handle": " @SkyCare.test ", "password": "skycare-chat", "server": network.url}
        found = connect(typed, None)
        assert (found.network, found.self_key, found.address) == (
            "bluesky", care.did, "@skycare.test",
        )  # fmt: skip
        assert found.name == "@skycare.test"
        assert found.secrets.keys() == {"identifier", "password", "access", "refresh"}
        assert found.config["pds"] == network.url
        assert found.sources_to_open.keys() == {"mentions", "messages"}
        assert found.expires_at
        assert abs(found.expires_at - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)

    def test_without_access_to_messages_only_mentions_are_opened(
        self, network: Bluesky, care: Person
    ) -> None:
        typed = {"handle": "skycare.test", "password": "skycare-app", "server": network.url}
        assert connect(typed, None).sources_to_open.keys() == {"mentions"}

    def test_a_reconnect_is_the_same_account_after_a_change_of_handle(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        care.handle = "care.skyward.example"
        typed = {"handle": care.handle, "password": "skycare-app", "server": network.url}
        again = connect(typed, us)
        assert again.self_key == us.self_key
        assert again.address == "@care.skyward.example"

    @pytest.mark.parametrize(
        ("password", "words"),
        [("wrong", "does not know this handle"), ("skycare-main", "This is the main password")],
    )
    def test_a_password_that_is_no_app_password(
        self, network: Bluesky, care: Person, password: str, words: str
    ) -> None:
        with pytest.raises(ConnectError, match=words) as caught:
            log_in(network, password)
        assert caught.value.errors[0][0] == "password"

    @pytest.mark.parametrize(
        "server",
        [
            "http://pds.example",
            "ftp://x",
            "http://",
            "https://[",
            "x y",
            "https://a:99999",
            "https://☃.test",
        ],
    )
    def test_a_password_is_never_sent_unencrypted(self, server: str) -> None:
        typed = {"handle": "skycare.test", "password": "x", "server": server}
        with pytest.raises(ConnectError) as caught:
            connect(typed, None)
        assert caught.value.errors[0][0] == "server"

    # Fails if the typed host is kept: an answer of the host in ASCII then seems to be redirected.
    @pytest.mark.parametrize(
        ("typed", "server"),
        [
            ("https://Straße.test", "https://xn--strae-oqa.test"),
            ("https://xn--strae-oqa.test/", "https://xn--strae-oqa.test"),
            ("https://PDS.example:8443/x", "https://pds.example:8443"),
            ("http://[::1]:2583", "http://[::1]:2583"),
            ("http://localhost", "http://localhost"),
        ],
    )
    def test_the_server_is_kept_as_it_is_asked(self, typed: str, server: str) -> None:
        assert encrypted_or_local(typed) == server

    def test_the_own_server_of_the_account_must_be_encrypted_too(
        self, network: Bluesky, care: Person
    ) -> None:
        service = {"id": "#atproto_pds", "serviceEndpoint": "http://pds.example"}
        answer = network.session(care.did, "com.atproto.appPass")
        answer["didDoc"]["service"] = [service]
        network.tear(LOGIN, json.dumps(answer).encode())
        with pytest.raises(ConnectError, match="unencrypted"):
            log_in(network, "skycare-app")

    def test_an_account_that_is_not_active(self, network: Bluesky, care: Person) -> None:
        answer = network.session(care.did, "com.atproto.appPass") | {"active": False}
        network.tear(LOGIN, json.dumps(answer).encode())
        with pytest.raises(ConnectError, match="not active"):
            log_in(network, "skycare-app")

    @pytest.mark.parametrize("raw", [b"{}", b'{"accessJwt": 5}', b"<html>", b"[]"])
    def test_an_answer_that_is_no_session(self, network: Bluesky, care: Person, raw: bytes) -> None:
        network.tear(LOGIN, raw)
        with pytest.raises(ConnectError, match="something unexpected"):
            log_in(network, "skycare-app")

    def test_the_form_shows_what_is_stored_but_no_password(self, us: Credentials) -> None:
        page = str(BlueskyForm(known=us))
        assert "skycare.test" in page
        assert us.config["pds"] in page
        assert not [name for name in ("password", "access", "refresh") if us.secrets[name] in page]
        usual = replace(us, config={"server": SERVER})
        assert BlueskyForm(known=usual).initial["server"] == ""

    def test_the_form_needs_no_server(self) -> None:
        form = BlueskyForm({"handle": "skycare.test", "password": "abcd"})
        assert form.is_valid()

    def test_no_secret_is_logged_or_shown(
        self, network: Bluesky, us: Credentials, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("DEBUG"):
            fresh = renew(us)
        seen = f"{caplog.text} {us!r} {fresh!r}"
        values = [us.secrets["password"], us.secrets["access"], fresh.secrets["refresh"]]
        assert [value for value in values if value in seen] == []


class TestRenewal:
    def test_the_refresh_token_gives_new_tokens(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        network.expire_access()
        logins = network.logins
        fresh = renew(us)
        assert network.logins == logins, "logins are limited to 300 a day"
        assert fresh.expires_at
        assert fresh.expires_at > datetime.now(UTC)
        jo.post("Hello @skycare.test", mention=care)
        assert len(listen(renewed(us, fresh), "mentions").items) == 1

    @pytest.mark.parametrize("broken", ["expired", "lost", "empty"])
    def test_without_a_refresh_token_the_app_password_is_used(
        self, network: Bluesky, us: Credentials, broken: str
    ) -> None:
        if broken == "expired":
            network.expire_access(refresh=True)
        elif broken == "lost":
            network.tokens.clear()
        else:
            us = replace(us, secrets={**us.secrets, "refresh": ""})
        fresh = renew(us)
        assert listen(renewed(us, fresh), "mentions").items == ()

    def test_a_changed_handle_does_not_matter(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        network.tokens.clear()
        care.handle = "care.skyward.example"
        assert renew(us).secrets["access"]

    def test_a_revoked_password_asks_for_a_new_connection(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        network.tokens.clear()
        care.passwords.clear()
        with pytest.raises(ChannelError, match="Connect the account again") as caught:
            renew(us)
        assert caught.value.permanent

    @pytest.mark.parametrize("status", [500, 503, 429])
    def test_a_server_that_fails_uses_up_no_login(
        self, network: Bluesky, us: Credentials, status: int
    ) -> None:
        logins = network.logins
        network.fail(REFRESH, status)
        with pytest.raises(ChannelError) as caught:
            renew(us)
        assert not caught.value.permanent
        assert network.logins == logins

    def test_a_lost_answer_is_tried_again(self, network: Bluesky, us: Credentials) -> None:
        network.lose_answer(REFRESH)
        with pytest.raises(ChannelError) as caught:
            renew(us)
        assert not caught.value.permanent
        assert renew(us).secrets["access"]

    def test_another_account_is_refused(
        self, network: Bluesky, us: Credentials, jo: Person
    ) -> None:
        answer = network.session(jo.did, "com.atproto.appPass")
        network.tear(REFRESH, json.dumps(answer).encode())
        with pytest.raises(ChannelError, match="another account"):
            renew(us)

    @pytest.mark.parametrize(
        "claim", [{}, {"exp": None}, {"exp": "x"}, {"exp": 1e300}, {"exp": True}, [], 5]
    )
    def test_a_token_that_says_no_time_is_renewed_soon(self, claim: object) -> None:
        body = base64.urlsafe_b64encode(json.dumps(claim).encode()).decode()
        until = expiry({"accessJwt": f"a.{body}.c"})
        assert until < datetime.now(UTC) + timedelta(hours=1)

    @pytest.mark.parametrize("token", ["", "a", "a.!.c", "a.eyJ.c", "é.é.é"])
    def test_a_token_that_cannot_be_read_claims_nothing(self, token: str) -> None:
        assert claims(token) == {}


def test_the_connector_renews() -> None:
    assert CONNECTOR.renew is renew
    assert CONNECTOR.oauth is None
