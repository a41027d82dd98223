"""An account is connected by a login on a page of its network, in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from playwright.sync_api import Browser, expect

from crm.models import Account, User
from tests.browser.conftest import WATCH
from tests.crm.pigeon import Gate


class _Gate(BaseHTTPRequestHandler):
    """The login page of the network. It has a link back to scrm."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "back" not in query:  # the browser asks for an icon
            self.send_error(404)
            return
        back = f"{query['back'][0]}?state={query['state'][0]}&code=north"
        page = f'<!doctype html><title>Gate</title><a href="{back}">Allow scrm</a>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def gate(pigeon_post: Gate) -> Iterator[Gate]:
    """The gate of the pigeon post, with a login page on another origin than scrm."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Gate)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    pigeon_post.address = f"http://127.0.0.1:{server.server_port}/allow"
    yield pigeon_post
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_login_on_a_page_of_the_network_comes_back_to_scrm(
    transactional_db: None,
    chromium: Browser,
    live_server: Any,
    settings: Any,
    gate: Gate,
    admin: User,
) -> None:
    """The link to the network and the way back work under our content security policy.

    Fails if the form is answered with a redirect to the network: Chromium refuses it, because the
    policy has `form-action 'self'`. scrm runs in this process, because only here the test channel
    is registered.
    """
    settings.PUBLIC_URL = live_server.url
    client = Client()
    client.force_login(admin)
    session = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    context = chromium.new_context(base_url=live_server.url)
    said: list[str] = []
    context.add_init_script(WATCH)
    context.on("console", lambda message: said.append(message.text))
    context.add_cookies([{**session, "url": live_server.url}])  # type: ignore[list-item]
    page = context.new_page()
    page.goto("/our-accounts/new/pigeon/")
    page.get_by_label("Name of the loft").fill("any")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator("main")).to_contain_text("Nothing has been saved yet.")
    page.get_by_role("link", name="Continue on 127.0.0.1").click()
    page.get_by_role("link", name="Allow scrm").click()
    expect(page.locator("main h1")).to_contain_text("Loft north")
    account = Account.objects.get()
    assert page.url == f"{live_server.url}/our-accounts/{account.pk}/"
    assert account.secrets == {"ticket": "first-ticket"}
    assert [each for each in said if "refused by the policy" in each] == []
    context.close()
