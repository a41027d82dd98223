"""Client for the REST API of a WordPress site, with errors in plain English."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from html import unescape
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

from scrm.channels.base import ChannelError, Credentials
from scrm.channels.unreadable import UNREADABLE
from scrm.net import http
from scrm.net.addresses import Target
from scrm.text.clean import plain
from scrm.text.decode import charset_of, decode

SECONDS = 30.0
_LINK_HEADER = re.compile(r"<([^<>\s]+)>\s*;\s*rel=[\"']?https://api\.w\.org/")
_LINK_TAG = re.compile(r"<link\b[^<>]{0,500}>", re.I)
_HREF = re.compile(r"\bhref=[\"']([^\"'<>\s]+)", re.I)
_LOGIN = re.compile(r"(?i)wp-login|login|signin|sso|auth")
_LONGEST_WAIT = 3_600.0

Query = Mapping[str, str | int]
P = ParamSpec("P")
R = TypeVar("R")


def reading_answers(*, changes: bool) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a method raise ChannelError if a field of an answer is missing or has a wrong type.

    A plugin of the blog may change its answers. changes: whether the method changes something on
    the blog; then the error is `uncertain`.
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        @wraps(method)
        def checked(*args: P.args, **options: P.kwargs) -> R:
            try:
                return method(*args, **options)
            except UNREADABLE as error:
                raise ChannelError(
                    "An answer of the blog cannot be read. A plugin there may have changed it.",
                    uncertain=changes,
                ) from error

        return checked

    return decorate


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request, as JSON.

    code: the name that WordPress gives to an error, or "".
    changes: whether the request changes something, so that an unreadable answer is `uncertain`.
    total: the number of rows on all pages of a list; None if the answer does not state it.
    """

    host: str
    status: int
    data: Any
    changes: bool = False
    total: int | None = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        return str(self.data.get("code", "")) if isinstance(self.data, dict) else ""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The list that was requested. Raises ChannelError if the answer is no list."""
        self.or_refuse()
        if not isinstance(self.data, list):
            raise ChannelError(
                f"{self.host} returned something other than a list.", uncertain=self.changes
            )
        return [row for row in self.data if isinstance(row, dict)]

    @property
    def row(self) -> dict[str, Any]:
        """The object that was requested. Raises ChannelError if the answer is no object."""
        self.or_refuse()
        if not isinstance(self.data, dict):
            raise ChannelError(
                f"{self.host} returned something unexpected.", uncertain=self.changes
            )
        return self.data

    def or_refuse(self) -> None:
        """Raise ChannelError with a message if the request failed."""
        if self.ok:
            return
        words = plain(str(self.data.get("message", "")))[:300] if self.code else ""
        if self.status in (404, 410):
            gone = "it was deleted there" if "invalid_id" in self.code else words or "it is gone"
            raise ChannelError(f"{self.host} does not have it: {gone}.", permanent=True)
        if self.status == 403:
            quoted = f": “{words}”" if words else ""
            raise ChannelError(
                f"The user at {self.host} may not do this there{quoted} (403). Give that user the "
                "role of an editor.",
                permanent=True,
            )
        raise ChannelError(
            f"{self.host} refuses this: {words or 'no reason given'} ({self.status}).",
            permanent=True,
        )


@dataclass(frozen=True, slots=True)
class Site:
    """A WordPress site and the login of a user.

    api: the address of the REST API; it contains either `/wp-json/` or `?rest_route=/`.
    """

    api: str
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, credentials: Credentials | None) -> Site:
        secrets = credentials.secrets if credentials else {}
        api = str(credentials.config.get("api", "")) if credentials else ""
        if not api or not secrets.get("password"):
            raise ChannelError("This blog is not connected: its password is missing.",
                               permanent=True)  # fmt: skip
        return cls(api, str(secrets.get("user", "")), str(secrets["password"]))

    @property
    def host(self) -> str:
        return urlsplit(self.api).netloc

    def get(self, route: str, **query: str | int) -> Answer:
        return self._ask("GET", route, query)

    def post(self, route: str, facts: Mapping[str, Any]) -> Answer:
        return self._ask("POST", route, {}, facts)

    def delete(self, route: str) -> Answer:
        return self._ask("DELETE", route, {})

    def address(self, route: str, query: Query) -> str:
        """Return the URL of a route, in the form that the site's `api` has.

        The forms are `/wp-json/wp/v2/posts?…` and `/index.php?rest_route=/wp/v2/posts&…`.
        """
        route = f"/wp/v2/{route}" if route else "/"
        asked = urlencode(query, safe=",")
        if "rest_route=" in self.api:
            head = re.sub(r"rest_route=[^&]*", f"rest_route={quote(route)}", self.api)
            return f"{head}&{asked}" if asked else head
        head = f"{self.api.rstrip('/')}{route}"
        return f"{head}?{asked}" if asked else head

    def _ask(
        self, method: str, route: str, query: Query, facts: Mapping[str, Any] | None = None
    ) -> Answer:
        """Send one request and return the answer. Raises ChannelError.

        If a request that changes something gets no answer, the error is `uncertain`.
        """
        changes = method != "GET"
        headers = {"Accept": "application/json", **self._login()}
        body = None
        if facts is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(facts).encode()
        try:
            response = http.fetch(
                self.address(route, query),
                method=method, headers=headers, body=body, deadline=SECONDS,
            )  # fmt: skip
        except http.HttpError as error:
            # Only without a connection is it certain that the change did not reach the site.
            certainly_not_sent = error.kind in ("refused", "not found")
            raise ChannelError(
                error.message, uncertain=changes and not certainly_not_sent
            ) from error
        requested, answered = urlsplit(self.api), urlsplit(response.url)
        if (answered.scheme, answered.netloc) != (requested.scheme, requested.netloc):
            # the password was not sent to the new address
            raise _redirected(self.host, response.url)
        return _answer(response, self.host, changes=changes)

    def _login(self) -> dict[str, str]:
        if not self.password:
            return {}
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}


def _answer(response: http.Response, host: str, *, changes: bool) -> Answer:
    """Return the JSON of an answer.

    Raises ChannelError if the answer does not come from WordPress itself, if the server is too busy
    or has an error, or if the login was refused.
    """
    status, location = response.status, response.headers.get("location", "")
    if 300 <= status < 400:
        raise _redirected(host, location)
    if _LOGIN.search(urlsplit(response.url).path) and not _is_json(response):
        raise _redirected(host, response.url)
    if status in (429, 503):
        what = "asks for less frequent requests" if status == 429 else "is down for maintenance"
        # A 503 may also come from a proxy, after WordPress has carried the request out.
        raise ChannelError(
            f"{host} {what} ({status}).",
            retry_after=_retry_after(response), uncertain=changes and status == 503,
        )  # fmt: skip
    if status >= 500 and status != 501:
        raise ChannelError(f"{host} has a server error ({status}).", uncertain=changes)
    data = _json(response)
    status = _real_status(status, data)
    if status == 401:
        raise ChannelError(
            f"{host} does not accept this user name and application password (401). Make a new "
            "one there and connect the blog again.",
            permanent=True,
        )
    if data is None:
        raise _no_json(response, host, changes=changes)
    return Answer(host, status, data, changes, _total(response))


def _total(response: http.Response) -> int | None:
    value = response.headers.get("x-wp-total", "").strip()
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def _real_status(status: int, data: Any) -> int:
    """Return the real status of an answer.

    Without a login, WordPress may answer 400 because of a parameter. The details of the answer then
    contain the real status 401 or 403.
    """
    details = (data.get("data") or {}).get("details") if isinstance(data, dict) else None
    if status != 400 or not isinstance(details, dict):
        return status
    statuses = [
        (detail.get("data") or {}).get("status")
        for detail in details.values()
        if isinstance(detail, dict)
    ]
    return next((inner for inner in statuses if inner in (401, 403)), status)


def _no_json(response: http.Response, host: str, *, changes: bool) -> ChannelError:
    status = response.status
    if status == 404:
        return ChannelError(f"There is no REST API at {host} (404).", permanent=True)
    if status >= 400:
        return ChannelError(
            f"{host} refuses ({status}) before WordPress is reached: a firewall or a plugin "
            "there blocks its REST API.",
            permanent=True,
        )
    what = "a web page" if b"<" in response.body[:2000] else "nothing that can be read"
    return ChannelError(
        f"{host} answers with {what} instead of data: it may be in maintenance, or a plugin "
        "blocks its REST API.",
        uncertain=changes,
    )


def _redirected(host: str, location: str) -> ChannelError:
    if _LOGIN.search(location):
        return ChannelError(
            f"{host} redirects to its login page: its REST API does not accept application "
            "passwords.",
            permanent=True,
        )
    where = urlsplit(urljoin(f"https://{host}/", location))
    return ChannelError(
        f"{host} has moved to {where.scheme}://{where.netloc}. Connect the blog with that address.",
        permanent=True,
    )


def _is_json(response: http.Response) -> bool:
    return "json" in response.headers.get("content-type", "").lower()


def _json(response: http.Response) -> Any:
    """Return the parsed body; None if it is not JSON."""
    try:
        return json.loads(decode(response.body, _charset(response)).text.lstrip("\ufeff \r\n\t"))
    except (ValueError, RecursionError):
        return None


def _charset(response: http.Response) -> str:
    return charset_of(response.headers.get("content-type", ""))


def _retry_after(response: http.Response) -> float | None:
    value = response.headers.get("retry-after", "").strip()
    return min(float(value), _LONGEST_WAIT) if re.fullmatch(r"[0-9]{1,9}", value) else None


def find_api(address: str) -> str:
    """Find the REST API of a site from its page at `address`. Raises ChannelError."""
    last: ChannelError | None = None
    for url in _schemes(address.strip()):
        try:
            response = http.fetch(url, headers={"Accept": "text/html,*/*"}, deadline=SECONDS / 2)
        except http.HttpError as error:
            # Report the first error, which is that of https.
            last = last or ChannelError(error.message)
            continue
        return _encrypted_or_local(_linked_api(response) or _guessed_api(response))
    raise last or ChannelError("Enter the address of the blog.", permanent=True)


def _encrypted_or_local(api: str) -> str:
    """Return the address of the API if it is safe to send a password there.

    This is the case if the address uses https or is on this machine. Raises ChannelError otherwise.
    """
    where = urlsplit(api)
    if where.scheme == "https" or where.hostname in {"localhost", "127.0.0.1", "::1"}:
        return api
    raise ChannelError(
        f"{where.hostname} would receive the password unencrypted. Connect it with https.",
        permanent=True,
    )


def _schemes(address: str) -> list[str]:
    if re.match(r"(?i)https?://", address):
        return [address]
    return [f"https://{address}", f"http://{address}"] if address else []


def _linked_api(response: http.Response) -> str:
    """Return the address of the API from the link on the page; "" if there is no such link.

    The link is in the HTTP header Link or in a `<link>` tag. It counts only if its scheme and host
    are those of the page.
    """
    found = [link[1] for link in _LINK_HEADER.finditer(response.headers.get("link", ""))]
    page = decode(response.body[:512_000], _charset(response), markup=True).text
    tags = [tag for tag in _LINK_TAG.findall(page) if "api.w.org" in tag]
    found += [unescape(href[1]) for tag in tags if (href := _HREF.search(tag))]
    here = Target.of(response.url)
    for link in found:
        try:
            there = Target.of(urljoin(response.url, link))
        except (http.HttpError, ValueError):
            continue
        if there.origin == here.origin:
            return there.url
    return ""


def _guessed_api(response: http.Response) -> str:
    """Try the two usual addresses of the API, because some themes and plugins remove the link.

    Raises ChannelError if no API is found.
    """
    for place in ("./wp-json/", "./?rest_route=/"):
        api = urljoin(response.url, place)
        try:
            answer = http.fetch(Site(api).address("", {}), deadline=SECONDS / 3)
        except http.HttpError:
            continue
        if answer.status == 200 and isinstance(index := _json(answer), dict) and "routes" in index:
            return api
    if response.status >= 400:
        raise ChannelError(f"There is nothing at {response.url} ({response.status}).",
                           permanent=True)  # fmt: skip
    raise ChannelError(
        f"{response.url} is a web page, but its WordPress REST interface was not found: it is no "
        "WordPress site, or the interface is closed.",
        permanent=True,
    )
