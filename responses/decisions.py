"""Record what a user decided about a case: to answer one person, many people, or nobody."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from crm.models import User
from routing.models import Case, CaseEvent, Decision, Issue
from routing.models.item_decision import MAX_REASON
from routing.models.status import Stale

_DECIDED = {
    Decision.Outcome.NONE: _("Decided not to reply"),
    Decision.Outcome.MICRO: _("Wrote a reply"),
    Decision.Outcome.MACRO: _("Wrote a post to many people"),
}
"""What the history of a case says about a decision; the user's name follows."""


@transaction.atomic
def answer_nothing(case: Case, *, by: User, why: str, seen: int | None) -> Decision:
    """Close the case without reply, for the reason `why`.

    Raises Stale if the party has written meanwhile, or if the case is already closed.
    """
    case.check_seen(seen)
    if case.is_closed:
        raise Stale(f"The status of this case is already {case.get_status_display().lower()}.")
    decision = decide(Decision.Outcome.NONE, case=case, by=by, why=why)
    case.finish(by=by, seen=seen, why=why, reasons=Truncator(why).chars(MAX_REASON))
    return decision


def decide(
    outcome: str,
    *,
    by: User,
    case: Case | None = None,
    issue: Issue | None = None,
    why: str = "",
) -> Decision:
    """Store the decision. An answer reopens a closed case, and whoever decides takes the case."""
    decision = Decision.objects.create(
        case=case, issue=issue, outcome=outcome, by=by, why=why, at=timezone.now()
    )
    if case:
        if case.is_closed and outcome == Decision.Outcome.MICRO:
            case.reopen(by=by, why=f"Answered again; the status was {case.status}.")
        case.log(CaseEvent.Kind.DECIDED, by=by, why=str(_DECIDED[Decision.Outcome(outcome)]))
        if case.assignee_id is None:
            case.claim(by=by)
    return decision
