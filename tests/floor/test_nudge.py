"""A nudge: sent on commit, by name, quickly or not at all."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from django.db import transaction
from structlog.testing import capture_logs

import scrm.celery
from scrm.nudge import EXPIRES, nudge


class Broker:
    """Stands where Celery stands and writes down what it was asked to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def send_task(self, name: str, args: tuple[Any, ...], **options: Any) -> None:
        self.sent.append((name, args, options))


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr("scrm.nudge.current_app", broker)
    return broker


def app_at(port: int) -> Celery:
    """Our own Celery, but with its broker somewhere else."""
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
    """The port of a Redis that takes calls and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.django_db(transaction=True)
def test_a_nudge_leaves_with_the_commit(broker: Broker) -> None:
    """Seen to fail with the task sent straight away: it would not find its row."""
    with transaction.atomic():
        nudge("scrm.pipeline.poll", 7)
        assert broker.sent == []
    name, args, options = broker.sent[0]
    assert (name, args) == ("scrm.pipeline.poll", (7,))
    assert options == {"countdown": None, "expires": EXPIRES, "retry": False}


@pytest.mark.django_db(transaction=True)
def test_a_later_nudge_expires_later(broker: Broker) -> None:
    """Seen to fail with one time of expiry for all."""
    nudge("scrm.pipeline.deliver", 7, after=10)
    assert broker.sent[0][2] == {"countdown": 10, "expires": EXPIRES + 10, "retry": False}


@pytest.mark.django_db(transaction=True)
def test_what_was_rolled_back_nudges_nobody(broker: Broker) -> None:
    """Seen to fail with the task sent straight away."""
    with transaction.atomic():
        nudge("scrm.pipeline.poll", 7)
        transaction.set_rollback(True)
    assert broker.sent == []


@pytest.mark.parametrize("kind", ["gone", "frozen"])
@pytest.mark.django_db(transaction=True)
def test_without_redis_a_nudge_is_lost_quickly_and_says_so(
    kind: str, frozen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6. Seen to fail with the errors let through, with longer time-outs, and with retries."""
    monkeypatch.setattr("scrm.nudge.current_app", app_at(1 if kind == "gone" else frozen))
    start = time.monotonic()
    with capture_logs() as log, transaction.atomic():
        nudge("scrm.pipeline.poll", 7)
    assert time.monotonic() - start < 2.5
    assert [line["event"] for line in log] == ["nudge lost"]
