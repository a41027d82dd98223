"""A function that listening calls but only responses can implement; `scrm/wiring.py` sets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

replies_to_us: Callable[[], QuerySet[Any]]
"""Ids of the interactions that answer a response of ours."""
