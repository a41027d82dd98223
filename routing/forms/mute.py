from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from routing.forms.case import CaseVerbForm


class MuteForm(CaseVerbForm):
    reason = forms.CharField(
        max_length=200,
        label=_("Reason for muting this person"),
        error_messages={"required": _("Give a reason. Your colleagues see it.")},
    )
