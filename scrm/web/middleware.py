"""Middleware of every page: a request id for the log, and a login that works with htmx."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from urllib.parse import quote

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url

_log = structlog.get_logger("scrm.request")
View = Callable[[HttpRequest], HttpResponse]


def request_log(view: View) -> View:
    """Give each request an id, which all its log lines contain, and log the end of the request."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request_id = uuid.uuid4().hex
        # Remove the id of an earlier request that used this thread.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        start = time.perf_counter()
        response = view(request)
        response["X-Request-Id"] = request_id
        took = round((time.perf_counter() - start) * 1000)
        _log.info(
            "request",
            method=request.method,
            route=route(request),
            status=response.status_code,
            ms=took,
        )
        return response

    return middleware


def route(request: HttpRequest) -> str:
    """Return the URL pattern that matched the request; "-" if no pattern matched.

    The URL itself is never logged, because it may contain a secret key.
    """
    match = request.resolver_match
    return f"/{match.route}" if match else "-"


def login_inside_htmx(view: View) -> View:
    """Redirect the whole page to the login if htmx requested only a part of the page.

    Otherwise htmx would show the login inside of that part.
    """
    login = resolve_url(settings.LOGIN_URL)

    def middleware(request: HttpRequest) -> HttpResponse:
        response = view(request)
        location = response.get("Location", "")
        if request.method == "POST" and location.startswith(login) and "next=" in location:
            # After the login, return to the page with the form, because the URL of the POST shows
            # no page.
            back = _path(request.headers.get("Referer") or "/")
            response["Location"] = location = f"{login}?next={back}"
        if request.headers.get("HX-Request") and location.startswith(login):
            here = request.headers.get("HX-Current-URL", "/")
            return HttpResponse(status=204, headers={"HX-Redirect": f"{login}?next={_path(here)}"})
        return response

    return middleware


def _path(url: str) -> str:
    """Return path and query of a URL of ours, quoted for a query string. The host is removed."""
    # Remove scheme and host, so that a forged Referer does not lead to another site after the
    # login.
    from_root = url.split("://", 1)[-1].partition("/")[2]
    return "/" + quote(from_root.lstrip("/"), safe="/")
