"""The size limit of a request body depends on the Django view.

Without a login the limit is small, even if the request has cookies.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from crm.models import User
from scrm import asgi
from scrm.web import health, request_limits
from scrm.web.request_limits import ANONYMOUS, FORM, is_logged_in, limit_of
from scrm.web.upload_limits import MAX_CSV_BYTES, MAX_FILE_BYTES, MAX_FILES, MAX_SCANS
from scrm.web.wsgi_bridge import Pages
from tests.serving import Serving, everything, serving, statuses

As = Callable[[User], Client]
TYPED = settings.DATA_UPLOAD_MAX_MEMORY_SIZE


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/account/login/", ANONYMOUS),
        ("/account/password/reset/", ANONYMOUS),
        ("/nowhere/", ANONYMOUS),
        ("/topics/new/", FORM),
        ("/cases/1/draft/", FORM),
        ("/new/event/", TYPED),
        ("/new/cards/", TYPED),
        ("/new/", TYPED + MAX_SCANS * MAX_FILE_BYTES),
        ("/new/survey/", TYPED + 5 * MAX_CSV_BYTES),
        ("/sources/new/csv/", TYPED + 5 * MAX_CSV_BYTES),
        ("/cases/1/reply/", TYPED + MAX_FILES * MAX_FILE_BYTES),
    ],
)
def test_each_view_has_a_limit(path: str, limit: int) -> None:
    assert limit_of(path) == limit


@pytest.mark.django_db
def test_only_a_session_of_somebody_counts(
    agent: User, as_: As, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request counts as logged in only if its cookie names the session of a user.

    Fails if the session of an anonymous visitor counts, or if any cookie counts.
    """
    # keep the database connection of the test open
    monkeypatch.setattr(request_limits, "close_old_connections", lambda: None)
    key = as_(agent).cookies["sessionid"].value
    assert is_logged_in(f"theme=dark; sessionid={key}")
    assert not is_logged_in("")
    assert not is_logged_in(f"sessionid={key[:-1]}")
    assert not is_logged_in(f"csrftoken={key}")
    assert not is_logged_in('sessionid="\\000aaaaaaaaaaaaa"')
    anonymous = client.session
    anonymous["anything"] = 1
    anonymous.save()
    assert not is_logged_in(f"sessionid={anonymous.session_key}")


# With the real server


@pytest.fixture
def server(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    pages = Pages(asgi.pages, threads=1)
    monkeypatch.setattr(asgi, "_pages", pages)
    with serving(asgi.application) as server:
        yield server
        pages.threads.submit(connections.close_all).result()


def post(server: Serving, path: str, size: int, cookie: str = "", more: bytes = b"") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Length: {size}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
    ).encode()
    with server.connect(head + more + b"\r\n") as sock:
        with suppress(OSError):
            sock.sendall(b"x" * size)
        return everything(sock)


def test_a_stranger_sends_a_little_and_staff_a_form(server: Serving, agent: User, as_: As) -> None:
    cookie = f"sessionid={as_(agent).cookies['sessionid'].value}"
    fake = "sessionid=abcdefghijklmnopqrstuvwxyz012345"
    # 403: the size is accepted, but the CSRF token is missing
    assert statuses(post(server, "/topics/new/", ANONYMOUS, fake)) == [403]
    assert statuses(post(server, "/topics/new/", ANONYMOUS + 1, fake)) == [413]
    assert statuses(post(server, "/new/", ANONYMOUS + 1)) == [413]
    assert statuses(post(server, "/account/login/", ANONYMOUS + 1, cookie)) == [413]
    assert statuses(post(server, "/topics/new/", ANONYMOUS + 1, cookie)) == [403]
    assert statuses(post(server, "/topics/new/", FORM + 1, cookie)) == [413]
    assert statuses(post(server, "/new/", FORM + 1, cookie)) == [403]


def test_the_reason_fits_into_a_page_that_htmx_keeps(server: Serving, agent: User, as_: As) -> None:
    cookie = f"sessionid={as_(agent).cookies['sessionid'].value}"
    answer = post(server, "/cases/1/draft/", FORM + 1, cookie, b"HX-Request: true\r\n")
    assert b"hx-reswap: none" in answer
    refused = b"The request was not accepted. The request is larger than the limit of 1 MB"
    assert b'<li class="error"><span>' + refused in answer
    assert b"<html" not in answer
    answer = post(server, "/cases/1/draft/", FORM + 1, more=b"HX-Request: true\r\n")
    assert b"Without a login, requests are limited to 64 KB" in answer


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_it_is_alive_while_pages_hold_all_threads(
    server: Serving, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/healthz answers even while all threads that handle pages are busy.

    Fails if /healthz needs one of these threads.
    """
    held, is_held = threading.Event(), threading.Event()

    def hold() -> str:
        is_held.set()
        held.wait(30)
        return "ok"

    monkeypatch.setattr(health, "_CHECKS", {"held": hold})
    with server.connect(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n") as waits:
        assert is_held.wait(30)
        answer = server.ask(f"{method} /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        held.set()
        assert statuses(everything(waits)) == [200]
    assert statuses(answer) == [200]
    assert answer.endswith(b"\r\n\r\nok\n" if method == "GET" else b"\r\n\r\n")


def test_and_is_not_to_be_changed(server: Serving) -> None:
    assert statuses(post(server, "/healthz", 10)) == [405]
