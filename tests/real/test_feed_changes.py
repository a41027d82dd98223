"""With a real feed server: it corrects an entry, changes all ids, and corrects again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_httpserver import HTTPServer

from crm.models import Department, Interaction, User
from listening.fetch import fetch_source
from listening.models import Mention, MentionChange, Source
from routing.models import Case
from scrm import pipeline
from scrm.net import http
from scrm.net.addresses import networks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real]

_FEED = """<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>T</title>
<link>http://news.test/</link>{}</channel></rss>"""
_ENTRY = """<item><title>{title}</title><link>{link}</link><guid isPermaLink="false">{guid}</guid>
<pubDate>{at:%a, %d %b %Y %H:%M:%S} +0000</pubDate>
<description>{text}</description><author>w@news.test (Wanda)</author></item>"""


class Server:
    """A feed with three entries, and the source that fetches it."""

    def __init__(self, server: HTTPServer, source: Source) -> None:
        self.server, self.source, self.version = server, source, 0
        self.entries: list[dict[str, Any]] = [
            {
                "title": f"Strike {n}", "text": f"Pilots strike on day {n}.",
                "link": f"http://news.test/{n}", "guid": f"http://news.test/{n}",
                "at": datetime.now(UTC) - timedelta(minutes=n),
            }
            for n in (1, 2, 3)
        ]  # fmt: skip

    def fetch(self) -> None:
        body = _FEED.format("".join(_ENTRY.format(**entry) for entry in self.entries))
        self.version += 1
        self.server.clear()
        self.server.expect_request("/feed").respond_with_data(
            body, content_type="application/rss+xml", headers={"ETag": f'"{self.version}"'}
        )
        Source.objects.update(next_fetch_at=timezone.now())
        fetch = fetch_source(self.source)
        assert fetch
        assert fetch.outcome == "ok", fetch.error
        pipeline.process()


@pytest.fixture
def feed(
    httpserver: HTTPServer,
    make_source: Callable[..., Source],
    service: Department,
    monkeypatch: pytest.MonkeyPatch,
) -> Server:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    return Server(httpserver, make_source(address=httpserver.url_for("/feed"), stance="for us"))


def test_a_feed_server_that_changes_guids_and_corrects_an_entry(
    feed: Server, agent: User, as_: Callable[[User], Client]
) -> None:
    feed.fetch()
    cases = set(Case.objects.values_list("pk", flat=True))
    messages = Interaction.objects.count()

    # A correction: a change of the entry, and a version in the record.
    feed.entries[0] |= {"title": "Strike CANCELLED", "text": "Correction: they do not strike."}
    feed.fetch()
    first = MentionChange.objects.get()
    assert (first.title, first.text) == ("Strike CANCELLED", "Correction: they do not strike.")
    assert Interaction.objects.get(revises__isnull=False).title == "Strike CANCELLED"
    case = Case.objects.get(conversation_links__conversation__interactions__mention=first.mention)
    page = as_(agent).get(case.get_absolute_url()).content.decode()
    assert "Edited at the source" in page
    assert "Correction: they do not strike." in page
    assert "edited at the source" in as_(agent).get(reverse("routing:inbox")).content.decode()

    # Other software: https, new ids, tracking parameters. Nothing comes back.
    for n, entry in enumerate(feed.entries, 1):
        entry |= {"link": f"https://news.test/{n}/?utm_source=rss", "guid": f"tag:news.test:{n}"}
    feed.fetch()
    assert set(Case.objects.values_list("pk", flat=True)) == cases
    assert Mention.objects.count() == 3
    assert MentionChange.objects.count() == 1

    # A correction under the new id is heard, and a new entry too.
    feed.entries[1] |= {"title": "Strike postponed", "text": "Not on day 2."}
    feed.entries.insert(0, feed.entries[0] | {
        "title": "Strike over", "text": "All fly.", "guid": "tag:news.test:9",
        "link": "https://news.test/9", "at": datetime.now(UTC),
    })  # fmt: skip
    feed.fetch()
    last = MentionChange.objects.latest("pk")
    assert (last.mention.key, last.title) == ("http://news.test/2", "Strike postponed")
    assert Mention.objects.filter(title="Strike over", backlog=False).exists()
    assert Interaction.objects.filter(revises=None).count() == messages + 1

    # The oldest entry drops out of the feed: it was not removed.
    feed.entries.pop()
    feed.fetch()
    assert not MentionChange.objects.filter(kind="deleted").exists()
