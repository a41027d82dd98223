"""Decisions about money, without a database: no sequence of requests exceeds a limit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.money import (
    Limits,
    Priority,
    Refusal,
    Spent,
    affordable,
    bounds_of,
    forecast,
    renewed_at,
    usd,
)

DOLLAR = 1_000_000
REQUEST = st.tuples(
    st.sampled_from(Priority),
    st.integers(1, 40),  # price of one unit
    st.integers(1, 30),  # units wanted
    st.integers(0, 100),  # percentage of the reservation that is charged; 100 if the worker dies
    st.integers(0, 3),  # days that pass before
)


@given(
    st.lists(REQUEST, max_size=60),
    st.integers(0, 500) | st.none(),
    st.integers(0, 2000) | st.none(),
    st.integers(0, 200) | st.none(),
)
def test_no_sequence_exceeds_a_limit(
    requests: list[tuple[Priority, int, int, int, int]],
    per_day: int | None,
    per_month: int | None,
    source_limit: int | None,
) -> None:
    """After each request, every day and month is within its limits, and searches within 90 %.

    Only removals may exceed a limit, and they are always allowed.
    """
    day = date(2026, 11, 25)
    booked: dict[date, int] = {}
    removed: dict[date, int] = {}
    for priority, price, most, percent, days in requests:
        day += timedelta(days=days)
        month = sum(cost for at, cost in booked.items() if at.month == day.month)
        spent = Spent(booked.get(day, 0), month, booked.get(day, 0))
        bounds = bounds_of(Limits(per_day, per_month), spent, priority, source_limit)
        units = affordable(bounds, price, most)
        if priority is Priority.REMOVAL:
            assert units == most
            removed[day] = removed.get(day, 0) + units * price
        if priority is Priority.SEARCH and units:
            worst = units * price
            assert per_day is None or spent.day + worst <= per_day * 9 // 10
            assert per_month is None or spent.month + worst <= per_month * 9 // 10
        charged = units * price * percent // 100
        booked[day] = booked.get(day, 0) + charged
        if priority is Priority.REMOVAL:
            removed[day] += charged - units * price
        allowed = {at: cost - removed.get(at, 0) for at, cost in booked.items()}
        assert per_day is None or allowed[day] <= per_day
        assert source_limit is None or allowed[day] <= source_limit
        this_month = sum(cost for at, cost in allowed.items() if at.month == day.month)
        assert per_month is None or this_month <= per_month


def test_a_search_leaves_a_tenth_to_what_is_addressed_to_us() -> None:
    limits, spent = Limits(per_day=10 * DOLLAR), Spent(day=9 * DOLLAR)
    assert affordable(bounds_of(limits, spent, Priority.SEARCH), 1, 100) == 0
    assert affordable(bounds_of(limits, spent, Priority.URGENT), DOLLAR, 100) == 1


def test_the_limit_that_is_renewed_last_is_named() -> None:
    limits = Limits(per_day=DOLLAR, per_month=20 * DOLLAR)
    spent = Spent(day=DOLLAR, month=20 * DOLLAR)
    now = datetime(2026, 11, 28, 9, tzinfo=UTC)
    refusal = Refusal.by(bounds_of(limits, spent, Priority.URGENT), 1, now=now)
    assert refusal.reason("X account") == (
        "The budget of “X account” is used up (20.00 of 20.00 USD this month)."
    )
    assert refusal.continuation("On again on %(when)s.") == "On again on 1 December 00:00 UTC."
    assert refusal.key == "month-2026-11"


def test_a_limit_that_earlier_requests_use_up_is_not_too_low() -> None:
    """Fails if the cost of waiting texts counts as the cost of one request."""
    bounds = bounds_of(Limits(per_day=100_000), Spent(), Priority.URGENT)
    now = datetime(2026, 11, 28, 9, tzinfo=UTC)
    refusal = Refusal.by(bounds, 15_000, ahead=150_000, now=now)
    assert not refusal.is_too_low
    assert "29 November" in refusal.continuation("On again on %(when)s.")


@pytest.mark.parametrize(
    ("limits", "source_limit", "priority", "reason"),
    [
        (Limits(per_day=20_000), None, Priority.URGENT,
         "The budget of “X account” (0.02 USD) is too low: one request can cost 0.055 USD."),
        (Limits(per_day=60_000), None, Priority.SEARCH,
         ("The budget of “X account” leaves 0.05 USD for searches. This is too low: one request "
          "can cost 0.055 USD.")),
        (Limits(), 30_000, Priority.URGENT,
         "The daily limit of this source (0.03 USD) is too low: one request can cost 0.055 USD."),
    ],
)  # fmt: skip
def test_a_limit_below_the_cost_of_one_request_must_be_raised(
    limits: Limits, source_limit: int | None, priority: Priority, reason: str
) -> None:
    """Fails if the page says that the limit is used up and that fetching continues tomorrow."""
    bounds = bounds_of(limits, Spent(), priority, source_limit)
    refusal = Refusal.by(bounds, 55_000, now=datetime(2026, 11, 28, 9, tzinfo=UTC))
    assert refusal.reason("X account") == reason
    assert refusal.continuation("On again on %(when)s.") == "Raise the limit to continue."


@pytest.mark.parametrize(
    ("now", "day", "month"),
    [
        ("2026-11-28T09:00+00:00", "2026-11-29", "2026-12-01"),
        ("2026-12-31T23:59+00:00", "2027-01-01", "2027-01-01"),
        ("2028-02-28T23:59+00:00", "2028-02-29", "2028-03-01"),
        # Half past midnight in Kolkata is still the last day of November in UTC.
        ("2026-12-01T00:30+05:30", "2026-12-01", "2026-12-01"),
    ],
)
def test_days_and_months_are_those_of_utc(now: str, day: str, month: str) -> None:
    moment = datetime.fromisoformat(now)
    assert renewed_at("day", moment) == datetime.fromisoformat(f"{day}T00:00+00:00")
    assert renewed_at("month", moment) == datetime.fromisoformat(f"{month}T00:00+00:00")


def test_the_forecast_says_when_the_budget_ends() -> None:
    """The pace is the average of the last seven complete days; today is not complete yet."""
    daily = {date(2026, 11, day): DOLLAR for day in range(1, 24)} | {date(2026, 11, 24): 300_000}
    found = forecast(
        Limits(per_month=28 * DOLLAR), daily, since=date(2026, 11, 1), today=date(2026, 11, 24)
    )
    assert found
    assert (found.per_day, found.days, found.month_end) == (DOLLAR, 7, 30 * DOLLAR)
    assert found.used_up_on == date(2026, 11, 29)
    assert found.searches_end_on == date(2026, 11, 26)


def test_a_new_account_has_a_forecast_after_its_first_complete_day() -> None:
    limits, first = Limits(), date(2026, 11, 24)
    assert forecast(limits, {}, since=None, today=first) is None
    assert forecast(limits, {first: 5}, since=first, today=first) is None
    found = forecast(limits, {first: 5}, since=first, today=first + timedelta(days=1))
    assert found
    assert (found.per_day, found.days, found.used_up_on) == (5, 1, None)


def test_money_is_exact() -> None:
    assert usd(sum([100_000] * 3)) == "0.30"
    assert usd(1_000, 3) == "0.001"
