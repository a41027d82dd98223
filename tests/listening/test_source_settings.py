"""An admin changes the address from which a feed is fetched, and the headers of its requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_httpserver import HTTPServer

from crm.models import Department, User
from listening.fetch import fetch_source
from listening.models import Mention, Source
from scrm.net import http
from scrm.net.addresses import networks

pytestmark = pytest.mark.django_db
RSS = b"""<rss version="2.0"><channel><title>T</title><item><guid>1</guid><title>One</title></item>
</channel></rss>"""


@pytest.fixture
def source(
    httpserver: HTTPServer,
    make_source: Callable[..., Source],
    service: Department,
    monkeypatch: pytest.MonkeyPatch,
) -> Source:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    return make_source(address=httpserver.url_for("/feed"))


@pytest.fixture
def moved(source: Source, httpserver: HTTPServer) -> Source:
    """A feed whose server has redirected it permanently."""
    httpserver.expect_request("/feed").respond_with_data(status=301, headers={"Location": "/new"})
    httpserver.expect_request("/new").respond_with_data(RSS, content_type="application/xml")
    httpserver.expect_request("/other").respond_with_data(RSS, content_type="application/xml")
    fetch(source)
    assert source.cursor["address"] == httpserver.url_for("/new")
    return source


def fetch(source: Source) -> None:
    source.fetch_now()
    done = fetch_source(source)
    assert done
    assert done.outcome in ("ok", "unchanged"), done.error
    source.refresh_from_db()


def move(browser: Client, source: Source, address: str) -> Any:
    return browser.post(reverse("listening:source_move", args=[source.pk]), {"address": address})


def test_a_permanent_redirect_can_be_undone(
    moved: Source, httpserver: HTTPServer, admin: User, as_: Callable[[User], Client]
) -> None:
    browser = as_(admin)
    page = browser.get(moved.get_absolute_url()).content.decode()
    assert httpserver.url_for("/new") in page
    assert "Undo: fetch the first address" in page
    assert move(browser, moved, moved.address).status_code == 302
    for _ in range(2):  # the server still redirects, but the address is not stored again
        moved.refresh_from_db()
        fetch(moved)
        assert moved.cursor["address"] == httpserver.url_for("/feed")
    assert Mention.objects.count() == 1
    assert "Undo: fetch" not in browser.get(moved.get_absolute_url()).content.decode()


def test_an_undone_redirect_stays_undone_if_the_form_is_sent_unchanged(
    moved: Source, httpserver: HTTPServer, admin: User, as_: Callable[[User], Client]
) -> None:
    for _ in range(2):
        move(as_(admin), moved, moved.address)
    moved.refresh_from_db()
    fetch(moved)
    assert moved.cursor["address"] == httpserver.url_for("/feed")


def test_the_address_of_a_feed_that_was_never_fetched_can_be_edited_twice(
    source: Source, admin: User, as_: Callable[[User], Client]
) -> None:
    for address in ("https://b.example/", "https://c.example/"):
        assert move(as_(admin), source, address).status_code == 302
    source.refresh_from_db()
    assert source.cursor["address"] == "https://c.example/"


def test_the_address_can_be_edited_and_no_entry_comes_back(
    moved: Source, httpserver: HTTPServer, admin: User, as_: Callable[[User], Client]
) -> None:
    move(as_(admin), moved, httpserver.url_for("/other"))
    httpserver.clear_log()
    moved.refresh_from_db()
    fetch(moved)
    assert [request.path for request, _ in httpserver.log] == ["/other"]
    assert Mention.objects.count() == 1


def test_a_fetch_that_is_running_does_not_restore_the_former_address(
    moved: Source, httpserver: HTTPServer, admin: User, as_: Callable[[User], Client]
) -> None:
    moved.fetch_now()
    running = moved.start_fetch(now=timezone.now())
    assert running
    move(as_(admin), moved, httpserver.url_for("/other"))
    assert running.fence() is None
    moved.refresh_from_db()
    assert moved.cursor["address"] == httpserver.url_for("/other")


@pytest.mark.parametrize(
    "address", ["", "ftp://b.example/", "no address", "https://b.example/f?token=0123456789abcdef"]
)
def test_an_address_that_cannot_be_fetched_is_refused(
    moved: Source, admin: User, as_: Callable[[User], Client], address: str
) -> None:
    before = moved.cursor
    assert move(as_(admin), moved, address).status_code == 422
    moved.refresh_from_db()
    assert moved.cursor == before


def test_a_source_that_follows_no_redirects_has_no_address_to_change(
    make_source: Callable[..., Source], admin: User, as_: Callable[[User], Client]
) -> None:
    other = make_source(kind="sandbox", address="mentions")
    assert move(as_(admin), other, "https://b.example/").status_code == 404


def save(browser: Client, source: Source, headers: str) -> Any:
    return browser.post(
        reverse("listening:source_edit", args=[source.pk]),
        {
            "name": source.name, "stance": source.stance, "rhythm": "300",
            "owner": source.owner_id, "headers": headers,
        },
    )  # fmt: skip


def test_headers_of_a_source_are_sent_stored_encrypted_and_never_shown(
    source: Source, httpserver: HTTPServer, admin: User, as_: Callable[[User], Client]
) -> None:
    httpserver.expect_request("/feed", headers={"X-Api-Key": "s3cret-key"}).respond_with_data(
        RSS, content_type="application/xml"
    )
    browser = as_(admin)
    assert save(browser, source, "X-Api-Key: s3cret-key").status_code == 302
    source.refresh_from_db()
    assert "s3cret" not in source.sealed_headers
    fetch(source)
    page = browser.get(source.get_absolute_url()).content.decode()
    assert "s3cret" not in page
    assert "X-Api-Key: ••••" in page
    # The form as it is shown keeps the value; without the line, the header is removed.
    save(browser, source, "X-Api-Key: ••••\r\nAccept-Language: de")
    source.refresh_from_db()
    assert source.headers == {"X-Api-Key": "s3cret-key", "Accept-Language": "de"}
    save(browser, source, "")
    source.refresh_from_db()
    assert source.headers == {}


@pytest.mark.parametrize("typed", [False, True])
def test_secret_headers_are_sent_only_to_a_server_that_an_admin_entered(
    moved: Source, httpserver: HTTPServer, admin: User, as_: Callable[[User], Client], typed: bool
) -> None:
    """The host of a permanent redirect is stored, and fetched directly from then on."""
    other = httpserver.url_for("/other").replace("127.0.0.1", "localhost")
    httpserver.clear_all_handlers()
    httpserver.expect_request("/new").respond_with_data(status=301, headers={"Location": other})
    httpserver.expect_request("/other").respond_with_data(RSS, content_type="application/xml")
    moved.headers = {"X-Api-Key": "s3cret-key", "Accept-Language": "de"}
    moved.save()
    if typed:
        move(as_(admin), moved, other)
        moved.refresh_from_db()
    for _ in range(2):
        fetch(moved)
    assert moved.cursor["address"] == other
    last, _answer = httpserver.log[-1]
    assert (last.path, last.headers["Accept-Language"]) == ("/other", "de")
    assert last.headers.get("X-Api-Key") == ("s3cret-key" if typed else None)


def test_headers_that_no_key_decrypts_are_kept_until_others_are_entered(
    source: Source, admin: User, as_: Callable[[User], Client]
) -> None:
    Source.objects.update(sealed_headers="sealed with a lost key")
    assert save(as_(admin), source, "").status_code == 302
    source.refresh_from_db()
    assert source.sealed_headers == "sealed with a lost key"
    save(as_(admin), source, "X-Api-Key: new")
    source.refresh_from_db()
    assert source.headers == {"X-Api-Key": "new"}


@pytest.mark.parametrize(
    "headers",
    ["no colon", "Host: evil.test", "X-Y: a\x0bb", "Content-Length: 5", "Ü: x", "X-New: ••••",
     "\n".join(f"X-{n}: 1" for n in range(11)), "Proxy-Authorization: x"],
)  # fmt: skip
def test_a_line_that_is_no_header_is_refused(
    source: Source, admin: User, as_: Callable[[User], Client], headers: str
) -> None:
    assert save(as_(admin), source, headers).status_code == 422
    source.refresh_from_db()
    assert source.sealed_headers == ""
