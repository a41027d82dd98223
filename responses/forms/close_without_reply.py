"""The forms in which a user enters why one or several cases are closed without reply."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from routing.forms import BulkForm, CaseVerbForm


class CloseWithoutReplyForm(CaseVerbForm):
    why = forms.CharField(label=_("Reason"), max_length=500)


class BulkCloseForm(BulkForm):
    why = forms.CharField(
        label=_("Reason to close without reply"),
        max_length=500,
        error_messages={"required": _("Enter a reason.")},
    )

    def values(self) -> dict[str, Any]:
        return {"why": self.cleaned_data["why"]}
