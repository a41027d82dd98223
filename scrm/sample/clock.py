"""What day it is for the sample: the verbs ask `timezone.now`, and the story is weeks old."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from unittest.mock import patch

from django.utils import timezone


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Let it be `moment`. Only for a process that does nothing else meanwhile."""
    with patch.object(timezone, "now", lambda: moment):
        yield
