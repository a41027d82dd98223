from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.forms import WorkspaceForm


class StartForm(WorkspaceForm):
    """The organisation that begins, and its name a second time, so that no stray key begins it."""

    confirm = forms.CharField(
        label=_("Type the organisation's name once more"),
        help_text=_("The sample is then gone for good."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Type the organisation's name here as well.")},
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "confirm" in data and data["confirm"] != data.get("organisation"):
            self.add_error("confirm", _t("This is not the name above. Nothing was removed."))
        return data
