"""A form field for further recipients of a mail: the others who received the answered mail."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.models import Account
from responses.compose import Place
from scrm.channels.email.people import address_of
from scrm.web.form_fields import set_choices


class CopyFields(forms.Form):
    """The other recipients of the mail that is answered. Nobody is selected at first.

    The field exists only if the answered mail had other recipients.
    """

    places: dict[str, Place]
    also_to = forms.MultipleChoiceField(
        label=_("Also to"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("All recipients see the addresses of one another."),
    )

    def offer_copies(self) -> None:
        with_copies = [place for place in self.places.values() if place.account.channel.copies]
        ours = set(Account.objects.filter(kind="email").values_list("address", flat=True))
        others: dict[str, str] = {}
        for place in with_copies:
            others |= _others(place, ours)
        set_choices(self, "also_to", others.items())
        if not others:
            del self.fields["also_to"]

    def check_copies(self, place: Place) -> None:
        """Add a form error if a selected person did not receive the mail that is answered."""
        chosen = self.cleaned_data.get("also_to", ())
        if not set(chosen) <= _others(place, set()).keys():
            why = _t("Only recipients of the message that you answer can get a copy.")
            self.add_error("also_to", why)


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
