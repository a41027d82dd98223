"""The live bus, which sends events to open pages.

An event contains ids and never text. The page that receives the event fetches the changed rows.

`publish` can be called in any process. It sends the event when the transaction commits. `stream`
serves the event stream that a browser keeps open. One Redis subscription per process serves all
browsers connected to that process. The stream checks a short-lived token, which was signed when the
page was rendered. The stream never uses the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import redis
import redis.asyncio
import structlog
from django.conf import settings
from django.core import signing
from django.db import transaction

from scrm.bus.breaker import Patience

_log = structlog.get_logger(__name__)
_patience = Patience()
CHANNEL = "scrm:live"
TOKEN_SECONDS = 3600
BEAT_SECONDS = 20
BEAT = b"event: beat\ndata: 0\n\n"
STREAMS_OF_ONE = 30
"""Open streams of one user in a process: one per browser, or one per tab without HTTPS."""
_ENDED = "scrm:live:ended"
"""The Redis key of a sorted set: id of a user whose access ended → when, in seconds since 1970."""
_END = "end"
_WAITING = 100
"""The number of events that may wait for a slow browser; above it, the oldest are dropped."""


@cache
def _publisher() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


def publish(topic: str, event: str, pk: int) -> None:
    """Send an event to all streams that are open for `topic`, when the transaction commits.

    This function never raises an exception.

    topic: for example "department:3".
    event: the name of the event.
    pk: the id of the row that changed.
    """
    message = json.dumps({"topic": topic, "event": event, "id": pk})
    # Send on commit: a browser that fetched the rows earlier would get their old state.
    transaction.on_commit(lambda: _publish(message), robust=True)


def _publish(message: str) -> None:
    if _patience.is_over():
        return
    try:
        _publisher().publish(CHANNEL, message)
    except redis.RedisError as error:
        _patience.lose()
        _log.warning("live hint lost", error=str(error))


def end_streams(user: int) -> None:
    """Close all open streams of a user and refuse new ones, when the transaction commits.

    If Redis cannot be reached, the streams end with their tokens, after at most `TOKEN_SECONDS`.
    """
    transaction.on_commit(lambda: _mark_ended(user), robust=True)
    publish(f"user:{user}", _END, user)


def allow_streams(user: int) -> None:
    """Allow the user new streams again, when the transaction commits."""
    transaction.on_commit(lambda: _unmark_ended(user), robust=True)


def _mark_ended(user: int) -> None:
    now = time.time()
    try:
        _publisher().zremrangebyscore(_ENDED, "-inf", now - TOKEN_SECONDS)
        _publisher().zadd(_ENDED, {str(user): now})
    except redis.RedisError as error:
        _log.warning("end of streams not stored", error=str(error))


def _unmark_ended(user: int) -> None:
    try:
        _publisher().zrem(_ENDED, str(user))
    except redis.RedisError as error:
        _log.warning("end of streams not removed", error=str(error))


async def _has_ended(topics: Iterable[str]) -> bool:
    """Return whether the access of the token's user ended after the token was made."""
    users = [topic.removeprefix("user:") for topic in topics if topic.startswith("user:")]
    try:
        async with redis.asyncio.Redis.from_url(
            settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5
        ) as client:
            found = [await client.zscore(_ENDED, user) for user in users]
    except (redis.RedisError, OSError):
        # Without Redis no event arrives either; the stream ends at the latest with its token.
        return False
    since = time.time() - TOKEN_SECONDS
    return any(score is not None and score > since for score in found)


def token(topics: Iterable[str]) -> str:
    """Return the token with which a browser may open the stream for these topics."""
    return signing.dumps(sorted(topics), salt="live", compress=True)


