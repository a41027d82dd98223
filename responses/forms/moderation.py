from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from responses.moderation_actions import Action


class ModerationForm(forms.Form):
    """The reason for a moderation action. Actions that need no reason have no field."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        error_messages={"required": _("Enter a reason. Your colleagues see it at the message.")},
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
    )

    def __init__(self, action: Action, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, auto_id=f"{action.name}_%s", **kwargs)
        if action.name == "report":
            self.fields["reason"].help_text = _("The network's moderators read it too.")
        if not action.asks_reason:
            del self.fields["reason"]
