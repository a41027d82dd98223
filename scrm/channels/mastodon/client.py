"""Requests to a Mastodon server through Mastodon.py, with errors in plain English."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mastodon import Mastodon
from mastodon.errors import MastodonError, MastodonNetworkError

from scrm.channels.base import ChannelError, Credentials
from scrm.channels.bounded import bounded_network
from scrm.channels.unreadable import UNREADABLE
from scrm.net import http
from scrm.text.clean import plain

SECONDS = 20.0
"""The time limit of one request."""
_LONGEST_WAIT = 3_600.0
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_NEVER_SENT = {"refused", "not found", "unreachable", "malformed"}
"""Kinds of HttpError that a session raises only before the request was sent."""
_UNREADABLE = (MastodonError, *UNREADABLE)
"""What Mastodon.py raises for an error status and for an answer that it cannot read."""

Row = dict[str, Any]


class Gone(ChannelError):
    """The server does not have what was asked for, or does not show it to us."""


class _Object(dict[str, Any]):
    """An object of an answer; Mastodon.py reads some fields as attributes."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


class _Api(Mastodon):
    """Mastodon.py without its conversion of answers and without requests for the server's version.

    The conversion takes ten times as long as everything else, and hides wrong types: an id True
    becomes "True", and an object becomes a list.
    """

    def _Mastodon__try_cast_to_type(  # noqa: N802
        self, value: Any, **_options: Any
    ) -> tuple[Any, None]:
        return (_Object(value) if isinstance(value, dict) else value), None

    def timeline_is_available(
        self,
        timeline: str = "public",  # noqa: ARG002
        local: bool = False,  # noqa: ARG002
        remote: bool = False,  # noqa: ARG002
        with_auth: bool = False,  # noqa: ARG002
        fail_hard: bool = False,  # noqa: ARG002
    ) -> bool:
        return True

    def every_notification(self, types: list[str], min_id: str | None, limit: int) -> Any:
        """Request notifications, also those that the server filters; Mastodon.py cannot ask so."""
        asked = {"types[]": types, "min_id": min_id, "limit": limit, "include_filtered": "true"}
        path = "/api/v1/notifications"
        return self._Mastodon__api_request("GET", path, asked)  # type: ignore[attr-defined]

    def verify_minimum_version(self, version_str: str, cached: bool = False) -> bool:  # noqa: ARG002
        return True


