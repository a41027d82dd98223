"""X reports that something is new: signed, once, and followed by a fetch within limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from django.urls import reverse

from crm.models import Account, Spending, User
from listening.fetch import fetch_source
from listening.models import Fetch, Mention, Source
from scrm.channels.base import ChannelError
from scrm.net import http
from scrm.net.addresses import networks
from scrm.web.request_limits import limit_of
from tests.standins.x import XServer
from tests.standins.x_events import SIGNATURE

pytestmark = pytest.mark.django_db(transaction=True)
As = Callable[[User], Client]
NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
KEYS = {
    "api_key": "key-of-app", "api_key_secret": "secret-of-app",
    "access_token": "100-token", "access_token_secret": "secret-of-token",
}  # fmt: skip
PUBLIC = "https://crm.example"
MENTION, MESSAGE = "post.mention.create", "dm.received"


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> Iterator[XServer]:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    with XServer() as server:
        server.keys["key-of-app", "100-token"] = ("100", "secret-of-app", "secret-of-token")
        yield server


@pytest.fixture
def account(x: XServer, admin: User) -> Account:
    config = {"api": x.url, "login": "oauth1", "handle": "acme", "access": "self-serve"}
    return Account.objects.create(
        kind="x", network="x", self_key="100", address="@acme", name="Acme", secrets=KEYS,
        config=config | {"sources": ["mentions", "quotes", "messages"]}, owner=admin,
    )  # fmt: skip


@pytest.fixture
def mentions(account: Account, make_source: Callable[..., Source]) -> Source:
    later = NOW + timedelta(minutes=9)
    return make_source(
        kind="x", address="mentions", account=account, stance="for us", rhythm=60,
        created_at=NOW - timedelta(days=30), next_fetch_at=later,
    )  # fmt: skip


@pytest.fixture
def public(x: XServer, settings: Any, live_server: Any) -> None:
    """Our public address, behind which the live server is."""
    settings.PUBLIC_URL = PUBLIC
    x.reach[PUBLIC] = live_server.url


def address(account: Account) -> str:
    return reverse("listening:events", args=[account.uuid])


def send(account: Account, body: bytes, signature: str) -> Any:
    return Client(enforce_csrf_checks=True).post(
        address(account), body, content_type="application/json", headers={SIGNATURE: signature}
    )


def report(x: XServer, account: Account, kind: str = MENTION, number: str = "") -> Any:
    body = x.event(kind, "100", number)
    return send(account, body, x.sign("key-of-app", body))


def fates(source: Source) -> list[tuple[str, int]]:
    return [(row.fate, row.times) for row in source.webhook_deliveries.order_by("pk")]


def booked(account: Account) -> int:
    row = Spending.objects.filter(account=account, operation="activity event").first()
    return row.uses if row else 0


def next_fetch(source: Source) -> datetime:
    source.refresh_from_db()
    return source.next_fetch_at


# Received


def test_a_signed_event_makes_its_source_due(
    clock: time_machine.Coordinates, x: XServer, account: Account, mentions: Source
) -> None:
    assert report(x, account).status_code == 200
    assert next_fetch(mentions) == NOW
    assert fates(mentions) == [("accepted", 1)]
    assert booked(account) == 1
    assert not Mention.objects.exists(), "items come only from a fetch"


def test_the_items_are_fetched_as_always(
    x: XServer, account: Account, make_source: Callable[..., Source]
) -> None:
    source = make_source(
        kind="x", address="mentions", account=account, stance="for us",
        created_at=datetime.now(UTC) - timedelta(days=2),
        next_fetch_at=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    x.post("200", "@acme where is my bag?")
    assert fetch_source(source) is None
    assert report(x, account).status_code == 200
    source.refresh_from_db()
    fetch = fetch_source(source)
    assert fetch
    assert fetch.new == 1
    assert Mention.objects.get().text == "@acme where is my bag?"


def test_a_repeated_event_counts_once(
    clock: time_machine.Coordinates, x: XServer, account: Account, mentions: Source
) -> None:
    """Fails without the look-up of the key."""
    for _ in range(3):
        assert report(x, account, number="event-1").status_code == 200
    assert fates(mentions) == [("accepted", 1), ("duplicate", 2)]
    assert booked(account) == 1


@pytest.mark.parametrize("signature", ["", "sha256=", "sha256=AAAA", "é", "other key"])
def test_a_forged_event_changes_nothing(
    clock: time_machine.Coordinates, x: XServer, account: Account, mentions: Source, signature: str
) -> None:
    """Fails without the check of the signature."""
    body = x.event(MENTION, "100")
    x.keys["other", "t"] = ("100", "secret-of-another-app", "t")
    forged = x.sign("other", body) if signature == "other key" else signature
    assert send(account, body, forged).status_code == 401
    assert next_fetch(mentions) > NOW
    assert fates(mentions) == [("forged", 1)]
    assert not booked(account)


def test_a_torn_event_is_refused(
    clock: time_machine.Coordinates, x: XServer, account: Account, mentions: Source
) -> None:
    body = x.event(MENTION, "100")
    assert send(account, body[:50], x.sign("key-of-app", body)).status_code == 401
    assert send(account, body[:50], x.sign("key-of-app", body[:50])).status_code == 422
    assert next_fetch(mentions) > NOW


@pytest.mark.parametrize("body", [
    b"", b"7", b"[" * 5000, b'{"data": []}', b'{"data": {}}', b"\xff",
    b'{"data": {"event_uuid": "\\ud800", "filter": {"user_id": "100"}}}',
    b'{"data": {"event_uuid": "1", "event_type": {}, "filter": "100"}}',
    json.dumps({"data": {"event_uuid": "1" * 200, "filter": {"user_id": "100"}}}).encode(),
])  # fmt: skip
def test_a_signed_text_that_is_no_event_is_refused(
    clock: time_machine.Coordinates, x: XServer, account: Account, mentions: Source, body: bytes
) -> None:
    assert send(account, body, x.sign("key-of-app", body)).status_code == 422
    assert fates(mentions) == [("invalid", 1)]


def test_an_event_of_another_account_is_refused(
    clock: time_machine.Coordinates, x: XServer, account: Account, mentions: Source
) -> None:
    body = x.event(MENTION, "200")
    assert send(account, body, x.sign("key-of-app", body)).status_code == 422
    assert next_fetch(mentions) > NOW


def test_an_event_without_a_source_is_only_counted(
    clock: time_machine.Coordinates, x: XServer, account: Account, mentions: Source
) -> None:
    """X must not get an error for it, because it ends webhooks that answer with errors."""
    assert report(x, account, "like.create").status_code == 200
    assert report(x, account, MESSAGE).status_code == 200
    assert fates(mentions) == [("invalid", 2)]
    assert next_fetch(mentions) > NOW


def test_unknown_and_inactive_accounts_and_those_without_keys(
    x: XServer, account: Account, mentions: Source
) -> None:
    unknown = reverse("listening:events", args=[uuid4()])
    assert Client().post(unknown, b"{}", content_type="application/json").status_code == 404
    body = x.event(MENTION, "100")
    account.secrets = {"access_token": "t"}
    account.save()
    x.keys["empty", "t"] = ("100", "", "t")
    assert send(account, body, x.sign("empty", body)).status_code == 401, "an empty key is no key"
    account.is_active = False
    account.save()
    assert report(x, account).status_code == 404


def test_an_event_has_at_most_64_kilobytes(account: Account) -> None:
    assert limit_of(address(account)) == 64 * 1024


def test_x_checks_the_address(x: XServer, account: Account) -> None:
    answer = Client().get(address(account), {"crc_token": "bWFtbWE=", "nonce": "n"})
    assert answer.json() == {"response_token": x.sign("key-of-app", b"bWFtbWE=")}


def test_the_check_signs_no_event(x: XServer, account: Account, mentions: Source) -> None:
    """The answer to the check is a signature, which must not be usable for an event.

    Fails without the pattern of the token.
    """
    body = x.event(MENTION, "100")
    for token in (body.decode(), "", "a" * 201, "a b", "ä", "{}"):
        answer = Client().get(address(account), {"crc_token": token})
        assert (answer.status_code, answer.json()) == (400, {"message": "Not valid."})
    assert Client().get(address(account)).status_code == 400


# How often sources are fetched


def test_a_burst_causes_one_fetch_a_minute(
    clock: time_machine.Coordinates, x: XServer, account: Account, mentions: Source
) -> None:
    """1,000 events in 100 seconds. Fails without EVENT_PAUSE."""
    account.keep_with({"events": "1"})
    for second in range(240):
        clock.move_to(NOW + timedelta(seconds=second))
        for _ in range(10 if second < 100 else 0):
            assert report(x, account).status_code == 200
        fetch_source(Source.objects.get(pk=mentions.pk))
    begun = Fetch.objects.order_by("pk").values_list("started_at", flat=True)
    assert [(at - NOW).total_seconds() for at in begun] == [0, 60, 120]
    assert booked(account) == 1000


def test_an_event_during_a_fetch_is_not_forgotten(
    clock: time_machine.Coordinates, x: XServer, account: Account, mentions: Source
) -> None:
    """Fails without the look at the deliveries in `interval`."""
    account.keep_with({"events": "1"})
    mentions.fetch_now(now=NOW)
    fetch = mentions.start_fetch(now=NOW)
    assert fetch
    clock.shift(5)
    report(x, account)
    with transaction.atomic():
        source = fetch.fence()
        assert source
        source.record_success(cursor={}, next_after=None, now=NOW + timedelta(seconds=10))
    assert next_fetch(mentions) == NOW + timedelta(seconds=60)


def test_a_source_with_events_is_polled_seldom(
    x: XServer, account: Account, mentions: Source
) -> None:
    """Other sources of the account are fetched as before."""
    quotes = Source(kind="x", address="quotes", account=account, rhythm=60, created_at=NOW)
    late = NOW + timedelta(days=9)
    assert mentions.interval(None, now=late) == 60
    account.keep_with({"events": "1"})
    assert [row.interval(None, now=late) for row in (mentions, quotes)] == [600, 60]
    assert mentions.interval(900, now=late) == 900


def test_a_failing_source_keeps_its_pause(
    clock: time_machine.Coordinates, x: XServer, account: Account, mentions: Source
) -> None:
    """For example after X asked for less frequent requests."""
    mentions.record_failure(ChannelError("429", retry_after=900), now=NOW)
    assert report(x, account).status_code == 200
    assert next_fetch(mentions) == NOW + timedelta(seconds=900)


def test_the_page_of_the_source_shows_events(
    x: XServer, account: Account, mentions: Source, as_: As, admin: User
) -> None:
    report(x, account, number="event-7")
    page = as_(admin).get(mentions.get_absolute_url()).content.decode()
    assert "Latest deliveries" in page
    assert "event-7" in page


# The button


def press(client: Client, account: Account, to: str) -> Any:
    return client.post(reverse("crm:account_events", args=[account.pk]), {"to": to})


@pytest.mark.usefixtures("public")
def test_events_are_started_and_stopped_at_the_button(
    x: XServer, account: Account, make_source: Callable[..., Source], as_: As, admin: User
) -> None:
    client, page = as_(admin), reverse("crm:account", args=[account.pk])
    later = datetime.now(UTC) + timedelta(hours=1)
    for name in ("mentions", "messages"):
        make_source(kind="x", address=name, account=account, next_fetch_at=later)
    assert "Receive events from X" in client.get(page).content.decode()
    assert press(client, account, "start").status_code == 302
    account.refresh_from_db()
    (webhook,) = x.webhooks.values()
    assert (account.config["events"], webhook["valid"]) == (webhook["id"], True)
    assert webhook["url"] == f"{PUBLIC}{address(account)}"
    assert [x.report(kind, "100") for kind in (MENTION, MESSAGE)] == [[200], [200]]
    assert all(next_fetch(source) < later for source in Source.objects.all())
    assert "Stop events" in client.get(page).content.decode()

    assert press(client, account, "stop").status_code == 302
    account.refresh_from_db()
    assert "events" not in account.config
    assert not x.webhooks
    assert not x.subscriptions


@pytest.mark.usefixtures("public")
def test_an_error_of_x_is_shown_at_the_button(
    x: XServer, account: Account, as_: As, admin: User
) -> None:
    x.most_webhooks = 0
    answer = press(as_(admin), account, "start")
    assert answer.status_code == 422
    assert "WebhookLimitExceeded" in answer.content.decode()
    account.refresh_from_db()
    assert "events" not in account.config


@pytest.mark.usefixtures("public")
def test_a_second_attempt_does_only_what_is_missing(
    x: XServer, account: Account, as_: As, admin: User
) -> None:
    x.fault("/2/activity/subscriptions", method="POST", status=503, after=1)
    assert press(as_(admin), account, "start").status_code == 422
    assert press(as_(admin), account, "start").status_code == 302
    assert len(x.webhooks) == 1
    assert sorted(row["event_type"] for row in x.subscriptions.values()) == [MESSAGE, MENTION]


@pytest.mark.usefixtures("public")
def test_events_end_here_even_if_x_does_not_confirm_it(
    x: XServer, account: Account, mentions: Source, as_: As, admin: User
) -> None:
    press(as_(admin), account, "start")
    x.fault("/oauth2/token", status=503)
    answer = press(as_(admin), account, "stop")
    assert answer.status_code == 422
    assert "did not confirm the end of the events" in answer.content.decode()
    assert mentions.interval(None, now=NOW + timedelta(days=9)) == 60


@pytest.mark.parametrize("public_url", ["http://crm.example", "https://crm.example:8443"])
def test_without_a_public_address_there_is_no_button(
    account: Account, as_: As, admin: User, settings: Any, public_url: str
) -> None:
    settings.PUBLIC_URL = public_url
    page = as_(admin).get(reverse("crm:account", args=[account.pk])).content.decode()
    assert "Receive events from X" not in page
    assert "public https address" in page
    assert press(as_(admin), account, "start").status_code == 422


def test_another_login_has_no_button(account: Account, as_: As, admin: User, settings: Any) -> None:
    settings.PUBLIC_URL = PUBLIC
    account.secrets = {"access_token": "t"}
    account.save()
    page = as_(admin).get(reverse("crm:account", args=[account.pk])).content.decode()
    assert "Receive events from X" not in page
    assert "OAuth 1.0a" in page
