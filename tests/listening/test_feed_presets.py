"""Adding a source by a preset, against a feed server on this machine."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from django.core import serializers
from django.urls import reverse
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from crm.models import User
from listening.fetch import fetch_source
from listening.models import Mention, Seen, Source
from listening.models.source import Fetch
from scrm.channels.feed import presets
from scrm.net import http
from scrm.net.addresses import networks

NEW = "/sources/new/"
OLD, RENEWED = "0ld70ken" * 5, "n3w70ken" * 5


class Reddit:
    """A server that gives a feed to the owner of the token, and repeats the token in its links."""

    def __init__(self, server: HTTPServer) -> None:
        self.token, self.asked = OLD, list[str]()
        self.base = f"http://www.reddit.com:{server.port}"
        server.expect_request("/r/travel/new/.rss").respond_with_handler(self.answer)

    def answer(self, request: Request) -> Response:
        self.asked.append(request.url)
        if request.args.get("feed") != self.token or request.args.get("user") != "jo_9":
            return Response("Blocked", status=403)
        own = f"{self.base}/r/travel/new/?feed={self.token}&amp;user=jo_9"
        entry = (
            f"<entry><id>t3_{len(self.asked)}</id><title>Lost bag</title>"
            f'<link href="?feed={self.token}&amp;x=1"/><updated>2026-11-30T10:00:00Z</updated>'
            f'<content type="html">&lt;a href="{own}"&gt;more&lt;/a&gt;</content></entry>'
        )
        feed = (
            f'<feed xmlns="http://www.w3.org/2005/Atom"><title>travel</title><id>{own}</id>'
            f'<link rel="self" href="{own}"/><link rel="alternate" href="{own}"/>{entry}</feed>'
        )
        return Response(feed, content_type="application/atom+xml")


@pytest.fixture
def reddit(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Reddit:
    there = Reddit(httpserver)
    local = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", httpserver.port))]
    monkeypatch.setattr(http.socket, "getaddrinfo", lambda *_args, **_more: local)
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    monkeypatch.setattr(presets, "REDDIT", there.base)
    monkeypatch.setattr("listening.views.discovery.nudge", lambda *_: None)
    return there


def typed(**facts: str) -> dict[str, str]:
    return {
        "preset": "reddit", "subreddit": "r/travel", "what": "posts", "user": "jo_9", "token": OLD,
    } | facts  # fmt: skip


def added(browser: Any, admin: User) -> Source:
    page = browser.post(NEW, typed())
    assert page.status_code == 200, page.content.decode()
    found = page.context["chosen"]
    settings = {
        "found": found, "name": "Travel", "stance": "about us", "rhythm": "300", "since": "day",
        "owner": str(admin.pk),
    }  # fmt: skip
    kept = browser.post(NEW, typed() | settings)
    assert kept.status_code == 302, kept.content.decode()
    return Source.objects.get()


def everything_stored() -> str:
    """Return all rows in which the token of a feed could be stored."""
    changes = Source._meta.apps.get_model("listening", "SourceChange")
    rows = [Source, Fetch, Mention, Seen, changes]
    return "".join(serializers.serialize("json", row.objects.all()) for row in rows) + "".join(
        bytes(mention.raw).decode() for mention in Mention.objects.all()
    )


def test_the_presets_are_offered_and_ask_for_what_they_need(admin: User, as_: Any) -> None:
    page = as_(admin).get(NEW).content.decode()
    for key in presets.PRESETS:
        assert f"{NEW}?preset={key}" in page
        form = as_(admin).get(f"{NEW}?preset={key}")
        assert str(presets.PRESETS[key].sees)[:40] in form.content.decode()
        assert all(f'name="{field.name}"' in form.content.decode()
                   for field in presets.PRESETS[key].fields)  # fmt: skip


def test_a_preset_shows_the_last_items_before_the_source_is_added(
    admin: User, as_: Any, reddit: Reddit
) -> None:
    page = as_(admin).post(NEW, typed())
    assert page.status_code == 200
    assert "Lost bag" in page.content.decode()
    assert not Source.objects.exists()
    changed = as_(admin).post(NEW, typed(change=""))
    assert 'value="r/travel"' in changed.content.decode()
    assert len(reddit.asked) == 1


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"subreddit": "two words"}, "subreddit"),
        ({"subreddit": ""}, "subreddit"),
        ({"token": "x&y"}, "token"),
        ({"token": "wr0ng" * 8}, "subreddit"),
        ({"subreddit": "a\x00b"}, "subreddit"),
        ({"what": "everything"}, "what"),
    ],
)
def test_what_cannot_be_fetched_is_an_error_at_the_field(
    facts: dict[str, str], field: str, admin: User, as_: Any, reddit: Reddit
) -> None:
    page = as_(admin).post(NEW, typed(**facts))
    assert page.status_code == 422
    assert page.context["where"].errors[field]
    assert not any(
        facts.get("token", OLD) in error for error in page.context["where"].errors[field]
    )


def test_an_unknown_preset_is_the_form_for_an_address(admin: User, as_: Any) -> None:
    assert 'name="address"' in as_(admin).get(f"{NEW}?preset=%00").content.decode()
    assert as_(admin).post(NEW, {"preset": "myspace"}).status_code == 422


def test_the_token_of_a_feed_is_stored_encrypted_and_shown_nowhere(
    admin: User, agent: User, as_: Any, reddit: Reddit, capsys: Any, caplog: Any
) -> None:
    """Fails if the address, the cursor, an item or an error contains the token."""
    source = added(as_(admin), admin)
    fetch_source(source)
    assert Mention.objects.get().title == "Lost bag"
    reddit.token = RENEWED
    source.refresh_from_db()
    source.fetch_now()
    failed = fetch_source(source)
    assert failed is not None
    assert "denies access (403)" in failed.error
    assert OLD in reddit.asked[-1]
    pages = [reverse("listening:sources"), source.get_absolute_url()]
    shown = "".join(as_(who).get(page).content.decode() for page in pages for who in (agent, admin))
    # The server of this test logs the addresses that it is asked for.
    logged = [each.getMessage() for each in caplog.records if each.name != "werkzeug"]
    printed = "".join([*capsys.readouterr(), *logged])
    assert "***" in shown
    for text in (shown, printed, everything_stored()):
        assert OLD not in text


def test_a_replaced_token_continues_the_same_feed(admin: User, as_: Any, reddit: Reddit) -> None:
    """Fails if the address changes with the token: then all items would count as new."""
    source = added(as_(admin), admin)
    fetch_source(source)
    reddit.token = RENEWED
    settings = {"name": "Travel", "stance": "about us", "rhythm": "300", "owner": str(admin.pk)}
    edit = reverse("listening:source_edit", args=[source.pk])
    other = f"{reddit.base}/r/other/new/.rss?feed={RENEWED}&user=jo_9"
    refused = as_(admin).post(edit, settings | {"new_address": other})
    assert refused.status_code == 422
    assert "Only the token may differ" in refused.content.decode()
    assert RENEWED not in json.dumps(refused.content.decode())
    right = f"{reddit.base}/r/travel/new/.rss?feed={RENEWED}&user=jo_9"
    assert as_(admin).post(edit, settings | {"new_address": right}).status_code == 302
    before, address = Mention.objects.get().scope, source.address
    source.refresh_from_db()
    source.fetch_now()
    again = fetch_source(source)
    assert again is not None
    assert again.outcome == Fetch.Outcome.OK
    assert source.address == address
    assert {mention.scope for mention in Mention.objects.all()} == {before}
    assert RENEWED not in everything_stored()


def test_a_token_that_cannot_be_decrypted_can_be_replaced(
    admin: User, as_: Any, reddit: Reddit
) -> None:
    """Fails if the old token is read, because its key is not in SCRM_SECRETS_KEYS any more."""
    source = added(as_(admin), admin)
    Source.objects.update(sealed_secrets="sealed with a lost key")
    settings = {"name": "T", "stance": "about us", "rhythm": "300", "owner": str(admin.pk)}
    settings |= {"new_address": f"{reddit.base}/r/travel/new/.rss?feed={RENEWED}&user=jo_9"}
    saved = as_(admin).post(reverse("listening:source_edit", args=[source.pk]), settings)
    assert saved.status_code == 302
    source.refresh_from_db()
    assert list(source.secrets.values()) == [RENEWED]


def test_settings_without_a_new_address_keep_the_token(
    admin: User, as_: Any, reddit: Reddit
) -> None:
    source = added(as_(admin), admin)
    settings = {"name": "T", "stance": "about us", "rhythm": "300", "owner": str(admin.pk)}
    as_(admin).post(reverse("listening:source_edit", args=[source.pk]), settings)
    source.refresh_from_db()
    assert (source.name, list(source.secrets.values())) == ("T", [OLD])
