from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from crm.models import User
from routing.models.case import Case


class CaseLink(models.Model):
    """What a user decided about two cases: they belong together, or they are to be kept apart.

    one, other: the case with the lower and the case with the higher number.
    """

    class Kind(models.TextChoices):
        LINKED = "linked", "Linked"
        APART = "apart", "Kept apart"

    one = models.ForeignKey(Case, models.PROTECT, related_name="links_up", db_index=False)
    other = models.ForeignKey(Case, models.PROTECT, related_name="links_down")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["one", "other"], name="one_link_a_pair"),
            models.CheckConstraint(condition=Q(one__lt=F("other")), name="link_in_order"),
        ]

    def __str__(self) -> str:
        return f"#{self.one_id} {self.kind} #{self.other_id}"


class CaseFollower(models.Model):
    """A user who is notified of each new message in a case, whoever has the case."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="followers", db_index=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="followed_cases")
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["case", "user"], name="follows_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} follows {self.case}"
