"""Messages of thanks on a case: they reopen nothing, and wait to be liked or dismissed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from crm.models import Interaction, User
from routing.models import Case, ItemDecision
from routing.models.item_decision import ItemDecisionQuerySet

Outcome = ItemDecision.Outcome


def pending(cases: Collection[int]) -> ItemDecisionQuerySet:
    """Return the decisions of messages of thanks that nobody has liked or dismissed."""
    return ItemDecision.objects.current().filter(case__in=cases, outcome=Outcome.THANKS)


def record(case: Case, interaction: Interaction, *, now: datetime) -> None:
    """Record that a message of the case only says thanks, unless it is decided already."""
    if not ItemDecision.objects.current().filter(interaction=interaction).exists():
        ItemDecision.objects.record([interaction], Outcome.THANKS, case=case, by=None, now=now)


def messages(case: Case) -> list[Interaction]:
    """Return the messages of thanks that wait, the oldest first."""
    waiting = Interaction.objects.filter(pk__in=pending([case.pk]).values("interaction"))
    return list(waiting.select_related("profile", "conversation").order_by("pk"))


@transaction.atomic
def settle(case: Case, items: Collection[Interaction], *, by: User, why: str = "") -> int:
    """Record that these messages of thanks were liked or dismissed; return their number.

    Messages that a colleague has settled meanwhile are left out.
    """
    case.lock()
    now = timezone.now()
    waiting = pending([case.pk]).filter(interaction__in=[item.pk for item in items])
    found = {row.interaction_id for row in waiting}
    waiting.withdraw(by=by, now=now)
    ItemDecision.objects.record(
        [item for item in items if item.pk in found],
        Outcome.NO_REPLY, case=case, by=by, now=now, reason=_("Thanks"), why=why,
    )  # fmt: skip
    case.tell()
    return len(found)
