"""Functions that routing calls and that responses provides; `scrm/wiring.py` sets them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from django.db.models import Exists, QuerySet

from crm.models import User
from routing.models import Case

posts_about: Callable[[Case], list[QuerySet[Any]]]
"""Querysets of interactions: our posts about the case or about its issue."""

bounced: Callable[[], Exists]
"""Condition on an interaction: its delivery bounced."""

response_marks: Callable[[Collection[int], User], list[QuerySet[Any, Any]]]
"""Rows (mark, case id, "") for these cases: "held" if a response is held, "draft" if the user
has one."""

last_posts: Callable[[Collection[int]], dict[int, datetime]]
"""Issue id → release time of its latest post; without the issues that have none."""
