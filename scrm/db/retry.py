"""Detect transient database errors (a deadlock, a lost connection), and retry after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from psycopg2.errors import ProgramLimitExceeded

T = TypeVar("T")
_TRIES = 3


def is_passing(error: Exception) -> bool:
    """Return whether an error is transient, such as a deadlock or a lost connection.

    OperationalError is also raised if a row is too large for its index. This error is not
    transient.
    """
    return isinstance(error, OperationalError | InterfaceError) and not isinstance(
        error.__cause__, ProgramLimitExceeded
    )


def again(work: Callable[[], T]) -> T:
    """Run `work`, which must be a whole transaction, and return its result.

    After a transient error, `work` is run again. It is run at most three times in total.
    """
    for _ in range(_TRIES - 1):
        try:
            return work()
        except Exception as error:
            if not is_passing(error):
                raise
    return work()
