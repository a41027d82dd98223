"""Pigeon post: a channel for tests that is not part of scrm. `pigeon_letters` sends and reads.

Each pigeon loft is a site with a password. Without the password, a user gets a ticket at the gate:
this is the OAuth login of the channel. A ticket works for two hours and can be renewed once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from django import forms
from django.utils import timezone

from scrm.channels.base import ChannelError, Credentials, Json
from scrm.channels.channel import Channel
from scrm.channels.connector import (
    Authorization,
    Callback,
    Connected,
    ConnectError,
    ConnectForm,
    Connector,
    Renewed,
)
from tests.crm.pigeon_letters import PigeonListener, PigeonSpeaker

TWO_HOURS = timedelta(hours=2)


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
    return _connected(typed["loft"], {"word": word}, street=typed["street"])


def _connected(loft: str, secrets: Json, *, street: str) -> Connected:
    return Connected(
        network="pigeon",
        self_key=loft,
        address=f"{loft} 1",
        name=f"Loft {loft}",
        secrets=secrets,
        config={"street": street},
        sources_to_open={"roof": f"{loft}: roof", "window": f"{loft}: window"},
        expires_at=timezone.now() + TWO_HOURS if "ticket" in secrets else None,
    )


def nothing() -> None: ...


@dataclass
class Gate:
    """The gate of the pigeon post, where tickets are issued and renewed.

    address: the page of the gate.
    renewals: how many renewals were requested. spent: the tickets that were renewed.
    meanwhile: is called during each renewal, after the gate has renewed the ticket and before it
    answers.
    """

    address: str = "https://gate.example/allow"
    renewals: int = 0
    spent: set[str] = field(default_factory=set)
    meanwhile: Callable[[], None] = nothing
    lock: Lock = field(default_factory=Lock)

    def renew(self, ticket: str) -> str:
        with self.lock:
            self.renewals += 1
            was_spent = ticket in self.spent
            self.spent.add(ticket)
        self.meanwhile()
        if was_spent:
            raise ChannelError("The gate does not know this ticket.", permanent=True)
        return f"{ticket}+"


GATE = Gate()


class Tickets:
    """The OAuth login. The gate sends the user back with a code: the name of a loft."""

    def start(
        self, typed: Json, known: Credentials | None, callback: Callback
    ) -> Authorization | None:
        if typed["word"] or (known and "word" in known.secrets):
            return None
        url = f"{GATE.address}?back={callback.url}&state={callback.state}"
        return Authorization(url, kept={"verifier": "hush", "street": typed["street"]})

    def finish(
        self, answer: Mapping[str, str], kept: Json, known: Credentials | None, callback: Callback
    ) -> Connected:
        if kept["verifier"] != "hush" or answer["state"] != callback.state:
            raise ConnectError(("", "The gate does not know you."))
        GATE.meanwhile()
        if not answer.get("code"):
            raise ConnectError(("", "The gate gave no ticket."))
        return _connected(answer["code"], {"ticket": "first-ticket"}, street=kept["street"])


def renew(credentials: Credentials) -> Renewed:
    ticket = GATE.renew(credentials.secrets["ticket"])
    return Renewed({"ticket": ticket}, expires_at=timezone.now() + TWO_HOURS)


CHANNEL = Channel(
    kind="pigeon",
    label="Pigeon post",
    listener=PigeonListener(),
    speaker=PigeonSpeaker(),
    visibilities=("public",),
    hears="letters on the roof",
    says="letters",
    connector=Connector(
        label="Pigeon loft",
        title="Connect a pigeon loft",
        about="Letters arrive on the roof.",
        form=LoftForm,
        connect=connect,
        oauth=Tickets(),
        renew=renew,
    ),
)
