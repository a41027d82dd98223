from __future__ import annotations

from typing import Any

import pghistory
from django.db import models
from django.urls import reverse
from django.utils import timezone

from crm.models import User
from responses import rules
from responses.rules import SCHEMA
from scrm import conditions
from scrm.condition_words import sentence


class ResponseRuleQuerySet(models.QuerySet["ResponseRule"]):
    def in_force(self) -> list[rules.ResponseRule]:
        return [rule.pure() for rule in self.filter(is_active=True).order_by("position", "pk")]


@pghistory.track( model_name="ResponseRuleChange", fields=[
        "name", "owner", "position", "is_active", "conditions", "verdict", "reason", "move_to",
    ],
    append_only=True,
)  # fmt: skip
class ResponseRule(models.Model):
    """How and where a response may go out. All that hold speak; the strictest wins."""

    class Verdict(models.TextChoices):
        ALLOW = "allow", "Allow"
        HOLD = "hold", "Hold for a team lead"
        MOVE = "move", "Must go another way"
        REFUSE = "refuse", "Refuse"

    name = models.CharField(max_length=120, unique=True)
    owner = models.ForeignKey(User, models.PROTECT, related_name="response_rules")
    position = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    conditions = models.JSONField()
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    reason = models.CharField("reason, as the author reads it", max_length=300)
    move_to = models.CharField("which way instead", max_length=60, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = ResponseRuleQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("responses:rule", args=[self.pk])

    def clean(self) -> None:
        """Raises ConditionErrors where the conditions do not parse."""
        _parse(self.conditions)

    @property
    def sentence(self) -> str:
        return sentence(_parse(self.conditions))

    def pure(self) -> rules.ResponseRule:
        return rules.ResponseRule(
            pk=self.pk,
            name=self.name,
            condition=_parse(self.conditions),
            verdict=self.verdict,  # type: ignore[arg-type]
            reason=self.reason,
            move_to=self.move_to,
        )


def _parse(data: Any) -> conditions.Condition:
    return conditions.parse(data, SCHEMA)
