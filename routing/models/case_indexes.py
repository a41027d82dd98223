"""The indexes of a case, each with the question that it answers: `bench/inbox.py` asks them."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db.models import Index, Q

_ACTIVE = Q(status__in=["new", "open"])
_NEWEST = ["-last_inbound_at", "-id"]
_URGENT = ["rank", "last_inbound_at", "id"]

INDEXES = [
    # What is open in a department, and how much that is; what is open anywhere.
    Index(fields=["department", *_NEWEST], name="case_active", condition=_ACTIVE),
    Index(fields=_NEWEST, name="case_newest", condition=_ACTIVE),
    Index(fields=["department"], name="case_open_in", condition=_ACTIVE),
    # The same, the most urgent first.
    Index(fields=["department", *_URGENT], name="case_urgent", condition=_ACTIVE),
    Index(fields=_URGENT, name="case_rank", condition=_ACTIVE),
    # What nobody has: how much, and which of it is the most urgent.
    Index(
        fields=["department", *_URGENT],
        name="case_free",
        condition=_ACTIVE & Q(assignee=None),
    ),
    # What rests in a department, and how much that is; what is due to wake.
    Index(
        fields=["department", "status", *_NEWEST],
        name="case_resting",
        condition=Q(status__in=["waiting", "snoozed"]),
    ),
    Index(fields=["snoozed_until"], name="case_snoozed", condition=Q(status="snoozed")),
    # What is somebody's to do, and how much of it is in their departments.
    Index(
        fields=["assignee", *_NEWEST],
        name="case_mine",
        condition=_ACTIVE,
        include=["department"],
    ),
    # All that ever was: anywhere, of a status, department, issue, outside party.
    Index(fields=_NEWEST, name="case_recent"),
    Index(fields=_URGENT, name="case_ranked"),
    Index(fields=["status", *_NEWEST], name="case_status"),
    Index(fields=["department", *_NEWEST], name="case_of_department"),
    Index(
        fields=["issue", *_NEWEST],
        name="case_of_issue",
        condition=Q(issue__isnull=False),
        include=["profile"],  # how many people raised it
    ),
    Index(fields=["profile", "-opened_at"], name="case_of_profile"),
    GinIndex(fields=["tags"], name="case_tags"),
]
