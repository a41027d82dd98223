"""Live events are sent on commit, and only to browsers that watch the subject of the event.

If an event cannot be sent, the transaction still succeeds.
"""

from __future__ import annotations

import asyncio
import gc
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from django.core import signing
from django.db import connections, transaction
from structlog.testing import capture_logs

from scrm.asgi import application
from scrm.bus import live

Sent = list[dict[str, Any]]


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that records the messages instead of sending them to Redis."""
    sent: list[Any] = []
    monkeypatch.setattr(live, "_publish", lambda message: sent.append(json.loads(message)))
    return sent


@pytest.fixture
def no_redis(settings: Any) -> Iterator[None]:
    """Set REDIS_URL to a port on which no server listens."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    live._publisher.cache_clear()
    yield
    live._publisher.cache_clear()


# Sending events


@pytest.mark.django_db(transaction=True)
def test_a_hint_is_given_only_once_the_transaction_commits(hints: list[Any]) -> None:
    """A live event is sent when the transaction commits, and not earlier."""
    with transaction.atomic():
        live.publish("department:1", "case", 7)
        assert hints == []
    assert hints == [{"topic": "department:1", "event": "case", "id": 7}]


@pytest.mark.django_db(transaction=True)
def test_what_was_rolled_back_is_never_hinted_at(hints: list[Any]) -> None:
    """If the transaction is rolled back, its live event is not sent."""
    with transaction.atomic():
        live.publish("department:1", "case", 7)
        transaction.set_rollback(True)
    assert hints == []


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_work_goes_on(no_redis: None) -> None:
    """Guarantee G6 (docs/guarantees.md): without Redis, a live event is lost and logged.

    Fails if the RedisError reaches the caller of the transaction.
    """
    with capture_logs() as log, transaction.atomic():
        live.publish("department:1", "case", 7)
    assert [line["event"] for line in log] == ["live hint lost"]


# The stream


