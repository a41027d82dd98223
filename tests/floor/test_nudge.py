"""Nudges are Celery messages that wake workers.

A nudge is sent on commit. If Redis cannot be reached, the nudge is lost without a long delay.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from celery.beat import Scheduler
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from structlog.testing import capture_logs

import scrm.celery
from crm.models import User
from listening.models import Source
from scrm.bus.nudge import EXPIRES, FULL, MAX_IN_FLIGHT, nudge, nudge_each, nudge_rare, top_up
from scrm.bus.scheduler import BoundedScheduler


class Broker:
    """A fake of the Celery app and of its only queue. It records the sent messages."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def send_task(self, name: str, args: tuple[Any, ...], **options: Any) -> None:
        self.sent.append((name, args, options))


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr("scrm.bus.nudge.current_app", broker)
    monkeypatch.setattr("scrm.bus.nudge._length", lambda _task: len(broker.sent))
    return broker


def app_at(port: int) -> Celery:
    """Return a Celery app with the settings of scrm and with a broker on the given port."""
    app = Celery("elsewhere", broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
    ours = scrm.celery.app.conf
    app.conf.update(
        broker_transport_options=ours.broker_transport_options,
        redis_socket_timeout=ours.redis_socket_timeout,
        redis_socket_connect_timeout=ours.redis_socket_connect_timeout,
    )
    return app


@pytest.fixture
def frozen() -> Iterator[int]:
    """Yield the port of a fake Redis that accepts connections but never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.django_db(transaction=True)
def test_a_nudge_leaves_with_the_commit(broker: Broker) -> None:
    """A nudge is sent when the transaction commits, and not earlier.

    If the nudge were sent earlier, the task would not find its row.
    """
    with transaction.atomic():
        nudge("scrm.pipeline.poll", 7)
        assert broker.sent == []
    name, args, options = broker.sent[0]
    assert (name, args) == ("scrm.pipeline.poll", (7,))
    assert options == {"countdown": None, "expires": EXPIRES, "retry": False}


@pytest.mark.django_db(transaction=True)
def test_a_later_nudge_expires_later(broker: Broker) -> None:
    """A nudge with a delay expires later than a nudge without a delay.

    Fails if all nudges have the same expiry time.
    """
    nudge("scrm.pipeline.deliver", 7, after=10)
    assert broker.sent[0][2] == {"countdown": 10, "expires": EXPIRES + 10, "retry": False}


@pytest.mark.django_db(transaction=True)
def test_what_was_rolled_back_nudges_nobody(broker: Broker) -> None:
    """If the transaction is rolled back, its nudge is not sent."""
    with transaction.atomic():
        nudge("scrm.pipeline.poll", 7)
        transaction.set_rollback(True)
    assert broker.sent == []


@pytest.mark.parametrize("kind", ["gone", "frozen"])
@pytest.mark.django_db(transaction=True)
def test_without_redis_a_nudge_is_lost_quickly_and_says_so(
    kind: str, frozen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guarantee G6 (docs/guarantees.md): without Redis, a nudge delays the caller by at most 2.5 s.

    The nudge is then lost, and the loss is logged. Fails if the error reaches the caller, if the
    time-outs are longer, or if Celery tries again.
    """
    monkeypatch.setattr("scrm.bus.nudge.current_app", app_at(1 if kind == "gone" else frozen))
    start = time.monotonic()
    with capture_logs() as log, transaction.atomic():
        nudge("scrm.pipeline.poll", 7)
    assert time.monotonic() - start < 2.5
    assert [line["event"] for line in log] == ["nudge lost"]


@pytest.mark.django_db(transaction=True)
def test_where_many_wait_another_nudge_is_dropped(broker: Broker) -> None:
    """If the queue already holds `FULL` messages, a further nudge is dropped.

    Fails if the length of the queue is not checked. Then the queue would grow without limit while
    no worker runs.
    """
    for number in range(FULL + 10):
        nudge("scrm.pipeline.deliver", number)
    assert len(broker.sent) == FULL


@pytest.fixture
def due(admin: User) -> QuerySet[Source]:
    """Return a queryset of due sources: 100 more than `MAX_IN_FLIGHT` (the limit of messages).

    The source that has been due longest is the last one by name and by id.
    """
    first = timezone.now() - timedelta(days=1)
    Source.objects.bulk_create(
        Source(
            kind="feed",
            address=str(number),
            name=f"{number:05}",
            owner=admin,
            cases_since=first,
            next_fetch_at=first - timedelta(seconds=number),
        )
        for number in range(MAX_IN_FLIGHT + 100)
    )
    return Source.objects.due(timezone.now())


@pytest.mark.django_db(transaction=True)
def test_of_many_rows_the_oldest_are_sent_and_no_more_than_have_room(
    broker: Broker, due: QuerySet[Source]
) -> None:
    """`nudge_each` sends nudges for the rows that have been due longest, up to `MAX_IN_FLIGHT`.

    Fails if rows are taken in the order of their names, or if a row that has a waiting message gets
    another one.
    """
    nudge_each("scrm.pipeline.deliver", due, oldest_by="next_fetch_at")
    oldest = due.order_by("next_fetch_at").values_list("pk", flat=True)[:MAX_IN_FLIGHT]
    assert [args for _task, args, _options in broker.sent] == [(pk,) for pk in oldest]
    nudge_each("scrm.pipeline.deliver", due, oldest_by="next_fetch_at")
    assert len(broker.sent) == MAX_IN_FLIGHT
    del broker.sent[:100]
    nudge_each("scrm.pipeline.deliver", due, oldest_by="next_fetch_at")
    assert len(broker.sent) == MAX_IN_FLIGHT


@pytest.mark.django_db(transaction=True)
def test_as_many_messages_wait_as_rows_are_due(broker: Broker, due: QuerySet[Source]) -> None:
    """`top_up` sends messages only until the queue contains one message for each due row.

    The number of messages is also limited by `MAX_IN_FLIGHT`. Fails if each call sends a message
    for each due row, although earlier messages still wait in the queue.
    """
    for _ in range(3):
        top_up("scrm.pipeline.process", due.filter(name__lt="00003"))
        assert [args for _task, args, _options in broker.sent] == [()] * 3
    for _ in range(3):
        top_up("scrm.pipeline.process", due)
        assert len(broker.sent) == MAX_IN_FLIGHT
    broker.sent.clear()
    top_up("scrm.pipeline.process", due.none())
    top_up("scrm.pipeline.process", due, most=1)
    assert len(broker.sent) == 1


@pytest.mark.django_db(transaction=True)
def test_without_redis_nothing_is_sent_and_all_stay_due(
    due: QuerySet[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one failure, the code does not try to reach Redis for some seconds.

    No message is sent, and the rows stay due. Fails if the code tries to reach Redis for each row.
    """
    monkeypatch.setattr("scrm.bus.nudge.current_app", app_at(1))
    sweeps: list[Callable[[], None]] = [
        lambda: top_up("scrm.pipeline.poll", due),
        lambda: nudge_each("scrm.pipeline.deliver", due, oldest_by="pk"),
    ]
    with capture_logs() as log:
        for sweep in sweeps:
            sweep()
    assert [line["event"] for line in log] == ["nudge lost"]


@pytest.mark.django_db(transaction=True)
def test_a_busy_task_keeps_no_rarer_one_out_of_their_queue(
    broker: Broker, due: QuerySet[Source]
) -> None:
    """Nudges for `settle` are still sent while the queue is full of nudges for `deliver`.

    Fails if both tasks share one limit. Then unknown deliveries would have to wait for a post with
    5,000 deliveries.
    """
    nudge_each("scrm.pipeline.deliver", due, oldest_by="pk")
    nudge_rare("scrm.pipeline.settle", due.filter(name__lt="00007"), oldest_by="pk")
    assert [task for task, _args, _options in broker.sent].count("scrm.pipeline.settle") == 7


def test_beat_sends_nothing_into_a_full_queue(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler of Celery beat sends no message if the queue already holds `FULL` messages.

    Fails with Celery's own scheduler. With that scheduler, the queue would grow without limit while
    no worker runs.
    """
    monkeypatch.setattr(Scheduler, "apply_async", lambda _self, entry: broker.sent.append(entry))
    scheduler = BoundedScheduler(app=scrm.celery.app, lazy=True)
    entry = scheduler.Entry(task="scrm.pipeline.tick", app=scrm.celery.app)
    for _ in range(FULL + 10):
        scheduler.apply_async(entry)
    assert len(broker.sent) == FULL
