"""Forms of “Done”: why each unanswered message needs no answer, and the list of these reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.models import Interaction
from routing.forms.base import PlainForm
from routing.forms.bulk import BulkForm
from routing.forms.case import UnaskedReasonForm
from routing.models.done_reason import MAX_REASONS, DoneReason
from routing.models.item_decision import MAX_REASON
from routing.unanswered import unanswered

MAX_ASKED = 12
"""The maximum number of messages with a field of their own, the oldest first.

One field covers the rest.
"""


@dataclass(frozen=True, slots=True)
class Question:
    """The field with the reasons for one unanswered message, or for all if `item` is None."""

    item: Interaction | None
    field: forms.BoundField


class DoneForm(UnaskedReasonForm):
    """A reason for each unanswered message of the case. Without such messages, nothing is asked.

    Nothing is preselected. `every` is a reason for all messages that have no reason of their own.
    The result is `cleaned_data["reasons"]`, as `routing.models.closing.Reasons`.
    """

    body = "routing/_done.html"
    every = forms.ChoiceField(required=False, widget=forms.HiddenInput)

    @cached_property
    def items(self) -> list[Interaction]:
        return [] if self.case.is_closed else list(unanswered([self.case.pk]))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.items:
            del self.fields["every"]
            return
        choices = [(label, label) for label in DoneReason.objects.labels()]
        for item in self.items[:MAX_ASKED]:
            self.fields[_name(item)] = self._field(choices, _("Message"))
        self.fields["every"] = self._field(choices, _("All other messages"))
        if len(self.items) == 1:
            self.fields["every"].widget = forms.HiddenInput()

    @staticmethod
    def _field(choices: list[tuple[str, str]], label: str) -> forms.ChoiceField:
        return forms.ChoiceField(
            choices=choices, required=False, widget=forms.RadioSelect, label=label
        )

    @property
    def questions(self) -> Iterator[Question]:
        for item in self.items[:MAX_ASKED]:
            yield Question(item, self[_name(item)])
        if len(self.items) > 1:
            yield Question(None, self["every"])

    @property
    def others(self) -> int:
        """How many unanswered messages have no field of their own."""
        return max(len(self.items) - MAX_ASKED, 0)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        every = data.get("every", "")
        data["reasons"] = {item.pk: data.get(_name(item)) or every for item in self.items}
        return data


def _name(item: Interaction) -> str:
    return f"item_{item.pk}"


class BulkDoneForm(BulkForm):
    """One reason for all unanswered messages of the selected cases."""

    reason = forms.ChoiceField(
        required=False,
        label=__("Reason for unanswered messages"),
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["reason"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(label, label) for label in DoneReason.objects.labels()]

    def values(self) -> dict[str, Any]:
        return {"every": self.cleaned_data["reason"]}


class DoneReasonsForm(PlainForm):
    """The list of reasons for “Done”, one per line."""

    labels = forms.CharField(
        label=__("Reasons, one per line"),
        max_length=MAX_REASONS * (MAX_REASON + 2),
        widget=forms.Textarea(attrs={"rows": MAX_REASONS}),
        help_text=__("The first line has the key 1, the second the key 2, and so on."),
        error_messages={"required": __("Enter at least one reason.")},
    )

    def clean_labels(self) -> list[str]:
        lines = (" ".join(line.split()) for line in self.cleaned_data["labels"].splitlines())
        labels = list(dict.fromkeys(line for line in lines if line))
        if not labels:
            raise forms.ValidationError(_("Enter at least one reason."))
        if len(labels) > MAX_REASONS:
            raise forms.ValidationError(
                _("Enter at most %d reasons: each has a number key.") % MAX_REASONS
            )
        if long := next((label for label in labels if len(label) > MAX_REASON), None):
            message = _("“%(label)s” is longer than %(most)d characters.")
            raise forms.ValidationError(message % {"label": long[:20], "most": MAX_REASON})
        return labels
