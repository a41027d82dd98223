"""The page of the public thread: what the ledger has, and what is fetched as context."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm import spending
from crm.models import Account, Department, Interaction, User
from listening.models import Mention
from responses import public_thread
from responses.models import ThreadReading
from responses.public_thread import Role
from routing.models import Case
from routing.models.status import Stale
from scrm.channels.base import ChannelError
from scrm.channels.prices import PriceList
from scrm.channels.registry import channel
from scrm.channels.sandbox import community
from tests.responses.conftest import NETWORK
from tests.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)
As = Callable[[User], Client]


@pytest.fixture
def case(hear: Callable[..., Case]) -> Case:
    """A case with one reply of a thread of four posts; scrm knows only this reply."""
    community.reset()
    root = community.post(NETWORK, "rita", "Anyone else waiting in Oslo?", name="Rita Roe")
    key = community.post(NETWORK, "@roncalder", "Since noon", in_reply_to=root, name="Ron Calder")
    community.post(NETWORK, "skywardair", "We are on it", in_reply_to=key, nonce="n")
    community.post(NETWORK, "rita", "Thanks for nothing", in_reply_to=key, name="Rita Roe")
    return hear("Since noon", key=key, thread_key=root, in_reply_to=root)


def fetch(case: Case, by: User) -> ThreadReading:
    return public_thread.fetch(case, public_thread.fetchable(case, by)[0], by=by)


def html(page: Any) -> str:
    text: str = page.content.decode()
    return re.sub(r"\s+", " ", text)


def test_the_whole_thread_is_fetched_on_demand(case: Case, agent: User, as_: As) -> None:
    client, page = as_(agent), reverse("responses:thread", args=[case.pk])
    assert "Anyone else" not in html(client.get(page))
    thread = public_thread.fetchable(case, agent)[0].name
    client.post(reverse("responses:thread_fetch", args=[case.pk]), {"thread": thread})
    shown = html(client.get(page))
    assert "4 posts fetched by Anna Agent" in shown
    texts = ["Anyone else waiting in Oslo?", "Since noon", "We are on it", "Thanks for nothing"]
    assert sorted(row.text for row in public_thread.posts(case, agent)) == sorted(texts)
    assert all(f'<div class="text" dir="auto">{text}</div>' in shown for text in texts)


def test_the_participants_have_roles(case: Case, agent: User) -> None:
    fetch(case, agent)
    found = public_thread.participants(public_thread.posts(case, agent))
    assert [(row.role, row.name, row.posts) for row in found] == [
        (Role.PARTY, "Ron Calder", 1), (Role.STAFF, "skywardair", 1), (Role.OTHER, "Rita Roe", 2),
    ]  # fmt: skip


def test_fetched_posts_are_no_work(case: Case, agent: User) -> None:
    """Fails if fetched posts are stored as mentions or interactions."""
    before = (Mention.objects.count(), Interaction.objects.count(), Case.objects.count())
    fetch(case, agent)
    after = (Mention.objects.count(), Interaction.objects.count(), Case.objects.count())
    assert after == before


def test_a_fetched_post_that_one_may_not_read_is_not_shown(
    case: Case, hear: Callable[..., Case], agent: User, sales: Department
) -> None:
    """A post of a restricted conversation is not shown, even if it was fetched.

    Fails if `_fetched` leaves out only those posts of the ledger that the user may read.
    """
    fetch(case, agent)
    post = ThreadReading.objects.get().posts[-1]
    other = hear(post["text"], key=post["key"], handle="rita")
    other.conversations.update(restricted_to=sales)
    assert "Thanks for nothing" not in {row.text for row in public_thread.posts(case, agent)}


def test_a_refused_fetch_says_why_and_can_be_repeated(case: Case, agent: User, as_: As) -> None:
    community.fail(NETWORK, "down", call="thread")
    thread = public_thread.fetchable(case, agent)[0].name
    client, url = as_(agent), reverse("responses:thread_fetch", args=[case.pk])
    page = client.post(url, {"thread": thread}, follow=True)
    assert "The thread was not fetched: The sandbox network is down" in html(page)
    page = client.post(url, {"thread": thread}, follow=True)
    assert "4 posts fetched." in html(page)


def test_a_double_click_fetches_once(case: Case, agent: User) -> None:
    """Fails if `_begin` does not lock the case: both clicks would then be paid for."""

    def click() -> bool:
        try:
            return bool(fetch(case, agent))
        except Stale:
            return False

    assert sorted(at_once(click, click)) == [False, True]
    assert ThreadReading.objects.count() == 1


def test_the_price_is_shown_before(
    case: Case, agent: User, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge(monkeypatch)
    page = html(as_(agent).get(reverse("responses:thread", args=[case.pk])))
    assert "Sandbox charges for each post: up to 1.50 USD for 100 posts." in page


MOST = 100 * (5_000 + 10_000)
"""The most that a fetch of a thread can cost: each post is by another author."""


def charge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sandbox charge for each post and each author of a thread, as X does."""
    paid = channel("x")
    assert isinstance(paid.prices, PriceList)
    plug = replace(
        channel("sandbox"), prices=paid.prices, item_price=paid.item_price,
        author_price=paid.author_price,
    )  # fmt: skip
    monkeypatch.setattr(Account, "channel", property(lambda _self: plug))


