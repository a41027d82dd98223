"""The page of an account shows what it spent per day and per source."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Spending, User
from crm.money import utc_day
from crm.spending_history import history_of
from listening.models import Source
from tests import toll

pytestmark = pytest.mark.django_db
DOLLAR = 1_000_000


def spend(account: Account, days_ago: int, purpose: str, cost: int, operation: str = "r") -> None:
    day = utc_day(timezone.now()) - timedelta(days=days_ago)
    Spending.objects.create(
        account=account, day=day, purpose=purpose, operation=operation, uses=1, cost=cost
    )


def test_costs_are_summed_by_day_and_by_source(
    microblog: Account, make_source: Callable[..., Source]
) -> None:
    """Fails if a day outside the last 30 counts, or if a small cost has no bar."""
    source = make_source(kind="sandbox", address="mentions", account=microblog, name="Mentions")
    spend(microblog, 0, "mentions", 2 * DOLLAR)
    spend(microblog, 0, "send", DOLLAR, "post")
    spend(microblog, 0, "send", DOLLAR, "read")
    spend(microblog, 29, "search:gone", 1_000)
    spend(microblog, 30, "mentions", 50 * DOLLAR)
    history = history_of(microblog, now=timezone.now())
    assert len(history.days) == 30
    shown = [(each.cost, each.height, each.y) for each in history.days if each.height]
    assert shown == [("0.001", 1, 59), ("4.000", 60, 0)]
    assert history.highest == "4.000"
    assert [(each.name, each.url, each.cost) for each in history.purposes] == [
        ("Mentions", source.get_absolute_url(), "2.000"),
        ("Texts and moderation", "", "2.000"),
        ("search:gone", "", "0.001"),
    ]


def test_the_page_has_the_drawing_and_the_same_numbers_as_tables(
    microblog: Account,
    admin: User,
    as_: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    toll.install(monkeypatch)
    browser, address = as_(admin), reverse("crm:account", args=[microblog.pk])
    assert "<rect x=" not in browser.get(address).content.decode()
    spend(microblog, 3, "<search>", 1_234_000)
    page = browser.get(address).content.decode()
    assert page.count("<rect x=") == 1
    assert page.count("<td>1.234</td>") == 2
    assert "&lt;search&gt;" in page
