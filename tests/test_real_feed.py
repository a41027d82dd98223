"""With a real feed on this machine and real workers, a published post becomes a case."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_httpserver import HTTPServer

from crm.models import Department, Profile, User
from listening.models import Fetch, Mention, Source
from routing.models import Case, RoutingRule
from scrm.net import http
from scrm.net.addresses import networks
from tests.machinery import Machine, eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live, pytest.mark.slow]
RHYTHM = 2


class Blog:
    """A blog with a feed, and a page that links to the feed."""

    def __init__(self, server: HTTPServer) -> None:
        self.server = server
        self.entries: list[str] = []
        home = '<link rel="alternate" type="application/rss+xml" href="/feed.xml"><p>Hello.</p>'
        server.expect_request("/").respond_with_data(home, content_type="text/html")
        self.publish("Old news", "Long ago, somebody flew.", days_ago=9)

    def publish(self, title: str, text: str, *, days_ago: float = 0) -> None:
        at = datetime.now(UTC) - timedelta(days=days_ago)
        self.entries.append(
            f"<item><title>{title}</title><guid isPermaLink='false'>{len(self.entries)}</guid>"
            f"<link>https://runwayfan.example/{len(self.entries)}</link>"
            f"<author>jo@runwayfan.example (Jo Runway)</author>"
            f"<pubDate>{at:%a, %d %b %Y %H:%M:%S} GMT</pubDate>"
            f"<description>&lt;p&gt;{text}&lt;/p&gt;</description></item>"
        )
        self.server.clear_all_handlers() if len(self.entries) > 1 else None
        feed = (
            "<rss version='2.0'><channel><title>Runway fan</title>"
            f"<link>https://runwayfan.example</link>{''.join(self.entries)}</channel></rss>"
        )
        self.server.expect_request("/feed.xml").respond_with_data(
            feed, content_type="application/rss+xml"
        )


@pytest.fixture
def loopback_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))


def test_a_published_post_becomes_a_case_within_one_visit(
    tmp_path: Path,
    httpserver: HTTPServer,
    loopback_allowed: None,
    as_: Callable[[User], Client],
    admin: User,
    agent: User,
    brand_rule: RoutingRule,
    service: Department,
) -> None:
    blog = Blog(httpserver)
    browser = as_(admin)
    address = f"http://127.0.0.1:{httpserver.port}/"
    found = browser.post(reverse("listening:source_new"), {"address": address})
    assert found.status_code == 200, found.content.decode()
    assert "Old news" in found.content.decode()

    with Machine(tmp_path, env={"SCRM_ALLOW_CIDRS": "127.0.0.1/32"}) as machine:
        machine.wait()
        source = Source.objects.create(
            kind="feed", address=f"{address}feed.xml", name="Runway fan", owner=admin, rhythm=RHYTHM
        )
        eventually(lambda: Fetch.objects.filter(source=source, outcome="ok").exists())
        blog.publish("Never again", "<b>Skyward Air</b> lost my bag.")
        blog.publish("Pancakes", "Nothing about flying at all.")
        case = eventually(lambda: Case.objects.first(), within=RHYTHM + 6)
        eventually(lambda: Mention.objects.filter(processed_at=None).count() == 0)

    assert case.department == service
    assert Case.objects.count() == 1
    assert Profile.objects.get().name == "Jo Runway"
    page = as_(agent).get(case.get_absolute_url()).content.decode()
    assert "<mark>Skyward</mark>" in page
    assert "topic is Brand" in page
    stored = Mention.objects.get(title="Pancakes")
    assert stored.interaction is None
    assert "Pancakes" in as_(agent).get(source.get_absolute_url()).content.decode()
    assert Mention.objects.get(title="Old news").backlog
