"""The fields that only a call or only a letter has in the form for one offline contact."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as __

from crm.interaction_details import CALL_BACK, OUTCOMES, REACHED, CallDetails, LetterDetails
from crm.ledger import tellable
from crm.models.interaction import Interaction
from crm.models.workspace import MAX_ADDRESS
from routing.forms.base import PlainForm

_DURATION = re.compile(r"(\d{1,4})(?::([0-5]\d))?")
_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
_DIRECTIONS = [
    (Interaction.Direction.IN, __("They called us")),
    (Interaction.Direction.OUT, __("We called them")),
]


class CallFields(PlainForm):
    """The direction, the outcome and the other facts of a call."""

    direction = forms.ChoiceField(
        required=False,
        label=__("Direction"),
        choices=_DIRECTIONS,
        initial=Interaction.Direction.IN,
        widget=forms.RadioSelect,
    )
    outcome = forms.ChoiceField(
        required=False, label=__("Outcome"), choices=list(OUTCOMES.items()), initial=REACHED
    )
    duration = forms.CharField(
        required=False,
        max_length=7,
        label=__("Duration"),
        help_text=__("Minutes, or minutes:seconds, such as 5:12."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    recording = forms.URLField(
        required=False,
        max_length=2000,
        assume_scheme="https",
        label=__("Link to the recording"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url"}),
    )
    call_back_at = forms.DateTimeField(
        required=False,
        label=__("Call back at"),
        help_text=__("Snoozes the case until then."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def clean_direction(self) -> str:
        return self.cleaned_data["direction"] or Interaction.Direction.IN

    def clean_outcome(self) -> str:
        return self.cleaned_data["outcome"] or REACHED

    def clean_duration(self) -> int | None:
        """Return the duration in seconds; None if nothing was entered."""
        typed = self.cleaned_data["duration"]
        if not typed:
            return None
        found = _DURATION.fullmatch(typed)
        if not found:
            raise forms.ValidationError(_("Enter minutes, or minutes:seconds, such as 5:12."))
        return int(found[1]) * 60 + int(found[2] or 0)

    def clean_call_back_at(self) -> datetime | None:
        at = tellable(self.cleaned_data["call_back_at"])
        if at and at <= timezone.now():
            raise forms.ValidationError(_("This time is in the past. Choose a later time."))
        return at

    def check_call(self, number: str) -> None:
        """Add the errors that concern several fields. number: the number of the other party."""
        data = self.cleaned_data
        if data.get("outcome") == REACHED and not data.get("text") and "text" not in self.errors:
            self.add_error("text", _("Enter what was said."))
        if "call_back_at" in self.errors:
            return
        if not data.get("case") and data.get("direction") == Interaction.Direction.OUT:
            if data["call_back_at"]:
                self.add_error("call_back_at", _("Log the call in a case to plan a call-back."))
        elif data.get("outcome") == CALL_BACK and not data["call_back_at"]:
            self.add_error("call_back_at", _("Enter when to call back."))
        elif data["call_back_at"] and not number and "phone" not in self.errors:
            self.add_error("phone", _("Enter the number to call back."))

    def call(self, number: str) -> CallDetails:
        data = self.cleaned_data
        return CallDetails(number, data["outcome"], data["duration"], data["recording"])


class LetterFields(PlainForm):
    """The dates and the address of a letter, and the reference that it cites."""

    written_on = forms.DateField(required=False, label=__("Written on"), widget=_DAY)
    received_on = forms.DateField(required=False, label=__("Received on"), widget=_DAY)
    address = forms.CharField(
        required=False,
        max_length=MAX_ADDRESS,
        label=__("Postal address of the sender"),
        widget=forms.Textarea(attrs={"rows": 4, "dir": "auto", "autocomplete": "off"}),
    )
    reference = forms.CharField(
        required=False,
        max_length=40,
        label=__("Our reference"),
        help_text=__(
            "If the letter cites our reference, for example SC-123-20, it is added to that case. A "
            "reference in the transcription is found too."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_written_on(self) -> Any:
        return self._past_day("written_on")

    def clean_received_on(self) -> Any:
        return self._past_day("received_on")

    def _past_day(self, name: str) -> Any:
        day = self.cleaned_data[name]
        if day and day.year < 1900:
            raise forms.ValidationError(_("This date is before 1900. Check the year."))
        if day and day > timezone.localdate():
            raise forms.ValidationError(_("This date is in the future."))
        return day

    def check_letter(self) -> None:
        written = self.cleaned_data.get("written_on")
        received = self.cleaned_data.get("received_on")
        if written and received and received < written:
            self.add_error("received_on", _("The letter was received before it was written."))

    def letter(self) -> LetterDetails:
        data = self.cleaned_data
        return LetterDetails(
            address=data["address"],
            written_on=_iso(data["written_on"]),
            received_on=_iso(data["received_on"]),
            reference=data["reference"],
        )


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""
