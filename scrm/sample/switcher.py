"""Look as somebody else, without a password: in the sample only, where `make run` allows it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from crm.models import User
from scrm.sample import marker
from scrm.sample.people import STAFF


def cast() -> QuerySet[User]:
    """The sample's own people; nobody where there is no sample, or nobody may switch."""
    if not (settings.SAMPLE_SWITCHER and marker.loaded_at()):
        return User.objects.none()
    emails = [each.email for each in STAFF]
    return User.objects.active().filter(email__in=emails).order_by("pk")


def people(request: HttpRequest) -> dict[str, Any]:
    """For every page: whom one can look as. Asked only where a template shows it."""
    if not (settings.SAMPLE_SWITCHER and hasattr(request, "user")):
        return {}
    return {"sample_people": SimpleLazyObject(lambda: _parts(request))}


def _parts(request: HttpRequest) -> list[tuple[User, str]]:
    """Each with their part, such as "lead, Sales"."""
    if not request.user.is_authenticated:
        return []
    titles = {each.email: each.title for each in STAFF}
    return [(user, titles[user.email]) for user in cast()]
