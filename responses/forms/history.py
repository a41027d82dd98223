from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.models import User
from responses.models import Feedback, Response
from responses.models.response import State
from routing.models import Department, Issue


class JudgeForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Feedback
        fields = ["outcome"]


class HistoryForm(forms.Form):
    """The filters of the history, as they stand in its address."""

    MICRO = "micro"
    q = forms.CharField(
        label=_("Words"), required=False, widget=forms.TextInput(attrs={"type": "search"})
    )
    state = forms.ChoiceField(label=_("State"), required=False)
    audience = forms.ChoiceField(label=_("Audience"), required=False)
    department = forms.ModelChoiceField(
        Department.objects.all(), label=_("Department"), required=False, empty_label=_("any")
    )
    author = forms.ModelChoiceField(
        User.objects.order_by("name"), label=_("Author"), required=False, empty_label=_("any")
    )
    issue = forms.ModelChoiceField(
        Issue.objects.all(), label=_("Issue"), required=False, empty_label=_("any")
    )
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=_("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        state, audience = self.fields["state"], self.fields["audience"]
        assert isinstance(state, forms.ChoiceField)
        assert isinstance(audience, forms.ChoiceField)
        state.choices = [("", _("any")), *State.choices]
        micro = (self.MICRO, _("One or a few (micro)"))
        audience.choices = [("", _("any")), micro, *Response.Audience.choices]

    @property
    def narrowed(self) -> bool:
        """Whether any filter is in force, sound or not."""
        return any(self.data.get(name) for name in self.fields)
