from __future__ import annotations

from typing import Any

import pghistory
from django.db import models
from django.urls import reverse
from django.utils import timezone

from crm.models import User
from responses.rules import judge
from responses.rules.judge import SCHEMA
from scrm.conditions import language
from scrm.conditions.explain import sentence


class ResponseRuleQuerySet(models.QuerySet["ResponseRule"]):
    def in_force(self) -> list[judge.ResponseRule]:
        return [rule.pure() for rule in self.filter(is_active=True).order_by("position", "pk")]


@pghistory.track( model_name="ResponseRuleChange", fields=[
        "name", "owner", "position", "is_active", "conditions", "verdict", "reason", "move_to",
        "wording", "steps", "within", "examples",
    ],
    append_only=True,
)  # fmt: skip
class ResponseRule(models.Model):
    """A business rule, which says whether and how a response may be sent.

    If several rules apply to a response, the strictest rule decides. `examples` contains texts for
    which the rule's owner says whether the rule must apply; see `responses.rules.examples`.
    """

    class Verdict(models.TextChoices):
        ALLOW = "allow", "Allow"
        REVIEW = "review", "Send, then review"
        HOLD = "hold", "Hold for approval"
        REQUIRE = "require", "Require specific wording"
        MOVE = "move", "Require another channel"
        REFUSE = "refuse", "Refuse"

    class Steps(models.TextChoices):
        LEAD = "lead", "A team lead"
        SUPERVISOR = "supervisor", "A supervisor"
        BOTH = "lead supervisor", "A team lead, then a supervisor"

    name = models.CharField(max_length=120, unique=True)
    owner = models.ForeignKey(User, models.PROTECT, related_name="response_rules")
    position = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    conditions = models.JSONField()
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    reason = models.CharField("reason shown to the author", max_length=300)
    move_to = models.CharField("other channel", max_length=60, blank=True)
    wording = models.CharField("required wording", max_length=300, blank=True)
    steps = models.CharField("approvers", max_length=20, choices=Steps.choices, default=Steps.LEAD)
    within = models.PositiveSmallIntegerField("escalate after (hours)", default=0)
    examples = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)

    objects = ResponseRuleQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("responses:rule", args=[self.pk])

    def clean(self) -> None:
        """Check the conditions of the rule. Raises ConditionErrors if they are invalid."""
        _parse(self.conditions)

    @property
    def sentence(self) -> str:
        return sentence(_parse(self.conditions))

    def pure(self) -> judge.ResponseRule:
        return judge.ResponseRule(
            pk=self.pk,
            name=self.name,
            condition=_parse(self.conditions),
            verdict=self.verdict,  # type: ignore[arg-type]
            reason=self.reason,
            move_to=self.move_to,
            wording=self.wording,
            steps=tuple(self.steps.split()),  # type: ignore[arg-type]
            within=self.within,
        )


def _parse(data: Any) -> language.Condition:
    return language.parse(data, SCHEMA)