class Browser:
    """A fake browser: an open event stream, and the messages that were sent on the stream.

    If a test sets the event `left`, the browser closes the stream.
    """

    def __init__(self, token: str) -> None:
        self.scope = {"type": "http", "path": "/live/", "query_string": f"token={token}".encode()}
        self.sent: Sent = []
        self.left = asyncio.Event()

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    def opens(self) -> asyncio.Task[None]:
        return asyncio.create_task(live.stream(self.scope, self.receive, self.send))

    @property
    def heard(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()


def refused(token: str) -> bool:
    browser = Browser(token)
    browser.left.set()
    asyncio.run(live.stream(browser.scope, browser.receive, browser.send))
    return [message.get("status") for message in browser.sent] == [403, None]


def test_a_stranger_is_turned_away() -> None:
    """A stream is refused if its token is missing or has no valid signature.

    Fails if the signature of the token is not checked.
    """
    assert refused("")
    assert refused("made-up")
    assert refused(signing.dumps(["department:1"], salt="another"))
    assert refused(live.token(["department:1"]) + "x")


def test_a_token_does_not_outlive_its_hour() -> None:
    """A stream is refused if its token is older than one hour.

    Fails if the age of the token is not checked.
    """
    with time_machine.travel("2026-03-04T12:00:00Z", tick=False):
        token = live.token(["department:1"])
    with time_machine.travel("2026-03-04T13:00:02Z", tick=False):
        assert refused(token)


async def shout_until(heard: Any, topic: str) -> None:
    """Send the event again and again until `heard` returns True.

    This is necessary because an event is lost until the subscription to Redis has begun.
    """
    for _ in range(100):
        await asyncio.to_thread(
            live._publish, json.dumps({"topic": topic, "event": "case", "id": 7})
        )
        await asyncio.sleep(0.05)
        if heard():
            return
    raise AssertionError("nobody heard it")


def test_a_hint_reaches_those_who_watch_its_topic_and_nobody_else() -> None:
    """A live event goes through a real Redis to the browsers that watch the subject of the event.

    Fails if each browser receives all events.
    """
    mine, theirs = f"department:{uuid.uuid4()}", f"department:{uuid.uuid4()}"

    async def scene() -> tuple[Browser, Browser, Browser]:
        watcher, outsider = Browser(live.token([mine, "x"])), Browser(live.token([theirs]))
        also = Browser(live.token([mine]))
        streams = [browser.opens() for browser in (watcher, outsider, also)]
        await shout_until(lambda: "data: 7" in watcher.heard and "data: 7" in also.heard, mine)
        assert len(live._hub.lines) == 3
        for browser in (watcher, outsider, also):
            browser.left.set()
        await asyncio.wait_for(asyncio.gather(*streams), 5)
        assert live._hub.lines == set()
        assert live._hub.watching == {}
        return watcher, outsider, also

    watcher, outsider, _ = asyncio.run(scene())
    start = watcher.sent[0]
    assert start["status"] == 200
    assert (b"content-type", b"text/event-stream") in start["headers"]
    assert "event: case\ndata: 7\n\n" in watcher.heard
    assert "event: case" not in outsider.heard
    assert outsider.heard.startswith("event: beat")


def in_a_transaction(change: Callable[[int], None], user: int) -> None:
    """Call the function in a transaction that commits, in a thread of its own."""
    try:
        with transaction.atomic():
            change(user)
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_the_streams_of_a_user_whose_access_ends_close_and_do_not_open_again() -> None:
    """Fails if a stream stays open, or if its token opens a new one, until the token runs out."""
    mine, theirs = uuid.uuid4().int % 10**12, uuid.uuid4().int % 10**12

    async def scene() -> tuple[Browser, Browser]:
        leaver, colleague = (Browser(live.token([f"user:{user}"])) for user in (mine, theirs))
        stream, other = leaver.opens(), colleague.opens()
        await asyncio.sleep(0.3)  # the subscription to Redis has begun
        for _ in range(50):
            await asyncio.to_thread(in_a_transaction, live.end_streams, mine)
            await asyncio.wait([stream], timeout=0.1)
            if stream.done():
                break
        assert stream.done()
        await stream
        assert not other.done()
        colleague.left.set()
        await asyncio.wait_for(other, 5)
        return leaver, colleague

    leaver, colleague = asyncio.run(scene())
    assert leaver.sent[-1] == {"type": "http.response.body", "body": b""}
    assert "event: end" not in leaver.heard
    assert refused(live.token([f"user:{mine}"]))
    assert colleague.sent[0]["status"] == 200
    in_a_transaction(live.allow_streams, mine)
    assert not refused(live.token([f"user:{mine}"]))


@pytest.mark.django_db(transaction=True)
def test_access_to_streams_ends_and_returns_with_the_commit(hints: list[Any]) -> None:
    """Fails if streams are closed for a change that is rolled back, or if they are never closed."""
    user = uuid.uuid4().int % 10**12
    token = live.token([f"user:{user}"])
    with transaction.atomic():
        live.end_streams(user)
        transaction.set_rollback(True)
    assert not refused(token)
    with transaction.atomic():
        live.end_streams(user)
        assert (hints, refused(token)) == ([], False)
    assert hints == [{"topic": f"user:{user}", "event": "end", "id": user}]
    assert refused(token)
    with transaction.atomic():
        live.allow_streams(user)
        assert refused(token)
    assert not refused(token)


def test_a_stream_ends_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser must ask for a new token each hour, which somebody without a login does not get."""
    monkeypatch.setattr(live, "TOKEN_SECONDS", 2)
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.1)

    async def scene() -> Browser:
        browser = Browser(live.token(["department:1"]))
        await asyncio.wait_for(browser.opens(), 5)
        return browser

    assert asyncio.run(scene()).sent[-1] == {"type": "http.response.body", "body": b""}


def test_one_user_has_so_many_streams_and_another_one_more() -> None:
    """One user can open at most `STREAMS_OF_ONE` streams at a time; the next gets status 429.

    Another user can still open a stream, and the first user can open one again after closing one.
    Fails without the limit for each user.
    """

    async def scene() -> list[int]:
        asked = ["user:1"] * (live.STREAMS_OF_ONE + 1) + ["user:2"]
        browsers = [Browser(live.token([user, "department:1"])) for user in asked]
        streams = [browser.opens() for browser in browsers]
        await asyncio.sleep(0.05)
        browsers[0].left.set()
        await asyncio.wait_for(streams[0], 5)
        again = Browser(live.token(["user:1"]))
        streams.append(again.opens())
        await asyncio.sleep(0.05)
        for browser in [*browsers, again]:
            browser.left.set()
        await asyncio.wait_for(asyncio.gather(*streams), 5)
        return [browser.sent[0]["status"] for browser in [*browsers, again]]

    assert asyncio.run(scene()) == [*[200] * live.STREAMS_OF_ONE, 429, 200, 200]


def test_one_subscription_serves_all_browsers_of_a_process() -> None:
    """All browsers of one server process share one subscription to Redis."""

    async def scene() -> int:
        browsers = [Browser(live.token(["x"])) for _ in range(5)]
        streams = [browser.opens() for browser in browsers]
        await asyncio.sleep(0.05)
        readers = {task for task in asyncio.all_tasks() if "_read" in repr(task.get_coro())}
        for browser in browsers:
            browser.left.set()
        await asyncio.wait_for(asyncio.gather(*streams), 5)
        return len(readers)

    assert asyncio.run(scene()) == 1


def test_a_quiet_line_shows_a_heart_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream sends the event `beat` regularly, even if it has no other event to send.

    Fails if the stream sends nothing until the next other event.
    """
    monkeypatch.setattr(live, "BEAT_SECONDS", 0.02)

    async def scene() -> str:
        browser = Browser(live.token([str(uuid.uuid4())]))
        stream = browser.opens()
        await asyncio.sleep(0.2)
        browser.left.set()
        await asyncio.wait_for(stream, 5)
        return browser.heard

    assert asyncio.run(scene()).count("event: beat") > 2


def test_a_slow_browser_loses_the_oldest_hints_and_nothing_grows() -> None:
    """If the queue of a slow browser is full, the oldest events in the queue are dropped.

    Fails if no event is dropped, because then the full queue of one browser stops the events of all
    browsers.
    """

    async def scene() -> list[bytes]:
        async def send(_message: dict[str, Any]) -> None:
            await asyncio.sleep(9)

        hub, line = live._Hub(), live._Line(["x"], send)
        with hub.holding(line):
            line.tell(live.BEAT)
            await asyncio.sleep(0.01)  # from now on, this send does not return
            for pk in range(live._WAITING + 5):
                hub._spread(json.dumps({"topic": "x", "event": "case", "id": pk}).encode())
            waiting = list(line.waiting)
        for task in hub.tasks:
            task.cancel()
        return waiting

    waiting = asyncio.run(scene())
    assert len(waiting) == live._WAITING
    assert waiting[0] == b"event: case\ndata: 5\n\n"


def test_a_stream_stays_open_while_redis_is_gone_and_hears_again(settings: Any) -> None:
    """Guarantee G6 (docs/guarantees.md): a stream stays open while Redis cannot be reached.

    When Redis is available again, the browser receives events again. Fails if the subscription to
    Redis ends at its first error.
    """
    topic, there = str(uuid.uuid4()), settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    async def scene() -> Browser:
        browser = Browser(live.token([topic]))
        stream = browser.opens()
        await asyncio.sleep(0.3)
        assert not stream.done()
        settings.REDIS_URL = there
        await shout_until(lambda: "data: 7" in browser.heard, topic)
        browser.left.set()
        await asyncio.wait_for(stream, 5)
        return browser

    assert asyncio.run(scene()).sent[0]["status"] == 200


def test_what_stands_for_good_is_no_garbage_to_look_through() -> None:
    """Objects that exist after startup are excluded from garbage collection (`gc.freeze`).

    Otherwise all pages and a thousand open streams would have to wait for each collection.
    """
    told = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, str]:
        return {"type": next(told)}

    async def send(_message: dict[str, str]) -> None:
        pass

    before = gc.get_freeze_count()
    try:
        asyncio.run(application({"type": "lifespan"}, receive, send))
        assert gc.get_freeze_count() > before + 10_000
    finally:
        gc.unfreeze()
