"""Record that we answered a case: its items are decided, and the case waits for a reply."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from routing.models.case import Case
from routing.models.item_decision import ItemDecision
from routing.unanswered import unanswered


@transaction.atomic
def count_as_answered(
    case: Case, *, at: datetime, seen: int | None, answered_by: int | None
) -> None:
    """Record an answer of ours. The case then waits for a reply, unless a newer message arrived.

    The answer settles the unanswered items up to `seen`: later items were not known to its author.

    seen: id of the last inbound item that the author of the answer had read.
    answered_by: id of our interaction.
    """
    case.lock()
    if seen is not None:
        items = unanswered([case.pk]).filter(pk__lte=seen)
        ItemDecision.objects.record(
            items, ItemDecision.Outcome.ANSWERED, case=case, by=None, now=at,
            answered_by=answered_by,
        )  # fmt: skip
        # The case was closed while the answer waited to be sent: its items are decided already.
        case.item_decisions.current().filter(
            outcome=ItemDecision.Outcome.ANSWERED, answered_by=None, interaction__lte=seen
        ).update(answered_by=answered_by)
    case.wait(answered_at=at, seen=seen)
