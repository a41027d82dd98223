"""Set the clock for the sample, whose story begins weeks ago; the code uses `timezone.now`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from unittest.mock import patch

from django.utils import timezone


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Make `timezone.now` return `moment`, in a process that does nothing else meanwhile."""
    with patch.object(timezone, "now", lambda: moment):
        yield
