"""Form fields for a public acknowledgement beside a private answer."""

from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.utils.translation import gettext_lazy as _

from responses.acknowledgement import public_place
from responses.compose import Place
from responses.forms.places import is_public
from responses.text_limits import measure
from routing.models import Case


class AcknowledgeFields(forms.Form):
    """Form fields for a public text that only says that we have answered privately.

    They exist if the person wrote both privately and publicly, and if we may reply publicly.
    """

    acknowledge = forms.BooleanField(label=_("Also acknowledge in public"), required=False)
    acknowledgement = forms.CharField(
        label=_("Public text, without personal data"),
        max_length=500,
        required=False,
        initial=_("We have answered you by message."),
    )

    def offer_acknowledgement(
        self, case: Case, places: Sequence[Place], *, wrote_privately: bool
    ) -> None:
        self.public = public_place(case, places) if wrote_privately else None
        if self.public is None:
            del self.fields["acknowledge"], self.fields["acknowledgement"]

    @property
    def public_text(self) -> str:
        """The public acknowledgement of a private answer, or "" if none is wanted."""
        wanted = self.cleaned_data.get("acknowledge") and not is_public(self.cleaned_data["place"])
        return str(self.cleaned_data["acknowledgement"]) if wanted else ""

    def check_acknowledgement(self) -> None:
        """Add a form error if the public acknowledgement is empty or too long."""
        answers_privately = not is_public(self.cleaned_data.get("place", ""))
        wanted = answers_privately and self.cleaned_data.get("acknowledge")
        if self.public is None or not wanted:
            return
        text = self.cleaned_data.get("acknowledgement", "")
        if not text and "acknowledgement" not in self.errors:
            self.add_error("acknowledgement", _("Enter the public text, or clear the box."))
        elif why := measure(self.public.outgoing(text), self.public.account).why_not(
            as_thread=False
        ):
            self.add_error("acknowledgement", why)
