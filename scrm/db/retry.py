"""Troubles of the database that pass: the work is not at fault, and may simply be done again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError
from psycopg2.errors import ProgramLimitExceeded

T = TypeVar("T")
_TRIES = 3


def is_passing(error: Exception) -> bool:
    """A deadlock or a lost connection; not a row too large for its index, though it looks so."""
    return isinstance(error, OperationalError | InterfaceError) and not isinstance(
        error.__cause__, ProgramLimitExceeded
    )


def again(work: Callable[[], T]) -> T:
    """Do `work`, one whole transaction, up to three times while its trouble passes."""
    for _ in range(_TRIES - 1):
        try:
            return work()
        except Exception as error:
            if not is_passing(error):
                raise
    return work()
