from __future__ import annotations

from datetime import date

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _


class AwayForm(forms.Form):
    """The first day on which a user who is away works again; empty if the user is not away."""

    back_on = forms.DateField(
        required=False,
        label=_("Away until (first day back)"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def clean_back_on(self) -> date | None:
        day: date | None = self.cleaned_data["back_on"]
        if day and day <= timezone.localdate():
            raise forms.ValidationError(_t("Choose a day after today, or leave the date empty."))
        return day
