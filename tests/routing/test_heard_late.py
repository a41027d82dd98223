"""A source was down: what it brings afterwards is marked, told of once, and reported apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client

from crm.models import Account, Notice, User
from listening.fetch import fetch_source
from listening.models import Source, Topic
from routing.models import Calendar, Case, CaseClock
from routing.tick import run_tick
from scrm import pipeline
from scrm.channels.sandbox import community
from scrm.reports import figures
from tests.routing.test_due_times import HOUR, MINUTE, desk, house, say

__all__ = ["desk", "house"]
pytestmark = [pytest.mark.django_db, pytest.mark.slow]
NETWORK = "sandbox.microblog"
DOWN = datetime(2026, 12, 7, 3, tzinfo=UTC)  # a Monday
UP = DOWN + 6 * HOUR
ITEMS = 300
As = Callable[[User], Client]


@pytest.fixture(autouse=True)
def nothing_is_left_there(db: None) -> Iterator[None]:
    community.reset()
    yield
    community.reset()


@pytest.fixture
def source(microblog: Account, make_source: Callable[..., Source], brand: Topic) -> Source:
    with time_machine.travel(DOWN - HOUR, tick=False):
        return make_source(
            kind="sandbox", address="mentions", account=microblog, stance="for us",
            created_at=DOWN - HOUR,
        )  # fmt: skip


def fetch(source: Source, at: datetime) -> str:
    with time_machine.travel(at, tick=False):
        source.fetch_now()
        done = fetch_source(source)
        assert done
        pipeline.process()
    source.refresh_from_db()
    return done.outcome


def test_a_source_that_was_down_from_3_to_9_brings_300_items(
    source: Source, desk: Calendar, agent: User, lead: User, as_: As
) -> None:
    """All 300 are marked as received late, one digest tells of them, and the map reports them
    apart from what is overdue by our fault.

    Fails if 300 alarms ring, or if the six hours count as our delay.
    """
    assert fetch(source, DOWN) == "unchanged"
    community.fail(NETWORK, "down", call="listen")
    assert fetch(source, DOWN + HOUR) == "failed"
    for number in range(ITEMS):
        at = DOWN + HOUR + number * (4 * HOUR / ITEMS)
        community.post(NETWORK, f"p{number}", "@SkywardAir where is my bag?", at=at)
    assert fetch(source, UP) == "ok"
    assert Case.objects.count() == ITEMS
    assert set(Case.objects.values_list("due_at", flat=True)) == {UP + HOUR}
    assert CaseClock.objects.current().filter(kind="first", heard_late=True).count() == ITEMS
    with time_machine.travel(UP + MINUTE, tick=False):
        for seconds in range(0, 60, 20):
            run_tick(now=UP + MINUTE + timedelta(seconds=seconds))
        digest = Notice.objects.get()
        assert (digest.user, digest.kind) == (lead, Notice.Kind.HEARD_LATE)
        assert digest.text.startswith(f"{ITEMS} ")
        page = as_(lead).get(digest.url)
        assert page.context["listing"].rows[0].case.received_late
        assert as_(lead).get("/?view=open&late=no").context["listing"].rows == []
    late = UP + 2 * HOUR
    ours = say("tim", at=UP + MINUTE)
    with time_machine.travel(late, tick=False):
        shown = {each.key: each for row in figures.edges(lead, now=late).values() for each in row}
        assert (shown["heard_late"].n, shown["late"].n) == (ITEMS, 1)
        rows = as_(lead).get(shown["late"].url).context["listing"].rows
        assert [row.case for row in rows] == [ours]


def test_the_list_marks_and_filters_what_was_received_late(agent: User, as_: As) -> None:
    """Fails if the chip or the filter does not depend on the clocks of the case."""
    late = say("late", at=UP - 6 * HOUR, heard=UP)
    prompt = say("prompt", at=UP, heard=UP)
    browser = as_(agent)

    def listed(query: str) -> dict[int, bool]:
        page = browser.get(f"/?view=open{query}")
        rows = page.context["listing"].rows
        chips = page.content.decode().count('<span class="chip warn">received late</span>')
        assert chips == sum(row.case.received_late for row in rows)
        return {row.case.pk: row.case.received_late for row in rows}

    assert listed("") == {late.pk: True, prompt.pk: False}
    assert listed("&late=yes") == {late.pk: True}
    assert listed("&late=no") == {prompt.pk: False}
