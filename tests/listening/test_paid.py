"""Fetches from a network that charges per item stay within the budgets (guarantee G22)."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from crm import spending
from crm.models import Account, Notice, Spending, User
from listening import paid
from listening.fetch import fetch_source
from listening.models import Fetch, Mention, Source
from scrm.channels.base import ChannelError
from tests import toll
from tests.killing import killed_at
from tests.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)
As = Callable[[User], Client]
SATURDAY = datetime(2026, 11, 28, 9, tzinfo=UTC)
DOLLAR = 1_000_000


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(SATURDAY, tick=False) as clock:
        yield clock


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> toll.Toll:
    return toll.install(monkeypatch)


@pytest.fixture
def account(network: toll.Toll, microblog: Account) -> Account:
    return microblog


def limit(account: Account, **limits: int) -> None:
    account.keep_with(limits)
    account.refresh_from_db()


@pytest.fixture
def search(account: Account, make_source: Callable[..., Source], network: toll.Toll) -> Source:
    network.posts["search:fares"] = [f"fares {n}" for n in range(300)]
    return make_source(
        kind="sandbox", address="search:fares", account=account, stance="about us",
        created_at=SATURDAY - timedelta(days=30),
    )  # fmt: skip


@pytest.fixture
def mentions(account: Account, make_source: Callable[..., Source], network: toll.Toll) -> Source:
    network.posts["mentions"] = [f"mention {n}" for n in range(300)]
    return make_source(
        kind="sandbox", address="mentions", account=account, stance="for us",
        created_at=SATURDAY - timedelta(days=30),
    )  # fmt: skip


def go(source: Source, now: datetime = SATURDAY) -> Fetch:
    Source.objects.filter(pk=source.pk).update(next_fetch_at=now)
    fetch = fetch_source(Source.objects.get(pk=source.pk))
    source.refresh_from_db()
    assert fetch
    return fetch


def spent(account: Account) -> int:
    return spending.spent_by(account, now=datetime.now(UTC)).day


def test_a_fetch_reads_only_what_the_budget_allows(
    search: Source, account: Account, network: toll.Toll
) -> None:
    limit(account, usd_per_day=2 * DOLLAR)
    assert [go(search).found, go(search).found] == [100, 20]
    assert [request.max_items for request in network.requests] == [100, 20]
    assert spent(account) == network.charged == 1_800_000


def test_what_the_network_did_not_charge_is_given_back(
    search: Source, account: Account, network: toll.Toll
) -> None:
    """Fails without `settle`: the second fetch could then read only 33 items."""
    limit(account, usd_per_day=3 * DOLLAR)
    network.people = 1
    go(search)
    assert spent(account) == network.charged == 1_005_000
    assert go(search).found == 100


def test_a_source_without_budget_is_not_fetched_and_says_so(
    search: Source, account: Account, network: toll.Toll, admin: User, as_: As
) -> None:
    """The page shows the reason and the time. This is not an error: `failures` does not grow."""
    limit(account, usd_per_month=2 * DOLLAR)
    go(search), go(search)
    fetch = go(search)
    assert fetch.outcome == "waiting"
    assert len(network.requests) == 2
    assert (search.failures, search.lease_until) == (0, None)
    assert search.next_fetch_at == datetime(2026, 12, 1, 0, 0, 10, tzinfo=UTC)
    assert search.error == (
        "The budget of “@SkywardAir” for searches is used up (1.80 of 2.00 USD this month; the "
        "rest is kept for mentions and replies). Fetching continues on 1 December 00:00 UTC."
    )
    page = as_(admin).get(search.get_absolute_url()).content.decode()
    assert search.error in page
    assert "budget used up" in page
    assert ">failing<" not in page
    listed = as_(admin).get(reverse("listening:sources"), {"only": "waiting"})
    assert [row.pk for row in listed.context["sources"]] == [search.pk]
    assert "source over budget" in as_(admin).get("/map/").content.decode()


def test_searches_stop_at_nine_tenths_while_mentions_go_on(
    search: Source, mentions: Source, account: Account, network: toll.Toll
) -> None:
    limit(account, usd_per_day=2 * DOLLAR)
    go(search), go(search)
    assert go(search).outcome == "waiting"
    assert go(mentions).found == 13
    assert go(mentions).outcome == "waiting"
    assert mentions.error.startswith("The budget of “@SkywardAir” is used up (2.00 of 2.00")
    assert network.charged <= 2 * DOLLAR


def test_a_network_with_a_smallest_page_is_not_asked_for_less(
    search: Source, account: Account, network: toll.Toll
) -> None:
    """A search returns at least ten items, so a fetch of nine is not begun."""
    limit(account, usd_per_day=149_000 * 10 // 9)
    assert go(search).outcome == "waiting"
    assert not network.requests


def test_a_source_has_its_own_daily_limit(
    search: Source, mentions: Source, account: Account, admin: User, as_: As
) -> None:
    url = reverse("listening:source_edit", args=[search.pk])
    form = {"name": "Fares", "stance": "about us", "rhythm": 300, "owner": admin.pk}
    assert as_(admin).post(url, form | {"daily_limit": "-1"}).status_code == 422
    assert as_(admin).post(url, form | {"daily_limit": "0.30"}).status_code == 302
    assert go(search).found == 20
    assert go(search).outcome == "waiting"
    assert search.error == (
        "The daily limit of this source is used up (0.30 of 0.30 USD today). Fetching continues "
        "on 29 November 00:00 UTC."
    )
    assert go(mentions).found == 100
    page = as_(admin).get(search.get_absolute_url()).content.decode()
    assert "0.300 of 0.30 USD" in page
    assert 'value="0.30"' in page


def test_the_next_day_of_utc_has_a_new_budget(
    search: Source, account: Account, network: toll.Toll, clock: time_machine.Coordinates
) -> None:
    limit(account, usd_per_day=1 * DOLLAR)
    go(search)
    assert go(search).outcome == "waiting"
    clock.move_to(datetime(2026, 11, 29, 0, 0, 9, tzinfo=UTC))
    assert fetch_source() is None
    clock.move_to(datetime(2026, 11, 29, 0, 0, 11, tzinfo=UTC))
    fetch = fetch_source()
    assert fetch
    assert fetch.found == 60
    search.refresh_from_db()
    assert search.error == ""


def test_a_raised_limit_lets_sources_continue_mentions_first(
    search: Source, mentions: Source, account: Account, clock: time_machine.Coordinates
) -> None:
    limit(account, usd_per_day=0)
    go(search), go(mentions)
    paid.resume(SATURDAY)
    assert fetch_source() is None
    limit(account, usd_per_day=5 * DOLLAR)
    paid.resume(SATURDAY)
    first = fetch_source()
    assert first
    assert first.source == mentions
    clock.shift(10)
    assert [fetch.source for fetch in [fetch_source()] if fetch] == [search]


def test_two_fetches_at_once_stay_within_the_budget(
    search: Source, mentions: Source, account: Account, network: toll.Toll
) -> None:
    limit(account, usd_per_day=2 * DOLLAR)
    at_once(*[lambda: fetch_source()] * 2)
    assert spent(account) == network.charged
    assert network.charged <= 2 * DOLLAR


def test_while_another_fetch_runs_nobody_is_told_that_the_budget_is_used_up(
    search: Source, mentions: Source, account: Account
) -> None:
    """A running fetch reserves more than it will cost, so the budget may only seem used up."""
    limit(account, usd_per_day=1 * DOLLAR)
    booked = paid.reserve(mentions, now=SATURDAY)
    assert booked
    Source.objects.filter(pk=mentions.pk).update(lease_until=SATURDAY + timedelta(seconds=60))
    assert go(search).outcome == "waiting"
    paid.resume(SATURDAY)
    assert not Notice.objects.exists()
    spending.settle(booked, {})  # type: ignore[arg-type]
    paid.resume(SATURDAY)
    search.refresh_from_db()
    assert search.next_fetch_at == SATURDAY + timedelta(seconds=10)


@pytest.mark.parametrize(
    ("error", "cost"),
    [
        (ChannelError("Too many requests.", retry_after=60), 0),
        (ChannelError("Wrong password.", permanent=True), 0),
        (ChannelError("Later.", retry_after=60, usage={"post read": 2}), 20_000),
        (ChannelError("No answer."), 1_500_000),
    ],
)
def test_a_failed_fetch_costs_nothing_only_if_the_network_refused(
    mentions: Source, account: Account, network: toll.Toll, error: ChannelError, cost: int
) -> None:
    """If the network did not answer, it may have charged: the worst case stays booked."""
    network.error = error
    assert go(mentions).outcome == "failed"
    assert spent(account) == cost
    if cost == 1_500_000:  # the retries of a failing source then risk as little as possible
        go(mentions)
        assert spent(account) == cost + toll.ITEM


def test_a_failed_renewal_of_the_login_books_nothing(
    mentions: Source, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if the cost is reserved before the login is renewed."""

    def refuse(_account: Account) -> None:
        raise ChannelError("The login cannot be renewed now.")

    monkeypatch.setattr("listening.fetch.fresh_credentials", refuse)
    assert go(mentions).outcome == "failed"
    assert spent(account) == 0


