"""Limits of request bodies in bytes. They depend on the Django view and on the login."""

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
"""For users who are not logged in, and for views that need no login and have no `body_limit`."""
FORM = 1024 * 1024
"""For every view that needs a login and has no `body_limit`."""

View = TypeVar("View", bound=Callable[..., Any])


def body_limit(most: int) -> Callable[[View], View]:
    """Decorate a view with its own limit.

    If the view needs a login, the limit is for users who are logged in; otherwise it is for
    everybody.
    """

    def mark(view: View) -> View:
        view.body_limit = most  # type: ignore[attr-defined]
        return view

    return mark


def with_files(most: int) -> int:
    """Return the limit for a form with files.

    The limit is `most` plus the usual maximum size of a form, which is for the other fields.
    most: the maximum size of all files together, in bytes.
    """
    return most + settings.DATA_UPLOAD_MAX_MEMORY_SIZE


def limit_of(path: str) -> int:
    """Return how many bytes the Django view at `path` accepts from those who may use it."""
    try:
        view = resolve(path).func
    except Resolver404:
        return ANONYMOUS
    most: int = getattr(view, "body_limit", FORM if _needs_login(view) else ANONYMOUS)
    return most


def is_public(path: str) -> bool:
    """Return whether the Django view at `path` needs no login."""
    try:
        return not _needs_login(resolve(path).func)
    except Resolver404:
        return True


def _needs_login(view: Callable[..., Any]) -> bool:
    return bool(getattr(view, "login_required", True))


def is_logged_in(cookies: str) -> bool:
    """Return whether a Cookie header contains the session of a user who is logged in.

    This function queries the database, so it must not be called on the event loop.
    """
    key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME, "")
    if not key.isalnum():
        return False
    # This runs before Django's request begins, so Django has not closed broken connections yet.
    close_old_connections()
    return SESSION_KEY in SessionStore(key)
