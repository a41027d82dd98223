from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as __

from crm.models import Department
from routing.forms.base import PlainForm
from routing.models.rule import Priority


class TryOutForm(PlainForm):
    """A message of which the page says when it would be due."""

    day = forms.ChoiceField(
        label=__("Day"),
        choices=[
            (0, __("Monday")), (1, __("Tuesday")), (2, __("Wednesday")), (3, __("Thursday")),
            (4, __("Friday")), (5, __("Saturday")), (6, __("Sunday")),
        ],
    )  # fmt: skip
    time = forms.TimeField(
        label=__("Time"), widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    )
    priority = forms.ChoiceField(label=__("Priority"), choices=Priority.choices)
    department = forms.ModelChoiceField(Department.objects.all(), widget=forms.HiddenInput)
