"""A web server in a thread, for tests that need raw TCP connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from scrm.web.http_protocol import Protocol


@dataclass
class Serving:
    """A running server, with its port and its open connections."""

    port: int
    server: uvicorn.Server

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    def connect(self, sent: bytes = b"", *, window: int = 0) -> socket.socket:
        sock = socket.socket()
        if window:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        sock.settimeout(5)
        sock.connect(("127.0.0.1", self.port))
        sock.sendall(sent)
        return sock

    def ask(self, *pieces: bytes) -> bytes:
        """Send the pieces of a request one after another on one connection.

        Returns all bytes received until the server closes the connection or sends nothing more.
        """
        with self.connect() as sock:
            for piece in pieces:
                sock.sendall(piece)
                time.sleep(0.02)
            return everything(sock)


def everything(sock: socket.socket, *, within: float = 0.5) -> bytes:
    """Read from the socket until the connection ends.

    Reading also ends if no byte arrives for `within` seconds.
    """
    sock.settimeout(10)
    found = b""
    try:
        while piece := sock.recv(65536):
            found += piece
            sock.settimeout(within)
    except (TimeoutError, ConnectionResetError):
        pass
    return found


def statuses(answer: bytes) -> list[int]:
    """Return the status codes of all HTTP responses in these bytes."""
    return [int(piece[:3]) for piece in answer.split(b"HTTP/1.1 ")[1:]]


@contextmanager
def serving(application: Any) -> Iterator[Serving]:
    config = uvicorn.Config(
        application, http=Protocol, lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        try:
            deadline = time.monotonic() + 20
            while not server.started:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield Serving(sock.getsockname()[1], server)
        finally:
            server.should_exit = True
            thread.join(20)
