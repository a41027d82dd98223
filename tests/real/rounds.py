"""What staff and workers do between two mails, as functions that the tests call directly.

Therefore no worker processes are needed.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from listening.models import Source
from responses.models import Delivery, Response
from routing.models import Case
from scrm import pipeline


def hear() -> Source:
    """Fetch our mailbox until it contains no new mail, and process all mails."""
    for _ in range(20):
        Source.objects.update(next_fetch_at=timezone.now(), lease_until=None)
        source = Source.objects.get()
        pipeline.poll(source.pk)
        pipeline.process()
        source.refresh_from_db()
        if source.next_fetch_at > timezone.now():
            return source
    raise AssertionError("there is always more")


def answer(browser: Client, case: Case, text: str, **more: Any) -> Response:
    """Answer a case with the reply form, and return the released response."""
    case.refresh_from_db()
    page = browser.get(reverse("responses:composer", args=[case.pk]))
    place = page.context["form"].fields["place"].choices[0][0]
    form = uuid.uuid4()
    typed = {"form": form, "seen": case.last_inbound_id or "", "place": place, "text": text}
    sent = browser.post(reverse("responses:reply", args=[case.pk]), typed | more)
    assert sent.status_code == 302, sent.content.decode()
    return Response.objects.get(uuid=form)


def send(response: Response) -> Delivery:
    """Make the delivery of a response due, and send it."""
    delivery = response.deliveries.get()
    Delivery.objects.filter(pk=delivery.pk).update(send_after=timezone.now())
    pipeline.deliver(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def page(browser: Client, url: str) -> str:
    answer = browser.get(url)
    assert answer.status_code == 200
    return str(answer.content.decode())
