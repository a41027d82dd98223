from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from listening.models import Source
from scrm.net.addresses import HttpError, Target
from scrm.net.secret_addresses import separate


class MoveForm(forms.Form):
    """The address that a source is fetched from, after permanent redirects.

    Only for a source whose channel has `moves`.
    """

    address = forms.CharField(
        label=_("Fetched from"),
        max_length=1000,
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off"}),
    )

    def __init__(self, source: Source, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        assert source.channel.moves
        self.source, self.moves = source, source.channel.moves
        self.now = self.moves.fetched_at(source.cursor, source.address)
        self.initial.setdefault("address", self.now)

    @property
    def has_moved(self) -> bool:
        """Whether a permanent redirect or an admin has changed the address."""
        return self.now != self.source.address

    def clean_address(self) -> str:
        address: str = self.cleaned_data["address"].strip()
        try:
            Target.of(address)
        except HttpError as error:
            raise ValidationError(error.message) from error
        shown, secrets = separate(address)
        if secrets:
            raise ValidationError(
                _("Leave out the token. It stays stored; replace it in the settings below.")
            )
        return shown

    @transaction.atomic
    def keep(self, *, now: datetime) -> None:
        """Store the address, and make the source due. A running fetch stores nothing."""
        source = Source.objects.select_for_update(no_key=True).get(pk=self.source.pk)
        address = self.cleaned_data["address"]
        Source.objects.filter(pk=source.pk).update(
            cursor=self.moves.fetch_from(source.cursor, source.address, address),
            attempt=F("attempt") + 1,
            lease_until=None,
            next_fetch_at=now,
        )
