"""Guarantee G10 (docs/guarantees.md): only one module makes outgoing requests.

Each group of tests was also run with the checked code removed. The comment above a group says which
line was removed and what the tests then did.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from scrm.net import http
from scrm.net.addresses import denied, networks

LOOPBACK = networks("127.0.0.1/32")
METADATA = "169.254.169.254"

REFUSED = [
    # decimal, octal, hexadecimal and short forms
    "http://127.0.0.1/",
    "http://127.0.0.1:8000/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0177.0.0.01/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7f.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://0xa9.254.0251.254/",
    # private, shared, reserved
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/machine",
    "http://100.100.100.200/",
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.254/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://192.0.0.170/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.51.100.7/",
    "http://203.0.113.7/",
    "http://224.0.0.251/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    # IPv6, and IPv4 inside IPv6
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]:80/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    # other ways to write a number or a name
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "http://127\u30020\u30020\u30021/",
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "http://localhost/",
    "http://LOCALHOST/",
    "https://127.0.0.1/",
    "HTTP://127.0.0.1/",
    "  http://127.0.0.1/  ",
    "http://127.0.0.1#@example.org/",
    "http://127.0.0.1?@example.org/",
]

MALFORMED = [
    "http://user@127.0.0.1/",
    "http://example.org:secret@127.0.0.1/",
    "http://example.org@169.254.169.254/",
    "http://@127.0.0.1/",
    "http://example.org\\@127.0.0.1/",
    "http://127.0.0.1\\.example.org/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%2f.example.org/",
    "http://[::1/",
    "http://[fe80::1%25eth0]/",
    "http://[::ffff:127.0.0.1.example.org]/",
    "http://a b/",
    "http://example.org/\r\nX-Injected: 1",
    "http://",
    "http://example.org:99999/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp://127.0.0.1/",
    "dict://127.0.0.1:11211/",
    "//127.0.0.1/",
    "127.0.0.1",
    "",
]


@pytest.fixture
def allow_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "allow", LOOPBACK)


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that records each address to which the code tries to connect.

    Each attempt to connect fails.
    """
    tried: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(http, "allow", ())
    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Install a fake DNS resolver, and return the list of its answers.

    A test adds one list of IP addresses for each look-up. The last list is used for all further
    look-ups.
    """
    answers: list[list[str]] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, port))
            for each in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers


# Fails if `denied` returns False, because then the code tries to connect to each URL.
@pytest.mark.parametrize("url", REFUSED)
def test_it_refuses_a_private_or_reserved_address(url: str, connections: list[Any]) -> None:
    with pytest.raises(http.HttpError) as refusal:
        http.fetch(url, deadline=5)
    assert refusal.value.kind == "refused"
    assert "SCRM_ALLOW_CIDRS" in refusal.value.message
    assert connections == []


# Fails without the checks of `@`, `_NOT_IN_URL` and the scheme. Without them, fourteen of these
# URLs are accepted and looked up.
@pytest.mark.parametrize("url", MALFORMED)
def test_it_refuses_what_is_no_plain_web_address(url: str, connections: list[Any]) -> None:
    with pytest.raises(http.HttpError) as refusal:
        http.fetch(url, deadline=5)
    assert refusal.value.kind == "malformed"
    assert connections == []


@pytest.mark.parametrize("url", [u for u in REFUSED if u.strip() == u])
def test_the_session_for_sdks_refuses_the_same(url: str, connections: list[Any]) -> None:
    with pytest.raises((http.HttpError, requests.RequestException)):
        http.guarded_session().get(url)
    assert connections == []


# The system's resolver decides whether a name with a trailing dot is an address.
@pytest.mark.parametrize("host", ["127.0.0.1.", "2130706433.", "localhost.", "LocalHost.."])
def test_a_trailing_dot_opens_no_way(host: str, connections: list[Any]) -> None:
    with pytest.raises(http.HttpError) as refusal:
        http.fetch(f"http://{host}/", deadline=5)
    assert refusal.value.kind in ("refused", "not found")
    assert connections == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "2130706433", "localhost", METADATA])
def test_mail_connections_are_refused_alike(host: str, connections: list[Any]) -> None:
    with pytest.raises(http.HttpError) as refusal:
        http.connect(host, 993, timeout=5)
    assert refusal.value.kind == "refused"
    assert connections == []


# Fails if only the first address is checked.
@pytest.mark.parametrize("bad", ["127.0.0.1", "10.0.0.1", "::1", "64:ff9b::a9fe:a9fe"])
def test_one_bad_address_among_good_ones_is_enough_to_refuse(
    bad: str, connections: list[Any], resolver: list[list[str]]
) -> None:
    resolver.append(["93.184.215.14", bad])
    with pytest.raises(http.HttpError) as refusal:
        http.fetch("http://rebind.example/")
    assert refusal.value.kind == "refused"
    assert connections == []


# Fails if `socket.create_connection((host, port))` looks the name up again after the check.
def test_a_name_that_changes_its_answer_reaches_only_the_checked_address(
    connections: list[Any], resolver: list[list[str]]
) -> None:
    resolver.extend([["93.184.215.14"], ["127.0.0.1"]])
    with pytest.raises(http.HttpError) as failure:
        http.fetch("http://rebind.example/")
    assert failure.value.kind == "unreachable"
    assert connections == [("93.184.215.14", 80)]


@pytest.mark.usefixtures("allow_loopback")
@pytest.mark.parametrize("place", [f"http://{METADATA}/", "//10.0.0.1/", "http://[::1]/x"])
def test_a_redirect_is_checked_like_a_first_address(httpserver: HTTPServer, place: str) -> None:
    httpserver.expect_request("/").respond_with_data(status=302, headers={"Location": place})
    with pytest.raises(http.HttpError) as refusal:
        http.fetch(httpserver.url_for("/"))
    assert refusal.value.kind == "refused"
    with pytest.raises(http.HttpError):
        http.guarded_session().get(httpserver.url_for("/"))


@pytest.mark.usefixtures("allow_loopback")
def test_a_redirect_to_a_file_or_a_user_name_is_refused(httpserver: HTTPServer) -> None:
    for place in ("file:///etc/passwd", "http://a:b@127.0.0.1/"):
        httpserver.expect_request("/").respond_with_data(status=302, headers={"Location": place})
        with pytest.raises(http.HttpError) as refusal:
            http.fetch(httpserver.url_for("/"))
        assert refusal.value.kind == "malformed"


@given(st.ip_addresses())
def test_an_address_is_denied_wherever_the_standard_library_calls_it_private(address: Any) -> None:
    if (inner := getattr(address, "ipv4_mapped", None)) is not None:
        assert denied(address) == denied(inner)
    elif address.is_private or address.is_multicast or address.is_reserved:
        assert denied(address)


@given(st.ip_addresses(v=4))
def test_an_address_mapped_into_ipv6_is_judged_as_itself(address: IPv4Address) -> None:
    assert denied(IPv6Address(f"::ffff:{address}")) == denied(address)


def test_public_addresses_pass(connections: list[Any], resolver: list[list[str]]) -> None:
    resolver.append(["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
    with pytest.raises(http.HttpError) as failure:
        http.fetch("https://example.org/")
    assert failure.value.kind == "unreachable"
    assert [address[0] for address in connections] == resolver[0]


def test_an_allowed_network_is_reached_and_no_other(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/").respond_with_data("hello")
    monkeypatch.setattr(http, "allow", networks("10.0.0.0/8, fd00::/8"))
    with pytest.raises(http.HttpError):
        http.fetch(httpserver.url_for("/"))
    monkeypatch.setattr(http, "allow", networks("10.0.0.0/8,127.0.0.0/8"))
    assert http.fetch(httpserver.url_for("/")).body == b"hello"


def test_a_bad_allow_list_is_a_loud_error() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.300"):
        networks("10.0.0.0/8, 10.0.0.300/32")


@pytest.mark.usefixtures("allow_loopback")
def test_proxies_of_the_environment_are_ignored(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    httpserver.expect_request("/").respond_with_data("direct")
    assert http.fetch(httpserver.url_for("/")).body == b"direct"
    assert http.guarded_session().get(httpserver.url_for("/")).text == "direct"


@pytest.mark.usefixtures("allow_loopback")
def test_it_says_who_it_is(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRM_CONTACT_URL", "https://example.org/contact")
    httpserver.expect_request("/").respond_with_handler(
        lambda request: Response(request.headers["User-Agent"])
    )
    assert http.fetch(httpserver.url_for("/")).body == b"scrm/0.1 (+https://example.org/contact)"


@pytest.mark.usefixtures("allow_loopback")
class TestRedirects:
    def test_it_follows_and_tells_a_permanent_move_from_a_passing_one(
        self, httpserver: HTTPServer
    ) -> None:
        for path, status, place in (("/a", 301, "/b"), ("/b", 308, "/c"), ("/c", 302, "/d")):
            httpserver.expect_request(path).respond_with_data(
                status=status, headers={"Location": place}
            )
        httpserver.expect_request("/d").respond_with_data("here")
        found = http.fetch(httpserver.url_for("/a"))
        assert (found.status, found.body) == (200, b"here")
        assert found.url == httpserver.url_for("/d")
        assert found.moved_to == httpserver.url_for("/c")

    def test_it_does_not_follow_for_ever(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request("/").respond_with_data(status=302, headers={"Location": "/"})
        with pytest.raises(http.HttpError) as refusal:
            http.fetch(httpserver.url_for("/"))
        assert refusal.value.kind == "redirects"
        assert len(httpserver.log) == 6

    def test_another_origin_is_not_told_the_password(self, httpserver: HTTPServer) -> None:
        told: list[str | None] = []

        def note(request: Request) -> Response:
            told.append(request.headers.get("Authorization"))
            return Response("ok")

        with HTTPServer("127.0.0.1", 0) as other:
            other.expect_request("/").respond_with_handler(note)
            for path, place in (("/away", other.url_for("/")), ("/stay", "/here")):
                httpserver.expect_request(path).respond_with_data(
                    status=302, headers={"Location": place}
                )
            httpserver.expect_request("/here").respond_with_handler(note)
            secret = {"Authorization": "Bearer canary"}
            http.fetch(httpserver.url_for("/away"), headers=secret)
            http.fetch(httpserver.url_for("/stay"), headers=secret)
        assert told == [None, "Bearer canary"]

    def test_a_post_is_not_repeated_elsewhere(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request("/").respond_with_data(status=307, headers={"Location": "/x"})
        assert http.fetch(httpserver.url_for("/"), method="POST", body=b"{}").status == 307
