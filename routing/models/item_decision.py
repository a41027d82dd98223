from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models import Interaction, User
from crm.models.interaction import InteractionQuerySet
from routing.models.case_event import CaseEvent
from scrm.channels.base import AUTOMATIC
from scrm.db.append_only import frozen

MAX_REASON = 60
"""The maximum number of characters of a reason."""


HEARD_LATE = timedelta(hours=1)
"""A message received later than this after it was written is counted from when we received it."""
WAITS_AGAIN = "waits_again"
"""The key in the event data of an edit: since this event, the message is unanswered again."""


def unanswered(cases: Collection[int] | models.QuerySet[Any, Any]) -> InteractionQuerySet:
    """Return the unanswered items of these cases, given by their ids; see `routing.unanswered`.

    Each item has the attributes `in_case`, the id of its case, and `counts_from`, the time from
    which it waits for an answer. `edited_at` is this time if an edit made it wait again, else None.
    """
    link = "conversation__case_links"
    items: Any = Interaction.objects.annotate(
        link=FilteredRelation(link, condition=Q(**{f"{link}__ended_at": None}))
    )
    items = items.filter(link__case__in=cases, direction="in", revises=None).exclude(kind=AUTOMATIC)
    late = Q(recorded_at__gt=F("sort_at") + HEARD_LATE)
    heard = models.Case(models.When(late, then=F("recorded_at")), default=F("sort_at"))
    again = CaseEvent.objects.filter(
        interaction__revises=OuterRef("pk"), data__has_key=WAITS_AGAIN
    ).order_by("-at")
    items = items.annotate(in_case=F("link__case"), edited_at=Subquery(again.values("at")[:1]))
    items = items.annotate(counts_from=Coalesce("edited_at", heard))
    decided = ItemDecision.objects.current().filter(interaction=OuterRef("pk"))
    # A reply of a bystander does not wait for us, even if its author gets a case later. But it does
    # if an edit of it was routed to a case.
    stacked = Q(below_case__isnull=False, edited_at=None)
    found: InteractionQuerySet = items.filter(~Exists(decided)).filter(~stacked)
    return found.order_by("sort_at", "pk")


class ItemDecisionQuerySet(models.QuerySet["ItemDecision"]):
    def current(self) -> ItemDecisionQuerySet:
        return self.filter(withdrawn_at=None)

    def withdraw(self, *, by: User | None, now: datetime) -> int:
        """Withdraw these decisions, so that their items are unanswered again; return the number.

        Call this while the cases of the items are locked.
        """
        return self.current().update(withdrawn_at=now, withdrawn_by=by)

    def record(
        self,
        items: Iterable[Interaction],
        outcome: str,
        *,
        case: models.Model,
        by: User | None,
        now: datetime,
        reason: str = "",
        why: str = "",
        answered_by: int | None = None,
        event: CaseEvent | None = None,
    ) -> list[ItemDecision]:
        """Store one decision for each of these items, which must be unanswered.

        Call this while the case is locked. The parameters are the fields of `ItemDecision`.
        """
        return self.bulk_create(
            ItemDecision(
                interaction=item,
                case_id=case.pk,
                outcome=outcome,
                reason=reason,
                why=why,
                by=by,
                at=now,
                answered_by_id=answered_by,
                event=event,
            )
            for item in items
        )


class ItemDecision(models.Model):
    """What was decided about one inbound item: we answered it, or it needs no answer.

    An inbound item without a current decision is unanswered; see `routing.unanswered`. At most one
    decision of an item is current. A decision belongs to the item and not to the case: if the item
    moves to another case, the decision moves with it.

    `Decision` is the record on the level of the case: which kind of answer a user chose for a case
    or an issue. It does not say which items are settled; only this table does.

    case: the case of the item when the decision was made.
    reason: why no answer is needed, as chosen from the list of reasons; stored as text, so that
      later changes of the list do not change it.
    why: what the user wrote in addition.
    by: None if our reply, or a mute, decided the item.
    answered_by: our interaction that answered the item, if it is in the ledger.
    event: the event that closed the case; its undo withdraws the decision.
    withdrawn_at: None as long as the decision is current.
    """

    class Outcome(models.TextChoices):
        ANSWERED = "answered", _("Answered")
        NO_REPLY = "no reply", _("No reply needed")
        NOISE = "noise", _("Noise")
        MUTED = "muted", _("Muted")
        THANKS = "thanks", _("Thanks")

    # db_index=False: the unique constraint serves the current rows, and no query reads others.
    interaction = models.ForeignKey(
        Interaction, models.PROTECT, related_name="decisions", db_index=False
    )
    case = models.ForeignKey("Case", models.PROTECT, null=True, related_name="item_decisions")
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    reason = models.CharField(max_length=MAX_REASON, blank=True)
    why = models.TextField(blank=True)
    by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    answered_by = models.ForeignKey(
        Interaction, models.PROTECT, null=True, related_name="+", db_index=False
    )
    event = models.ForeignKey(
        CaseEvent, models.PROTECT, null=True, related_name="+", db_index=False
    )
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    objects = ItemDecisionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["interaction"],
                condition=Q(withdrawn_at=None),
                name="one_current_decision_an_item",
            )
        ]
        triggers = frozen(
            "interaction_id", "case_id", "outcome", "reason", "why", "by_id", "at", "event_id",
        )  # fmt: skip

    def __str__(self) -> str:
        return self.reason or str(self.get_outcome_display())
