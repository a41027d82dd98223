from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.forms.reassign import PersonChoice
from crm.models import Department, User
from routing.forms.base import PlainForm, TagsField
from routing.models import Issue, RoutingRule, RuleRevision
from routing.models.rule import Priority
from routing.rule_references import check_names, known_names
from routing.rules import SCHEMA
from scrm.conditions.form_rows import Rows, rows_from_json, rows_from_post
from scrm.conditions.language import ConditionErrors, parse


class RuleForm(PlainForm):
    """A routing rule. Its conditions are in the attribute `rows`, not in form fields."""

    name = forms.CharField(max_length=120, label=__("Name"))
    owner = forms.ModelChoiceField(
        User.objects.active().order_by("name"), label=__("Owner"), empty_label=__("choose a user")
    )
    always = forms.ChoiceField(
        choices=[("", __("First match decides")), ("on", __("Always runs"))],
        required=False,
        label=__("Runs"),
        help_text=__(
            "A rule that always runs can add tags, an issue and notices, and raise the priority. "
            "It does not choose the department."
        ),
    )
    outcome = forms.ChoiceField(
        choices=RuleRevision.Outcome.choices,
        required=False,
        label=__("Outcome"),
        help_text=__(
            "Record only: the message is kept on the contact's timeline and opens no case."
        ),
    )
    department = forms.ModelChoiceField(
        Department.objects.all(),
        required=False,
        label=__("Department"),
        empty_label=__("choose a department"),
        error_messages={"invalid_choice": __("This department does not exist. Choose another.")},
    )
    assign = forms.ChoiceField(
        choices=RuleRevision.Assign.choices, required=False, label=__("Assignee")
    )
    person = PersonChoice(
        User.objects.active().order_by("name"),
        required=False,
        label=__("Specific user"),
        empty_label=__("No one"),
    )
    priority = forms.ChoiceField(
        choices=[("", __("Unchanged")), *Priority.choices],
        required=False,
        label=__("Priority"),
        initial="normal",
    )
    tags = TagsField()
    issue = forms.ModelChoiceField(
        Issue.objects.filter(closed_at=None),
        required=False,
        label=__("Add to issue"),
        empty_label=__("None"),
        error_messages={"invalid_choice": __("This issue is closed or does not exist.")},
    )
    notify = forms.ModelMultipleChoiceField(
        User.objects.active().order_by("name"),
        required=False,
        label=__("Notify"),
        widget=forms.SelectMultiple(attrs={"size": 4}),
    )
    notify_leads = forms.BooleanField(
        required=False, label=__("Notify the team leads of the department")
    )

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
                "always": "on" if revision.always else "",
                "outcome": revision.outcome,
                "issue": revision.issue_id,
                "notify": revision.notify,
                "notify_leads": revision.notify_leads,
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

    def clean_department(self) -> Department | None:
        department: Department | None = self.cleaned_data["department"]
        if department and department.archived_at:
            raise forms.ValidationError(
                _("“%s” is archived. Choose another department, or restore this one.") % department
            )
        return department

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        data["always"] = data.get("always") == "on"
        data["outcome"] = data.get("outcome") or RuleRevision.Outcome.CASE
        data["assign"] = data.get("assign") or RuleRevision.Assign.NOBODY
        if data["always"]:
            data |= {"outcome": "case", "department": None, "assign": "nobody"}
        elif data["outcome"] == RuleRevision.Outcome.RECORD:
            data |= {"department": None, "assign": "nobody", "issue": None}
            data |= {"notify": User.objects.none(), "notify_leads": False}
        else:
            data["priority"] = data.get("priority") or Priority.NORMAL
            if not data.get("department") and "department" not in self.errors:
                self.add_error("department", _("Choose the department that gets the case."))
        self._check_person(data)
        return data

    def _check_person(self, data: dict[str, Any]) -> None:
        if data["assign"] != "person":
            data["person"] = None
        elif not data.get("person"):
            self.add_error("person", _("Choose the named user, or another way to assign."))
        elif data.get("department") and not data["department"].has_worker(data["person"]):
            self.add_error("person", _("This user does not work in that department."))

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
                    always=data["always"],
                    outcome=data["outcome"],
                    issue=data["issue"],
                    notify=sorted(user.pk for user in data["notify"]),
                    notify_leads=data["notify_leads"],
                )
        except ConditionErrors as errors:
            self.rows.say(errors)
            return None
        return rule


def _last_position() -> int:
    return RoutingRule.objects.aggregate(last=Max("position"))["last"] or 0
