"""A proxy between a channel and its stand-in. It spoils requests and answers as a test asks.

Because every stand-in is behind the same proxy, all faults are written once and are the same for
every network.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"}

Matches = Callable[[str, str], bool]
"""Whether a request with this method and this path is meant."""


def any_request(method: str, path: str) -> bool:
    return True


@dataclass
class Fault:
    """What happens to a request.

    matches: which requests are meant. skip: how many of them succeed before. times: how often the
    fault happens.
    status: the status of an answer that replaces the stand-in's answer; the stand-in never gets the
    request. 0 if the stand-in gets it.
    lost: the stand-in carries the request out, and the connection is closed without an answer.
    dropped: the connection is closed, and the stand-in never gets the request.
    torn: the connection is closed in the middle of the answer.
    seconds: how long the answer is delayed.
    change: what is done to the body of the stand-in's answer.
    before: is called before the request is carried out.
    """

    matches: Matches = any_request
    skip: int = 0
    times: int = 1
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    lost: bool = False
    dropped: bool = False
    torn: bool = False
    seconds: float = 0.0
    change: Callable[[bytes], bytes] | None = None
    before: Callable[[], None] | None = None


@dataclass
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """The proxy. Use it as a context manager; `url` is the address that the channel gets."""

    def __init__(self) -> None:
        self.upstream = ""
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.failures: list[Exception] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Wire:
        handler = type("Handler", (_Handler,), {"wire": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault(self, **facts: Any) -> None:
        self.faults.append(Fault(**facts))

    def heal(self) -> None:
        """End all faults."""
        self.faults.clear()

    def due(self, method: str, path: str) -> Fault | None:
        """Return the fault that happens to this request, and count it."""
        with self._lock:
            self.requests.append((method, path))
            for fault in self.faults:
                if fault.times > 0 and fault.matches(method, path):
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    wire: Wire

    def do_GET(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.wire.due(self.command, urlsplit(self.path).path) or Fault()
        self.close_connection = True
        if fault.before:
            fault.before()
        if fault.dropped:
            return
        if fault.status:
            head = {"Content-Type": "application/json", **fault.headers}
            answer = _Answer(fault.status, head, fault.body)
        else:
            answer = self._forwarded(content)
        if fault.lost:
            return
        if fault.change:
            try:
                answer.body = fault.change(answer.body)
            except Exception as error:  # in this thread it would only look like a lost answer
                self.wire.failures.append(error)
                raise
        time.sleep(fault.seconds)
        self._send(answer, torn=fault.torn)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        pass

    def _forwarded(self, content: bytes) -> _Answer:
        where = urlsplit(self.wire.upstream)
        upstream = http.client.HTTPConnection(where.hostname or "", where.port)
        try:
            upstream.request(self.command, self.path, content, dict(self.headers))
            found = upstream.getresponse()
            kept = {k: v for k, v in found.getheaders() if k.lower() not in _HOP}
            if date := found.getheader("Date"):
                kept["Date"] = date
            return _Answer(found.status, kept, found.read())
        finally:
            upstream.close()

    def _send(self, answer: _Answer, *, torn: bool) -> None:
        self.send_response_only(answer.status)
        head = {"Date": formatdate(usegmt=True), **answer.headers}
        for name, value in head.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + (50 if torn else 0)))
        self.end_headers()
        try:
            self.wfile.write(answer.body[: len(answer.body) // 2] if torn else answer.body)
        except OSError:
            return  # the channel did not wait for the rest


REFUSAL = json.dumps(
    {"error": "InvalidRequest", "message": "No.", "code": "rest_no", "detail": "No."}
).encode()
"""The body of a refusal, with the fields that each of the networks uses."""
