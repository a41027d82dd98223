from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import Department, User
from routing.forms.base import PlainForm, TagsField
from routing.models import RoutingRule, RuleRevision
from routing.models.rule import Priority
from routing.rule_references import check_names, known_names
from routing.rules import SCHEMA
from scrm.conditions.form_rows import Rows, rows_from_json, rows_from_post
from scrm.conditions.language import ConditionErrors, parse


class RuleForm(PlainForm):
    """A routing rule. Its conditions are in the attribute `rows`, not in form fields."""

    name = forms.CharField(max_length=120, label=__("Name"))
    owner = forms.ModelChoiceField(User.objects.active().order_by("name"), label=__("Owner"))
    department = forms.ModelChoiceField(
        Department.objects.all(),
        label=__("Department"),
        error_messages={"invalid_choice": __("This department does not exist. Choose another.")},
    )
    assign = forms.ChoiceField(choices=RuleRevision.Assign.choices, label=__("Assignee"))
    person = forms.ModelChoiceField(
        User.objects.active().order_by("name"),
        required=False,
        label=__("Specific user"),
        empty_label=__("No one"),
    )
    priority = forms.ChoiceField(choices=Priority.choices, label=__("Priority"), initial="normal")
    tags = TagsField()

    def __init__(self, *args: Any, rule: RoutingRule | None = None, **kwargs: Any) -> None:
        revision = rule.current if rule else None
        if rule and revision:
            kwargs["initial"] = {
                "name": rule.name,
                "owner": rule.owner_id,
                "department": revision.department_id,
                "assign": revision.assign,
                "person": revision.person_id,
                "priority": revision.priority,
                "tags": ", ".join(revision.tags),
            }
        super().__init__(*args, **kwargs)
        self.rule = rule
        self.conditions: object = revision.conditions if revision else {"all": []}
        self.rows: Rows = rows_from_json(self.conditions, SCHEMA)
        if self.is_bound:
            self.conditions, self.rows = rows_from_post(self.data.dict(), SCHEMA)  # type: ignore[attr-defined]
        self.rows.names = known_names()

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = RoutingRule.objects.exclude(pk=self.rule.pk if self.rule else 0)
        if others.filter(name=name).exists():
            raise forms.ValidationError(_("Another rule already has this name."))
        return name

    def clean_department(self) -> Department:
        department: Department = self.cleaned_data["department"]
        if department.archived_at:
            raise forms.ValidationError(
                _("“%s” is archived. Choose another department, or bring it back.") % department
            )
        return department

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if data.get("assign") != "person":
            data["person"] = None
        elif not data.get("person"):
            self.add_error("person", _("Choose the named user, or another way to assign."))
        elif data.get("department") and not data["department"].has_worker(data["person"]):
            self.add_error("person", _("This user does not work in that department."))
        return data

    @transaction.atomic
    def keep(self, *, by: User) -> RoutingRule | None:
        """Save the rule with a new revision, and return the rule.

        If a condition is invalid, nothing is saved and None is returned. The row of the condition
        then shows the error.
        """
        data = self.cleaned_data
        rule = self.rule or RoutingRule(position=_last_position() + 1)
        rule.name, rule.owner = data["name"], data["owner"]
        try:
            check_names(parse(self.conditions, SCHEMA))
            # Use a savepoint: a rule without a valid revision must not be saved.
            with transaction.atomic():
                rule.save()
                rule.revise(
                    conditions=self.conditions,
                    department=data["department"],
                    by=by,
                    assign=data["assign"],
                    person=data["person"],
                    priority=data["priority"],
                    tags=tuple(data["tags"]),
                )
        except ConditionErrors as errors:
            self.rows.say(errors)
            return None
        return rule


def _last_position() -> int:
    return RoutingRule.objects.aggregate(last=Max("position"))["last"] or 0
