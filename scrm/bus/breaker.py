"""Leave a Redis that does not answer alone for a while: hints may be lost, people may not wait."""

from __future__ import annotations

import time

REST_SECONDS = 5.0


class Patience:
    """Knows whether the last try failed so lately that another is not worth a person's time."""

    def __init__(self) -> None:
        self._until = 0.0

    def is_over(self) -> bool:
        return time.monotonic() < self._until

    def lose(self) -> None:
        self._until = time.monotonic() + REST_SECONDS