@pytest.mark.parametrize(("stored", "cost"), [(True, 10 * toll.ITEM), (False, 100 * toll.ITEM)])
def test_a_database_error_while_settling_neither_subtracts_twice_nor_loses_the_items(
    mentions: Source,
    account: Account,
    network: toll.Toll,
    monkeypatch: pytest.MonkeyPatch,
    stored: bool,
    cost: int,
) -> None:
    """The connection may break after the commit, before its confirmation arrives."""
    network.posts["mentions"] = [f"mention {n}" for n in range(10)]
    real = spending.settle

    def settle(booked: spending.Reservation, usage: dict[str, int]) -> None:
        if stored:
            real(booked, usage)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(spending, "settle", settle)
    assert go(mentions).found == 10
    assert spent(account) == cost


@pytest.mark.parametrize(
    ("where", "when"),
    [
        ("listening.paid:reserve", "before"),
        ("listening.paid:reserve", "after"),
        ("tests.toll:Toll.listen", "after"),
        ("crm.spending:settle", "after"),
        ("listening.fetch:_keep", "after"),
    ],
)
def test_a_killed_fetch_never_leads_beyond_the_limit(
    search: Source, account: Account, network: toll.Toll, where: str, when: str
) -> None:
    """After a kill at any step, restarts read each item once and book at least what was charged.

    Fails if the cost is booked after the fetch: then a killed fetch is free.
    """
    limit(account, usd_per_day=3 * DOLLAR)
    assert killed_at(where, when, lambda: fetch_source(search)) == signal.SIGKILL
    charged_before = 1_500_000 if when == "after" and "reserve" not in where else 0
    assert spent(account) >= charged_before
    later = SATURDAY + timedelta(minutes=10)
    with time_machine.travel(later, tick=False):
        for _ in range(4):
            go(search, later)
        assert charged_before + network.charged <= spent(account) <= 2_700_000
    assert Mention.objects.count() == len(set(Mention.objects.values_list("key", flat=True)))


