"""The bridge that runs WSGI pages under ASGI keeps no thread busy with waiting for a client.

This is true even if the client sends its request or reads the response slowly.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from scrm.web import request_body, wsgi_bridge
from scrm.web.request_body import BodyRefused
from scrm.web.request_limits import ANONYMOUS, FORM, limit_of
from scrm.web.wsgi_bridge import Pages
from tests.machinery import eventually
from tests.serving import Serving, everything, serving, statuses

GET = b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
LARGE = 50_000_000


class Site:
    """A WSGI application for tests.

    It reports what it received, and records whether its responses were closed.
    """

    def __init__(self) -> None:
        self.made = 0
        self.closed = threading.Event()
        self.may_go_on = threading.Event()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        start("200 OK", [("Content-Type", "text/plain"), ("X-Odd", " é ")])
        path = environ["PATH_INFO"]
        if path == "/fails":
            raise RuntimeError("before anything was answered")
        body = environ["wsgi.input"].read()
        said = f"{environ['REQUEST_METHOD']} {len(body)} {environ['CONTENT_LENGTH']}".encode()
        return getattr(self, path.strip("/"), lambda: [said])()

    def large(self) -> Iterator[bytes]:
        for _ in range(LARGE // 10_000):
            self.made += 1
            yield b"x" * 10_000

    def endless(self) -> Iterator[bytes]:
        try:
            while not self.may_go_on.wait(0.001):
                yield b"x" * 10_000
        finally:
            self.closed.set()

    def later(self) -> Iterator[bytes]:
        yield b"a" * wsgi_bridge.PIECE
        assert self.may_go_on.wait(10)
        yield b"the end"

    def breaks(self) -> Iterator[bytes]:
        yield b"a" * wsgi_bridge.PIECE
        raise RuntimeError("in the middle")


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def server(site: Site) -> Iterator[Serving]:
    """Yield a server that has only one thread for all pages."""
    assert limit_of("/") == FORM  # load the URLs, as the real server does when it starts
    with serving(Pages(site, threads=1)) as server:
        yield server


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


# Requests


def test_a_body_that_comes_slowly_takes_no_thread(server: Serving) -> None:
    """While a client slowly sends a body, the only thread can answer another client.

    Fails with a2wsgi, which receives the body of a request in the thread.
    """
    with server.connect(POST + b"Content-Length: 10\r\n\r\nabcde") as slow:
        time.sleep(0.1)
        assert b"GET 0 0" in server.ask(GET % b"")
        slow.sendall(b"fghij")
        assert b"POST 10 10" in everything(slow)


@pytest.mark.parametrize(
    ("head", "body", "told"),
    [
        (b"Content-Length: 5\r\n", b"abcde", b"POST 5 5"),
        (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"POST 5 5"),
        (b"", b"", b"POST 0 0"),
        (b"Content-Length: 65536\r\n", b"x" * ANONYMOUS, b"POST 65536 65536"),
    ],
)
def test_a_body_arrives_whole(server: Serving, head: bytes, body: bytes, told: bytes) -> None:
    """The application receives the complete body of a request, even if the body is chunked.

    Fails with a2wsgi, which does not pass a chunked body to the application.
    """
    assert told in server.ask(POST + head + b"\r\n", body)


def test_it_is_asked_for_where_a_client_waits_for_that(server: Serving) -> None:
    with server.connect(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n") as sock:
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abcde")
        assert b"POST 5 5" in everything(sock)
    large = POST + b"Expect: 100-continue\r\nContent-Length: 99999\r\n\r\n"
    assert statuses(server.ask(large)) == [413]


def test_one_that_is_too_large_is_refused_at_once_and_nothing_after_it_is_answered(
    server: Serving,
) -> None:
    answer = server.ask(POST + b"Content-Length: 65537\r\n\r\n", GET % b"")
    assert statuses(answer) == [413]
    assert b"connection: close" in answer.lower()
    assert b"limited to 64 KB" in answer
    assert b"Nothing was changed" in answer


def test_one_that_does_not_say_how_large_it_is_has_the_same_limit(server: Serving) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    assert statuses(server.ask(head, chunk, chunk, b"1\r\nx\r\n0\r\n\r\n")) == [413]
    assert statuses(server.ask(head, chunk, chunk, b"0\r\n\r\n")) == [200]


def test_the_reason_arrives_while_the_client_still_sends(server: Serving) -> None:
    """A client that sends a too large body gets status 413 although it is still sending.

    Fails if the server closes the connection immediately after its response. Then the connection is
    reset, and the client never gets the response.
    """
    with server.connect(POST + b"Content-Length: 9000000\r\n\r\n") as sock:
        sock.sendall(b"x" * 9_000_000)
        assert statuses(everything(sock)) == [413]


def test_lingering_ends(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "LINGER", 0.2)
    with server.connect(POST + b"Content-Length: 9000000\r\n\r\n"):
        assert eventually(lambda: server.connections == 1)
        assert eventually(lambda: server.connections == 0, within=3)


@pytest.mark.parametrize("pace", [9.0, 0.01])
def test_one_that_comes_too_slowly_is_refused(
    server: Serving, monkeypatch: pytest.MonkeyPatch, pace: float
) -> None:
    """A client that stops sending the body, or sends the body too slowly, gets status 408.

    Fails if the time limit applies to each piece of the body instead of the whole body.
    """
    monkeypatch.setattr(request_body, "GRACE", 0.2)
    monkeypatch.setattr(request_body, "LINGER", 0.1)
    began = time.monotonic()
    with server.connect(POST + b"Content-Length: 60000\r\n\r\nabc") as sock:
        while time.monotonic() < began + 0.5:
            sock.settimeout(min(pace, 0.5))
            try:
                answer = sock.recv(10_000)
                break
            except TimeoutError:
                sock.sendall(b"x")
        assert statuses(answer) == [408]
    assert time.monotonic() - began < 1


def test_a_large_one_gets_more_time(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limit for a body grows with the size of the body.

    In this test, a body of 60 KB arrives at 100 KB per second. The slowest permitted rate is 80 KB
    per second.
    """
    monkeypatch.setattr(request_body, "GRACE", 0.3)
    monkeypatch.setattr(request_body, "SLOWEST", 80_000)
    with server.connect(POST + b"Content-Length: 60000\r\n\r\n") as sock:
        for _ in range(12):
            sock.sendall(b"x" * 5_000)
            time.sleep(0.05)
        assert statuses(everything(sock)) == [200]