@dataclass(slots=True)
class _LastAnswer:
    """The last answer as it was received; the errors of Mastodon.py contain no headers."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    def record(self, response: Any, *_args: Any, **_options: Any) -> None:
        self.status, self.headers = response.status_code, response.headers
        self.body = response.content

    def data(self) -> Any:
        """Return the parsed body; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Server:
    """A server and a login there. base: its address without a path."""

    base: str
    domain: str
    api: _Api = field(repr=False)
    answer: _LastAnswer = field(repr=False)

    @classmethod
    def of(cls, credentials: Credentials | None) -> Server:
        secrets = credentials.secrets if credentials else {}
        config = credentials.config if credentials else {}
        if not config.get("api") or not secrets.get("token"):
            raise ChannelError(
                "This account is not connected: its access token is missing. Connect the account "
                "again.",
                permanent=True,
            )
        return cls.open(
            str(config["api"]), str(secrets["token"]), domain=str(config.get("domain", ""))
        )

    @classmethod
    def open(cls, base: str, token: str = "", *, domain: str = "") -> Server:
        base = encrypted_or_local(base)
        answer, session = _LastAnswer(), http.guarded_session()
        # A redirect could take a text or a token to another server.
        session.max_redirects = 0
        session.hooks["response"].append(answer.record)
        api = _Api(
            api_base_url=base, session=session, request_timeout=SECONDS, user_agent="",
            ratelimit_method="throw",
        )  # fmt: skip
        # Not as an argument: Mastodon.py would read a file whose name is the token.
        api.access_token = token or None
        return cls(base, domain or urlsplit(base).netloc, api, answer)

    @property
    def host(self) -> str:
        return urlsplit(self.base).netloc

    def rows(self, request: Callable[[_Api], Any]) -> list[Any]:
        """Return the list that was requested. Raises ChannelError."""
        self.ask(request)
        found = self.answer.data()
        if not isinstance(found, list):
            raise self._not_data()
        return found

    def row(self, request: Callable[[_Api], Any], *, publishes: bool = False) -> Row:
        """Return the object that was requested. Raises ChannelError.

        publishes: whether the request publishes a text; only then an error can be `uncertain`.
        """
        self.ask(request, publishes=publishes)
        found = self.answer.data()
        if not isinstance(found, dict):
            raise self._not_data(publishes=publishes)
        return found

    def ask(self, request: Callable[[_Api], Any], *, publishes: bool = False) -> Any:
        """Return what the request returns. Raises ChannelError."""
        self.answer.status, self.answer.headers, self.answer.body = 0, {}, b""
        try:
            return request(self.api)
        except _UNREADABLE as error:
            # Without the cause, because its text can contain a whole answer with a token.
            raise self._explained(error, publishes=publishes) from None

    def _explained(self, error: Exception, *, publishes: bool) -> ChannelError:
        status = self.answer.status
        if isinstance(error, MastodonNetworkError):
            return self._no_answer(error, publishes=publishes)
        if status == 429:
            return ChannelError(
                f"{self.host} asks for less frequent requests (429).",
                retry_after=self._retry_after(),
            )
        if status >= 500:
            return ChannelError(
                f"{self.host} has a server error ({status}).",
                retry_after=self._retry_after(),
                uncertain=publishes,
            )
        if status >= 400:
            return self._refused()
        return self._not_data(publishes=publishes)

    def _refused(self) -> ChannelError:
        status, host, data = self.answer.status, self.host, self.answer.data()
        given = data.get("error") if isinstance(data, dict) else ""
        words = plain(given)[:300].rstrip(".") if isinstance(given, str) else ""
        if status == 401:
            return ChannelError(
                f"{host} does not accept this login any more (401). Connect the account again.",
                permanent=True,
            )
        if status in (404, 410):
            return Gone(
                f"{host} does not have it ({status}): it was deleted or is not visible to us.",
                permanent=True,
            )
        quoted = f": “{words}”" if words else ""
        if status == 403:
            return ChannelError(
                f"{host} does not allow this{quoted} (403). If a permission is missing, connect "
                "the account again.",
                permanent=True,
            )
        return ChannelError(f"{host} refuses this{quoted} ({status}).", permanent=True)

    def _no_answer(self, error: Exception, *, publishes: bool) -> ChannelError:
        if 300 <= self.answer.status < 400:
            return ChannelError(
                f"{self.host} has moved to another address. Connect the account with the new "
                "address of the server.",
                permanent=True,
            )
        cause = error.__context__
        if isinstance(cause, http.HttpError):
            never_sent = cause.kind in _NEVER_SENT
            return ChannelError(cause.message, uncertain=publishes and not never_sent)
        return ChannelError(
            f"{self.host} closed the connection or did not answer in time.", uncertain=publishes
        )

    def _not_data(self, *, publishes: bool = False) -> ChannelError:
        return ChannelError(
            f"{self.host} answers with something that is not an answer of Mastodon. It may be in "
            "maintenance.",
            uncertain=publishes,
        )

    def _retry_after(self) -> float | None:
        value = str(self.answer.headers.get("retry-after", "")).strip()
        if re.fullmatch(r"[0-9]{1,9}", value):
            return min(float(value), _LONGEST_WAIT)
        # Mastodon.py has corrected this time by the difference between the two clocks.
        reset = self.api.ratelimit_reset
        if self.answer.status != 429 or reset is None:
            return None
        return min(max(reset - time.time(), 1.0), _LONGEST_WAIT)


def network_of(base: str) -> str:
    """Return the network of a server: its host and port.

    The host is the one that we talk to, not the domain that the server states, because a server
    could otherwise use the keys of another one.
    """
    return bounded_network(f"mastodon:{urlsplit(base).netloc.lower()}")


def encrypted_or_local(address: str) -> str:
    """Return the address if a token may be sent there: it has https or is on this machine."""
    where = urlsplit(address)
    if where.scheme == "https" or is_local(address):
        return address
    raise ChannelError(
        f"{where.hostname} would receive the access token unencrypted. Use an address with https.",
        permanent=True,
    )


def is_local(address: str) -> bool:
    where = urlsplit(address)
    return where.scheme == "http" and where.hostname in {"localhost", "127.0.0.1", "::1"}


def checked_id(key: Any) -> str:
    """Return an id of the server as a string. Raises ValueError, because it goes into a path."""
    text = str(key) if isinstance(key, str | int) and not isinstance(key, bool) else ""
    if not _ID.match(text):
        raise ValueError("an id is missing or has an unknown form")
    return text


def requested_id(key: str, what: str) -> str:
    """Return an id that goes into a request. Raises ChannelError if it is not of this network."""
    try:
        return checked_id(key)
    except ValueError as error:
        raise ChannelError(f"This {what} is not known on Mastodon.", permanent=True) from error
