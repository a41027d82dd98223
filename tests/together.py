"""Run things at the same moment, each on a thread and a database connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def at_once(*jobs: Callable[[], T]) -> list[T]:
    """Start all jobs together → their results in order. Raises what the first of them raised."""
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
