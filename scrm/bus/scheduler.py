"""Celery beat that sends nothing to a full queue, which would grow for ever without a worker."""

from __future__ import annotations

from typing import Any

from celery.beat import Scheduler

from scrm.bus.nudge import is_full


class BoundedScheduler(Scheduler):  # type: ignore[misc]
    """Does not send a scheduled task while its queue is full or Redis does not answer."""

    def apply_async(self, entry: Any, **options: Any) -> Any:
        return None if is_full(entry.task) else super().apply_async(entry, **options)
