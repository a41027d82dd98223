"""The only module that opens HTTP and mail connections to other servers.

The host is looked up once. Its address is checked, and the connection goes to the checked address.
So a second look-up with another result cannot bypass the check. To reach a private network, an
administrator allows it in SCRM_ALLOW_CIDRS ("10.1.0.0/16, fd00:1::/64").
"""

from __future__ import annotations

import http.client
import io
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from scrm.net.addresses import HttpError, Network, Target, ascii_host, denied, networks
from scrm.net.redirects import PERMANENT, REDIRECTS, ChainCookies, harmless

__all__ = ["HttpError", "Response", "connect", "fetch", "guarded_session", "secure", "stream"]

MEGABYTE = 1024 * 1024
MAX_BYTES = 10 * MEGABYTE
MAX_HEADER_BYTES = 64 * 1024
SECONDS = 30.0
"""The time limit of a whole exchange, from the look-up of the name to the last byte."""

allow: tuple[Network, ...] = networks(os.environ.get("SCRM_ALLOW_CIDRS", ""))
"""Private or reserved networks that requests may reach."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, completely read.

    url: the address after all redirects. moved_to: the new permanent address, which later requests
    should use; "" if there is none. A temporary redirect and all redirects after it do not count.
    headers: case-insensitive. body: decompressed.
    """

    status: int
    url: str
    moved_to: str
    headers: Mapping[str, str]
    body: bytes


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    max_bytes: int = MAX_BYTES,
    deadline: float = SECONDS,
    max_redirects: int = 5,
) -> Response:
    """Request `url`, follow redirects (GET and HEAD only), and read the whole answer.

    Cookies are kept within this call. Another host gets only headers that reveal nothing.
    deadline: seconds for the whole exchange. An answer with an error status is returned as well.
    Raises HttpError if there is no usable answer.
    """
    until = time.monotonic() + deadline
    target, sent = Target.of(url), dict(headers or {})
    moved_to, permanently, cookies = "", True, ChainCookies()
    for _ in range(max_redirects + 1):
        asked = cookies.add_to(sent, target.url)
        status, received, content = _exchange(target, method, asked, body, max_bytes, until)
        location = received.get("location", "")
        if status not in REDIRECTS or not location or method not in ("GET", "HEAD"):
            return Response(status, target.url, moved_to, received, content)
        onward = target.follow(location)
        sent = sent if onward.origin == target.origin else harmless(sent)
        cookies.keep(target.url, received)
        permanently = permanently and status in PERMANENT
        moved_to = onward.url if permanently else moved_to
        target = onward
    raise HttpError(f"{target.host} redirects more than {max_redirects} times.", "redirects")


def connect(host: str, port: int, *, timeout: float) -> socket.socket:
    """Open a TCP connection to a checked address of `host`, within `timeout` seconds."""
    host = _on_the_wire(host)
    until = time.monotonic() + timeout
    found = _checked(host, port, until)
    failure: OSError | None = None
    for tried, (family, address) in enumerate(found):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Divide the time, so that one dead address does not use up the time for the other
            # addresses.
            sock.settimeout(_left(until, host) / (len(found) - tried))
            # Use the checked address, not the name, because a second look-up could return another
            # address.
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_left(until, host))
            return sock
        except OSError as error:
            sock.close()
            failure = error
        except HttpError:
            sock.close()
            raise
    if isinstance(failure, TimeoutError):
        raise _slow(host) from failure
    raise HttpError(f"{host} cannot be reached: {_why(failure)}.", "unreachable") from failure


def secure(sock: socket.socket, host: str) -> ssl.SSLSocket:
    """Start TLS on a connection made by `connect`. The certificate must be valid for `host`."""
    try:
        return _tls().wrap_socket(sock, server_hostname=_on_the_wire(host))
    except ssl.SSLCertVerificationError as error:
        sock.close()
        message = f"The certificate of {host} cannot be trusted: {error.verify_message}."
        raise HttpError(message, "tls") from error
    except OSError as error:
        sock.close()
        raise HttpError(f"{host} does not use TLS on this port: {_why(error)}.", "tls") from error


def stream(sock: socket.socket, host: str, *, until: float, max_bytes: int) -> io.BufferedReader:
    """Return a reader for a connection made by `connect`. until: a time of `time.monotonic`."""
    capped = _Capped(sock, host, until)
    capped.allow_body(max_bytes)
    return io.BufferedReader(capped)


