from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.models import User
from routing.models.case import Case
from routing.models.issue import Issue
from scrm.db.append_only import append_only


class Decision(models.Model):
    """A user's choice for a case or an issue: reply, post, or close without reply.

    The reason is stored with the choice. A decision is never changed.
    """

    class Outcome(models.TextChoices):
        NONE = "none", "Close without reply"
        MICRO = "micro", "Reply to one (micro)"
        MACRO = "macro", "Post to many (macro)"

    case = models.ForeignKey(Case, models.PROTECT, null=True, related_name="decisions")
    issue = models.ForeignKey(Issue, models.PROTECT, null=True, related_name="decisions")
    outcome = models.CharField(max_length=5, choices=Outcome.choices)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    why = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(case__isnull=False) | Q(issue__isnull=False),
                name="decision_about_something",
            )
        ]
        triggers = append_only("why")

    def __str__(self) -> str:
        return self.get_outcome_display()
