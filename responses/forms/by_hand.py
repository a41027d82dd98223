"""The form that records an answer given outside scrm: by phone, by letter, or on the network."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from crm.interaction_details import LetterDetails
from crm.models import Account, Interaction, PostalAddress
from crm.models.workspace import MAX_ADDRESS
from crm.offline_kinds import OFFLINE_KINDS
from responses.compose import Words
from responses.forms.composing import Composing
from responses.models import Response
from routing.models import Case
from routing.party import party
from routing.reference import reference
from scrm.channels.base import Receipt
from scrm.web.form_fields import set_choices

LETTER = "letter"
NETWORK = "network"
"""The value of “How you answered” for a post that the user published on the network."""


def _account_with_links(case: Case) -> Account | None:
    """Return the department's account on the party's network, if its posts have web addresses."""
    accounts = case.department.accounts.active().filter(network=case.profile.network)
    return next((row for row in accounts.order_by("name") if row.channel.key_of), None)


class ByHandForm(Composing):
    WAYS = {
        "call": OFFLINE_KINDS["call"].label,
        "letter": OFFLINE_KINDS["letter"].label,
        "in person": _("In person"),
        "mail": _("Email from another program"),
    }
    how = forms.ChoiceField(label=_("How you answered"), choices=list(WAYS.items()))
    text = forms.CharField(label=_("Your answer"), widget=forms.Textarea(attrs={"rows": 6}))

    address = forms.CharField(
        label=_("Postal address"),
        required=False,
        max_length=MAX_ADDRESS,
        widget=forms.Textarea(attrs={"rows": 4, "dir": "auto", "autocomplete": "off"}),
        help_text=_("Name, street, town, country: as it is printed in the window of the envelope."),
    )
    link = forms.URLField(
        label=_("Link to your post"),
        required=False,
        max_length=2000,
        assume_scheme="https",
        help_text=_("The address of the post that you published there. Answers to it are found."),
    )

    def __init__(self, case: Case, data: Any = None) -> None:
        self.case = case
        self.known_address = PostalAddress.objects.current(party(case))
        address = self.known_address.text if self.known_address else ""
        super().__init__(data, initial={"seen": case.last_inbound_id, "address": address})
        self.ways: dict[str, Any] = dict(self.WAYS)
        self.network_account = _account_with_links(case)
        if self.network_account is None:
            del self.fields["link"]
            return
        posted = _("Posted on %(network)s by hand")
        label = posted % {"network": self.network_account.channel.label}
        self.ways = {NETWORK: label, **self.WAYS}
        set_choices(self, "how", list(self.ways.items()))

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("how") == NETWORK and "link" not in self.errors:
            self._check_link()
        missing = not self.cleaned_data.get("address") and "address" not in self.errors
        if self.cleaned_data.get("how") == LETTER and missing:
            self.add_error("address", _t("Enter the postal address of the letter."))
        return self.cleaned_data

    @property
    def letter(self) -> LetterDetails | None:
        """The facts of a letter; None if the answer was given in another way."""
        if self.cleaned_data["how"] != LETTER:
            return None
        today = timezone.localdate().isoformat()
        return LetterDetails(self.cleaned_data["address"], today, "", reference(self.case.pk))

    def _check_link(self) -> None:
        receipt = self.receipt
        if receipt is None:
            self.add_error("link", _("Enter the link to the post that you published there."))
        elif self._is_recorded(receipt):
            self.add_error("link", _("This post is already recorded. Nothing was saved."))

    def _is_recorded(self, receipt: Receipt) -> bool:
        """Whether another form or a source has recorded the post.

        If this form was submitted before, `compose.once` returns the response of that time.
        """
        # In this order: the post and the response are stored in one transaction.
        if not Interaction.objects.filter(scope=receipt.scope, key=receipt.key).exists():
            return False
        form = self.cleaned_data.get("form")
        return form is None or not Response.objects.filter(uuid=form).exists()

    @property
    def receipt(self) -> Receipt | None:
        """The keys of the post at the link; None if the reply was not posted on the network."""
        account, link = self.network_account, self.cleaned_data.get("link", "")
        if account is None or self.cleaned_data.get("how") != NETWORK:
            return None
        assert account.channel.key_of
        key = account.channel.key_of(account.credentials, link)
        return Receipt(account.network, key, url=link) if key else None

    def words(self, *, visibility: str) -> Words:
        typed = self.cleaned_data
        how = str(self.ways[typed["how"]])
        return Words(typed["form"], typed["text"], visibility, subject=how, seen=typed["seen"])
