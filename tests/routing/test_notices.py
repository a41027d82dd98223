from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Notice, User
from crm.views import notice as view
from routing.models import Case

As = Callable[[User], Client]
Kind = Notice.Kind


@pytest.fixture
def ring(agent: User, lead: User) -> Callable[..., Notice]:
    def give(text: str = "Your turn.", **facts: Any) -> Notice:
        return Notice.give([agent], facts.pop("kind", Kind.ASSIGNED), by=lead, text=text, **facts)[
            0
        ]

    return give


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def test_they_stand_under_their_day_the_newest_first(
    as_: As, agent: User, ring: Callable[..., Notice]
) -> None:
    now = timezone.now()
    ring("Before", now=now - timedelta(days=2))
    ring("First", now=now)
    ring("Second", now=now)
    days = as_(agent).get("/notices/").context["days"]
    assert [[row.text for row in rows] for _day, rows in days] == [["Second", "First"], ["Before"]]
    assert days[0][0] == timezone.localdate()


def test_what_is_unread_is_counted_marked_and_can_be_shown_alone(
    as_: As, agent: User, ring: Callable[..., Notice]
) -> None:
    ring("Old news")
    browser = as_(agent)
    browser.post("/notices/read/")
    ring("Fresh news")
    page = browser.get("/notices/")
    assert html(page).count('class="unread"') == page.context["unread"] == 1
    alone = html(browser.get("/notices/", {"show": "unread"}))
    assert "Fresh news" in alone
    assert "Old news" not in alone


def test_opening_one_reads_it_and_leads_to_what_it_is_about(
    as_: As, agent: User, ring: Callable[..., Notice], case: Case
) -> None:
    one, other = ring(about=case.as_subject), ring(about=case.as_subject)
    browser = as_(agent)
    done = browser.post("/notices/read/", {"notice": one.pk})
    assert done["Location"] == case.get_absolute_url()
    assert list(Notice.objects.unread()) == [other]


def test_nobody_reads_anothers(as_: As, teammate: User, ring: Callable[..., Notice]) -> None:
    notice = ring("For Anna")
    browser = as_(teammate)
    assert "For Anna" not in html(browser.get("/notices/"))
    browser.post("/notices/read/", {"notice": notice.pk})
    assert Notice.objects.unread().count() == 1


def test_older_ones_are_a_page_further(
    as_: As, agent: User, ring: Callable[..., Notice], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "PAGE", 2)
    for n in range(5):
        ring(f"number {n}")
    browser, address, seen = as_(agent), "/notices/", []
    while address:
        page = browser.get(address).context
        seen += [row.text for _day, rows in page["days"] for row in rows]
        address = page["older"] and f"/notices/?before={page['older']}"
    assert seen == [f"number {n}" for n in range(4, -1, -1)]


def test_the_page_asks_as_little_for_nine_as_for_one(
    as_: As, agent: User, ring: Callable[..., Notice], make_case: Callable[..., Case]
) -> None:
    asked, browser = [], as_(agent)
    for several in (1, 8):
        for n in range(several):
            ring(about=make_case(by=f"person{several}{n}").as_subject)
        with CaptureQueriesContext(connection) as queries:
            browser.get("/notices/")
        asked.append(len(queries))
    assert asked[0] == asked[1]


def test_an_empty_page_says_when_it_rings(as_: As, agent: User) -> None:
    assert "No notices yet." in html(as_(agent).get("/notices/"))
