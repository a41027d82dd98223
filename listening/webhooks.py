"""Receive the deliveries of tools that send their items to us, and create such sources.

A delivery is answered with 200 only after its items are committed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm.models import User
from listening.fetch import store
from listening.models import Fetch, Source, WebhookDelivery, WebhookSecret
from scrm.bus.nudge import nudge
from scrm.channels.webhook.examples import example
from scrm.channels.webhook.read import NETWORK, Reading, read
from scrm.channels.webhook.signature import ID, Unverified, new_secret, sign, verify
from scrm.db.locks import locked
from scrm.db.retry import again

KIND = NETWORK
MAX_SECRETS = 2
PAUSED_RETRY_SECONDS, RATE_RETRY_SECONDS = 300, 10
_MAX_ID = 200
Fate = WebhookDelivery.Fate


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a delivery: an HTTP status, a sentence, and the errors at single fields.

    retry_after: the number of seconds after which the sender should send again; None if the sender
    need not wait.
    """

    status: int
    message: str
    errors: tuple[str, ...] = ()
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A delivery whose signature is valid."""

    webhook_id: str
    size: int
    reading: Reading


def receive(
    address: uuid.UUID, body: bytes, headers: Mapping[str, str], *, now: datetime | None = None
) -> Answer:
    """Check a delivery, store its items, and return the answer.

    address: the UUID in the URL to which the delivery was sent.
    """
    now = now or timezone.now()
    source = Source.objects.filter(kind=KIND, address=str(address)).first()
    if source is None:
        return _unknown()
    try:
        # Before anything is read: only the holder of a secret may cost us more than this.
        verify(body, headers, source.webhook_secrets.values_list("secret", flat=True), now=now)
    except Unverified as refused:
        WebhookDelivery.count(source, refused.fate, refused.message, size=len(body), now=now)
        return Answer(401, refused.message)
    # Outside the transaction, because reading must not hold the lock of the source.
    delivery = _Delivery(headers[ID], len(body), _read(headers[ID], body, source))
    return again(lambda: _take(source.pk, delivery, now=now))


def _read(webhook_id: str, body: bytes, source: Source) -> Reading:
    if len(webhook_id) > _MAX_ID:
        return Reading(errors=(f"webhook-id: expected at most {_MAX_ID} characters",))
    return read(body, source.address)


def _unknown() -> Answer:
    return Answer(404, "There is no webhook at this address.")


@transaction.atomic
def _take(pk: int, delivery: _Delivery, *, now: datetime) -> Answer:
    """Store the items of a signed delivery together with its fate."""
    # The lock makes deliveries to one source wait for each other, so that the same id counts once
    # and the rate is exact.
    source = locked(Source.objects.filter(pk=pk)).first()
    if source is None:
        return _unknown()
    if refused := _refuse_for_now(source, delivery, now):
        return refused
    source.webhook_deliveries.all().prune(now=now)
    earlier = source.webhook_deliveries.filter(fate=Fate.ACCEPTED, webhook_id=delivery.webhook_id)
    if earlier.exists():
        _keep(source, delivery, Fate.DUPLICATE, now=now)
        return Answer(200, "This delivery was accepted before. Nothing was changed.")
    if delivery.reading.errors:
        return _refuse_invalid(source, delivery, now)
    return _accept(source, delivery, now)


def _refuse_for_now(source: Source, delivery: _Delivery, now: datetime) -> Answer | None:
    """Return the answer to a delivery that must be sent again later, else None."""
    if not source.is_active:
        fate, status, wait = Fate.PAUSED, 503, PAUSED_RETRY_SECONDS
        message = "This source is paused. Send again later."
    elif source.webhook_deliveries.all().is_too_fast(now=now):
        fate, status, wait = Fate.TOO_FAST, 429, RATE_RETRY_SECONDS
        message = "Too many deliveries in a short time. Send again later, or several items at once."
    else:
        return None
    WebhookDelivery.count(source, fate, message, size=delivery.size, now=now)
    return Answer(status, message, retry_after=wait)


def _refuse_invalid(source: Source, delivery: _Delivery, now: datetime) -> Answer:
    errors = delivery.reading.errors
    _keep(source, delivery, Fate.INVALID, now=now, reasons=list(errors))
    source.record_delivery(now=now, error=f"The last delivery was not valid. {errors[0]}.")
    return Answer(422, "The delivery is not valid. Nothing was stored.", errors)


def _accept(source: Source, delivery: _Delivery, now: datetime) -> Answer:
    items = delivery.reading.items
    fetch = source.fetches.create(started_at=now, found=len(items), size=delivery.size)
    fetch.new = store(fetch, source, items, now=now)
    fetch.quarantined = fetch.quarantined_items.count()
    fetch.end(Fetch.Outcome.OK if fetch.new else Fetch.Outcome.UNCHANGED, now=now)
    _keep(source, delivery, Fate.ACCEPTED, now=now, fetch=fetch)
    source.record_delivery(now=now)
    if fetch.new:
        nudge("scrm.pipeline.process")
    return Answer(200, f"Accepted: {fetch.new} new of {fetch.found}.")


def _keep(source: Source, delivery: _Delivery, fate: str, *, now: datetime, **facts: Any) -> None:
    webhook_id = delivery.webhook_id[:_MAX_ID]
    source.webhook_deliveries.create(
        fate=fate, webhook_id=webhook_id, at=now, size=delivery.size, **facts
    )


@transaction.atomic
def add_secret(source: Source, *, by: User) -> str | None:
    """Create a further secret of a source and return it.

    Returns None if the source has two secrets already: then the older one must be removed first.
    """
    locked(Source.objects.filter(pk=source.pk)).get()
    if source.webhook_secrets.count() >= MAX_SECRETS:
        return None
    secret = new_secret()
    source.webhook_secrets.create(secret=secret, made_by=by)
    return secret


@transaction.atomic
def remove_secret(source: Source, secret: int) -> bool:
    """Remove the secret with this id. Returns whether it was removed; the last one never is."""
    locked(Source.objects.filter(pk=source.pk)).get()
    if source.webhook_secrets.count() < MAX_SECRETS:
        return False
    deleted, _rows = source.webhook_secrets.filter(pk=secret).delete()
    return deleted > 0


def send_test(source: Source, *, now: datetime) -> Answer:
    """Send a signed example to a source, through the same code that receives deliveries."""
    body = json.loads(example("message"))
    name = f"test-{uuid.uuid4()}"
    facts = {"id": name, "thread": name, "title": "Test of the webhook"}
    body["items"][0].update(facts, occurred_at=now.isoformat())
    raw = json.dumps(body).encode()
    newest: WebhookSecret = source.webhook_secrets.latest("pk")
    return receive(uuid.UUID(source.address), raw, sign(newest.secret, name, raw, now=now), now=now)
