"""Declare a function that listening calls but that only the app responses can implement.

`scrm/wiring.py` sets the function at startup.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

replies_to_us: Callable[[], QuerySet[Any]]
"""Ids of the interactions that answer a response of ours."""
