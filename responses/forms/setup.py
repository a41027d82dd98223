from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.models import Department, User
from responses.models import Response, ResponseRule, SavedReply
from responses.rules.examples import Example
from responses.saved_reply_variables import VARIABLES, unknown_variables
from scrm.web.form_fields import set_choices, set_empty_label


class SavedReplyForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = SavedReply
        fields = ["name", "text", "department", "owner", "is_active"]
        labels = {"department": _("Department"), "is_active": _("Active")}
        help_texts = {"text": _("Variables: %s.") % ", ".join(f"{{{{ {v} }}}}" for v in VARIABLES)}

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owner, department = self.fields["owner"], self.fields["department"]
        assert isinstance(owner, forms.ModelChoiceField)
        assert isinstance(department, forms.ModelChoiceField)
        owner.queryset = User.objects.active().order_by("name")
        department.queryset = Department.objects.visible_to(user)
        department.empty_label = _("all departments")
        owner.empty_label = _("choose a user")

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        if odd := unknown_variables(text):
            raise forms.ValidationError(
                _("Unknown variable {{ %(name)s }}. Nothing was saved."),
                params={"name": odd[0]},
            )
        return text


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    NEEDS = {
        ResponseRule.Verdict.MOVE: ("move_to", _("Enter the other channel.")),
        ResponseRule.Verdict.REQUIRE: ("wording", _("Enter the required wording.")),
    }

    class Meta:
        model = ResponseRule
        fields = [
            "name", "verdict", "reason", "move_to", "wording", "steps", "within", "position",
            "is_active", "owner",
        ]  # fmt: skip
        labels = {"is_active": _("Active")}

    within = forms.IntegerField(
        label=_("Escalate after (hours)"),
        min_value=0,
        max_value=1000,
        required=False,
        help_text=_("After this time, supervisors and admins are notified. Leave empty for never."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        set_choices(self, "verdict", [("", _("choose a verdict")), *ResponseRule.Verdict.choices])
        set_empty_label(self, "owner", _("choose a user"))

    def clean_within(self) -> int:
        return self.cleaned_data["within"] or 0

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        for verdict, (name, says) in self.NEEDS.items():
            if typed.get("verdict") == verdict and not typed.get(name):
                self.add_error(name, str(says))
        return typed


class ExampleForm(forms.Form):
    """A form for an example of a rule: a text, and whether the rule must apply to the text.

    An example without a text is ignored.
    """

    text = forms.CharField(
        label=_("Text"), max_length=5000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    audience = forms.ChoiceField(label=_("Audience"), choices=Response.Audience.choices)
    visibility = forms.ChoiceField(label=_("Visibility"), choices=Response.Visibility.choices)
    people = forms.CharField(
        label=_("Personal data of the customer in this example"),
        help_text=_("Names, numbers and addresses, separated by commas."),
        max_length=500,
        required=False,
    )
    holds = forms.TypedChoiceField(
        label=_("Expected result"),
        choices=[
            ("yes", _("The rule must catch this text")),
            ("no", _("The rule must not catch this text")),
        ],
        coerce=lambda value: value == "yes",
    )

    @property
    def example(self) -> Example | None:
        typed = self.cleaned_data
        return Example(**typed) if typed.get("text") else None


ExampleForms = forms.formset_factory(ExampleForm, extra=1, max_num=50, validate_max=True)
