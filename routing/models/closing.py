"""Close and reopen a case: the methods `finish`, `set_aside` and `reopen` of `Case`.

A case is not closed with unanswered items: the user who closes it gives a reason for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import Interaction, User
from routing.models.case_event import CaseEvent
from routing.models.item_decision import ItemDecision, ItemDecisionQuerySet, unanswered
from routing.models.status import Stale, Status

Case = Any
"""A `routing.models.Case`. It cannot be imported, because it uses this module."""
Reasons = Mapping[int, str] | str
"""Why unanswered items need no answer: {id of the item: reason}, or one reason for all items."""
Outcome = ItemDecision.Outcome


class Undecided(Stale):
    """Items of the case are unanswered, and no reason was given for them. Nothing was changed."""


@transaction.atomic
def finish(
    case: Case,
    *,
    by: User,
    seen: int | None,
    why: str = "",
    now: datetime | None = None,
    reasons: Reasons = "",
    is_answered: bool = False,
) -> None:
    """Mark the case as done. Raises Stale if a message arrived that `by` has not seen.

    Raises Undecided if an item is unanswered and has no reason.

    is_answered: a reply to all unanswered items was released; it may still wait to be sent.
    """
    case.check_seen(seen)
    now = now or timezone.now()
    if type(case).objects.filter(pk=case.pk, status=Status.DONE).exists():
        return  # another user has just marked the case as done: log no second event
    items = list(unanswered([case.pk]))
    if not is_answered:
        _check(items, reasons)
    case.compare_and_set({}, status=Status.DONE, done_at=now, snoozed_until=None)
    event = case.log(CaseEvent.Kind.DONE, by=by, why=why, now=now)
    decide = ItemDecision.objects.record
    if is_answered:
        decide(items, Outcome.ANSWERED, case=case, by=by, now=now, event=event)
        return
    for reason, chosen in _by_reason(items, reasons).items():
        decide(
            chosen, Outcome.NO_REPLY, case=case, by=by, now=now, reason=reason, why=why,
            event=event,
        )  # fmt: skip


def _check(items: Sequence[Interaction], reasons: Reasons) -> None:
    missing = [item for item in items if not _reason(item, reasons)]
    if missing:
        message = ngettext(
            "%d message is unanswered. Choose why it needs no answer.",
            "%d messages are unanswered. Choose for each why it needs no answer.",
            len(missing),
        )
        raise Undecided(message % len(missing))


def _reason(item: Interaction, reasons: Reasons) -> str:
    return reasons if isinstance(reasons, str) else reasons.get(item.pk, "")


def _by_reason(items: Sequence[Interaction], reasons: Reasons) -> dict[str, list[Interaction]]:
    grouped: dict[str, list[Interaction]] = {}
    for item in items:
        grouped.setdefault(_reason(item, reasons), []).append(item)
    return grouped


@transaction.atomic
def set_aside(case: Case, *, by: User, why: str = "", now: datetime | None = None) -> None:
    """Mark the case as noise. Nothing is deleted; a later message opens a new case.

    Noise is a judgement of the unanswered items, not of the person. Raises Stale if the case is
    done.
    """
    case.lock()
    if case.status == Status.NOISE:
        return  # another user has just marked the case as noise: log no second event
    case.check_open()
    now = now or timezone.now()
    items = list(unanswered([case.pk]))
    case.compare_and_set({}, status=Status.NOISE)
    event = case.log(CaseEvent.Kind.NOISE, by=by, why=why, now=now)
    ItemDecision.objects.record(
        items, Outcome.NOISE, case=case, by=by, now=now, why=why, event=event
    )


@transaction.atomic
def reopen(case: Case, *, by: User | None, why: str) -> None:
    """Reopen a closed case. Raises Stale if a newer case has taken over its conversations, or if a
    user reopens a case of an archived department.

    What was settled when the case was closed is unanswered again, except by a reply that was sent.
    """
    # Lock first: no message may open a newer case between the check and the update.
    case.lock()
    case.check_not_continued()
    if by and case.department.archived_at:
        message = _("%s is archived. Transfer the case to another department first.")
        raise Stale(message % case.department)
    closing_decisions(case).filter(answered_by=None).withdraw(by=by, now=timezone.now())
    # Log first: the clock of the resolution can start at this event.
    case.log(CaseEvent.Kind.REOPENED, by=by, why=why)
    case.compare_and_set({}, status=Status.OPEN, done_at=None, snoozed_until=None)


def closing_decisions(case: Case) -> ItemDecisionQuerySet:
    """Return the decisions that were made when the case was closed last.

    Decisions about items that were split off since are left out: they belong to the other case.
    """
    closed = case.events.filter(kind__in=[CaseEvent.Kind.DONE, CaseEvent.Kind.NOISE])
    decisions = ItemDecision.objects.filter(
        case=case, interaction__conversation__in=case.conversations
    )
    return decisions.filter(event=closed.order_by("pk").last()).exclude(event=None)
