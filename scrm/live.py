"""The only live bus. Events are hints that carry ids, never text: pages fetch what changed.

`publish` speaks on commit, from any process; `stream` is the event stream that a browser
holds open. One Redis subscription per process serves all its browsers; the stream trusts a
short-lived token signed by the page and never touches the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import redis
import redis.asyncio
import structlog
from django.conf import settings
from django.core import signing
from django.db import transaction

from scrm.patience import Patience

_log = structlog.get_logger(__name__)
_patience = Patience()
CHANNEL = "scrm:live"
TOKEN_SECONDS = 3600
BEAT_SECONDS = 20
BEAT = b"event: beat\ndata: 0\n\n"
_WAITING = 100
"""Events that may wait for a slow browser; beyond it the oldest are dropped (only hints)."""


@cache
def _publisher() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


def publish(topic: str, event: str, pk: int) -> None:
    """Hint to everyone who watches `topic`, once the transaction commits. Never raises."""
    message = json.dumps({"topic": topic, "event": event, "id": pk})
    transaction.on_commit(lambda: _publish(message), robust=True)


def _publish(message: str) -> None:
    if _patience.is_over():
        return
    try:
        _publisher().publish(CHANNEL, message)
    except redis.RedisError as error:
        _patience.lose()
        _log.warning("live hint lost", error=str(error))


def token(topics: Iterable[str]) -> str:
    """What a page hands its browser to open the stream with, for these topics."""
    return signing.dumps(sorted(topics), salt="live", compress=True)


class _Hub:
    """Every open stream of this process and the one subscription that feeds them."""

    def __init__(self) -> None:
        self.queues: dict[asyncio.Queue[str], frozenset[str]] = {}
        self.reader: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def watch(self, topics: frozenset[str]) -> Any:
        queue: asyncio.Queue[str] = asyncio.Queue(_WAITING)
        self.queues[queue] = topics
        if self.reader is None or self.reader.done():
            self.reader = asyncio.create_task(self._read())
        try:
            yield queue
        finally:
            del self.queues[queue]

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
                await asyncio.sleep(1)

    def _spread(self, data: bytes) -> None:
        message = json.loads(data)
        line = f"event: {message['event']}\ndata: {message['id']}\n\n"
        for queue, topics in self.queues.items():
            if message["topic"] in topics:
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(line)


_hub = _Hub()


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """ASGI: `GET /live/?token=…` → an event stream; 403 for a token that is not ours."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    try:
        signed = query.get("token", [""])[0]
        topics = frozenset(signing.loads(signed, salt="live", max_age=TOKEN_SECONDS))
    except signing.BadSignature:
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body"})
        return
    headers = [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    gone = asyncio.create_task(_until_gone(receive))
    with _hub.watch(topics) as queue:
        while not gone.done():
            await send({"type": "http.response.body", "body": BEAT, "more_body": True})
            await _pass_on(queue, gone, send)


async def _pass_on(queue: asyncio.Queue[str], gone: asyncio.Task[None], send: Any) -> None:
    """Pass events on until the line was quiet for one heart-beat or the browser left."""
    while True:
        event = asyncio.ensure_future(queue.get())
        await asyncio.wait({event, gone}, timeout=BEAT_SECONDS, return_when="FIRST_COMPLETED")
        if not event.done():
            event.cancel()
            return
        body = event.result().encode()
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
