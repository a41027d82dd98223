"""A form field for further recipients of a mail: the others who received the answered mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django import forms
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.models import Account
from responses.compose import Place
from scrm.channels.email.people import address_of
from scrm.web.form_fields import set_choices


class CopyFields(forms.Form):
    """The other recipients of the mail that is answered. Nobody is selected at first.

    The field exists only if the answered mail had other recipients, or if some were selected
    before.
    """

    places: dict[str, Place]
    selected: Mapping[str, Sequence[str]] = {}
    """Maps the name of a place to the addresses that were selected for it before."""
    also_to = forms.MultipleChoiceField(
        label=_("Also to"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("All recipients see the addresses of one another."),
    )

    def offer_copies(self) -> None:
        ours = set(Account.objects.filter(kind="email").values_list("address", flat=True))
        others: dict[str, str] = {}
        for name, place in self.places.items():
            others = self._selected(name) | others | _others(place, ours)
        set_choices(self, "also_to", others.items())
        if not others:
            del self.fields["also_to"]

    def check_copies(self, place: Place) -> None:
        """Add a form error if a selected person did not receive the mail that is answered."""
        chosen = set(self.cleaned_data.get("also_to", ()))
        if not chosen <= {*_others(place, set()), *self._selected(self.cleaned_data["place"])}:
            why = _t("Only recipients of the message that you answer can get a copy.")
            self.add_error("also_to", why)

    def _selected(self, name: str) -> dict[str, str]:
        return {address: address for address in self.selected.get(name, ())}


def _others(place: Place, ours: set[str]) -> dict[str, str]:
    """Return address → label of the other recipients of the mail that this place answers."""
    if place.message is None or not place.account.channel.copies:
        return {}
    mail, author = place.message.mail, place.profile
    known = {*ours, mail.recipient_address, address_of(author.key) if author else ""}
    return {
        address: f"{name} <{address}>" if name else address
        for address, name in (*mail.to, *mail.cc)
        if address not in known
    }
