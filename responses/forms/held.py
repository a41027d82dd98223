from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from crm.models import Account, User
from responses.compose import Place, places_for
from responses.forms.attached_files import FileFields
from responses.forms.composing import Later, version_name
from responses.forms.copies import CopyFields
from responses.forms.places import PlaceFields, place_name, place_of
from responses.models import Delivery, Response
from responses.signing import Rewritten
from responses.speaking_accounts import public_accounts
from responses.text_limits import measure


class EditForm(PlaceFields, CopyFields, FileFields, Later):
    """A form to edit the text, files, recipients and time of an unsent response.

    `shown` is the content hash of the text that the page showed. `seen` is the id of the last
    inbound interaction that the page showed.
    """

    shown = forms.CharField(widget=forms.HiddenInput)
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    accounts = forms.ModelMultipleChoiceField(
        Account.objects.none(),
        label=_("Channels"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Select at least one channel.")},
    )
    subject = forms.CharField(label=_("Subject"), max_length=300, required=False)
    text = forms.CharField(label=_("Text"), widget=forms.Textarea(attrs={"rows": 10}))

    def __init__(self, response: Response, user: User, data: Any = None, files: Any = None) -> None:
        self.response = response
        super().__init__(
            data,
            files,
            initial={
                "shown": response.content_hash,
                "seen": response.case.last_inbound_id if response.case else None,
                "subject": response.subject,
                "text": response.text,
                "send_at": response.send_at,
            },
        )
        deliveries = list(response.deliveries.select_related("account", "profile", "conversation"))
        self.now = [delivery.account for delivery in deliveries]
        self._offer_recipients(deliveries)
        self.offer_files(user, self.choosable, response)
        for account in self.now:
            if own := response.versions.get(str(account.pk)):
                self.fields[version_name(account)] = forms.CharField(
                    label=_("On %(account)s") % {"account": account},
                    initial=own,
                    widget=forms.Textarea(attrs={"rows": 4}),
                )

    def _offer_recipients(self, deliveries: Sequence[Delivery]) -> None:
        """Offer the recipients that the user can choose, depending on the kind of response.

        For a reply, the form offers the places where the same person can be answered. For a post,
        the form offers accounts. For a correction, the form offers nothing, because its place
        cannot be changed.
        """
        response, fields = self.response, self.fields
        if response.corrects_in_place:
            self.choosable = self.now
            del fields["place"], fields["publicly"], fields["accounts"], fields["send_at"]
            del fields["also_to"]
        elif response.case and not response.is_macro:
            now = [place_of(delivery) for delivery in deliveries]
            self.offer_places(response.case, [*now, *places_for(response.case)])
            self.initial["place"] = place_name(now[0])
            self.initial["also_to"] = response.copies
            self.selected = {place_name(now[0]): response.copies}
            self.offer_copies()
            fields["place"].required = False  # if no place is submitted, it stays as it is
            self.choosable = [place.account for place in self.places.values()]
            del fields["accounts"]
        else:
            accounts = cast("forms.ModelMultipleChoiceField[Account]", fields["accounts"])
            public = [account.pk for account in public_accounts(response.department)]
            known = {*public, *(account.pk for account in self.now)}
            accounts.queryset = Account.objects.filter(pk__in=known).order_by("name")
            self.initial["accounts"] = [account.pk for account in self.now]
            self.choosable = list(accounts.queryset)
            del fields["place"], fields["publicly"], fields["also_to"]

    def clean_place(self) -> str:
        if not self.cleaned_data["place"]:
            return str(self.initial["place"])
        return super().clean_place()

    @property
    def places_chosen(self) -> list[Place]:
        """The places that the user chose. The list is empty if the choice is invalid."""
        if "place" in self.fields:
            return [self.chosen] if "place" in self.cleaned_data else []
        return [Place(account) for account in self.cleaned_data.get("accounts", self.now)]

    def clean(self) -> dict[str, Any]:
        typed, accounts = self.cleaned_data, [place.account for place in self.places_chosen]
        for place in self.places_chosen:
            own = version_name(place.account)
            name = own if own in self.fields else "text"
            measured = measure(place.outgoing(typed.get(name, "")), place.account)
            if why := measured.why_not(as_thread=self.response.as_thread):
                self.add_error(name, why)
        self.check_files(accounts)
        if "also_to" in self.fields and "place" in typed:
            self.check_copies(self.chosen)
        if self.data.get("then") == "send":
            self.check_publicly()
        return typed

    @property
    def own_words(self) -> list[forms.BoundField]:
        """The form fields for the texts that differ from the common text, one per account."""
        return [self[name] for name in self.fields if name.startswith("version_")]

    @property
    def rewritten(self) -> Rewritten:
        typed, places = self.cleaned_data, self.places_chosen
        own = {str(place.account.pk): version_name(place.account) for place in places}
        return Rewritten(
            text=typed["text"],
            subject=typed["subject"],
            versions={pk: typed[name] for pk, name in own.items() if name in typed},
            send_at=typed.get("send_at"),
            places=None if self.response.corrects_in_place else places,
            files=self.attachments(),
            copies=typed.get("also_to", ()),
        )

    def look_again(self) -> None:
        """Prepare the form to be shown again below the current text. The user's input is kept.

        When the user submits the form again, the current text and messages count as seen.
        """
        case, data = self.response.case, cast(QueryDict, self.data).copy()
        data["shown"] = self.response.content_hash
        data["seen"] = str(case.last_inbound_id or "") if case else ""
        self.data = data


class SendBackForm(forms.Form):
    reason = forms.CharField(label=_("Requested changes"), widget=forms.Textarea(attrs={"rows": 2}))


class MarkSentForm(forms.Form):
    url = forms.URLField(
        label=_("Link (optional)"),
        max_length=2000,
        required=False,
        assume_scheme="https",
    )
    key = forms.CharField(label=_("ID on the network (optional)"), max_length=400, required=False)


class PauseForm(forms.Form):
    why = forms.CharField(
        label=_("Reason"),
        max_length=200,
        help_text=_("Shown to all users during the pause."),
    )


class ReleaseForm(forms.Form):
    looked = forms.BooleanField(
        label=_("The original database no longer sends, and I have checked this list."),
        error_messages={"required": _("Tick this box first. Sending is still on hold.")},
    )
