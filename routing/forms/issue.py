from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import Department, User
from routing.forms.base import PlainForm
from routing.models import Case, Issue
from scrm.web.form_fields import set_empty_label, set_queryset


class IssueForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Issue
        fields = ["name", "about", "owner", "departments"]
        labels = {
            "name": __("Name"),
            "about": __("Description"),
            "owner": __("Owner"),
            "departments": __("Departments"),
        }
        help_texts = {
            "departments": __(
                "Only members of these departments are offered the issue for their cases. "
                "Without a department, everyone is."
            )
        }
        widgets = {"departments": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": ""} | kwargs)
        set_queryset(self, "owner", User.objects.active())
        set_empty_label(self, "owner", _("choose a user"))
        departments = Department.objects.current()
        if self.instance.pk:  # an archived department stays until somebody removes it
            departments = (departments | self.instance.departments.all()).distinct()
        set_queryset(self, "departments", departments)


class CaseNumbersForm(PlainForm):
    """Case numbers such as “12, 15 #18”. `cleaned_data["cases"]` is the list of these cases."""

    numbers = forms.CharField(
        label=__("Case numbers"),
        max_length=2000,
        help_text=__("For example: 12, 15 #18"),
        error_messages={"required": __("Enter at least one case number.")},
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_numbers(self) -> str:
        """Parse the numbers and set `cleaned_data["cases"]`.

        If the user may not work on one of the cases, the field gets an error.
        """
        text: str = self.cleaned_data["numbers"]
        words = [word.lstrip("#") for word in re.split(r"[\s,;]+", text) if word]
        if odd := [word for word in words if not re.fullmatch(r"\d{1,18}", word)]:
            raise forms.ValidationError(_("Not case numbers: %(odd)s.") % {"odd": ", ".join(odd)})
        wanted = {int(word) for word in words}
        cases = list(Case.objects.workable_by(self.user).filter(pk__in=wanted).order_by("pk"))
        if missing := sorted(wanted - {case.pk for case in cases}):
            numbers = ", ".join(f"#{number}" for number in missing)
            raise forms.ValidationError(
                _("Not found in your departments: %(numbers)s. No cases were added.")
                % {"numbers": numbers}
            )
        self.cleaned_data["cases"] = cases
        return text
