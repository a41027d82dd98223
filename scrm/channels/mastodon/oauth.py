"""Log in on the page of the server, by OAuth 2 with PKCE.

Every server is independent, so scrm registers itself as an application there at each login.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.utils.crypto import constant_time_compare

from scrm.channels.base import ChannelError, Credentials, Json
from scrm.channels.connector import Authorization, Callback, Connected, ConnectError
from scrm.channels.mastodon.account import find_server, log_in
from scrm.channels.mastodon.client import SECONDS, Server
from scrm.net import http
from scrm.text.clean import plain

SCOPES = (
    "read",
    "write:statuses",
    "write:media",
    "write:favourites",
    "write:blocks",
    "write:reports",
)


class MastodonOAuth:
    def start(
        self,
        typed: Json,
        known: Credentials | None,  # noqa: ARG002
        callback: Callback,
    ) -> Authorization | None:
        if str(typed.get("token") or "").strip():
            return None
        try:
            server = Server.open(find_server(str(typed["address"])))
            client_id, client_secret = _register(server, callback.url)
            has_pkce = _has_pkce(server)
        except ChannelError as error:
            raise ConnectError(("address", error.message)) from error
        verifier = secrets.token_urlsafe(48)
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": callback.url,
            "scope": " ".join(SCOPES),
            "state": callback.state,
        }
        if has_pkce:
            digest = base64.urlsafe_b64encode(sha256(verifier.encode()).digest())
            query["code_challenge"] = digest.rstrip(b"=").decode()
            query["code_challenge_method"] = "S256"
        kept = {
            "api": server.base,
            "client_id": client_id,
            "client_secret": client_secret,
            "verifier": verifier if has_pkce else "",
        }
        return Authorization(f"{server.base}/oauth/authorize?{urlencode(query)}", kept)

    def finish(
        self, answer: Mapping[str, str], kept: Json, known: Credentials | None, callback: Callback
    ) -> Connected:
        # First: without the right state, another person may have started this login.
        if not constant_time_compare(answer.get("state", ""), callback.state):
            raise ConnectError(("", "This login was not started here. Connect the account again."))
        host = urlsplit(str(kept["api"])).netloc
        if not answer.get("code"):
            raise ConnectError(("", f"Access was not allowed at {host}. Nothing was saved."))
        token = _exchange(kept, answer["code"], callback.url, host)
        try:
            connected = log_in(str(kept["api"]), token, known)
        except ChannelError as error:
            raise ConnectError(("", error.message)) from error
        login = {name: kept[name] for name in ("client_id", "client_secret")}
        return replace(connected, secrets={**connected.secrets, **login})


def _register(server: Server, redirect_uri: str) -> tuple[str, str]:
    """Register scrm as an application; return its id and its secret. Raises ChannelError."""
    found = server.ask(
        lambda api: api.create_app(
            "scrm",
            scopes=list(SCOPES),
            redirect_uris=redirect_uri,
            api_base_url=server.base,
            request_timeout=SECONDS,
            session=api.session,
            user_agent=str(api.session.headers["User-Agent"]),
        )
    )
    client_id, client_secret = found
    if not (isinstance(client_id, str) and isinstance(client_secret, str)):
        raise ChannelError(f"{server.host} does not let scrm register as an application.")
    return client_id, client_secret


def _has_pkce(server: Server) -> bool:
    """Whether the server says that it checks code challenges; Mastodon does since 4.3."""
    found = server.ask(lambda api: api.oauth_authorization_server_info())
    methods = found.get("code_challenge_methods_supported") if isinstance(found, dict) else None
    return isinstance(methods, list) and "S256" in methods


def _exchange(kept: Json, code: str, redirect_uri: str, host: str) -> str:
    """Exchange the code for an access token. Raises ConnectError.

    Mastodon.py cannot send the verifier of PKCE, so this request does not use it.
    """
    facts = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": kept["client_id"],
        "client_secret": kept["client_secret"],
        "redirect_uri": redirect_uri,
        "scope": " ".join(SCOPES),
    }
    if kept.get("verifier"):
        facts["code_verifier"] = kept["verifier"]
    try:
        response = http.fetch(
            f"{kept['api']}/oauth/token",
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(facts).encode(),
            deadline=SECONDS,
        )
    except http.HttpError as error:
        raise ConnectError(("", error.message)) from error
    data = _json(response.body)
    token = data.get("access_token")
    if response.status == 200 and isinstance(token, str) and token:
        _require_scopes(data, host)
        return token
    words = plain(str(data.get("error_description") or ""))[:300]
    quoted = f": “{words}”" if words else ""
    raise ConnectError(
        ("", f"{host} did not accept the login ({response.status}){quoted}. Try it again.")
    )


def _require_scopes(data: Json, host: str) -> None:
    granted = data.get("scope")
    if isinstance(granted, str) and not set(SCOPES) <= set(granted.split()):
        message = f"{host} did not grant every permission that scrm needs. Try it again."
        raise ConnectError(("", message))


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
