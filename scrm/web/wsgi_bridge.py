"""Run Django's pages under ASGI, so that no thread waits for a slow client.

The page gets a thread only when the request body is complete. The answer is kept in memory; an
answer larger than `IN_MEMORY` is kept on disk. So the thread is free as soon as its page is
rendered. The event loop sends the answer as fast as the client reads it.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from a2wsgi.wsgi import build_environ

from scrm.web.request_body import (
    BodyRefused,
    ClientLeft,
    declared_length,
    receive_body,
    refuse,
    too_large,
)
from scrm.web.request_limits import ANONYMOUS, is_logged_in, is_public, limit_of

IN_MEMORY = 256 * 1024
"""Bytes of an answer that stay in memory: all pages do, only downloads are larger."""
PIECE = 64 * 1024


class Pages:
    """An ASGI application that calls a WSGI application."""

    def __init__(self, application: Callable[..., Any], *, threads: int) -> None:
        self._application = application
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix="pages")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with SpooledTemporaryFile(max_size=ANONYMOUS) as body:
            try:
                # Receive the body without a thread: slow uploads could otherwise hold all threads.
                size = await receive_body(body, receive, await self._limit(scope))
            except BodyRefused as refused:
                await refuse(scope, receive, send, refused)
            except ClientLeft:
                pass
            else:
                await self._answer(_environ(scope, body, size), receive, send)

    async def _limit(self, scope: Any) -> int:
        """Return how many bytes the body of this request may have.

        Raises BodyRefused if the request declares more.
        """
        declared = declared_length(scope["headers"])
        if declared is not None and declared <= ANONYMOUS:
            return ANONYMOUS
        limit = limit_of(scope["path"])
        if limit > ANONYMOUS and not is_public(scope["path"]):
            cookies = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
            # Use a thread: the session is in the database, and the event loop must not wait for
            # the database.
            known = await self._in_thread(is_logged_in, cookies.decode("latin-1"))
            limit = limit if known else ANONYMOUS
        if declared is not None and declared > limit:
            raise too_large(limit)
        return limit

    async def _answer(self, environ: dict[str, Any], receive: Any, send: Any) -> None:
        with SpooledTemporaryFile(max_size=IN_MEMORY) as file:
            reply = Reply(file)
            working = self._in_thread(self._work, environ, reply)
            try:
                await reply.send_to(receive, send)
            finally:
                reply.is_unwanted = True
                # Wait for the thread even if the client has left, because the thread still writes
                # to the file.
                await working  # raises what the application raised

    def _in_thread(self, work: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        # Run in a copy of the context: its language and time zone must not stay set in the thread.
        run = contextvars.copy_context().run
        return asyncio.get_running_loop().run_in_executor(self.threads, run, work, *args)

    def _work(self, environ: dict[str, Any], reply: Reply) -> None:
        answer: Any = ()
        try:
            answer = self._application(environ, reply.start)
            for piece in answer:
                # The client left: stop a long download instead of writing it to disk.
                if reply.is_unwanted:
                    return
                reply.write(piece)
            reply.end()
        except BaseException:
            reply.fail()
            raise
        finally:
            # Always close the answer: WSGI requires it, and Django then ends its request.
            getattr(answer, "close", lambda: None)()


class Reply:
    """The answer of a page. A thread writes the answer while the event loop sends it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.is_unwanted = False
        self._loop = asyncio.get_running_loop()
        self._has_changed = asyncio.Event()
        self._file = file
        # Protects the position in the file, which both the thread and the event loop change.
        self._lock = threading.Lock()
        self._head: dict[str, Any] = {}
        self._written = self._announced = self._sent = 0
        self._has_ended = self._has_failed = False

    # In the thread

    def start(
        self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Store status and headers, and return the write function (WSGI's `start_response`)."""
        self._head = {
            "type": "http.response.start",
            "status": int(status.partition(" ")[0]),
            "headers": [
                (name.lower().encode("latin-1"), value.strip().encode("latin-1"))
                for name, value in headers
            ],
        }
        return self.write

    def write(self, piece: bytes) -> None:
        with self._lock:
            self._file.seek(0, os.SEEK_END)
            self._file.write(piece)
            self._written += len(piece)
        if self._written - self._announced >= PIECE:
            self._announced = self._written
            self._announce()

    def end(self) -> None:
        self._has_ended = True
        self._announce()

    def fail(self) -> None:
        self._has_failed = True
        self._announce()

    def _announce(self) -> None:
        # The event is not thread-safe: it may only be set on the event loop.
        self._loop.call_soon_threadsafe(self._has_changed.set)

    # On the event loop

    async def send_to(self, receive: Any, send: Any) -> None:
        """Send the whole answer. Stop if the client leaves or the page fails."""
        gone: asyncio.Future[Any] | None = None
        try:
            while await self._has_changed.wait() and not self._has_failed:
                # Clear the event before sending, so that data written meanwhile sets it again and
                # is not missed.
                self._has_changed.clear()
                if await self._send_available(send):
                    return
                # The body was received, so receive() now returns only when the client leaves.
                gone = gone or asyncio.ensure_future(receive())
                if gone.done():
                    return
        finally:
            if gone is not None:
                gone.cancel()

    async def _send_available(self, send: Any) -> bool:
        """Send the data that is available, and return whether the answer is complete."""
        # Read this first: for data that is written after this line, the event is set again.
        has_ended = self._has_ended
        if self._head:
            await send(self._head)
            self._head = {}
        while True:
            piece = await self._read_piece()
            is_last = has_ended and self._sent == self._written
            if piece or is_last:
                message = {"type": "http.response.body", "body": piece, "more_body": not is_last}
                await send(message)
            if is_last or not piece:
                return is_last

    async def _read_piece(self) -> bytes:
        if self._written > IN_MEMORY:  # a disk may be slow
            return await asyncio.to_thread(self._read)
        return self._read()

    def _read(self) -> bytes:
        with self._lock:
            self._file.seek(self._sent)
            piece = self._file.read(PIECE)
            self._sent += len(piece)
        return piece


def _environ(scope: Any, body: IO[bytes], size: int) -> dict[str, Any]:
    environ: dict[str, Any] = dict(build_environ(scope, body))  # type: ignore[arg-type]
    # Set the length: a chunked body declares none, and Django reads only this many bytes.
    environ["CONTENT_LENGTH"] = str(size)
    return environ
