"""Pin sensitive cases to the top of the list of cases, in every sort order."""

from __future__ import annotations

from django.db import models

from crm.models import User
from listening.sensitivity import Sensitivity
from routing.inbox.query import Asked, cases_asked_for
from routing.models import Case

VIEWS = ("mine", "unassigned", "open", "all")
MAX_PINNED = 10


def pinned(asked: Asked, user: User) -> list[int]:
    """Return the ids of the open sensitive cases of this list, in the order of `in_order`."""
    if asked.view not in VIEWS:
        return []
    cases = cases_asked_for(asked, user).living().exclude(sensitive="")
    return list(in_order(cases).values_list("pk", flat=True)[:MAX_PINNED])


def in_order(cases: models.QuerySet[Case]) -> models.QuerySet[Case]:
    """Order sensitive cases: the most serious kind first, then by deadline, then the oldest."""
    ranks = enumerate(Sensitivity.values)
    kinds = models.Case(*(models.When(sensitive=kind, then=rank) for rank, kind in ranks))
    due = models.F("statutory_due_at").asc(nulls_last=True)
    return cases.order_by(kinds, due, "last_inbound_at", "pk")
