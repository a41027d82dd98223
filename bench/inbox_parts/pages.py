"""Measure the cost of a page.

The cost is the CPU time of one request through the WSGI application with all its middleware.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from inbox_parts import beside
from inbox_parts.figures import say

from crm.models import User
from routing.models import Case

PAIRS = 15
Page = Callable[[], bytes]


class Browser:
    """A client of the WSGI application; its requests are authenticated if a user is given."""

    def __init__(self, user: User | None) -> None:
        self.cookie = f"{settings.SESSION_COOKIE_NAME}={session_of(user)}" if user else ""
        self.application = get_wsgi_application()

    def get(self, address: str, **headers: str) -> bytes:
        path, _mark, query = address.partition("?")
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query,
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "HTTP_HOST": "localhost",
            "HTTP_COOKIE": self.cookie, "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(),
            **headers,
        }  # fmt: skip
        status: list[str] = []
        answer = self.application(environ, lambda said, _headers: status.append(said))
        body = b"".join(answer)
        getattr(answer, "close", lambda: None)()
        assert status[0].startswith("200"), (address, status)
        return body

    def page(self, address: str, **headers: str) -> Page:
        return lambda: self.get(address, **headers)


def session_of(user: User) -> Any:
    """Create a session in which this user is logged in, and return the session key."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key


def pages() -> dict[str, Page]:
    agent = User.objects.get(email="anna.sales@bench.example")
    case = Case.objects.visible_to(agent).active().order_by("pk")[50]
    browser = Browser(agent)
    return {
        "inbox_page": browser.page("/?view=open"),
        "inbox_page_admin": Browser(User.objects.get(role="admin")).page("/?view=open"),
        "case_page": browser.page(f"/cases/{case.pk}/?view=open"),
        "case_opened": browser.page(
            f"/cases/{case.pk}/?view=open", HTTP_HX_REQUEST="true", HTTP_HX_TARGET="open"
        ),
    }


def measure(pairs: int = PAIRS) -> None:
    """Compare the cost of each page with the cost of an empty page for a logged-in user.

    The calls alternate between the page and the empty page. A run with the full number of pairs
    also compares the inbox with django-helpdesk.
    """
    with override_settings(ROOT_URLCONF="inbox_parts.addresses", ALLOWED_HOSTS=["localhost"]):
        agent = User.objects.get(email="anna.sales@bench.example")
        empty, stranger = Browser(agent).page("/empty/"), Browser(None).page("/healthz")
        say("empty_page", cpu(empty, 30)[0], "ms", None, "-")
        say("empty_page_to_a_stranger", cpu(stranger, 30)[0], "ms", None, "-")
        for name, page in pages().items():
            _statements(name, page)
            ours, database, ratio = against(page, empty, pairs)
            say(name, ours, "ms", ratio, "20" if name == "inbox_page" else "-")
            say(f"{name}_database", database, "ms", None, "-")
        if pairs == PAIRS:
            _beside_helpdesk(pages()["inbox_page"])


def _beside_helpdesk(page: Page) -> None:
    """Compare the cost of a page with the cost of django-helpdesk's list of 50 tickets.

    django-helpdesk has 100,000 tickets. The calls alternate between the two applications.
    """
    with beside.drawing() as draw:
        if draw is None:
            return
        costs = [(cpu(page, 3), draw()) for _ in range(PAIRS)]
    say("helpdesk_list", median(theirs[0] for _ours, theirs in costs), "ms", None, "-")
    say("helpdesk_list_database", median(theirs[1] for _ours, theirs in costs), "ms", None, "-")
    ratio = median(sum(theirs) / sum(ours) for ours, theirs in costs)
    say("helpdesk_list_to_inbox_page", ratio, "times", ratio, ">20")


def against(one: Page, other: Page, pairs: int) -> tuple[float, float, float]:
    """Compare the cost of the page `one` with the cost of the page `other`.

    The calls alternate between the pages. The result has three numbers. The first is the CPU time
    of `one` in the benchmark process, in milliseconds. The second is the CPU time of `one` in the
    database, in milliseconds. The third is the CPU time of `one` divided by the CPU time of
    `other`, both measured in the benchmark process.
    """
    costs = [(cpu(one, 3), cpu(other, 10)) for _ in range(pairs)]
    ratio = median(a[0] / b[0] for a, b in costs)
    return median(a[0] for a, _b in costs), median(a[1] for a, _b in costs), ratio


def cpu(page: Page, times: int) -> tuple[float, float]:
    """Return the CPU time per call of a page, in milliseconds.

    The first number is the CPU time of the benchmark process. The second number is the CPU time of
    its database process.
    """
    page()
    clock = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    start, before = time.process_time(), int(clock.read_text().split()[0])
    for _ in range(times):
        page()
    ours = (time.process_time() - start) / times * 1000
    return ours, (int(clock.read_text().split()[0]) - before) / times / 1e6


def _statements(name: str, page: Page) -> None:
    page()
    with CaptureQueriesContext(connection) as asked:
        page()
        count = len(asked)
    say(f"{name}_statements", count, "statements", None, "15" if name == "inbox_page" else "-")
