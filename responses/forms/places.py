"""Form fields for the place of a reply, and for consent to answer a private message publicly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from responses.compose import Place, default_place
from responses.models import Delivery
from responses.recipients import private_words
from routing.models import Case

PUBLIC = "public"
NOT_CONFIRMED = _(
    "This person wrote privately in this case. Nothing was sent, and your text was kept. Tick "
    "this box to answer in public, or choose a private channel."
)


class PlaceFields(forms.Form):
    """Form fields for the place of a reply.

    `publicly` is the user's consent to answer publicly. This field exists only if the person wrote
    privately in the case and a public place is offered.
    """

    place = forms.ChoiceField(
        label=_("Channel"),
        widget=forms.RadioSelect,
        error_messages={
            "invalid_choice": _(
                "This channel is no longer available in this case. Choose another one. Your text "
                "was kept."
            )
        },
    )
    publicly = forms.BooleanField(
        label=_("Answer publicly although this person wrote privately"), required=False
    )

    def offer_places(self, case: Case, places: Sequence[Place]) -> None:
        self.places = {place_name(place): place for place in places}
        field: Any = self.fields["place"]
        field.choices = [(name, _place_label(place)) for name, place in self.places.items()]
        private = private_words(case.pk).select_related("conversation").order_by("pk").last()
        selected = default_place(
            places, party=case.profile, private_in=private.conversation if private else None
        )
        self.initial["place"] = place_name(selected) if selected else None
        if private is None or not any(is_public(name) for name in self.places):
            del self.fields["publicly"]

    @property
    def chosen(self) -> Place:
        return self.places[self.cleaned_data["place"]]

    @property
    def refusals(self) -> list[str]:
        """Why the networks do not let us reply, each reason once."""
        reasons = (
            place.permission.reason
            for place in self.places.values()
            if not place.permission.allowed
        )
        return list(dict.fromkeys(reasons))

    def clean_place(self) -> str:
        name: str = self.cleaned_data["place"]
        place = self.places.get(name)
        if place and not place.permission.allowed:
            raise forms.ValidationError(place.permission.reason)
        return name

    def check_publicly(self) -> None:
        """Add a form error for a public answer to a person who wrote privately.

        There is no error if the user has confirmed the public answer.
        """
        if "publicly" not in self.fields or not is_public(self.cleaned_data.get("place", "")):
            return
        if not self.cleaned_data.get("publicly"):
            self.add_error("publicly", NOT_CONFIRMED)


def is_public(name: str) -> bool:
    return name.endswith(f":{PUBLIC}")


def place_name(place: Place) -> str:
    profile = place.profile.pk if place.profile else ""
    kind = "quote:" if place.quote else ""
    return f"{place.account.pk}:{profile}:{kind}{place.visibility}"


def place_of(delivery: Delivery) -> Place:
    """Return the present place of a delivery, which may differ from the places offered now."""
    response = delivery.response
    return Place(
        delivery.account, delivery.profile, delivery.conversation, response.visibility,
        response.is_quote, response.in_reply_to,
    )  # fmt: skip


def _place_label(place: Place) -> str:
    """Return the label of a place, with its visibility, account and recipient."""
    profile = place.profile
    whom = (profile.handle or str(profile)) if profile else ""
    if place.quote:
        words = _("Quote publicly as %(account)s the post of %(whom)s")
    elif place.visibility == PUBLIC:
        words = _("Reply publicly as %(account)s to %(whom)s")
    elif place.conversation:
        words = _("Reply privately as %(account)s to %(whom)s")
    else:
        words = _("Message privately as %(account)s to %(whom)s")
    label = words % {"account": place.account, "whom": whom}
    if not place.permission.allowed:
        return _("%(said)s (the network does not allow it)") % {"said": label}
    if place.permission.until:
        until = timezone.localtime(place.permission.until)
        closes = _("%(said)s (possible until %(until)s)")
        return closes % {"said": label, "until": f"{until:%-d %b %H:%M}"}
    if profile and profile.unreachable_since:
        return _("%(said)s (our last message there bounced)") % {"said": label}
    return label