def guarded_session() -> requests.Session:
    """Return a `requests` session with the same checks and limits; a `timeout` can be shorter."""
    session = requests.Session()
    # A proxy set in the environment would bypass the check of addresses.
    session.trust_env = False
    session.max_redirects = 5
    session.headers.update(_standard_headers())
    session.mount("http://", _GuardedAdapter())
    session.mount("https://", _GuardedAdapter())
    return session


def _on_the_wire(host: str) -> str:
    """Return the host in ASCII; the resolver and TLS would encode a Unicode host by IDNA 2003."""
    try:
        return ascii_host(host)
    except ValueError as error:
        raise HttpError(f"{host} is not a valid host: {error}.", "malformed") from error


def _checked(host: str, port: int, until: float) -> list[tuple[int, Any]]:
    """Return all addresses of `host`. Raises HttpError if one of them is not allowed."""
    found = _resolve(host, port, until)
    for _, address in found:
        reached = ip_address(address[0].partition("%")[0])
        if denied(reached) and not _allowed(reached):
            shown = host if host == str(reached) else f"{host} ({reached})"
            raise HttpError(
                f"{shown} is a private or reserved address. scrm does not connect to such "
                "addresses unless SCRM_ALLOW_CIDRS allows it.",
                "refused",
            )
    return found


def _allowed(address: IPv4Address | IPv6Address) -> bool:
    # An IPv4 address inside an IPv6 one is judged as IPv4, as in denied().
    inner = getattr(address, "ipv4_mapped", None) or address
    return any(inner in network for network in allow)


def _resolve(host: str, port: int, until: float) -> list[tuple[int, Any]]:
    """Look up `host` in a thread, because the system's resolver has no time limit."""
    answers: queue.SimpleQueue[list[Any] | OSError | UnicodeError] = queue.SimpleQueue()
    # A daemon thread, so that a look-up that hangs does not keep the process alive.
    threading.Thread(target=_look_up, args=(host, port, answers), daemon=True).start()
    try:
        answer = answers.get(timeout=_left(until, host))
    except queue.Empty:
        raise HttpError(f"Looking up the name {host} took too long.", "slow") from None
    if isinstance(answer, list) and answer:
        return [(family, address) for family, *_, address in answer]
    raise HttpError(
        f"The host {host} was not found. Check the spelling and the network of this server.",
        "not found",
    )


def _look_up(host: str, port: int, answers: queue.SimpleQueue[Any]) -> None:
    try:
        answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        answers.put(error)


def _exchange(
    target: Target,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None,
    max_bytes: int,
    until: float,
) -> tuple[int, Mapping[str, str], bytes]:
    """Send one request and read its answer, without following redirects."""
    connection = _connection(target)
    connection.until, connection.max_bytes = until, max_bytes
    sent = {**_standard_headers(), "Connection": "close", **headers}
    try:
        connection.request(method, target.path, body=body, headers=sent, preload_content=False)
        answer = connection.getresponse()
        return answer.status, answer.headers, _read(answer, max_bytes, target.host)
    except (ssl.SSLError, urllib3.exceptions.SSLError) as error:
        message = f"{target.host} has no valid certificate or does not use TLS: {_why(error)}."
        raise HttpError(message, "tls") from error
    except (OSError, urllib3.exceptions.ProtocolError) as error:
        raise _broken(target.host, error) from error
    except (http.client.HTTPException, urllib3.exceptions.HTTPError, ValueError) as error:
        message = f"{target.host} returns something that is not HTTP: {_why(error)}."
        raise HttpError(message, "malformed") from error
    finally:
        connection.close()


def _read(answer: urllib3.BaseHTTPResponse, max_bytes: int, host: str) -> bytes:
    """Return the body, decompressed in pieces so that a small body cannot fill the memory."""
    content = bytearray()
    while piece := answer.read(64 * 1024, decode_content=True):
        content += piece
        if len(content) > max_bytes:
            raise _large(host, max_bytes)
    return bytes(content)


