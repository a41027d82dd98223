from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from crm.models import User
from routing.models import Procedure
from scrm.web.form_fields import set_queryset


class ProcedureForm(forms.ModelForm):  # type: ignore[type-arg]
    """What to do with sensitive cases of one kind."""

    class Meta:
        model = Procedure
        fields = ("text", "on_call", "days")
        labels = {
            "text": _("Procedure"),
            "on_call": _("Person on call"),
            "days": _("Statutory deadline (calendar days)"),
        }
        help_texts = {
            "text": _("Shown on each case of this kind."),
            "on_call": _("Notified at once. Without a person, the team leads are notified."),
            "days": _(
                "Counted from the day of the message. Empty if there is no deadline. A change "
                "applies to new messages only."
            ),
        }
        widgets = {"text": forms.Textarea(attrs={"rows": 6})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        set_queryset(self, "on_call", User.objects.active().order_by("name"))
        on_call = self.fields["on_call"]
        assert isinstance(on_call, forms.ModelChoiceField)
        on_call.empty_label = str(_("Team leads of the department"))
        self.fields["days"].widget.attrs |= {"min": 1, "max": 366}

    def clean_days(self) -> int | None:
        days: int | None = self.cleaned_data["days"]
        if days is not None and not 1 <= days <= 366:
            raise forms.ValidationError(_("Enter 1 to 366 days, or leave this empty."))
        return days
