"""Switch to another user of the sample without a password.

This is possible only in a browser on the machine where scrm runs.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from crm.models import User
from scrm.sample import marker
from scrm.sample.people import STAFF

_NAMES = {"localhost", "127.0.0.1", "::1"}
_PROXIED = {"HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP"}
"""Headers that a proxy adds, beside X-Forwarded-….

Behind a proxy all requests seem to come from this machine.
"""


def cast(request: HttpRequest) -> QuerySet[User]:
    """Return the users of the sample that the user of this request can switch to.

    The result is empty unless the switcher is enabled in the settings, the user belongs to the
    sample, and the request was made on this machine.
    """
    people = marker.people().filter(is_active=True, email__in=[hire.email for hire in STAFF])
    if not (settings.SAMPLE_SWITCHER and is_local(request)):
        return people.none()
    mine = people.filter(pk=request.user.pk or 0)
    return people.order_by("pk") if mine.exists() else people.none()


def is_local(request: HttpRequest) -> bool:
    """Return whether a request was sent from this machine to this machine.

    A request through a proxy does not count.
    """
    proxied = any(name.startswith("HTTP_X_FORWARDED") for name in request.META)
    names = {urlsplit(f"//{request.get_host()}").hostname, urlsplit(settings.PUBLIC_URL).hostname}
    return (
        names <= _NAMES
        and not proxied
        and not _PROXIED & request.META.keys()
        and _is_loopback(request.META.get("REMOTE_ADDR", ""))
    )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:  # the peer of a Unix socket has no address
        return False


def people(request: HttpRequest) -> dict[str, Any]:
    """Context processor that adds certain users of the sample to the context of every page.

    These are the users that the logged-in user can switch to. They are loaded only if a template
    shows them.
    """
    if not (settings.SAMPLE_SWITCHER and hasattr(request, "user")):
        return {}
    return {"sample_people": SimpleLazyObject(lambda: _parts(request))}


def _parts(request: HttpRequest) -> list[tuple[User, str]]:
    """Return the users with their titles, such as "lead, Sales"."""
    titles = {hire.email: hire.title for hire in STAFF}
    return [(user, titles[user.email]) for user in cast(request)]
