"""Benchmark of a thousand browsers that read the live stream of one server process.

The benchmark measures how soon an event reaches all browsers, how much memory of the server each
browser needs, and whether pages are slower while the browsers are connected. `docs/performance.md`
shows the results.

Run it with `make bench`. Each line of the output has the form `name value unit ratio goal`. All
connections use the loopback interface. The number of connections and the time of each step are
limited. The server process is `python -m scrm.web.server`; `make run` starts two of these
processes.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import itertools
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scrm.settings")

import django

django.setup()

import uvloop
from django.conf import settings
from inbox_parts.figures import missed, say
from inbox_parts.filling import made
from inbox_parts.pages import session_of

from crm.models import User
from scrm.bus import live
from scrm.launcher import processes

BROWSERS, EVENTS, PAGES = 1_000, 100, 60
TOPIC = "department:1"
NUMBERS = itertools.count(1_000_000)
WITHIN = 60.0
"""Seconds that any step may take."""


class Browser(asyncio.Protocol):
    """An open connection to the live stream, which records when each event arrived."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.heard: dict[bytes, float] = {}
        self.opened = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if not self.opened.done():
            self.opened.set_result(data.startswith(b"HTTP/1.1 200"))
        for piece in data.split(b"data: ")[1:]:
            self.heard.setdefault(piece.partition(b"\n")[0], now)

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_result(False)


@contextmanager
def server(database_url: str) -> Iterator[tuple[int, int]]:
    """Start one server process, and yield its port and process id."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "scrm.web.server", "--workers", "1", "--port", str(port)]
    env = {**os.environ, "DATABASE_URL": database_url, "ALLOWED_HOSTS": "127.0.0.1"}
    with Path(os.devnull).open("wb") as nowhere:
        child = processes.spawn(command, env=env, output=nowhere)
    try:
        wait_for(port)
        yield port, child.pid
    finally:
        processes.end([child.pid], within=5)
        child.wait()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), 1)):
            return
        time.sleep(0.1)
    raise TimeoutError("The server did not start.")


def memory(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def spent(pid: int) -> float:
    """Return the CPU time, in milliseconds, that the main thread of a process has used so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def took(port: int, path: str, cookie: str, times: int) -> list[float]:
    """Send requests one after the other on one connection; return the duration of each in ms."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN)) as line:
        spent = []
        for _ in range(times):
            start = time.perf_counter()
            line.request("GET", path, headers={"Cookie": cookie})
            answer = line.getresponse()
            answer.read()
            assert answer.status == 200, (path, answer.status)
            spent.append((time.perf_counter() - start) * 1000)
    return spent


async def open_all(port: int, count: int) -> list[Browser]:
    loop = asyncio.get_running_loop()
    browsers: list[Browser] = []
    for n in range(count):
        token = live.token([TOPIC, f"user:{n}"])
        request = f"GET /live/?token={token} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        _transport, browser = await loop.create_connection(
            partial(Browser, request), "127.0.0.1", port
        )
        browsers.append(browser)
    async with asyncio.timeout(WITHIN):
        assert all([await browser.opened for browser in browsers])
    return browsers


async def reach_all(browsers: list[Browser], events: int) -> list[list[float]]:
    """Publish events, and measure how long each event takes to reach each browser.

    The result has one list per event, with the delay of each browser in milliseconds.
    """
    delays = []
    for _ in range(events):
        key = str(next(NUMBERS))
        start = time.perf_counter()
        live._publish(json.dumps({"topic": TOPIC, "event": "case", "id": int(key)}))
        async with asyncio.timeout(WITHIN):
            while not all(key.encode() in browser.heard for browser in browsers):
                await asyncio.sleep(0.001)
        delays.append([(each.heard[key.encode()] - start) * 1000 for each in browsers])
        await asyncio.sleep(0.02)
    return delays


async def scene(port: int, pid: int, cookie: str, count: int, events: int, times: int) -> None:
    loop = asyncio.get_running_loop()
    addresses = {"healthz": "/healthz", "inbox_page": "/?view=open"}

    async def pages() -> dict[str, float]:
        found = {}
        for name, path in addresses.items():
            found[name] = median(await loop.run_in_executor(None, took, port, path, cookie, times))
        return found

    await pages()  # warm up
    alone = await pages()
    before = memory(pid)
    browsers = await open_all(port, count)
    await asyncio.sleep(1)
    say("live_memory_a_browser", (memory(pid) - before) / count / 1024, "KB", None, "10")
    await reach_all(browsers, 5)  # warm up
    used = spent(pid)
    delays = await reach_all(browsers, events)
    used = (spent(pid) - used) / events
    say(f"live_event_to_{count}_cpu", used, "ms", None, "20")
    every = [delay for each in delays for delay in each]
    last = [max(each) for each in delays]
    say("live_event_to_a_browser_p50", median(every), "ms", None, "-")
    say("live_event_to_a_browser_p99", quantiles(every, n=100)[98], "ms", None, "-")
    say("live_event_to_all_p50", median(last), "ms", None, "-")
    say("live_event_to_all_p99", quantiles(last, n=100)[98], "ms", None, "20")
    for name, value in (await pages()).items():
        say(f"live_{name}_beside_{count}", value, "ms", value / alone[name], "1.5")
    for browser in browsers:
        browser.transport.close()
    await asyncio.sleep(0.5)


def main(*, smoke: bool) -> int:
    count, events, times = (100, 10, 5) if smoke else (BROWSERS, EVENTS, PAGES)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count * 2 + 500
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    database_url = made("bench_live", 20_000)
    user = User.objects.get(email="anna.sales@bench.example")
    cookie = f"{settings.SESSION_COOKIE_NAME}={session_of(user)}"
    gc.collect()
    gc.freeze()  # the browsers share this process, so a collection would delay all of them at once
    with server(database_url) as (port, pid):
        uvloop.run(scene(port, pid, cookie, count, events, times))
    return missed(slack=2) if smoke else 0


if __name__ == "__main__":
    sys.exit(main(smoke="--smoke" in sys.argv))