class _Line:
    """One open event stream of a browser.

    The stream has a task only while events wait to be sent. All events that wait at the same time
    are sent together.
    """

    __slots__ = ("_send", "_serving", "ended", "sending", "started", "topics", "until", "waiting")

    def __init__(self, topics: Iterable[str], send: Any) -> None:
        self.topics = tuple(sys.intern(topic) for topic in topics)
        self._send = send
        self.waiting: list[bytes] = []
        self.sending: asyncio.Task[None] | None = None
        self.until = time.monotonic() + TOKEN_SECONDS
        self.ended = self.started = False
        self._serving = asyncio.current_task()

    async def start(self) -> None:
        """Send the headers, and then the events that have come since the line was made."""
        headers = [
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-store"),
            # This header is for nginx, which would otherwise buffer and so delay the events.
            (b"x-accel-buffering", b"no"),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        self.started = True
        self.tell(BEAT)

    def end(self) -> None:
        """Close the stream."""
        self.ended = True
        if self._serving:
            self._serving.cancel()

    def tell(self, body: bytes) -> None:
        self.waiting.append(body)
        # Events for a browser that does not read them must not fill the memory.
        del self.waiting[:-_WAITING]
        # Only one task sends to a stream: two tasks would mix up their events.
        if self.sending is None and self.started:
            self.sending = asyncio.create_task(self._send_waiting())

    async def _send_waiting(self) -> None:
        try:
            while self.waiting:
                # Empty the list before sending: events that arrive during the sending are sent in
                # the next round.
                body, self.waiting = b"".join(self.waiting), []
                await self._send({"type": "http.response.body", "body": body, "more_body": True})
        finally:
            self.sending = None


class _Hub:
    """All open streams of this process, and the one Redis subscription whose events they get."""

    def __init__(self) -> None:
        self.lines: set[_Line] = set()
        self.watching: defaultdict[str, set[_Line]] = defaultdict(set)
        self.tasks: list[asyncio.Task[None]] = []

    @contextlib.contextmanager
    def holding(self, line: _Line) -> Iterator[None]:
        self.lines.add(line)
        for topic in line.topics:
            self.watching[topic].add(line)
        self._start()
        try:
            yield
        finally:
            # Remove the stream also after an error: otherwise it would still count towards the
            # user's limit.
            self.lines.discard(line)
            for topic in line.topics:
                self.watching[topic].discard(line)
                if not self.watching[topic]:
                    del self.watching[topic]
            if line.sending:
                line.sending.cancel()

    def has_room_for(self, topics: Iterable[str]) -> bool:
        users = (topic for topic in topics if topic.startswith("user:"))
        return all(len(self.watching.get(user, ())) < STREAMS_OF_ONE for user in users)

    def _start(self) -> None:
        """Start the tasks that serve all streams.

        If one of these tasks has ended, all of them are started again.
        """
        if self.tasks and not any(task.done() for task in self.tasks):
            return
        for task in self.tasks:
            task.cancel()
        self.tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._beat())]

    async def _read(self) -> None:
        while True:
            try:
                async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
                    subscription = client.pubsub(ignore_subscribe_messages=True)
                    await subscription.subscribe(CHANNEL)
                    async for message in subscription.listen():
                        self._spread(message["data"])
            except (redis.RedisError, OSError) as error:
                _log.warning("live bus lost, trying again", error=str(error))
                # Wait: otherwise this loop would try to connect without a pause while Redis is
                # down.
                await asyncio.sleep(1)

    async def _beat(self) -> None:
        """Send heartbeats to all streams, because proxies close streams that send nothing."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            for line in self.lines:
                # A browser that may still listen opens a new stream, with a new token.
                if line.until < time.monotonic():
                    line.end()
                line.tell(BEAT)

    def _spread(self, data: bytes) -> None:
        message = json.loads(data)
        if message["event"] == _END:
            for line in self.watching.get(message["topic"], ()):
                line.end()
            return
        body = f"event: {message['event']}\ndata: {message['id']}\n\n".encode()
        for line in self.watching.get(message["topic"], ()):
            line.tell(body)


_hub = _Hub()


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """ASGI application that answers `GET /live/?token=…` with an event stream.

    The answer is 403 if the token is too old or was not signed by us, or if the access of its user
    has ended. It is 429 if the user has too
    many open streams.
    """
    query = parse_qs(scope["query_string"].decode("latin-1"))
    try:
        signed = query.get("token", [""])[0]
        topics = signing.loads(signed, salt="live", max_age=TOKEN_SECONDS)
    except signing.BadSignature:
        await _refuse(send, 403)
        return
    # Check before the headers are sent: a refused browser must get 429, not an empty stream.
    if not _hub.has_room_for(topics):
        await _refuse(send, 429)
        return
    line = _Line(topics, send)
    try:
        with _hub.holding(line):
            # After the line is held: an end of the access is either found or heard.
            if await _has_ended(topics):
                await _refuse(send, 403)
                return
            await line.start()
            while (await receive())["type"] != "http.disconnect":
                pass
    except asyncio.CancelledError:
        if not line.ended:
            raise
        if line.started:
            await send({"type": "http.response.body", "body": b""})
        else:
            await _refuse(send, 403)


async def _refuse(send: Any, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body"})