class _Capped(io.RawIOBase):
    """A stream that reads from a socket, with a deadline and a maximum number of bytes."""

    def __init__(self, sock: socket.socket, host: str, until: float) -> None:
        self._sock, self._host, self._until = sock, host, until
        self._raw = sock.makefile("rb", buffering=0)
        self._budget = MAX_HEADER_BYTES
        self._max_bytes = 0

    def allow_body(self, max_bytes: int) -> None:
        self._budget += max_bytes
        self._max_bytes = max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._budget <= 0:
            raise _large(self._host, self._max_bytes)
        # Set for each read, because a server that sends slowly could otherwise exceed the deadline.
        self._sock.settimeout(_left(self._until, self._host))
        try:
            got = self._raw.readinto(buffer)
        except TimeoutError as error:
            raise _slow(self._host) from error
        self._budget -= got or 0
        return got

    def close(self) -> None:
        self._raw.close()
        super().close()


class _CappedReply(http.client.HTTPResponse):
    """An answer whose headers and body are read through `_Capped`."""

    def __init__(
        self, host: str, until: float, max_bytes: int, sock: socket.socket, **options: Any
    ) -> None:
        super().__init__(sock, **options)
        # Replaces the stream that http.client opened, which has no limits.
        self.fp.close()
        self._capped = _Capped(sock, host, until)
        self._max_bytes = max_bytes
        self.fp = io.BufferedReader(self._capped)

    def begin(self) -> None:
        super().begin()
        # Raise the limit only now; before the end of the headers it is MAX_HEADER_BYTES.
        self._capped.allow_body(self._max_bytes)


class _GuardedHTTPConnection(HTTPConnection):
    """Connects to checked addresses only. until: a time of `time.monotonic`, or None."""

    until: float | None = None
    max_bytes = MAX_BYTES

    def _new_conn(self) -> socket.socket:
        return connect(self._dns_host, self.port, timeout=self._seconds())

    def request(self, *args: Any, **options: Any) -> None:
        seconds = self._seconds()
        if isinstance(self.timeout, int | float):  # the limit that the caller of a session has set
            seconds = min(seconds, self.timeout)
        self.timeout = seconds
        reply = partial(_CappedReply, self.host, time.monotonic() + seconds, self.max_bytes)
        self.response_class = reply  # type: ignore[assignment]
        super().request(*args, **options)

    def _seconds(self) -> float:
        limit = self.timeout if isinstance(self.timeout, int | float) else SECONDS
        return min(SECONDS, limit) if self.until is None else _left(self.until, self.host)


class _GuardedHTTPSConnection(_GuardedHTTPConnection, HTTPSConnection):
    pass


class _GuardedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTPConnection


class _GuardedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPSConnection


class _GuardedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _GuardedHTTPPool,
            "https": _GuardedHTTPSPool,
        }

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        target = Target.of(request.url or "")
        # No proxies, for the same reason as trust_env above.
        response = super().send(request, **{**options, "proxies": None})
        if not options.get("stream"):
            with response:
                try:
                    response._content = _read(response.raw, MAX_BYTES, target.host)
                except urllib3.exceptions.HTTPError as error:
                    # Not "unreachable", which would say that the request never reached the server.
                    raise requests.ConnectionError(str(_broken(target.host, error))) from error
        return response


def _connection(target: Target) -> _GuardedHTTPConnection:
    if target.scheme == "https":
        return _GuardedHTTPSConnection(target.host, target.port, ssl_context=_tls())
    return _GuardedHTTPConnection(target.host, target.port)


@cache
def _tls() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.load_default_certs()
    context.load_verify_locations(certifi.where())
    return context


def _standard_headers() -> dict[str, str]:
    contact = os.environ.get("SCRM_CONTACT_URL", "")
    agent = f"scrm/0.1 (+{contact})" if contact else "scrm/0.1"
    return {"User-Agent": agent, "Accept-Encoding": "gzip, deflate"}


def _left(until: float, host: str) -> float:
    if (left := until - time.monotonic()) <= 0:
        raise _slow(host)
    return left


def _slow(host: str) -> HttpError:
    return HttpError(f"{host} is too slow: the response was not complete in time.", "slow")


def _large(host: str, max_bytes: int) -> HttpError:
    what = f"more than {max_bytes / MEGABYTE:g} MB" if max_bytes else "headers without end"
    return HttpError(f"{host} sends {what}, which is too large.", "large")


def _broken(host: str, error: Exception) -> HttpError:
    return HttpError(f"{host} closed the connection: {_why(error)}.", "closed")


def _why(error: BaseException | None) -> str:
    reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
    return str(reason).rstrip(".") or type(error).__name__
