"""A scheduler for Celery beat that sends nothing to a full queue.

Otherwise a queue without a worker would grow for ever.
"""

from __future__ import annotations

from typing import Any

from celery.beat import Scheduler

from scrm.bus.nudge import is_full


class BoundedScheduler(Scheduler):  # type: ignore[misc]
    """A scheduler that checks the queue of each scheduled task before it sends the task.

    If the queue is full or Redis does not answer, the task is not sent.
    """

    def apply_async(self, entry: Any, **options: Any) -> Any:
        return None if is_full(entry.task) else super().apply_async(entry, **options)
