"""Toll: a made-up network for tests that charges for each item read and for each text sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from crm.models import Account
from scrm.channels.base import (
    Author,
    Batch,
    ChannelError,
    Credentials,
    FetchRequest,
    Item,
    Lookup,
    Outgoing,
    Receipt,
)
from scrm.channels.channel import ItemCost
from scrm.channels.prices import PriceList
from scrm.channels.registry import channel

PRICES = PriceList(
    date(2026, 11, 1),
    "https://toll.example/prices",
    {"post read": 10_000, "user read": 5_000, "post": 15_000, "link": 200_000, "delete": 10_000},
)
ITEM = 15_000
"""The most that one item costs."""


class Toll:
    """The network. posts: address → keys of its posts. charged: what it has charged in total.

    people: how many authors an answer has; None if each post has its own.
    """

    def __init__(self) -> None:
        self.posts: dict[str, list[str]] = {}
        self.requests: list[FetchRequest] = []
        self.sent: list[str] = []
        self.charged = 0
        self.people: int | None = None
        self.error: ChannelError | None = None
        self.looked_up: Receipt | Lookup | ChannelError = Lookup.CANNOT_TELL

    def listen(self, request: FetchRequest) -> Batch:
        self.requests.append(request)
        if self.error:
            raise self.error
        start = request.cursor.get("seq", 0)
        found = self.posts.get(request.address, [])[start:][: request.max_items]
        people = len(found) if self.people is None else min(self.people, len(found))
        usage = {"post read": len(found), "user read": people} if found else {}
        self.charged += PRICES.cost(usage)
        cursor = {"seq": start + len(found)}
        items = tuple(
            Item("toll", key, Author("toll", f"author of {key}"), f"Words of {key}")
            for key in found
        )
        return Batch(items=items, cursor=cursor, usage=usage, unchanged=not items)

    def discover(self, address: str, credentials: Any = None) -> list[Any]:
        return []

    def idempotence(self, credentials: Credentials) -> str:
        return "lookup"

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        if self.error:
            raise self.error
        self.sent.append(outgoing.text)
        usage = most_of_text(outgoing)
        self.charged += PRICES.cost(usage)
        return Receipt(credentials.network, outgoing.nonce, usage=usage)

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Receipt | Lookup:
        if isinstance(self.looked_up, ChannelError):
            raise self.looked_up
        return self.looked_up

    def amend(self, credentials: Credentials, receipt: Receipt, outgoing: Outgoing) -> Receipt:
        return self.send(credentials, outgoing)

    def withdraw(self, credentials: Credentials, receipt: Receipt) -> None:
        self.charged += PRICES.cost({"delete": 1})


def most_of_text(outgoing: Outgoing) -> dict[str, int]:
    return {"link": 1} if "https://" in outgoing.text else {"post": 1}


def install(monkeypatch: pytest.MonkeyPatch) -> Toll:
    """Make every account and source of the kind "sandbox" use this network; return the network."""
    toll = Toll()
    plug = replace(
        channel("sandbox"),
        label="Toll",
        listener=toll,
        speaker=toll,
        editor=toll,
        prices=PRICES,
        item_cost=lambda address: ItemCost(
            {"post read": 1, "user read": 1}, fewest=10 if address.startswith("search") else 1
        ),
        send_usage=most_of_text,
        lookup_usage=lambda _text: {"post read": 5},
        removal_usage=lambda _text: {"delete": 1},
    )  # fmt: skip
    monkeypatch.setattr(Account, "channel", plug)
    monkeypatch.setattr("listening.models.source.channel", lambda _kind: plug)
    return toll
