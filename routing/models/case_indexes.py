"""Indexes of `Case`, with comments on the queries that use them. See also `bench/inbox.py`."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib.postgres.indexes import GinIndex
from django.db.models import DateTimeField, GeneratedField, Index, Q, Value
from django.db.models.functions import Coalesce

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
DUE_SORT = GeneratedField(
    expression=Coalesce("due_at", Value(NEVER, output_field=DateTimeField())),
    output_field=DateTimeField(),
    db_persist=True,
)
"""The sort key of lists of due cases: cases that are not due come last."""

_ACTIVE = Q(status__in=["new", "open"])
_NEWEST = ["-last_inbound_at", "-id"]
_DUE = ["due_sort", "id"]
_LATE = Q(received_late=True)
_SNOOZED = Q(status="snoozed")
_URGENT = ["rank", "last_inbound_at", "id"]

INDEXES = [
    # List and count the active cases of one department; list the active cases of all departments.
    Index(fields=["department", *_NEWEST], name="case_active", condition=_ACTIVE),
    Index(fields=_NEWEST, name="case_newest", condition=_ACTIVE),
    Index(fields=["department"], name="case_open_in", condition=_ACTIVE),
    # List the active cases of one or of all departments, the most urgent first.
    Index(fields=["department", *_URGENT], name="case_urgent", condition=_ACTIVE),
    Index(fields=_URGENT, name="case_rank", condition=_ACTIVE),
    # Count the unassigned cases of a department, and list them, the most urgent first.
    Index(
        fields=["department", *_URGENT],
        name="case_free",
        condition=_ACTIVE & Q(assignee=None),
    ),
    # List and count the waiting and snoozed cases of a department; find cases to wake up.
    Index(
        fields=["department", "status", *_NEWEST],
        name="case_resting",
        condition=Q(status__in=["waiting", "snoozed"]),
    ),
    Index(fields=["snoozed_until"], name="case_snoozed", condition=Q(status="snoozed")),
    # List the active cases of one assignee, and count them by department.
    Index(
        fields=["assignee", *_NEWEST],
        name="case_mine",
        condition=_ACTIVE,
        include=["department"],
    ),
    # List the active cases of one or of all departments or of one assignee, the first due first;
    # list those without an assignee; find the overdue ones. The same for snoozed cases.
    Index(fields=["department", *_DUE], name="case_due", condition=_ACTIVE),
    Index(fields=_DUE, name="case_due_everywhere", condition=_ACTIVE),
    Index(fields=["department", *_DUE], name="case_due_free", condition=_ACTIVE & Q(assignee=None)),
    Index(fields=["assignee", *_DUE], name="case_due_mine", condition=_ACTIVE),
    Index(fields=["department", *_DUE], name="case_due_snoozed", condition=_SNOOZED),
    Index(fields=_DUE, name="case_due_asleep", condition=_SNOOZED),
    Index(fields=_DUE, name="case_due_any"),
    # The same lists of only those cases that were received late.
    Index(fields=["department", *_DUE], name="case_late", condition=_LATE),
    Index(fields=_DUE, name="case_late_everywhere", condition=_LATE),
    # List cases in any status: all cases, or those of a status, department, issue or profile.
    Index(fields=_NEWEST, name="case_recent"),
    Index(fields=_URGENT, name="case_ranked"),
    Index(fields=["status", *_NEWEST], name="case_status"),
    Index(fields=["department", *_NEWEST], name="case_of_department"),
    Index(
        fields=["issue", *_NEWEST],
        name="case_of_issue",
        condition=Q(issue__isnull=False),
        include=["profile"],  # to count the people who raised the issue
    ),
    Index(fields=["profile", "-opened_at"], name="case_of_profile"),
    # List the open sensitive cases, which stand on top of the inbox.
    Index(
        fields=["department", "-last_inbound_at"],
        name="case_sensitive",
        condition=~Q(sensitive="") & ~Q(status__in=["done", "noise"]),
    ),
    GinIndex(fields=["tags"], name="case_tags"),
]
