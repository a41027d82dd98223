from __future__ import annotations

from django.db import models
from django.db.models import F, OuterRef, Q, Subquery
from django.utils import timezone

from crm.models import Conversation
from scrm.db.locks import update_in_order


class CaseConversation(models.Model):
    """The link of a conversation to a case. A conversation has at most one current link.

    ended_at: None as long as the link is current.
    took_along: whether a merge or split ended the link, so that all items went to the other case.
      If it is False, the items before `ended_at` still belong to this case.
    """

    case = models.ForeignKey("Case", models.PROTECT, related_name="conversation_links")
    conversation = models.ForeignKey(Conversation, models.PROTECT, related_name="case_links")
    since = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    took_along = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(ended_at=None),
                name="one_case_a_conversation",
            )
        ]

    def __str__(self) -> str:
        return f"{self.conversation} in {self.case}"


def restrict(conversations: models.QuerySet[Conversation], *, may_open: bool = True) -> None:
    """Set the field `restricted_to` of these conversations. No other code writes this field.

    If the department of a conversation's current case is restricted, the field is set to that
    department. Otherwise it is set to None. If `may_open` is False, for example when a message
    arrives, no restriction is lifted: if the field had a value, it is set to the department of the
    current case, even if that department is not restricted.
    """
    closed = Q(case__department__is_restricted=True)
    if not may_open:
        closed |= Q(conversation__restricted_to__isnull=False)
    department = models.Case(models.When(closed, then=F("case__department")), default=None)
    links = CaseConversation.objects.filter(conversation=OuterRef("pk"), ended_at=None)
    # Update in the order of the ids to avoid deadlocks: saving a department changes many rows.
    update_in_order(conversations, restricted_to=Subquery(links.values_list(department)[:1]))
