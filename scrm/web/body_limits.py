"""How many bytes a request body may have: by the view that takes it, and by who sends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import close_old_connections
from django.http import parse_cookie
from django.urls import Resolver404, resolve

ANONYMOUS = 64 * 1024
"""For everyone who is not logged in, and for views that need no login."""
FORM = 1024 * 1024
"""For every view that does not say otherwise with `body_limit`."""

View = TypeVar("View", bound=Callable[..., Any])


def body_limit(most: int) -> Callable[[View], View]:
    """Decorate a view that takes more than `FORM` from somebody who is logged in."""

    def mark(view: View) -> View:
        view.body_limit = most  # type: ignore[attr-defined]
        return view

    return mark


def with_files(most: int) -> int:
    """The limit of a form with files of `most` bytes in all: what is typed comes on top."""
    return most + settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def limit_of(path: str) -> int:
    """The most bytes that the view at `path` takes from somebody who is logged in."""
    try:
        view = resolve(path).func
    except Resolver404:
        return ANONYMOUS
    if not getattr(view, "login_required", True):
        return ANONYMOUS
    most: int = getattr(view, "body_limit", FORM)
    return most


def is_logged_in(cookies: str) -> bool:
    """Whether a Cookie header holds the session of somebody who is logged in.

    Asks the database, so it must not be called on the event loop.
    """
    key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME, "")
    if not key.isalnum():
        return False
    close_old_connections()
    return SESSION_KEY in SessionStore(key)
