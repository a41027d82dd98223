"""Open 100 slow connections to a web server on this machine, and time its pages meanwhile.

    python -m tests.attack.slow 8000

The clients of these connections are not logged in. They send request bodies byte by byte, read
responses very slowly, or never finish the headers of a request. If the server closes a connection,
the attack opens a new one. The attack uses only the loopback interface, and stops by itself within
90 seconds.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

HOST = "127.0.0.1"
CONNECTIONS = 100
LONGEST = 60.0
"""Seconds after which an attack ends by itself."""
DRIP = 0.5
"""Seconds between two bytes of a slow connection."""
PATIENCE = 5.0
"""Seconds after which an answer counts as missing."""
BODY = (
    b"POST /account/login/ HTTP/1.1\r\nHost: localhost\r\nCookie: csrftoken=" + b"a" * 32 + b"\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\nlogin="
)
# The kernel buffers some hundred KB for a client that does not read, so this request asks for a
# larger response.
FILE = b"/static/fonts/inter-latin-ext-wght-normal.woff2"
READER = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % FILE * 40
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
KINDS = {"bodies": BODY, "readers": READER, "heads": HEAD}


@dataclass
class Attack:
    """An attack with `count` connections, which a separate thread keeps open.

    `kinds` lists the kinds of slowness. About the same number of connections use each kind.
    """

    port: int
    kinds: tuple[str, ...] = tuple(KINDS)
    count: int = CONNECTIONS
    standing: int = 0
    opened: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def standing_all(self) -> Iterator[Attack]:
        thread = threading.Thread(target=lambda: asyncio.run(self._stand()), daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + LONGEST / 3
            while self.standing < self.count and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(1)  # the server now sends as much as it can
            yield self
        finally:
            self._over.set()
            thread.join(10)

    async def _stand(self) -> None:
        until = time.monotonic() + LONGEST
        kinds = [self.kinds[n % len(self.kinds)] for n in range(self.count)]
        await asyncio.gather(*(self._hold(KINDS[kind], until) for kind in kinds))

    async def _hold(self, beginning: bytes, until: float) -> None:
        """Keep one connection open until the attack ends: whenever it is closed, open a new one."""
        loop = asyncio.get_running_loop()
        while self._goes_on(until):
            with closing(socket.socket()) as sock, suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setblocking(False)
                await asyncio.wait_for(loop.sock_connect(sock, (HOST, self.port)), PATIENCE)
                await asyncio.wait_for(loop.sock_sendall(sock, beginning), PATIENCE)
                self.opened += 1
                await self._drip(sock, beginning is READER, until)
            await asyncio.sleep(0.05)

    async def _drip(self, sock: socket.socket, reads: bool, until: float) -> None:
        """Send or read one byte at a time, with pauses, until the attack ends.

        Raises OSError when the server has closed the connection.
        """
        loop = asyncio.get_running_loop()
        self.standing += 1
        try:
            while self._goes_on(until):
                if not reads:
                    await asyncio.wait_for(loop.sock_sendall(sock, b"x"), PATIENCE)
                    if _is_closed(sock):
                        return
                elif not await asyncio.wait_for(loop.sock_recv(sock, 1), PATIENCE):
                    return
                await asyncio.sleep(DRIP)
        finally:
            self.standing -= 1

    def _goes_on(self, until: float) -> bool:
        return not self._over.is_set() and time.monotonic() < until


def _is_closed(sock: socket.socket) -> bool:
    try:
        return sock.recv(1000, socket.MSG_PEEK) != b"\0"  # the server has answered or closed
    except BlockingIOError:
        return False


def times(port: int, path: str, *, count: int, cookie: str = "", within: float = 12) -> list[float]:
    """Return the seconds that each of `count` requests took; each uses its own connection.

    A request without a response counts as `PATIENCE` seconds. No request starts later than `within`
    seconds after the first.
    """
    took, began = [], time.monotonic()
    while len(took) < count and time.monotonic() - began < within:
        start = time.perf_counter()
        has_come = _asked(port, path, cookie)
        took.append(time.perf_counter() - start if has_come else PATIENCE)
    return took


def _asked(port: int, path: str, cookie: str) -> bool:
    with closing(http.client.HTTPConnection(HOST, port, timeout=PATIENCE)) as line:
        try:
            line.request("GET", path, headers={"Cookie": cookie, "Host": "localhost"})
            answer = line.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return False
    assert answer.status == 200, (path, answer.status)
    return True


def p95(took: list[float]) -> float:
    return quantiles(took, n=20)[18] if len(took) > 1 else max(took, default=PATIENCE)


def main(port: int, ask: Callable[..., Any] = print) -> None:
    paths = ("/healthz", "/account/login/")
    alone = {path: p95(times(port, path, count=60)) for path in paths}
    with Attack(port).standing_all() as attack:
        for path in paths:
            beside = p95(times(port, path, count=60))
            ask(f"{path}: p95 {alone[path] * 1000:.1f} ms alone, {beside * 1000:.1f} ms beside")
        ask(f"{attack.standing} slow connections stood at the end; {attack.opened} were opened.")


if __name__ == "__main__":
    main(int(sys.argv[1]))
