"""Cookies and headers along a chain of redirects."""

from __future__ import annotations

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from scrm.net import http
from scrm.net.addresses import networks


@pytest.fixture(autouse=True)
def allow_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))


def cookie_gate(request: Request) -> Response:
    """Redirect to the same address until a cookie comes back, as consent pages do."""
    if request.cookies.get("seen") == "yes":
        return Response(f"{request.cookies.get('own', '')} welcome".strip())
    return Response(status=302, headers={"Location": "/gate", "Set-Cookie": "seen=yes; Path=/"})


def test_a_cookie_of_a_redirect_comes_back_within_the_chain(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/gate").respond_with_handler(cookie_gate)
    assert http.fetch(httpserver.url_for("/gate")).body == b"welcome"


def test_the_next_fetch_begins_without_cookies(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/gate").respond_with_handler(cookie_gate)
    for _ in range(2):
        httpserver.clear_log()
        http.fetch(httpserver.url_for("/gate"))
        assert len(httpserver.log) == 2


def test_a_cookie_of_the_caller_is_sent_as_well(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/gate").respond_with_handler(cookie_gate)
    answer = http.fetch(httpserver.url_for("/gate"), headers={"cookie": "own=1"})
    assert answer.body == b"1 welcome"


@pytest.mark.parametrize("cookie", ["a=1; Domain=evil.test", "a=1; Path=/other", "a=1; Secure"])
def test_a_cookie_goes_only_where_it_belongs(httpserver: HTTPServer, cookie: str) -> None:
    httpserver.expect_request("/").respond_with_data(
        status=302, headers={"Location": "/there", "Set-Cookie": cookie}
    )
    httpserver.expect_request("/there").respond_with_handler(
        lambda request: Response(request.headers.get("Cookie", "none"))
    )
    assert http.fetch(httpserver.url_for("/")).body == b"none"


def test_another_host_gets_no_cookie_and_no_header_that_may_be_a_secret() -> None:
    with HTTPServer(host="127.0.0.1") as first, HTTPServer(host="127.0.0.1") as other:
        headers = {"Location": other.url_for("/"), "Set-Cookie": "a=1; Path=/elsewhere"}
        first.expect_request("/").respond_with_data(status=302, headers=headers)
        other.expect_request("/").respond_with_data("ok")
        secret = {"X-Api-Key": "secret", "Authorization": "Bearer secret", "Accept": "text/xml"}
        http.fetch(first.url_for("/"), headers=secret)
        received = other.log[0][0].headers
        assert "secret" not in str(received)
        assert received["Accept"] == "text/xml"
        assert "secret" in str(first.log[0][0].headers)
