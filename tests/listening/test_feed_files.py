"""Feeds that change between two fetches, read from files through a real web server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from pytest_httpserver import HTTPServer

from crm.models import Department
from listening.fetch import fetch_source
from listening.models import Mention, MentionChange, Source
from routing.models import Case
from scrm import pipeline
from scrm.net import http
from scrm.net.addresses import networks

pytestmark = pytest.mark.django_db
FEEDS = Path(__file__).parent / "feeds"
DAY = datetime(2026, 11, 29, 13, tzinfo=UTC)


@pytest.fixture
def fetch(
    make_source: Callable[..., Source],
    service: Department,
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    time_machine: time_machine.TimeMachineFixture,
) -> Callable[[str], None]:
    """Return a function that publishes a file as the feed, and fetches the feed an hour later."""
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    time_machine.move_to(DAY, tick=False)
    address = httpserver.url_for("/feed")
    source = make_source(address=address, stance="for us", created_at=DAY - timedelta(days=9))

    def fetch(name: str) -> None:
        time_machine.shift(timedelta(hours=1))
        httpserver.clear()
        body = (FEEDS / f"{name}.xml").read_bytes()
        httpserver.expect_request("/feed").respond_with_data(body, content_type="text/xml")
        source.refresh_from_db()
        source.fetch_now()
        assert fetch_source(source)
        pipeline.process()

    return fetch


def test_posts_under_new_ids_are_not_new_and_done_cases_stay_done(
    fetch: Callable[[str], None],
) -> None:
    fetch("ids-before")
    assert Mention.objects.count() == 3
    cases = Case.objects.count()
    assert cases
    Case.objects.update(status="done", done_at=DAY)
    for name in ("ids-after-https", "ids-after-new-software", "ids-before"):
        fetch(name)
        assert Mention.objects.count() == 3, name
        assert Case.objects.count() == cases, name
        assert not Case.objects.exclude(status="done").exists(), name


def test_a_correction_at_the_source_is_a_change_of_the_same_item(
    fetch: Callable[[str], None],
) -> None:
    fetch("edit-before")
    fetch("edit-after")
    [mention] = Mention.objects.all()
    assert mention.title == "Strike tomorrow"
    [change] = MentionChange.objects.all()
    assert (change.mention, change.kind, change.title) == (mention, "edited", "Strike CANCELLED")
    assert mention.interaction
    assert [later.title for later in mention.interaction.revisions.all()] == ["Strike CANCELLED"]
    fetch("edit-after")
    assert MentionChange.objects.count() == 1
