"""Detect transient database errors (deadlock, lost connection), and retry after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from psycopg2.errors import ProgramLimitExceeded

T = TypeVar("T")
_TRIES = 3


def is_passing(error: Exception) -> bool:
    """Whether an error is a deadlock or a lost connection.

    A row that is too large for its index also raises OperationalError, but that error is not
    transient.
    """
    return isinstance(error, OperationalError | InterfaceError) and not isinstance(
        error.__cause__, ProgramLimitExceeded
    )


def again(work: Callable[[], T]) -> T:
    """Run `work`, a whole transaction; after a transient error run it again, up to three times."""
    for _ in range(_TRIES - 1):
        try:
            return work()
        except Exception as error:
            if not is_passing(error):
                raise
    return work()
