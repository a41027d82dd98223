"""Record that we answered a case: its items are decided, and the case waits for a reply."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Min, Q

from crm.models import Interaction
from routing.models.case import Case
from routing.models.case_conversation import CaseConversation
from routing.models.item_decision import ItemDecision
from routing.models.status import ACTIVE, Status
from routing.unanswered import unanswered


@transaction.atomic
def count_as_answered(
    case: Case,
    *,
    at: datetime,
    seen: int | None,
    answered_by: int | None,
    written_at: datetime | None = None,
) -> None:
    """Record an answer of ours. If nothing else is unanswered, the case then waits for a reply.

    The answer settles the unanswered items up to `seen` that its author knew. It settles nothing
    that was said after `at`, and nothing in conversations that were added to the case later.

    at: when we answered.
    seen: id of the last inbound item that the author of the answer had read.
    answered_by: id of our interaction.
    written_at: when the answer was written, if it was sent later.
    """
    case.lock()
    settled = []
    if seen is not None:
        items: Any = unanswered([case.pk]).filter(pk__lte=seen, sort_at__lte=at)
        if written_at is not None:
            items = items.filter(_known_at(written_at, seen))
        settled = ItemDecision.objects.record(
            items, ItemDecision.Outcome.ANSWERED, case=case, by=None, now=at,
            answered_by=answered_by,
        )  # fmt: skip
        # The case was closed while the answer waited to be sent: its items are decided already.
        case.item_decisions.current().filter(
            outcome=ItemDecision.Outcome.ANSWERED,
            answered_by=None,
            interaction__lte=seen,
            event__isnull=False,
        ).update(answered_by=answered_by)
    _wait(case, at=at, seen=seen, has_settled=bool(settled))


def _known_at(at: datetime, seen: int) -> Q:
    """Return the condition for items that the author of an answer knew at a time.

    These are the items of the conversations that then belonged to the case of the item `seen`. That
    may have been another case, if cases were merged or split meanwhile.
    """
    links = CaseConversation.objects.filter(Q(ended_at=None) | Q(ended_at__gt=at), since__lte=at)
    of_case = links.filter(conversation__interactions=seen).values("case")
    together = links.filter(case__in=of_case).values("conversation")
    its_own = Interaction.objects.filter(pk=seen).values("conversation")
    return Q(conversation__in=together) | Q(conversation__in=its_own)


def _wait(case: Case, *, at: datetime, seen: int | None, has_settled: bool) -> None:
    left = unanswered([case.pk]).aggregate(first=Min("sort_at"))["first"]
    # The clocks are recomputed even if this value stays the same.
    values: dict[str, Any] = {"first_response_at": case.first_response_at}
    # A call of yesterday, logged today, does not answer the message of today.
    if has_settled or left is None or left <= at:
        values["first_response_at"] = case.first_response_at or at
    if left is None and case.last_inbound_id == seen and case.status in ACTIVE:
        values["status"] = Status.WAITING
    case.compare_and_set({}, **values)
    case.tell()
