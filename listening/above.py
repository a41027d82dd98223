"""Declare functions that listening calls but that only the apps above it can implement.

`scrm/wiring.py` sets the functions at startup.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

replies_to_us: Callable[[], QuerySet[Any]]
"""Ids of the interactions that answer a response of ours."""

tell_changed: Callable[[Mapping[int, bool], datetime], None]
"""Update pages of cases with these interactions, which were changed at their source.

The mapping says for each interaction whether users who are writing an answer are notified."""

opened_cases: Callable[[QuerySet[Any, Any]], int]
"""How many of these interactions, given by their ids, opened a case."""
