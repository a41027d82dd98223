from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from crm.models import Department, User
from crm.models.contact import MAX_TAG_LENGTH
from routing.models.issue import Issue
from routing.rule_references import missing_names
from routing.rules import SCHEMA, Rule
from scrm.conditions import language
from scrm.conditions.explain import sentence
from scrm.db.append_only import append_only
from scrm.db.locks import locked


class Priority(models.TextChoices):
    URGENT = "urgent", "Urgent"
    HIGH = "high", "High"
    NORMAL = "normal", "Normal"
    LOW = "low", "Low"


class RoutingRuleQuerySet(models.QuerySet["RoutingRule"]):
    def in_force(self) -> list[Rule]:
        """Return the rules in force in their order, as `Rule` values for the router.

        An active rule that refers to something that no longer exists is not applied; see
        `find_errors`. The number of SQL queries does not depend on the number of rules.
        """
        active = self.filter(is_active=True, current__isnull=False)
        rules = list(
            active.select_related("current__department", "current__issue").order_by(
                "position", "pk"
            )
        )
        revisions = [rule.current for rule in rules if rule.current]
        errors = find_errors(revisions)
        return [
            revision.pure(rule.name)
            for rule, revision in zip(rules, revisions, strict=True)
            if not errors[revision.pk]
        ]


@pghistory.track(
    model_name="RoutingRuleChange",
    fields=["name", "owner", "position", "is_active", "current"],
    append_only=True,
)
class RoutingRule(models.Model):
    """A routing rule. Rules are tried in order; the first rule whose conditions match decides."""

    name = models.CharField(max_length=120, unique=True)
    owner = models.ForeignKey(User, models.PROTECT, related_name="routing_rules")
    position = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    current = models.OneToOneField(
        "RuleRevision", models.PROTECT, null=True, related_name="current_of"
    )

    objects = RoutingRuleQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("routing:rule", args=[self.pk])

    @property
    def always_runs(self) -> bool:
        """Return whether the rule runs beside the first rule that matches. Load `current` too."""
        return self.current is not None and self.current.always

    @transaction.atomic
    def revise(
        self,
        *,
        conditions: Any,
        department: Department | None,
        by: User,
        assign: str = "nobody",
        person: User | None = None,
        priority: str = Priority.NORMAL,
        tags: tuple[str, ...] = (),
        always: bool = False,
        outcome: str = "case",
        issue: Issue | None = None,
        notify: Sequence[int] = (),
        notify_leads: bool = False,
        now: datetime | None = None,
    ) -> RuleRevision:
        """Add a revision of the rule and make it the current revision.

        The arguments are those of `routing.rules.Rule`.

        Raises ConditionErrors if the conditions are invalid.
        """
        parsed = _parse(conditions)
        # Lock the rule: two admins who save at once must not get the same revision number.
        locked(RoutingRule.objects.filter(pk=self.pk)).get()
        last = self.revisions.order_by("-number").first()
        self.current = self.revisions.create(
            number=last.number + 1 if last else 1,
            conditions=parsed.to_json(),
            department=department,
            assign=assign,
            person=person,
            priority=priority,
            tags=list(tags),
            always=always,
            outcome=outcome,
            issue=issue,
            notify=list(notify),
            notify_leads=notify_leads,
            made_by=by,
            made_at=now or timezone.now(),
        )
        self.save(update_fields=["current"])
        return self.current

    def revise_like(
        self, old: RuleRevision, *, by: User, person: User | None, notify: Sequence[int]
    ) -> RuleRevision:
        """Add a revision that differs from an older one only in the users that it names."""
        return self.revise(
            conditions=old.conditions,
            department=old.department,
            by=by,
            assign=old.assign,
            person=person,
            priority=old.priority,
            tags=tuple(old.tags),
            always=old.always,
            outcome=old.outcome,
            issue=old.issue,
            notify=notify,
            notify_leads=old.notify_leads,
        )


def find_errors(revisions: Sequence[RuleRevision]) -> dict[int, list[str]]:
    """Return revision id → sentences about what the revision refers to and what does not exist.

    A rule with such an error is not applied. Load the department of the revisions too.
    """
    missing = missing_names([_parse(revision.conditions) for revision in revisions])
    found = {}
    for revision, errors in zip(revisions, missing, strict=True):
        found[revision.pk] = [error.message for error in errors]
        if revision.department and revision.department.archived_at:
            message = _("The department “%s” is archived.")
            found[revision.pk].append(message % revision.department)
    return found


def _parse(data: Any) -> language.Condition:
    return language.parse(data, SCHEMA)


class RuleRevision(models.Model):
    """One saved version of a rule.

    Revisions are never changed, because they explain past decisions.
    """

    class Assign(models.TextChoices):
        NOBODY = "nobody", "Unassigned"
        PERSON = "person", "Specific user"
        LAST = "last", "Last assignee of this contact"

    class Outcome(models.TextChoices):
        CASE = "case", _lazy("Open a case")
        RECORD = "record", _lazy("Record only")
        ASIDE = "aside", _lazy("Mark as noise")

    rule = models.ForeignKey(RoutingRule, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    conditions = models.JSONField()
    department = models.ForeignKey(Department, models.PROTECT, null=True, related_name="+")
    assign = models.CharField(max_length=10, choices=Assign.choices, default=Assign.NOBODY)
    person = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    priority = models.CharField(
        max_length=10, choices=Priority.choices, default=Priority.NORMAL, blank=True
    )
    always = models.BooleanField(default=False)
    outcome = models.CharField(max_length=6, choices=Outcome.choices, default=Outcome.CASE)
    issue = models.ForeignKey(Issue, models.PROTECT, null=True, related_name="+")
    notify = ArrayField(models.BigIntegerField(), default=list, blank=True)
    notify_leads = models.BooleanField(default=False)
    tags = ArrayField(models.CharField(max_length=MAX_TAG_LENGTH), default=list, blank=True)
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule", "number"], name="rule_revision_number"),
            models.CheckConstraint(
                condition=~models.Q(assign="person") | models.Q(person__isnull=False),
                name="a_person_is_named",
            ),
            models.CheckConstraint(
                condition=models.Q(always=True)
                | models.Q(outcome="record")
                | models.Q(department__isnull=False),
                name="rule_names_a_department",
            ),
        ]
        ordering = ["-number"]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.rule} (revision {self.number})"

    @property
    def sentence(self) -> str:
        """Return the conditions of this revision as an English sentence."""
        return sentence(_parse(self.conditions))

    def pure(self, name: str) -> Rule:
        """Convert this revision to a `Rule` value for the router.

        name: the name of the rule.
        """
        return Rule(
            revision=self.pk,
            name=name,
            condition=_parse(self.conditions),
            department=self.department_id,
            assign=self.assign,  # type: ignore[arg-type]
            person=self.person_id,
            priority=self.priority,
            tags=tuple(self.tags),
            always=self.always,
            outcome=self.outcome,  # type: ignore[arg-type]
            # A closed issue takes no new cases.
            issue=self.issue.pk if self.issue and not self.issue.closed_at else None,
            notify=tuple(self.notify),
            notify_leads=self.notify_leads,
        )
