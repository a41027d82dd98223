"""A question of listening that only responses can answer; `scrm/wiring.py` sets the function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

replies_to_us: Callable[[], QuerySet[Any]]
"""Ids of the interactions that answer something we said."""
