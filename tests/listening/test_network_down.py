"""A network is down for an hour: the pages say so, nothing is lost or doubled, no other suffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from crm.models import Account, Department, Interaction, User
from listening.fetch import fetch_source
from listening.models import Source
from responses import outbox
from responses.compose import Words, places_for, reply
from responses.models import Delivery
from routing.models import Case
from scrm import pipeline
from scrm.channels.mastodon.client import network_of
from scrm.net import http
from scrm.net.addresses import networks
from tests.standins.mastodon import DOMAIN, TOKEN, Fault, MastodonServer

pytestmark = pytest.mark.django_db(transaction=True)
As = Callable[[User], Client]
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def net(
    clock: time_machine.Coordinates, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MastodonServer]:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    with MastodonServer() as server:
        yield server


@pytest.fixture
def account(net: MastodonServer, admin: User, service: Department) -> Account:
    account = Account.objects.create(
        kind="mastodon", network=network_of(net.url), self_key=net.us["id"], owner=admin,
        address=f"@us@{DOMAIN}", name=f"@us@{DOMAIN}", secrets={"token": TOKEN},
        config={"api": net.url, "domain": DOMAIN},
    )  # fmt: skip
    service.accounts.add(account)
    return account


@pytest.fixture
def mentions(account: Account, make_source: Callable[..., Source]) -> Source:
    return make_source(
        kind="mastodon", address="mentions", account=account, stance="for us", rhythm=60,
        created_at=NOON - timedelta(days=30), cases_since=NOON - timedelta(days=30),
    )  # fmt: skip


def fetch_all_due() -> None:
    while fetch_source():
        pass
    pipeline.process()


def send_all_due() -> None:
    now = datetime.now(UTC)
    for delivery in Delivery.objects.due(now).select_related("account"):
        outbox.deliver(delivery)
    for delivery in Delivery.objects.to_settle(now).select_related("account"):
        outbox.settle(delivery)


@pytest.mark.parametrize("how", ["closed", 503, "slow answers"])
def test_an_hour_without_the_network_loses_and_doubles_nothing(
    net: MastodonServer, mentions: Source, microblog: Account, make_source: Callable[..., Source],
    clock: time_machine.Coordinates, agent: User, admin: User, as_: As, how: int | str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Fails if a fetch fails without a line on its page, or if another source waits for it."""
    other = make_source(kind="sandbox", address="mentions", account=microblog, stance="for us")
    ann = net.account("ann")
    net.write(ann, "@us before")
    fetch_all_due()
    case = Case.objects.get()

    monkeypatch.setattr("scrm.channels.mastodon.client.SECONDS", 0.3)
    net.faults.append(Fault("", "slow" if how == "slow answers" else how, times=10**6))
    place = next(each for each in places_for(case) if each.visibility == "public")
    words = Words(uuid4(), "We are on it.", "public", seen=case.last_inbound_id)
    answer = reply(case, words, place=place, by=agent)
    for minute in range(60):
        clock.move_to(NOON + timedelta(minutes=minute))
        net.write(ann, f"@us minute {minute}")
        fetch_all_due()
        send_all_due()
    mentions.refresh_from_db()
    other.refresh_from_db()
    assert mentions.failures > 2
    assert mentions.next_fetch_at <= NOON + timedelta(hours=7)
    assert other.failures == 0
    assert other.last_ok_at
    assert other.last_ok_at > NOON + timedelta(minutes=50)
    page = as_(admin).get(mentions.get_absolute_url()).content.decode()
    assert ">failing<" in page
    assert mentions.error
    assert Interaction.objects.filter(direction="in").count() == 1
    waiting = answer.deliveries.get()
    assert (waiting.state, waiting.error != "") == ("queued", True)
    page = as_(agent).get(reverse("responses:case_responses", args=[case.pk])).content.decode()
    assert escape(waiting.error) in page
    assert "Next attempt:" in page

    net.faults.clear()
    for minute in range(60, 8 * 60, 10):
        clock.move_to(NOON + timedelta(minutes=minute))
        fetch_all_due()
        send_all_due()
    heard = list(Interaction.objects.filter(direction="in").values_list("key", flat=True))
    assert len(heard) == len(set(heard)) == 61
    posts = [post["text"] for post in net.posts_of(net.us)]
    assert (answer.deliveries.get().state, posts) == ("sent", ["@ann We are on it."])
