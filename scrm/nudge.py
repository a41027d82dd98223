"""Start the next hop by its name, once the row that makes it due is committed.

A nudge may be lost: the tick sweeps up what is due. So it never retries, never raises, and
expires instead of piling up.
"""

from __future__ import annotations

from typing import Any

import structlog
from celery import current_app
from django.db import transaction
from django.db.models import QuerySet
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from scrm.patience import Patience

_log = structlog.get_logger(__name__)
_patience = Patience()
EXPIRES = 60


def nudge(task: str, *args: int | str, after: float = 0) -> None:
    """Send the task of this name when the transaction commits, `after` some seconds."""
    transaction.on_commit(lambda: _send(task, args, after), robust=True)


def nudge_each(task: str, due: QuerySet[Any], *, most: int = 500) -> None:
    """One for each of these rows, the first of them."""
    for pk in due.values_list("pk", flat=True)[:most]:
        nudge(task, pk)


def _send(task: str, args: tuple[int | str, ...], after: float) -> None:
    if _patience.is_over():
        return
    try:
        current_app.send_task(
            task, args=args, countdown=after or None, expires=EXPIRES + after, retry=False
        )
    except (OperationalError, RedisError, OSError) as error:
        _patience.lose()
        _log.warning("nudge lost", task=task, args=args, error=str(error))
