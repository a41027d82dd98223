"""Circuit breaker for Redis: after a failure, Redis is not used for 5 seconds.

Messages to Redis only make work start sooner, so they may be lost. No user must wait for them.
"""

from __future__ import annotations

import time

REST_SECONDS = 5.0


class Patience:
    """The circuit breaker. While `is_over` returns True, callers must not use Redis."""

    def __init__(self) -> None:
        self._until = 0.0

    def is_over(self) -> bool:
        return time.monotonic() < self._until

    def lose(self) -> None:
        self._until = time.monotonic() + REST_SECONDS
