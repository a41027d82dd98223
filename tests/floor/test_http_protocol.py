"""The server closes the connections of clients that stop sending or reading.

This applies if a client does not send the headers of a request, or does not read the response. Each
test fails with the protocol class of uvicorn.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from scrm.web import http_protocol
from tests.machinery import eventually
from tests.serving import Serving, everything, serving, statuses

GET = b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = 50_000_000


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that answers each path with a different body.

    The body of `/large` is larger than the buffers of any kernel. The body of `/headers` lists the
    names of the request's headers. The body of any other path is the length of the request's body.
    """
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    if scope["path"] == "/large":
        body = b"x" * LARGE
    elif scope["path"] == "/headers":
        body = b",".join(name for name, _value in scope["headers"])
    length = str(len(body)).encode()
    head = [(b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    for start in range(0, len(body), 65536):
        piece, is_last = body[start : start + 65536], start + 65536 >= len(body)
        await send({"type": "http.response.body", "body": piece, "more_body": not is_last})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(http_protocol, "READER_SECONDS", 0.3)
    with serving(answer) as server:
        yield server


def ended(server: Serving, *, within: float = 3) -> bool:
    return bool(eventually(lambda: server.connections == 0, within=within))


def is_ended_while_sending(sock: socket.socket, piece: bytes, *, times: int, every: float) -> bool:
    try:
        for _ in range(times):
            sock.sendall(piece)
            time.sleep(every)
    except OSError:
        return True
    return False


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_request_that_never_comes_is_not_waited_for(server: Serving, sent: bytes) -> None:
    with server.connect(sent):
        eventually(lambda: server.connections == 1)
        assert ended(server)


@pytest.mark.parametrize("sent", [b"\r\n", b"GET / HTTP/1.1\r\nX: "])
def test_nor_one_after_another(server: Serving, sent: bytes) -> None:
    with server.connect(GET % b"") as sock:
        assert statuses(everything(sock, within=0.1)) == [200]
        sock.sendall(sent)
        assert ended(server)


def test_a_head_that_drips_gets_no_new_time(server: Serving) -> None:
    with server.connect(b"GET / HTTP/1.1\r\nX: ") as sock:
        began = time.monotonic()
        assert is_ended_while_sending(sock, b"x", times=100, every=0.05)
        assert time.monotonic() - began < 2


def test_a_reader_who_takes_nothing_is_dropped(server: Serving) -> None:
    with server.connect(GET % b"large", window=4096):
        eventually(lambda: server.connections == 1)
        assert ended(server)


@pytest.mark.parametrize("leaves", [True, False])
def test_nothing_is_written_to_one_who_is_gone(
    server: Serving, leaves: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """If the connection is closed, requests that still wait on this connection are not answered.

    Fails if these requests are answered, because then each of them logs an error.
    """
    with server.connect(GET % b"" * 3 + GET % b"large" * 5, window=4096):
        eventually(lambda: server.connections == 1)
        if not leaves:
            assert ended(server)
    assert ended(server)
    eventually(lambda: not server.server.server_state.tasks)
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []


def test_one_who_reads_slowly_gets_all(server: Serving) -> None:
    with server.connect(GET % b"large") as sock:
        taken = 0
        while taken < LARGE:
            taken += len(sock.recv(4_000_000))
            time.sleep(0.05)
        assert taken > LARGE


def test_headers_have_a_size(server: Serving) -> None:
    with server.connect(b"GET / HTTP/1.1\r\nX: ") as sock:
        assert is_ended_while_sending(sock, b"x" * 100_000, times=1000, every=0.001)


@pytest.mark.parametrize("around", [b"1;" + b"x" * 100_000, b"0\r\nX-Trailer: " + b"x" * 100_000])
def test_so_has_what_stands_around_a_body(server: Serving, around: bytes) -> None:
    """The chunk extensions and the trailers of a chunked body are limited too.

    Fails without the limit, because then the server stores the extensions and trailers in full.
    """
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with server.connect(head + around) as sock:
        assert is_ended_while_sending(sock, b"x" * 100_000, times=1000, every=0.001)


def test_a_large_body_has_none_here(server: Serving) -> None:
    chunks = b"400\r\n%b\r\n" % (b"x" * 1024) * 10_000 + b"0\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert server.ask(head, chunks).endswith(str(1024 * 10_000).encode())
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n"
    assert server.ask(head, b"x" * 3_000_000).endswith(b"3000000")


def test_requests_on_one_connection_are_answered_in_their_order(server: Serving) -> None:
    post = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabcde"
    answers = server.ask((GET % b"" + post) * 4)
    assert statuses(answers) == [200] * 8
    assert answers.count(b"\r\n\r\n5") == 4


def test_only_a_few_requests_wait_on_one_connection(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most `MAX_WAITING` requests of one connection wait while another request is answered.

    Without this limit, the requests of a client that does not read would fill the memory.
    """
    waiting: list[int] = []
    receive = http_protocol.Protocol.data_received

    def count(self: http_protocol.Protocol, data: bytes) -> None:
        receive(self, data)
        waiting.append(len(self.pipeline))

    monkeypatch.setattr(http_protocol.Protocol, "data_received", count)
    with server.connect(GET % b"large" + GET % b"" * 10_000, window=4096):
        assert eventually(lambda: waiting)
        assert ended(server)
    assert max(waiting) <= http_protocol.MAX_WAITING


def test_trailers_are_no_headers(server: Serving) -> None:
    """The trailers of a chunked body do not become headers of the request.

    Otherwise a client could set a header that only the proxy may set.
    """
    head = b"POST /headers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = server.ask(head, b"1\r\nx\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")
    assert answer.endswith(b"host,transfer-encoding")


@pytest.mark.slow
def test_a_reader_of_the_slowest_rate_gets_all(server: Serving) -> None:
    """A client that reads steadily, 2 MB per second, is not disconnected.

    The time limit for reading is 0.3 s in this test.

    Fails with the default send buffer of the kernel, because then a client must read 1 MB before
    the time limit is over.
    """
    piece = int(http_protocol.READER_SECONDS * 2_000_000 / 10)  # 2 MB a second
    with server.connect(GET % b"large", window=1_000_000) as sock:
        for _ in range(140):
            taken = 0
            while taken < piece:
                got = len(sock.recv(piece - taken))
                assert got
                taken += got
            time.sleep(http_protocol.READER_SECONDS / 10)
