"""The fields of a case that a merge or a split changes and that an undo restores."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Max

from crm.models import Interaction
from routing.models.case import Case
from routing.models.rule import Priority
from routing.models.status import ACTIVE, Status
from routing.sensitive import more_serious
from routing.unanswered import unanswered
from routing.undo import snapshot
from scrm.channels.base import AUTOMATIC

State = dict[str, Any]
_WORK = {"status", "done_at", "snoozed_until", "department_id", "assignee_id"}
"""If one of these fields was changed after a merge, its undo restores none of them."""
_MARKS = {"sensitive", "statutory_due_at", "priority"}


def state_of(case: Case) -> State:
    """Return the values that a merge changes, serializable as JSON."""
    times = {name: getattr(case, name) for name in ("first_response_at", "statutory_due_at")}
    return snapshot(case) | {
        "priority": case.priority,
        "sensitive": case.sensitive,
        **{name: at.isoformat() if at else None for name, at in times.items()},
    }


def update_last_inbound(case: Case) -> None:
    """Set the last inbound message from the items that the case has now."""
    items = Interaction.objects.filter(
        conversation__in=case.conversations, direction="in", revises=None
    )
    items = items.exclude(kind=AUTOMATIC).exclude(below_case__case=case)
    last = items.order_by("-pk").values_list("pk", flat=True).first()
    Case.objects.filter(pk=case.pk).update(
        last_inbound=last, last_inbound_at=items.aggregate(at=Max("sort_at"))["at"]
    )
    case.refresh_from_db()


def status_from_items(case: Case) -> str:
    """Return the status of a living case: whether it waits for us or for the party."""
    if unanswered([case.pk]).exists():
        return Status.OPEN if case.assignee_id else Status.NEW
    return Status.WAITING


def merged_state(target: Case, source: Case) -> State:
    """Return the new values of the case that takes over another one.

    The higher priority and the more serious kind of sensitive case are kept, the tags are combined,
    and empty fields are filled. If the other case needs an answer, this one does too.
    `routing.due_times` computes when it is due.
    """
    values: State = {
        "tags": [*target.tags, *(tag for tag in source.tags if tag not in target.tags)],
        "issue_id": target.issue_id or source.issue_id,
        "first_response_at": _earlier(target.first_response_at, source.first_response_at),
        "sensitive": more_serious(target.sensitive, source.sensitive),
        "statutory_due_at": _earlier(target.statutory_due_at, source.statutory_due_at),
    }
    if source.rank < target.rank:
        values["priority"] = source.priority
    if source.is_closed:
        return values
    if target.assignee_id is None and source.department_id == target.department_id:
        values["assignee_id"] = source.assignee_id
    if source.status in ACTIVE and target.status in {Status.WAITING, Status.SNOOZED}:
        values |= {"status": Status.OPEN, "snoozed_until": None}
    if target.status == Status.NEW and source.status != Status.NEW:
        values["status"] = Status.OPEN
    return values


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def restored_state(before: State, after: State, present: State, *, heard: bool) -> State:
    """Return the fields that the undo of a merge restores in the case that took over the other.

    before, after, present: its states before the merge, after it and now. A field that was changed
      after the merge is not restored.
    heard: whether messages were added to the case after the merge. Its marks then stay, because
      the messages may need them, and the merge never lowered them.
    """
    kept = {name for name, value in after.items() if present[name] != value}
    if not kept.isdisjoint(_WORK):
        kept |= _WORK
    if heard:
        kept |= _MARKS
    return {name: value for name, value in before.items() if name not in kept}


def stronger_marks(one: State, other: State) -> State:
    """Return the more serious kind, the earlier deadline and the higher priority of two states."""
    deadlines = [at for state in (one, other) if (at := state["statutory_due_at"])]
    return {
        "sensitive": more_serious(one["sensitive"], other["sensitive"]),
        "statutory_due_at": min(deadlines, key=datetime.fromisoformat, default=None),
        "priority": min(one["priority"], other["priority"], key=Priority.values.index),
    }


def reopen_from_items(case: Case) -> None:
    """Reopen or wake the case: it waits for us or for the party, as its items say."""
    Case.objects.filter(pk=case.pk).update(
        status=status_from_items(case), done_at=None, snoozed_until=None
    )
    case.refresh_from_db()
