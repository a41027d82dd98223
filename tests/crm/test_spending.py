"""Booking of costs: reserved before the network is asked, corrected afterwards (guarantee G22)."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crm import spending
from crm.models import Account, Notice, Spending, User
from crm.money import Priority, Refusal
from crm.spending import Reservation, Wanted
from tests import toll
from tests.killing import killed_at
from tests.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)
As = Callable[[User], Client]
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
DOLLAR = 1_000_000
READ = Wanted("search:fares", {"post read": 1, "user read": 1}, Priority.URGENT, most=100)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> toll.Toll:
    return toll.install(monkeypatch)


@pytest.fixture
def account(network: toll.Toll, microblog: Account) -> Account:
    microblog.keep_with({"usd_per_day": 3 * DOLLAR, "usd_per_month": 20 * DOLLAR})
    microblog.refresh_from_db()
    return microblog


def book(account: Account, wanted: Wanted = READ, at: datetime = NOON) -> Reservation:
    booked = spending.reserve(account, wanted, now=at)
    assert isinstance(booked, Reservation)
    return booked


def spent(account: Account, at: datetime = NOON) -> tuple[int, int]:
    sums = spending.spent_by(account, now=at)
    return sums.day, sums.month


def test_the_worst_case_is_booked_and_then_corrected(account: Account) -> None:
    booked = book(account)
    assert (booked.units, spent(account)) == (100, (1_500_000, 1_500_000))
    spending.settle(booked, {"post read": 40, "user read": 3})
    assert spent(account) == (415_000, 415_000)
    rows = Spending.objects.values_list("operation", "uses", "cost").order_by("operation")
    assert list(rows) == [("post read", 40, 400_000), ("user read", 3, 15_000)]


def test_what_the_network_charged_beyond_the_reservation_is_booked_too(account: Account) -> None:
    booked = book(account, Wanted("send", {"post": 1}, Priority.URGENT))
    spending.settle(booked, {"link": 1})
    assert spent(account) == (200_000, 200_000)


def test_an_operation_without_a_price_keeps_the_worst_case(account: Account) -> None:
    booked = book(account)
    spending.settle(booked, {"carrier pigeon": 1})
    assert spent(account)[0] == 1_500_000


def test_only_as_much_is_reserved_as_the_limits_allow(account: Account) -> None:
    assert [book(account).units for _ in range(2)] == [100, 100]
    refusal = spending.reserve(account, READ, now=NOON)
    assert isinstance(refusal, Refusal)
    assert refusal.until == datetime(2026, 11, 29, tzinfo=UTC)
    assert spent(account)[0] == 3 * DOLLAR


def test_two_workers_cannot_both_spend_the_last_dollar(account: Account) -> None:
    """Of ten workers at once, all together stay within the limit.

    Fails without the lock in `reserve`: then several read the same sum.
    """
    found = at_once(*[lambda: spending.reserve(account, READ, now=NOON)] * 10)
    units = [each.units for each in found if isinstance(each, Reservation)]
    assert sum(units) == 200
    assert spent(account)[0] == 3 * DOLLAR


def test_two_settlements_at_once_lose_nothing(account: Account) -> None:
    first, second = book(account), book(account)
    usage = {"post read": 1, "user read": 1}
    at_once(lambda: spending.settle(first, usage), lambda: spending.settle(second, usage))
    assert spent(account)[0] == 2 * toll.ITEM


@pytest.mark.parametrize(("when", "day"), [("before", 1_500_000), ("after", 15_000)])
def test_a_worker_that_is_killed_leaves_the_worst_case_booked(
    account: Account, when: str, day: int
) -> None:
    """Fails if the cost is booked only after the network has answered."""

    def work() -> None:
        booked = book(account)
        spending.settle(booked, {"post read": 1, "user read": 1})

    assert killed_at("crm.spending:settle", when, work) == signal.SIGKILL
    assert spent(account)[0] == day


def test_a_worker_that_is_killed_while_it_reserves_books_nothing_or_all(account: Account) -> None:
    assert killed_at("crm.spending:_book", "after", lambda: book(account)) == signal.SIGKILL
    assert spent(account)[0] == 0
    assert book(account).units == 100


def test_days_and_months_begin_at_midnight_utc(account: Account) -> None:
    late = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    book(account, at=late)
    book(account, at=late)
    assert isinstance(spending.reserve(account, READ, now=late), Refusal)
    december = late + timedelta(minutes=1)
    assert spent(account, december) == (0, 0)
    assert book(account, at=december).units == 100
    assert spent(account, december) == (1_500_000, 1_500_000)


def test_the_month_counts_all_its_days(account: Account) -> None:
    for day in range(1, 7):
        at = NOON.replace(day=day)
        book(account, at=at)
        book(account, at=at)
    assert [book(account).units for _ in range(2)] == [100, 33]
    refusal = spending.reserve(account, READ, now=NOON)
    assert isinstance(refusal, Refusal)
    assert refusal.until == datetime(2026, 12, 1, tzinfo=UTC)
    assert spent(account)[1] == 19_995_000


def test_a_removal_is_allowed_beyond_the_limit_and_is_booked(account: Account) -> None:
    book(account), book(account)
    assert book(account, Wanted("send", {"delete": 1}, Priority.REMOVAL))
    assert spent(account)[0] == 3 * DOLLAR + 10_000


def test_a_limit_of_zero_allows_nothing(account: Account) -> None:
    account.keep_with({"usd_per_day": 0})
    assert isinstance(spending.reserve(account, READ, now=NOON), Refusal)


def test_a_free_network_costs_no_query(microblog: Account) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert spending.reserve(microblog, READ, now=NOON) is None
    assert not [query for query in queries if "crm_" in query["sql"]]


# The page


def test_the_page_shows_what_was_spent_and_what_stops_first(
    account: Account, admin: User, as_: As
) -> None:
    spending.settle(book(account), {"post read": 40, "user read": 3})
    page = as_(admin).get(reverse("crm:account", args=[account.pk]))
    assert [bar.limit for bar in page.context["bars"]] == [3 * DOLLAR, 20 * DOLLAR]
    text = page.content.decode()
    for words in (
        "https://toll.example/prices",
        "2026-11-01",
        "Searches stop first, at 90 % of a limit.",
        "0.010",
    ):
        assert words in text


def test_a_free_account_has_no_budget_of_money(microblog: Account, admin: User, as_: As) -> None:
    page = as_(admin).get(reverse("crm:account", args=[microblog.pk])).content.decode()
    assert 'id="budget"' not in page
    url = reverse("crm:account_spending", args=[microblog.pk])
    answer = as_(admin).post(url, {"usd_per_day": "1"}, follow=True)
    assert "This network is free of charge." in answer.content.decode()
    microblog.refresh_from_db()
    assert microblog.config == {}


def test_limits_are_stored_in_millionths(account: Account, admin: User, as_: As) -> None:
    url = reverse("crm:account_spending", args=[account.pk])
    assert as_(admin).post(url, {"usd_per_day": "1.10", "usd_per_month": ""}).status_code == 302
    account.refresh_from_db()
    assert account.config["usd_per_day"] == 1_100_000
    assert "usd_per_month" not in account.config
    page = as_(admin).get(reverse("crm:account", args=[account.pk])).content.decode()
    assert 'value="1.10"' in page


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"usd_per_day": "-1"}, "usd_per_day", "greater than or equal to 0"),
        ({"usd_per_day": "0.001"}, "usd_per_day", "2 decimal places"),
        ({"usd_per_month": "NaN"}, "usd_per_month", "Enter a number."),
        ({"usd_per_day": "5", "usd_per_month": "4"}, "usd_per_day", "at most the limit per month"),
    ],
)
def test_errors_are_shown_at_the_field(
    account: Account, admin: User, as_: As, typed: dict[str, str], field: str, words: str
) -> None:
    url = reverse("crm:account_spending", args=[account.pk])
    page = as_(admin).post(url, typed)
    assert page.status_code == 422
    assert words in str(page.context["limits"].errors[field])
    account.refresh_from_db()
    assert account.config["usd_per_day"] == 3 * DOLLAR


# Notices


def test_the_owner_is_warned_once_a_month(account: Account) -> None:
    for days in range(1, 8):
        at = NOON - timedelta(days=days)
        spending.settle(book(account, at=at), {"link": 12})
    for at in (NOON, NOON + timedelta(hours=1)):
        spending.warn_of_forecasts(spending.with_monthly_limit(), now=at)
    notice = Notice.objects.get(kind="budget")
    assert notice.user == account.owner
    assert notice.text == (
        "The budget of “@SkywardAir” will probably be used up on 2026-11-29: about 24.00 of 20.00 "
        "USD this month (estimate from the last 7 days)."
    )


def test_two_processes_give_one_notice(account: Account) -> None:
    book(account), book(account)
    refusal = spending.refusal_of(account, READ, now=NOON)
    assert refusal
    at_once(*[lambda: spending.notify_used_up(account, refusal, now=NOON)] * 4)
    tomorrow = replace(refusal, until=refusal.until + timedelta(days=1))
    spending.notify_used_up(account, tomorrow, now=NOON)
    assert Notice.objects.filter(kind="budget").count() == 2
