"""Form fields for a public acknowledgement beside a private answer."""

from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.utils.translation import gettext_lazy as _

from responses.acknowledgement import nearest, public_places
from responses.compose import Place
from responses.forms.places import PUBLIC
from responses.text_limits import measure


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

    def offer_acknowledgement(self, places: Sequence[Place], *, wrote_privately: bool) -> None:
        self.public = public_places(places) if wrote_privately else []
        if not self.public:
            del self.fields["acknowledge"], self.fields["acknowledgement"]

    def wanted_acknowledgement(self, place: Place) -> tuple[Place, str] | None:
        """Return where a reply at `place` is acknowledged publicly, and the public text.

        None if no acknowledgement is wanted, or if the reply itself is public.
        """
        public = nearest(self.public, place)
        if public is None or place.visibility == PUBLIC or not self.cleaned_data.get("acknowledge"):
            return None
        return public, str(self.cleaned_data.get("acknowledgement", ""))

    def check_acknowledgement(self, place: Place) -> None:
        """Add a form error if the public acknowledgement is empty or too long."""
        wanted = self.wanted_acknowledgement(place)
        if wanted is None or "acknowledgement" in self.errors:
            return
        public, text = wanted
        if not text:
            self.add_error("acknowledgement", _("Enter the public text, or clear the checkbox."))
        elif why := measure(public.outgoing(text), public.account).why_not(as_thread=False):
            self.add_error("acknowledgement", why)
