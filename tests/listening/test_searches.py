"""A search for a topic on a network, in the query language of the network.

Before the search starts, the page shows the price of the search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Account, User
from listening.fetch import fetch_source
from listening.models import Source, Topic
from scrm.channels.base import Batch, FetchRequest, Found, Terms
from scrm.channels.channel import Channel
from scrm.channels.prices import PriceList
from scrm.channels.sandbox.channel import CHANNEL
from scrm.channels.search_query import Translation, Untranslatable

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]


def translate(terms: Terms) -> Translation:
    if "?" in terms.any_of:
        raise Untranslatable("Signs alone cannot be searched for. Add a word to the topic.")
    return Translation((" OR ".join(terms.any_of),), ("Excluded words are checked here.",))


class Archive:
    """A fake network that records the requests that it receives."""

    def __init__(self) -> None:
        self.requests: list[FetchRequest] = []

    def listen(self, request: FetchRequest) -> Batch:
        self.requests.append(request)
        return Batch()

    def discover(self, address: str, credentials: object = None) -> list[Found]:
        return []


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch, microblog: Account) -> Archive:
    archive = Archive()
    prices = PriceList(date(2026, 11, 29), "their price page", {"post read": 5_000})
    made_up: Channel = replace(
        CHANNEL, label="Archive", listener=archive, translate=translate, prices=prices,
        item_price="post read",
    )  # fmt: skip
    monkeypatch.setattr("crm.models.account.channel", lambda _kind: made_up)
    monkeypatch.setattr("listening.models.source.channel", lambda _kind: made_up)
    return archive


def page(admin: User, as_: As, topic: Topic) -> str:
    return as_(admin).get(reverse("listening:topic_searches", args=[topic.pk])).content.decode()


def post(admin: User, as_: As, topic: Topic, account: object) -> None:
    as_(admin).post(reverse("listening:topic_searches", args=[topic.pk]), {"account": account})


def test_the_page_shows_the_query_what_scrm_checks_and_the_price(
    archive: Archive, brand: Topic, admin: User, as_: As
) -> None:
    shown = page(admin, as_, brand)
    assert brand.current
    assert " OR ".join(brand.current.any_of) in shown
    assert "Excluded words are checked here." in shown
    assert "5.00 USD for 1,000 items (price of 29 Nov 2026)" in shown
    assert "Search on Archive" in shown


def test_a_started_search_asks_for_the_current_words_of_the_topic(
    archive: Archive, brand: Topic, admin: User, as_: As, microblog: Account
) -> None:
    post(admin, as_, brand, microblog.pk)
    source = Source.objects.get()
    assert (source.topic, source.account, source.stance) == (brand, microblog, "about us")
    brand.revise(any_of=["zeppelin"], all_of=["air"], none_of=["led"], by=admin)
    source.fetch_now()
    fetch_source(Source.objects.get())
    assert [(request.address, request.terms) for request in archive.requests] == [
        ("search:", Terms(("zeppelin",), ("air",), ("led",)))
    ]
    assert "This search is running" in page(admin, as_, brand)


def test_the_same_search_starts_once(
    archive: Archive, brand: Topic, admin: User, as_: As, microblog: Account
) -> None:
    post(admin, as_, brand, microblog.pk)
    post(admin, as_, brand, microblog.pk)
    assert Source.objects.count() == 1


def test_words_that_cannot_be_translated_say_why_and_start_nothing(
    archive: Archive, brand: Topic, admin: User, as_: As, microblog: Account
) -> None:
    brand.revise(any_of=["?"], all_of=[], none_of=[], by=admin)
    assert "Signs alone cannot be searched for." in page(admin, as_, brand)
    post(admin, as_, brand, microblog.pk)
    assert not Source.objects.exists()


@pytest.mark.parametrize("account", ["", "0", "x", 999_999])
def test_an_account_that_does_not_exist_starts_nothing(
    archive: Archive, brand: Topic, admin: User, as_: As, account: object
) -> None:
    post(admin, as_, brand, account)
    assert not Source.objects.exists()


def test_only_admins_start_searches(archive: Archive, brand: Topic, agent: User, as_: As) -> None:
    response = as_(agent).get(reverse("listening:topic_searches", args=[brand.pk]))
    assert response.status_code == 403
