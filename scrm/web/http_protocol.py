"""An HTTP protocol for uvicorn, with time limits for idle connections.

Each connection uses memory and a file descriptor. uvicorn closes a connection that is idle between
two requests. This protocol also closes a connection if its request does not arrive completely, or
if its client does not read the answer.
"""

from __future__ import annotations

import asyncio
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_SECONDS = 10.0
"""From the connection, or from the first byte of a further request, to the end of its headers."""
READER_SECONDS = 20.0
"""Seconds in which a client must read the data that waits for it.

That is a piece of 64 KB, and before it a third of the kernel's buffer (twice `SEND_BUFFER`), so
about 8 KB a second are enough.
"""
SEND_BUFFER = 128 * 1024
"""Bytes. With the kernel's own limit of about 4 MB, a client would have to read 1 MB at a time."""
MAX_WAITING = 8
"""Further requests of a connection that may wait while one is answered (HTTP pipelining)."""
MAX_HEAD = 64 * 1024
"""The limit of header bytes.

A chunked body may add a sixteenth of its size, for the headers of its chunks.
"""


class TooManyWaiting(Exception):
    """Raised if too many requests of one connection wait for their answers.

    The exception stops the parser. uvicorn then answers 400 and closes the connection.
    """


class Protocol(HttpToolsProtocol):
    """One connection of a client, with our limits."""

    _head_timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None
    _header_bytes = 0
    """Bytes of this request that are not body."""
    _body_bytes = 0
    _answered: RequestResponseCycle | None = None
    """The request that is being answered; with pipelining it is not the last one that arrived."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER)
        # With 0, `pause_writing` is called as soon as some data cannot be sent at once.
        transport.set_write_buffer_limits(high=0)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._forget_client()
        super().connection_lost(exc)  # this calls resume_writing

    def data_received(self, data: bytes) -> None:
        self._header_bytes += len(data)
        super().data_received(data)
        if self._header_bytes > MAX_HEAD + self._body_bytes // 16:
            self._drop()
        elif self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._start_head_timer()

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MAX_WAITING:
            raise TooManyWaiting
        self._stop_head_timer()
        super().on_headers_complete()
        # uvicorn would add trailers to this list. They must not become headers of the request.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        self._header_bytes -= len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._header_bytes = self._body_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # uvicorn would continue to read after each answer, even if many requests are waiting.
        if self.pipeline:
            self.flow.pause_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader_timer = self.loop.call_later(READER_SECONDS, self._drop)

    def resume_writing(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
        super().resume_writing()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _drop(self) -> None:
        self._forget_client()
        # abort(), because close() would wait until the client has read everything.
        self.transport.abort()

    def _forget_client(self) -> None:
        """Mark the request that is being answered as disconnected.

        uvicorn marks only the request that arrived last. Without this method, an earlier request
        that is still being answered would continue to write to a closed connection.
        """
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._drop)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = None
