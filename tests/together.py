"""Run functions at the same moment, each in its own thread with its own database connection."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def at_once(*jobs: Callable[[], T]) -> list[T]:
    """Run these functions at the same moment, and return their results in order.

    If a function raises an error, `at_once` raises this error again.
    """
    gate = Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T:
        try:
            gate.wait(timeout=30)
            return job()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        running = [pool.submit(run, job) for job in jobs]
    return [each.result() for each in running]
