"""Set the clock for the sample, because the events of the sample happen in the past weeks.

All code gets the current time from `timezone.now`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from unittest.mock import patch

from django.utils import timezone


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Make `timezone.now` return `moment` in this process.

    Use this only in a process that does nothing else meanwhile.
    """
    with patch.object(timezone, "now", lambda: moment):
        yield
