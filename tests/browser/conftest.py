"""Fixtures for browser tests: the real web server and workers on the test database, and Chromium.

`make browser` installs Chromium and the accessibility checker axe. If one of them is missing, the
tests are skipped, and pytest shows the reason. In CI the tests fail instead.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    expect,
    sync_playwright,
)

from crm.models import Account, Department, User
from responses.models import Delivery
from scrm.bus.nudge import nudge
from tests.browser.hands import HANDS, Hand
from tests.browser.world import World, populate
from tests.machinery import Machine, eventually

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
SHOTS = Path("var/browser")
"""Directory for the screenshots of the pages of a failed test."""
# Console messages of htmx that do not let a test fail. The first three are about requests that
# ended because the user left the page; if a request really fails, the browser also logs a message
# of its own. The last one is about a row that has just left the list and cannot be updated.
LEFT = ("htmx:afterRequest", "htmx:sendAbort", "htmx:sendError", "htmx:oobErrorNoTarget, #row-")
PATIENCE = 60_000
"""Milliseconds that a step may take. At a load of nine per core, a page took 16 s to be drawn."""
expect.set_options(timeout=PATIENCE)
# Logs each violation of the content security policy, because the console may not show all of them.
WATCH = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`refused by the policy: ${event.violatedDirective} ${event.blockedURI}`));"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    windows = getattr(item, "funcargs", {}).get("windows")
    if report.failed and call.when == "call" and isinstance(windows, Windows):
        for n, page in enumerate(windows.pages()):
            with suppress(Error):  # the page may be loading another page at this moment
                page.screenshot(path=SHOTS / f"{item.name}-{n}.png")
    return report


def missing(what: str) -> None:
    """Skip the test with a message that says what is missing; in CI, let the test fail instead."""
    words = f"{what}. `make browser` puts it there."
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)


@dataclass(frozen=True)
class Site:
    """The running scrm: its URL, and the processes of the web server and the workers."""

    url: str
    machine: Machine


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        missing("There is no Chromium on PATH")
    # Playwright's event loop runs in this thread, but the tests use the ORM outside of that loop.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.fixture(scope="session")
def site(
    chromium: Browser, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any
) -> Iterator[Site]:
    """Start scrm once for all browser tests of a run, and stop it after the last test.

    Each test creates and deletes its own rows.
    """
    port = _free_port()
    env = {
        "PORT": str(port),
        "SCRM_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SCRM_UNDO_SECONDS": "60",
        "SCRM_ALLOW_CIDRS": "127.0.0.1/32",  # the stand-ins of networks
        "MEDIA_ROOT": str(tmp_path_factory.mktemp("media")),
    }
    run = ("web", "worker", "sender")
    with django_db_blocker.unblock():
        _give_way()
    with (
        django_db_blocker.unblock(),
        Machine(tmp_path_factory.mktemp("site"), env=env, run=run) as machine,
    ):
        eventually(lambda: _answers(port), within=60)
        yield Site(f"http://127.0.0.1:{port}", machine)
    with django_db_blocker.unblock():
        eventually(_alone, within=60)
        connection.close()


def _alone() -> bool:
    """End all other connections to the database.

    Returns True if no other connection is left. Only then can the database be deleted.
    """
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid) {others}")
        return not cursor.fetchall()


def _give_way() -> None:
    """Set a lock timeout of 5 s for the site's connections to the test database.

    After a test, the tables are emptied. A connection of the site may then wait in a deadlock that
    PostgreSQL does not detect, because only the connection that began to wait last searches for
    deadlocks. With the timeout, the connection of the site stops waiting, and the tables can be
    emptied.
    """
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET lock_timeout = '5s'")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        asked.request("GET", "/healthz")
        return asked.getresponse().status == 200
    except OSError:
        return False
    finally:
        asked.close()


@dataclass
class Windows:
    """All browsers of one test.

    The test fails at its end if the console of a browser shows an error or a warning. A test calls
    `expect` with parts of the messages that it causes on purpose. These messages do not let the
    test fail.
    """

    chromium: Browser
    site: Site
    contexts: list[BrowserContext] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def open(
        self,
        user: User | None,
        address: str = "/",
        *,
        theme: Any = "light",
        phone: bool = False,
        **options: Any,
    ) -> Page:
        """Open a page in a new browser context in which the given user is logged in."""
        context = self.browser(user, theme=theme, phone=phone, **options)
        page = context.new_page()
        page.goto(address)
        return page

    def browser(
        self, user: User | None, *, theme: Any = "light", phone: bool = False, **options: Any
    ) -> BrowserContext:
        context = self.chromium.new_context(
            base_url=self.site.url,
            viewport=PHONE if phone else DESK,
            color_scheme=theme,
            has_touch=phone,
            permissions=["clipboard-read", "clipboard-write"],
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(PATIENCE)
        context.set_default_navigation_timeout(2 * PATIENCE)
        context.add_init_script(WATCH)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.said.append(f"error: {error.error}"))
        if user:
            context.add_cookies([self.session_of(user)])
        self.contexts.append(context)
        return context

    def session_of(self, user: User) -> Any:
        client = Client()
        client.force_login(user)
        value = client.cookies["sessionid"].value
        return {"name": "sessionid", "value": value, "url": self.site.url}

    def expect(self, *words: str) -> None:
        self.expected += words

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            where = message.location.get("url", "")
            self.said.append(f"{message.type}: {message.text} ({where})")

    def complaints(self) -> list[str]:
        fine = (*LEFT, *self.expected)
        return [each for each in self.said if not any(word in each for word in fine)]

    def pages(self) -> list[Page]:
        return [page for context in self.contexts for page in context.pages]


@pytest.fixture
def windows(transactional_db: None, chromium: Browser, site: Site) -> Iterator[Windows]:
    with connection.cursor() as cursor:
        # If a late request of the site prevents the tables from being emptied, the request must
        # fail.
        cursor.execute("SET deadlock_timeout = '20s'; SET lock_timeout = 0")
    here = Windows(chromium, site)
    yield here
    for context in here.contexts:
        context.close()
    _until_quiet()
    assert not here.complaints(), "\n".join(here.complaints())


def leaves(delivery: Delivery) -> None:
    """Make a delivery due, and wait until it is sent."""
    Delivery.objects.filter(pk=delivery.pk).update(send_after=timezone.now())
    nudge("scrm.pipeline.deliver", delivery.pk)
    eventually(lambda: Delivery.objects.filter(pk=delivery.pk, state="sent"), within=60)


def _until_quiet() -> None:
    """Wait until all other database connections are idle, so that the rows can be deleted."""
    busy = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state <> 'idle'"
    )

    def still() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(busy)
            return cursor.fetchone() == (0,)

    for _ in range(3):
        eventually(still, within=60)
        time.sleep(0.03)


@pytest.fixture
def world(service: Department, microblog: Account, agent: User) -> World:
    """Create the data of a test: fifteen unassigned cases on the microblog.

    The microblog accepts replies of at most 500 characters.
    """
    microblog.config = {"max_length": 500}
    microblog.save()
    return populate(agent)


@pytest.fixture(params=["keyboard light", "keyboard dark", "mouse light", "mouse dark"])
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return the input device (keyboard or mouse) and the theme (light or dark) of this run."""
    hand, theme = request.param.split()
    return hand, theme


TWO_WAYS = pytest.mark.parametrize(
    "way",
    [("keyboard", "dark"), ("mouse", "light")],
    ids=["keyboard dark", "mouse light"],
)
"""Two combinations only, for one of several ways to the same pages."""


@pytest.fixture
def sit_down(windows: Windows, way: tuple[str, str]) -> Callable[..., Hand]:
    """Return a function that opens a page for a user.

    The page uses the input device and the theme of this test run.
    """

    def sit(user: User, address: str = "/", **options: Any) -> Hand:
        hand, theme = way
        return HANDS[hand](windows.open(user, address, theme=theme, **options))

    return sit