def test_a_client_that_leaves_costs_nothing(server: Serving, site: Site) -> None:
    with server.connect(POST + b"Content-Length: 60000\r\n\r\nabc"):
        eventually(lambda: server.connections == 1)
    eventually(lambda: not server.server.server_state.tasks)
    assert statuses(server.ask(GET % b"")) == [200]


# Responses


def test_a_reader_who_takes_nothing_takes_no_thread(server: Serving, site: Site) -> None:
    """While a client does not read its response, the only thread can answer another client.

    Fails with a2wsgi, whose thread waits for the client after each piece of a response.
    """
    with server.connect(GET % b"large", window=4096):
        eventually(lambda: site.made == LARGE // 10_000)
        assert b"GET 0 0" in server.ask(GET % b"")


def test_a_large_answer_arrives_whole(server: Serving) -> None:
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with closing(line):
        line.request("GET", "/large")
        assert line.getresponse().read() == b"x" * LARGE


def test_it_begins_before_its_end_is_made(server: Serving, site: Site) -> None:
    with server.connect(GET % b"later") as sock:
        assert everything(sock).count(b"a" * wsgi_bridge.PIECE) == 1
        site.may_go_on.set()
        assert everything(sock) == b"7\r\nthe end\r\n0\r\n\r\n"


def test_nothing_more_is_made_for_a_client_that_left(server: Serving, site: Site) -> None:
    """If the client closes the connection, the server stops creating the rest of the response."""
    with server.connect(GET % b"endless") as sock:
        sock.recv(1000)
    was_closed = site.closed.wait(10)
    site.may_go_on.set()
    assert was_closed


def test_a_head_is_answered_without_a_body(server: Serving) -> None:
    answer = server.ask(GET.replace(b"GET", b"HEAD") % b"")
    assert statuses(answer) == [200]
    assert body_of(answer) == b""
    assert b"x-odd: \xe9\r\n" in answer


def test_a_page_that_fails_is_a_fault_and_the_next_one_is_answered(server: Serving) -> None:
    assert statuses(server.ask(GET % b"fails")) == [500]
    assert statuses(server.ask(GET % b"")) == [200]


def test_one_that_breaks_off_does_not_look_whole(server: Serving) -> None:
    """If the application fails during a chunked response, the server does not send the empty chunk.

    The empty chunk would mark the response as complete.
    """
    answer = server.ask(GET % b"breaks")
    assert statuses(answer) in ([200], [500])
    assert not answer.endswith(b"0\r\n\r\n")


# The event loop


@pytest.mark.parametrize("limit", [ANONYMOUS, FORM])
def test_the_reason_names_the_limit(limit: int) -> None:
    said = request_body.too_large(limit)
    assert isinstance(said, BodyRefused)
    assert ("64 KB" in said.message, "1 MB" in said.message) == (limit == ANONYMOUS, limit == FORM)
