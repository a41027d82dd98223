"""Receive events: a network says that a source has something new, so that it is fetched at once.

Nothing of an event is stored except its key. The items are fetched by the listener as always, with
its cursor and within its budget.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from crm import spending
from crm.models import Account
from listening.models import Source, WebhookDelivery
from listening.models.source import EVENT_PAUSE
from listening.webhooks import Answer
from scrm.bus.nudge import nudge
from scrm.channels.base import Json
from scrm.channels.events import Event, Events
from scrm.db.locks import locked
from scrm.db.retry import again

Fate = WebhookDelivery.Fate


@dataclass(frozen=True, slots=True)
class _Receiver:
    """An account that can receive events. sources: its sources of which events are reported."""

    account: Account
    events: Events
    sources: Mapping[str, Source]

    @classmethod
    def at(cls, address: uuid.UUID) -> _Receiver | None:
        account = Account.objects.active().filter(uuid=address).first()
        events = account.channel.events if account else None
        if account is None or events is None:
            return None
        sources = Source.objects.filter(account=account, address__in=events.addresses)
        return cls(account, events, {source.address: source for source in sources})

    def count(self, fate: Fate, reason: str, *, size: int, now: datetime) -> None:
        """Count an event that concerns no source, on the page of the first source."""
        if self.sources:
            first = min(self.sources.values(), key=lambda source: source.pk)
            WebhookDelivery.count(first, fate, reason, size=size, now=now)


def challenge(address: uuid.UUID, query: Mapping[str, str]) -> Json | None:
    """Return the answer to a network that checks the address; None if the request is not valid."""
    receiver = _Receiver.at(address)
    return receiver.events.challenge(receiver.account.credentials, query) if receiver else None


def receive(
    address: uuid.UUID, body: bytes, headers: Mapping[str, str], *, now: datetime | None = None
) -> Answer:
    """Check an event, make its source due, and return the answer.

    address: the UUID of the account. headers: with names in lower case.
    """
    now = now or timezone.now()
    receiver = _Receiver.at(address)
    if receiver is None:
        return Answer(404, "No account receives events at this address.")
    credentials = receiver.account.credentials
    if not receiver.events.is_signed(credentials, body, headers):
        reason = "The signature was not made with the key of this account."
        receiver.count(Fate.FORGED, reason, size=len(body), now=now)
        return Answer(401, reason)
    try:
        event = receiver.events.read(credentials, body)
    except ValueError as error:
        receiver.count(Fate.INVALID, f"{error}.", size=len(body), now=now)
        return Answer(422, "The event is not valid.", (str(error),))
    source = receiver.sources.get(event.address)
    if source is None:
        reason = "No source of this account is fetched for events of this type."
        receiver.count(Fate.INVALID, reason, size=len(body), now=now)
        return Answer(200, reason)
    return _accept(receiver, source, event, size=len(body), now=now)


def _accept(
    receiver: _Receiver, source: Source, event: Event, *, size: int, now: datetime
) -> Answer:
    earlier = source.webhook_deliveries.filter(fate=Fate.ACCEPTED, webhook_id=event.key)
    if earlier.exists():
        reason = "This event was accepted before."
        WebhookDelivery.count(source, Fate.DUPLICATE, reason, size=size, now=now)
        return Answer(200, reason)
    # In its own transaction and first, so that a sudden end leaves the sum too high, never too low.
    usage = receiver.events.usage
    again(lambda: spending.book(receiver.account, source.address, usage, now=now))
    again(lambda: _keep(source, event, size=size, now=now))
    return Answer(200, "Accepted.")


@transaction.atomic
def _keep(source: Source, event: Event, *, size: int, now: datetime) -> None:
    """Store the key of the event, and make the source due."""
    # A fetch that ends now either sees this event, or has ended before the source is woken.
    row = locked(Source.objects.filter(pk=source.pk)).get()
    row.webhook_deliveries.all().prune(now=now)
    row.webhook_deliveries.get_or_create(
        fate=Fate.ACCEPTED, webhook_id=event.key, defaults={"at": now, "size": size}
    )
    _wake(row, now=now)


def _wake(source: Source, *, now: datetime) -> None:
    """Make a source due, but not so soon after its last fetch.

    A source that fails or waits for a budget keeps its time. If a fetch is running, its end decides
    (`Source.interval`).
    """
    due = max(now, source.fetched_at + EVENT_PAUSE)
    if source.error or source.next_fetch_at <= due:
        return
    source.fetch_now(now=due)
    if due == now:
        nudge("scrm.pipeline.poll", source.pk)
