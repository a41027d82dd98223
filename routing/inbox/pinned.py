"""Sensitive cases stand on top of the list of cases, whatever its order."""

from __future__ import annotations

from crm.models import User
from routing.inbox.query import Asked, cases_asked_for

VIEWS = ("mine", "unassigned", "open", "all")
MAX_PINNED = 10


def pinned(asked: Asked, user: User) -> list[int]:
    """Return the ids of the open sensitive cases of this list, the newest first."""
    if asked.view not in VIEWS:
        return []
    cases = cases_asked_for(asked, user).living().exclude(sensitive="")
    return list(cases.order_by("-last_inbound_at", "-pk").values_list("pk", flat=True)[:MAX_PINNED])
