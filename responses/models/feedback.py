from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from crm.models import Interaction, User
from responses.models.delivery import Delivery
from responses.models.response import Response


class Feedback(models.Model):
    """The link from an inbound interaction to the response that it answers, with its outcome.

    `proposed` is the outcome that scrm proposes, and `proposed_why` is the evidence for it.
    `outcome` is the outcome that a user has set. The database refuses an outcome without
    `judged_by`.
    """

    class Outcome(models.TextChoices):
        UNKNOWN = "", "Not judged yet"
        THANKS = "thanks", "Thanks"
        ANGRY = "angry", "Angry"
        NEUTRAL = "neutral", "Neutral"

    interaction = models.OneToOneField(Interaction, models.PROTECT, related_name="feedback")
    response = models.ForeignKey(Response, models.PROTECT, related_name="feedback")
    delivery = models.ForeignKey(Delivery, models.PROTECT, related_name="feedback")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True, default="")
    proposed = models.CharField(max_length=10, choices=Outcome.choices, blank=True, default="")
    proposed_why = models.CharField(max_length=100, blank=True, default="")
    judged_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "feedback"
        ordering = ["-at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="") | Q(judged_by__isnull=False), name="judged_by_a_human"
            )
        ]

    def __str__(self) -> str:
        return f"Feedback to {self.response}"

    @property
    def is_proposed(self) -> bool:
        """Whether scrm has proposed an outcome and no user has set one yet."""
        return bool(self.proposed and not self.outcome)
