"""Take back the decisions of a case that was closed with an answer that is not sent after all."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from crm.models import User
from routing.due_times import recompute
from routing.models.case import Case
from routing.models.item_decision import ItemDecision, ItemDecisionQuerySet


def awaiting_delivery(case: Case) -> ItemDecisionQuerySet:
    """Return the decisions of items whose answer was released but not sent yet."""
    return ItemDecision.objects.current().filter(
        case=case, outcome=ItemDecision.Outcome.ANSWERED, answered_by=None, event__isnull=False
    )


@transaction.atomic
def withdraw_answer(case: Case, *, by: User | None, why: str) -> None:
    """Make the items unanswered again that a released answer had settled without being sent.

    A closed case becomes open again. If a newer case has taken over its conversations, it stays
    closed, and its items wait in the newer case.

    why: the reason, which the case's history shows.
    """
    current = case.survivor
    current.lock()
    awaiting_delivery(case).withdraw(by=by, now=timezone.now())
    newer = current.newer
    if current.is_closed and not newer:
        current.reopen(by=by, why=why)
        return
    recompute_with_newer(current, newer)


def recompute_with_newer(case: Case, newer: Case | None) -> None:
    """Recompute the clocks of a locked case and of the newer case that has taken it over."""
    if newer:
        newer.lock()
    recompute([case.pk, *([newer.pk] if newer else [])])