def spent(case: Case) -> int:
    return spending.spent_by(case.department.accounts.get(), now=timezone.now()).day


def test_a_fetched_thread_costs_its_posts_and_authors(
    case: Case, agent: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four posts of three people. Fails if nothing is booked, or if authors are left out."""
    charge(monkeypatch)
    assert fetch(case, agent).cost == spent(case) == 4 * 5_000 + 3 * 10_000


def test_a_thread_beyond_the_budget_is_not_fetched(
    case: Case, agent: User, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says why. After the limit was raised, the thread can be fetched at once."""
    charge(monkeypatch)
    account = case.department.accounts.get()
    account.keep_with({"usd_per_day": MOST - 1})
    thread = public_thread.fetchable(case, agent)[0].name
    client, url = as_(agent), reverse("responses:thread_fetch", args=[case.pk])
    page = html(client.post(url, {"thread": thread}, follow=True))
    assert "The thread was not fetched: The budget of " in page
    assert "Raise the limit to continue." in page
    assert ThreadReading.objects.get().posts == []
    assert spent(case) == 0
    account.keep_with({"usd_per_day": MOST})
    assert "4 posts fetched." in html(client.post(url, {"thread": thread}, follow=True))


@pytest.mark.parametrize("error", [ChannelError("No answer."), ValueError("Strange answer.")])
def test_a_failed_fetch_that_may_be_charged_costs_the_most_and_is_not_repeated_at_once(
    case: Case, agent: User, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    charge(monkeypatch)
    break_threads(monkeypatch, error)
    assert fetch(case, agent).error
    assert spent(case) == MOST
    with pytest.raises(Stale):
        fetch(case, agent)


@pytest.mark.parametrize("facts", [{"permanent": True}, {"retry_after": 60.0}])
def test_a_refused_fetch_is_free_of_charge(
    case: Case, agent: User, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any]
) -> None:
    charge(monkeypatch)
    break_threads(monkeypatch, ChannelError("Refused.", **facts))
    assert [fetch(case, agent).cost, fetch(case, agent).cost, spent(case)] == [0, 0, 0]


def break_threads(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def thread(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(type(channel("sandbox").threads), "thread", thread)


@pytest.mark.parametrize(("who", "status"), [("outsider", 404), ("reader", 403), ("agent", 302)])
def test_only_who_works_on_the_case_may_fetch(
    who: str, status: int, case: Case, as_: As, request: pytest.FixtureRequest
) -> None:
    client = as_(request.getfixturevalue(who))
    thread = f"{case.department.accounts.get().pk}:{case.conversations.get().thread_key}"
    url = reverse("responses:thread_fetch", args=[case.pk])
    assert client.post(url, {"thread": thread}).status_code == status
    assert ThreadReading.objects.exists() == (status == 302)


def test_a_long_thread_costs_one_row_of_each_kind(
    case: Case, hear: Callable[..., Case], agent: User
) -> None:
    """Fails if all messages of the thread, or all earlier readings, are loaded for each page."""
    root = case.conversations.get().thread_key
    last = [hear(f"More {n}", thread_key=root, in_reply_to=root) for n in range(5)][-1]
    account = case.department.accounts.get()
    facts = {"case": case, "account": account, "thread_key": root, "by": agent}
    readings = [ThreadReading.objects.create(**facts, read_at=timezone.now()) for _n in range(4)]
    before = Interaction.from_db, ThreadReading.from_db
    loaded: list[Any] = []

    def count(kind: int) -> Any:
        def from_db(_cls: object, *values: Any) -> Any:
            loaded.append(before[kind](*values))
            return loaded[-1]

        return classmethod(from_db)

    with (
        patch.object(Interaction, "from_db", count(0)),
        patch.object(ThreadReading, "from_db", count(1)),
        CaptureQueriesContext(connection) as queries,
    ):
        found = public_thread.fetchable(case, agent)
    assert [(row.message.pk, row.last) for row in found] == [(last.last_inbound_id, readings[-1])]
    assert len(loaded) == 2
    assert len(queries) <= 6


def test_a_private_case_has_no_thread(hear: Callable[..., Case], agent: User, as_: As) -> None:
    case = hear("In private", visibility="private", thread_key="dm:1")
    assert public_thread.fetchable(case, agent) == []
    assert "no public messages" in html(as_(agent).get(f"/cases/{case.pk}/thread/"))
    assert "whole public thread" not in html(as_(agent).get(case.get_absolute_url()))


def test_messages_of_others_can_be_moderated_there(
    case: Case, hear: Callable[..., Case], lead: User, as_: As
) -> None:
    root = case.conversations.get().thread_key
    other = hear("Thanks!", handle="rita", thread_key=root, in_reply_to=root)
    page = html(as_(lead).get(f"/cases/{case.pk}/thread/"))
    there = reverse("responses:moderate", args=[case.pk, other.last_inbound_id, "hide"])
    assert f"{there}?page=thread" in page
    answer = as_(lead).post(there, {"reason": "Spam", "page": "thread"})
    assert answer["Location"] == f"/cases/{case.pk}/thread/#said-{other.last_inbound_id}"
