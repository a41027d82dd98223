"""Send nudges: Celery messages that wake a worker for work that is due.

A row makes the work due. The nudge is sent after the commit of this row. A nudge may be lost,
because the tick, a task that runs every few seconds, finds all due work. So `nudge` never retries
and never raises an exception. Messages expire, and new messages are dropped if many are waiting
already. Therefore no queue grows without limit when a worker is slow or stopped.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import redis
import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from scrm.bus.breaker import Patience

_log = structlog.get_logger(__name__)
_patience = Patience()
_LOST = (OperationalError, RedisError, OSError)
EXPIRES = 60
MAX_IN_FLIGHT = 500
"""The number of messages that the tick keeps waiting in a queue.

Further due rows follow when these are done.
"""
MAX_OF_RARE = 700
"""The limit for `nudge_rare`: higher, so that a busy task leaves room for rare ones."""
FULL = 900
"""The length of a queue at which nudges are dropped.

Several processes may see the same free place and send at once, so this is below the 1,000 that no
queue may exceed.
"""


def nudge(task: str, *args: int | str, after: float = 0) -> None:
    """Ask a worker to run a task, `after` seconds after the transaction commits."""
    # Send on commit: a worker that started before the commit would not see the row.
    transaction.on_commit(lambda: _send(task, args, after), robust=True)


def nudge_each(task: str, due: QuerySet[Any], *, oldest_by: str) -> None:
    """Send one nudge for each due row. The oldest row comes first.

    Nudges are sent only until `MAX_IN_FLIGHT` messages wait in the queue.

    oldest_by: the column by which the rows are sorted.
    """
    _nudge_up_to(MAX_IN_FLIGHT, task, due.order_by(oldest_by, "pk"))


def nudge_rare(task: str, due: QuerySet[Any], *, oldest_by: str) -> None:
    """Like `nudge_each`, for a task that shares its queue with a task that runs more often.

    The limit is higher, so that the rare task is not blocked by the messages of the other task.
    """
    _nudge_up_to(MAX_OF_RARE, task, due.order_by(oldest_by, "pk"))


def _nudge_up_to(most: int, task: str, due: QuerySet[Any]) -> None:
    rows = list(due.values_list("pk", flat=True)[:most])
    room = max(most - _waiting(task), 0) if rows else 0
    for pk in rows[:room]:
        nudge(task, pk)


def top_up(task: str, due: QuerySet[Any], *, most: int = MAX_IN_FLIGHT) -> None:
    """Send nudges until the queue contains one message for each due row, but at most `most`.

    The messages do not say which row is due. Each run of the task claims a due row itself.
    """
    wanted = due.order_by()[:most].count()
    missing = wanted - _waiting(task) if wanted else 0
    for _ in range(missing):
        nudge(task)


def is_full(task: str) -> bool:
    """Return whether a nudge for this task would be dropped."""
    return _waiting(task) >= FULL


def _waiting(task: str) -> int:
    """Return the number of messages in this task's queue; FULL if Redis does not answer."""
    if _patience.is_over():
        return FULL
    try:
        return _length(task)
    except _LOST as error:
        _record_loss(task, error)
        return FULL


def _length(task: str) -> int:
    queue = current_app.amqp.router.route({}, task)["queue"]
    return _client().llen(queue.name)


@cache
def _client() -> redis.Redis:
    # The client of Celery's own channel is not used, because it returned None after an idle time.
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


def _send(task: str, args: tuple[int | str, ...], after: float) -> None:
    if _patience.is_over():
        return
    try:
        # Several processes may pass this check at the same moment. Therefore FULL is lower than
        # the length that no queue may exceed.
        if _length(task) >= FULL:
            return
        # retry=False: a request must not wait for Redis.
        current_app.send_task(
            task, args=args, countdown=after or None, expires=EXPIRES + after, retry=False
        )
    except _LOST as error:
        _record_loss(task, error, args=args)


def _record_loss(task: str, error: Exception, **facts: object) -> None:
    _patience.lose()
    _log.warning("nudge lost", task=task, error=str(error), **facts)
