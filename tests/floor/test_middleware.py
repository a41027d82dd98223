"""The middleware of all pages: request ids, the redirect to the login page, security headers.

The redirect to the login page also works for requests of htmx.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from structlog.testing import capture_logs

from crm.models import User
from scrm.web.logs import without_address

pytestmark = pytest.mark.django_db


def test_every_answer_carries_an_id_of_its_own(client: Client, agent: User, as_: Callable) -> None:
    paths = ["/healthz", "/", "/no/such/page", "/account/login/"]
    ids = [each.get(path)["X-Request-Id"] for each in (client, as_(agent)) for path in paths]
    assert len(set(ids)) == len(ids)
    assert {len(each) for each in ids} == {32}


def test_an_id_from_outside_is_not_believed(client: Client) -> None:
    answer = client.get("/healthz", headers={"X-Request-Id": "forged"})
    assert answer["X-Request-Id"] != "forged"


def test_each_request_is_one_line_in_the_log(client: Client) -> None:
    with capture_logs() as log:
        client.get("/healthz?token=canary")
    line = next(line for line in log if line["event"] == "request")
    assert (line["method"], line["route"], line["status"]) == ("GET", "/healthz", 200)
    assert "canary" not in str(log)


@pytest.mark.parametrize(
    "address",
    [
        "/account/password/reset/key/1-canary/",
        "/attachments/00000000-0000-0000-0000-000000canary/",
        "/attachments/00000000-0000-0000-0000-0000000ca0a7/",
        "/no/such/canary/",
    ],
)
def test_no_key_in_an_address_gets_into_the_log(
    agent: User, as_: Callable, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    """A secret key in a URL appears neither in our log line of the request nor in those of Django.

    Fails if the whole path is logged, or if the log filter is missing.
    """
    caplog.handler.addFilter(without_address)
    with capture_logs() as log:
        as_(agent).get(address)
    assert [line["route"] for line in log if line["event"] == "request"]
    key = address.rstrip("/").rpartition("/")[2]
    assert key not in str(log) + caplog.text
    assert "canary" not in str(log) + caplog.text


def test_what_no_page_answers_has_no_route(agent: User, as_: Callable) -> None:
    with capture_logs() as log:
        as_(agent).get("/no/such/page/")
    assert next(line for line in log if line["event"] == "request")["route"] == "-"


def test_a_stranger_is_sent_to_the_login_and_back(client: Client) -> None:
    """A user who is not logged in gets the login page, and after the login the requested page.

    Fails without LoginRequiredMiddleware.
    """
    answer = client.get("/contacts/?q=anna")
    assert answer.status_code == 302
    assert urlsplit(answer["Location"]).path == "/account/login/"
    assert _next(answer["Location"]) == "/contacts/?q=anna"


@pytest.mark.parametrize(
    "here",
    [
        "/",
        "/?view=mine&department=3",
        "/cases/7/#latest",
        "/contacts/?q=anna%20k%26co+x",
    ],
)
def test_inside_htmx_the_whole_browser_goes_to_the_login(client: Client, here: str) -> None:
    """If a request of htmx needs a login, the browser opens the login page as a full page.

    Fails without `login_inside_htmx`, because then htmx shows the login page inside another page.
    """
    answer = client.get(
        "/nav/", headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{here}"}
    )
    assert answer.status_code == 204
    assert "Location" not in answer
    assert urlsplit(answer["HX-Redirect"]).path == "/account/login/"
    assert _next(answer["HX-Redirect"]) == here


def test_a_forged_address_does_not_lead_out_of_the_house(client: Client) -> None:
    for evil in ("https://evil.example/x", "//evil.example", "evil", "javascript:alert(1)", ""):
        answer = client.get("/nav/", headers={"HX-Request": "true", "HX-Current-URL": evil})
        after = _next(answer["HX-Redirect"])
        assert after.startswith("/")
        assert not after.startswith("//")


def test_a_colleague_who_is_logged_in_is_left_in_peace(agent: User, as_: Callable) -> None:
    answer = as_(agent).get("/nav/", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "HX-Redirect" not in answer


def test_every_page_is_strict_about_scripts(client: Client) -> None:
    """Guarantee G11 (docs/guarantees.md): each page has a strict Content-Security-Policy header.

    Fails without CSPMiddleware.
    """
    for path in ("/account/login/", "/no/such/page"):
        policy = client.get(path, follow=True)["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def _next(url: str) -> str:
    return parse_qs(urlsplit(url).query).get("next", ["/"])[0]
