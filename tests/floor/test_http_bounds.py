"""Outgoing requests are limited if a response is slow, large or broken.

This is guarantee G9 (docs/guarantees.md).
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from scrm.net import http
from scrm.net.addresses import Target, networks

LOOPBACK = networks("127.0.0.1/32")


@pytest.fixture
def allow_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "allow", LOOPBACK)


@pytest.fixture
def raw_server() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Yield a function that starts a server and returns its URL.

    The test passes a function `answer`. For each request, the server calls `answer` with the socket
    of the client.
    """
    listeners: list[socket.socket] = []

    def start(answer: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.settimeout(10)
                    try:
                        peer.recv(65536)
                        answer(peer)
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


# Fails without `settimeout(_left(…))` in `_Capped.readinto`, because then a test lasts until the
# slow server gives up. Fails without the byte counts, because then large responses are read in
# full.
@pytest.mark.usefixtures("allow_loopback")
class TestBounds:
    def drip(self, head: bytes, drop: bytes) -> Callable[[socket.socket], None]:
        def answer(peer: socket.socket) -> None:
            peer.sendall(head)
            for _ in range(100):
                peer.sendall(drop)
                time.sleep(0.1)

        return answer

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("head", "drop"),
        [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
            (b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
            (b"HTTP/1.1 200 OK\r\nX-Drip: ", b"1"),
            (b"", b"H"),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ],
        ids=["body", "chunks", "chunk size", "headers", "one header", "status", "continues"],
    )
    def test_a_slow_drip_ends_at_the_deadline(
        self, raw_server: Any, head: bytes, drop: bytes
    ) -> None:
        url = raw_server(self.drip(head, drop))
        started = time.monotonic()
        with pytest.raises(http.HttpError) as failure:
            http.fetch(url, deadline=0.7)
        assert failure.value.kind == "slow"
        assert time.monotonic() - started < 2

    def test_the_session_has_a_deadline_too(
        self, raw_server: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http, "SECONDS", 0.7)
        url = raw_server(self.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"))
        with pytest.raises(http.HttpError) as failure:
            http.guarded_session().get(url)
        assert failure.value.kind == "slow"

    def test_a_slow_look_up_ends_at_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(3))
        with pytest.raises(http.HttpError) as failure:
            http.fetch("http://slow.example/", deadline=0.3)
        assert failure.value.kind == "slow"

    def test_the_deadline_covers_all_redirects_together(self, httpserver: HTTPServer) -> None:
        def dawdle(_: Request) -> Response:
            time.sleep(0.3)
            return Response(status=302, headers={"Location": "/"})

        httpserver.expect_request("/").respond_with_handler(dawdle)
        with pytest.raises(http.HttpError) as failure:
            http.fetch(httpserver.url_for("/"), deadline=0.8)
        assert failure.value.kind == "slow"

    @pytest.mark.parametrize(
        "head",
        [
            b"Content-Length: 99999999\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n",
            b"\r\n",
        ],
        ids=["length", "chunked", "until closed"],
    )
    def test_a_large_body_is_not_read_to_its_end(self, raw_server: Any, head: bytes) -> None:
        sent = 0

        def flood(peer: socket.socket) -> None:
            nonlocal sent
            peer.sendall(b"HTTP/1.1 200 OK\r\n" + head)
            for _ in range(500):
                peer.sendall(b"x" * 65536)
                sent += 65536

        with pytest.raises(http.HttpError) as failure:
            http.fetch(raw_server(flood), max_bytes=100_000)
        assert failure.value.kind == "large"
        assert sent < 16_000_000

    @pytest.mark.slow
    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip"])
    def test_a_compressed_bomb_is_not_unpacked(self, httpserver: HTTPServer, encoding: str) -> None:
        bomb = (zlib.compress if encoding == "deflate" else gzip.compress)(bytes(60_000_000))
        bomb = gzip.compress(bomb) if encoding == "gzip, gzip" else bomb
        httpserver.expect_request("/").respond_with_data(
            bomb, headers={"Content-Encoding": encoding}
        )
        for ask in (http.fetch, http.guarded_session().get):
            started = time.process_time()
            with pytest.raises(http.HttpError) as failure:
                ask(httpserver.url_for("/"))
            assert failure.value.kind == "large"
            assert time.process_time() - started < 1

    def test_what_is_compressed_honestly_is_unpacked(self, httpserver: HTTPServer) -> None:
        httpserver.expect_request("/").respond_with_data(
            gzip.compress(b"words"), headers={"Content-Encoding": "gzip"}
        )
        assert http.fetch(httpserver.url_for("/")).body == b"words"
        assert http.guarded_session().get(httpserver.url_for("/")).content == b"words"

    @pytest.mark.parametrize(
        "piece", [b"X-Many: " + b"1" * 90 + b"\r\n", b"1" * 4096], ids=["many", "one"]
    )
    def test_headers_without_end_are_refused(self, raw_server: Any, piece: bytes) -> None:
        def answer(peer: socket.socket) -> None:
            peer.sendall(b"HTTP/1.1 200 OK\r\nX-Huge: ")
            for _ in range(20_000):
                peer.sendall(piece)

        with pytest.raises(http.HttpError) as failure:
            http.fetch(raw_server(answer))
        assert failure.value.kind in ("large", "malformed")


@pytest.mark.usefixtures("allow_loopback")
class TestTroubleInWords:
    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with pytest.raises(http.HttpError, match=r"127\.0\.0\.1 cannot be reached") as failure:
            http.fetch(f"http://127.0.0.1:{port}/")
        assert failure.value.kind == "unreachable"

    def test_no_such_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: Any, **__: Any) -> None:
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(http.HttpError, match="The host nowhere") as failure:
            http.fetch("http://nowhere.example/")
        assert failure.value.kind == "not found"

    def test_a_name_that_is_too_long(self) -> None:
        with pytest.raises(http.HttpError) as failure:
            http.fetch(f"http://{'a' * 80}.example/")
        assert failure.value.kind == "not found"

    def test_no_tls_on_the_other_side(self, httpserver: HTTPServer) -> None:
        with pytest.raises(http.HttpError) as failure:
            http.fetch(httpserver.url_for("/").replace("http:", "https:"), deadline=5)
        assert failure.value.kind == "tls"

    @pytest.mark.parametrize(
        ("bytes_sent", "kind"),
        [
            (b"220 mail.example ESMTP\r\n", "malformed"),
            (b"", "closed"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", "closed"),
            (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip", "malformed"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "closed"),
            (b"HTTP/1.1 302 Found\r\nLocation: http://[bad/\r\n\r\n", "malformed"),
        ],
    )
    def test_a_broken_answer(self, raw_server: Any, bytes_sent: bytes, kind: str) -> None:
        with pytest.raises(http.HttpError) as failure:
            http.fetch(raw_server(lambda peer: peer.sendall(bytes_sent)), deadline=5)
        assert failure.value.kind == kind
        assert failure.value.message.endswith(".")

    @given(st.text())
    def test_any_text_as_an_address_gets_a_sentence(self, url: str) -> None:
        with contextlib.suppress(http.HttpError):
            target = Target.of(url)
            assert target.scheme in ("http", "https")
            assert target.url.isascii()
