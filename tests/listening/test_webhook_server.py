"""Deliveries over the real server: sizes that strangers may send, and bodies that never end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from crm.models import User
from listening import webhooks
from listening.models import Mention, Source
from listening.views.webhook import MAX_DELIVERY
from scrm import asgi
from scrm.channels.webhook.signature import sign
from scrm.web.wsgi_bridge import Pages
from tests.serving import Serving, everything, serving, statuses

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def source(make_source: Callable[..., Source], admin: User) -> Source:
    row = make_source(kind="webhook", address=str(uuid4()), stance="for us")
    webhooks.add_secret(row, by=admin)
    return row


@pytest.fixture
def server(source: Source, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    pages = Pages(asgi.pages, threads=1)
    monkeypatch.setattr(asgi, "_pages", pages)
    with serving(asgi.application) as server:
        yield server
        pages.threads.submit(connections.close_all).result()


def head(source: Source, body: bytes, length: int) -> bytes:
    secret = source.webhook_secrets.get().secret
    signed = sign(secret, "msg_1", body, now=timezone.now())
    lines = [f"POST /webhooks/{source.address}/ HTTP/1.1", "Host: localhost",
             f"Content-Length: {length}", "Content-Type: application/json",
             *(f"{name}: {value}" for name, value in signed.items())]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()


def delivery(size: int) -> bytes:
    body = json.dumps({"items": [{"id": 1, "kind": "message", "text": "Hi"}]})
    return body.encode().ljust(size)


def test_a_stranger_sends_up_to_the_limit_and_no_more(server: Serving, source: Source) -> None:
    """A delivery of 256 KB is accepted without a login, and a larger one is refused.

    Fails if the server asks for a session, or if a public view cannot have a limit of its own.
    """
    body = delivery(MAX_DELIVERY)
    with server.connect(head(source, body, len(body))) as sock:
        sock.sendall(body)
        assert statuses(everything(sock)) == [200]
    with server.connect(head(source, body, len(body) + 1)) as sock:
        with suppress(OSError):
            sock.sendall(body + b" ")
        assert statuses(everything(sock)) == [413]
    assert Mention.objects.count() == 1


def test_a_torn_delivery_stores_nothing(server: Serving, source: Source) -> None:
    """If the connection ends before the declared length has arrived, nothing is stored.

    Fails if a view gets a body that is not complete, although what arrived is signed and valid.
    """
    body = delivery(0)
    with server.connect(head(source, body, len(body) + 10)) as sock:
        sock.sendall(body)
    assert statuses(server.ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")) == [200]
    assert not Mention.objects.exists()
    assert not source.webhook_deliveries.exists()
