from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import User
from routing.forms.base import PlainForm
from routing.models import Case, CaseLink

_MAX_NUMBER = 2**31 - 1


class OtherCaseForm(PlainForm):
    """The number of another case that the user may see."""

    other = forms.IntegerField(label=__("Case number"), min_value=1, max_value=_MAX_NUMBER)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_other(self) -> Case:
        cases = Case.objects.visible_to(self.user).select_related("profile", "department")
        found = cases.filter(pk=self.cleaned_data["other"]).first()
        if found is None:
            raise forms.ValidationError(
                _("Case #%d does not exist, or you cannot see it.") % self.cleaned_data["other"]
            )
        return found


class MergeForm(OtherCaseForm):
    """The other case, the case that stays, and a reason.

    keep: "this" if the other case is merged into this one, else "other".
    """

    keep = forms.ChoiceField(
        choices=[("this", __("this case")), ("other", __("the other case"))],
        label=__("Case to keep"),
    )
    why = forms.CharField(max_length=500, required=False, label=__("Reason (optional)"))


class LinkForm(OtherCaseForm):
    """The other case and what becomes of the link; "none" removes it."""

    kind = forms.ChoiceField(choices=[*CaseLink.Kind.choices, ("none", __("Not linked"))])


class SplitForm(PlainForm):
    """A message of the case, and whether its whole conversation is split off with it."""

    item = forms.IntegerField(min_value=1, max_value=2**62)
    what = forms.ChoiceField(choices=[("item", "item"), ("conversation", "conversation")])
    why = forms.CharField(max_length=500, required=False)
