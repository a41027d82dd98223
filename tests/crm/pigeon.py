"""Pigeon post: a channel for tests that is not part of scrm.

Each pigeon loft is a site with a password.
"""

from __future__ import annotations

from django import forms

from scrm.channels.base import Credentials, Json
from scrm.channels.channel import Channel
from scrm.channels.connector import Connected, ConnectError, ConnectForm, Connector


class LoftForm(ConnectForm):
    lines = (("street", "number"),)

    loft = forms.CharField(label="Name of the loft", max_length=50)
    word = forms.CharField(label="Password of the loft", required=False)
    street = forms.CharField(label="Street", required=False)
    number = forms.IntegerField(label="House number", required=False)
    signature = forms.CharField(label="Signature", required=False)

    def show(self, known: Credentials) -> None:
        self.initial |= {"loft": known.self_key}


def connect(typed: Json, known: Credentials | None, *, test: bool) -> Connected:
    word = typed["word"] or (known.secrets["word"] if known else "")
    if word != "coo":
        raise ConnectError(("word", "The pigeons do not know this word."))
    loft = typed["loft"]
    return Connected(
        network="pigeon",
        self_key=loft,
        address=f"{loft} 1",
        name=f"Loft {loft}",
        secrets={"word": word},
        config={"street": typed["street"]},
        sources_to_open={"roof": f"{loft}: roof", "window": f"{loft}: window"},
    )


CHANNEL = Channel(
    kind="pigeon",
    label="Pigeon post",
    hears="letters on the roof",
    connector=Connector(
        label="Pigeon loft",
        title="Connect a pigeon loft",
        about="Letters arrive on the roof.",
        form=LoftForm,
        connect=connect,
    ),
)