def test_x_credit_runs_out_on_saturday(
    search: Source,
    mentions: Source,
    account: Account,
    network: toll.Toll,
    clock: time_machine.Coordinates,
    admin: User,
    as_: As,
) -> None:
    """A forecast warns on Thursday, and on Saturday the sources pause with a sentence.

    After the refill, mentions are fetched first, within the budget and without duplicates.
    """
    limit(account, usd_per_month=20 * DOLLAR)
    days = [500_000] * 19 + [1_500_000, 4_000_000, 1_500_000, 1_200_000]  # from 5 to 27 November
    for number, cost in enumerate(days):
        today = date(2026, 11, 5) + timedelta(days=number)
        clock.move_to(datetime(today.year, today.month, today.day, 9, tzinfo=UTC))
        spending.warn_of_forecasts(spending.with_monthly_limit(), now=datetime.now(UTC))
        Spending.objects.create(
            account=account, purpose="search:fares", day=today, operation="post read",
            uses=cost // 10_000, cost=cost,
        )  # fmt: skip
    warned = Notice.objects.get()
    assert warned.at.date() == date(2026, 11, 26)
    assert "will probably be used up on 2026-11-30" in warned.text

    clock.move_to(SATURDAY)
    for source in (search, search, mentions, mentions, mentions):
        go(source)
    paid.resume(SATURDAY)
    for source in (search, mentions):
        source.refresh_from_db()
        assert source.failures == 0
        assert source.error.endswith("Fetching continues on 1 December 00:00 UTC.")
    assert "(19.99 of 20.00 USD this month)" in mentions.error or "20.00" in mentions.error
    used_up = Notice.objects.exclude(pk=warned.pk)
    assert used_up.count() == 2  # one for searches, one for everything
    before = Mention.objects.count()
    assert network.charged == before * toll.ITEM
    assert sum(days) + network.charged <= 20 * DOLLAR

    url = reverse("crm:account_spending", args=[account.pk])
    as_(admin).post(url, {"usd_per_month": "24.00"})
    paid.resume(SATURDAY)
    clock.shift(11)
    order = []
    while fetch := fetch_source():
        order.append(fetch.source.address)
    assert order[0] == "mentions"
    clock.shift(3600)
    while fetch_source():
        pass
    assert sum(days) + network.charged <= 24 * DOLLAR
    keys = list(Mention.objects.values_list("key", flat=True))
    assert len(keys) == len(set(keys)) > before
