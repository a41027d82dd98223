"""Named filters for mentions and sources.

A count on a page links to a list. The count and the list use the same filter, so they agree.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from listening import above
from listening.models import Fetch, Quarantined, Source
from scrm.web.params import midnight

ITEMS = {
    "today": _("found today"),
    "kept": _("recorded in the CRM"),
    "unmatched": _("no topic matched"),
    "answers": _("answers to us"),
    "waiting": _("waiting to be routed"),
}
SOURCES = {
    "failing": _("failing"),
    "waiting": _("over budget"),
    "quarantined": _("with quarantined items"),
}


def items(name: str, *, now: datetime) -> Q:
    """Return the condition on mentions for the filter `name`, which must be a key of ITEMS."""
    return _ITEMS[name](now)


def sources(name: str) -> Q:
    """Return the condition on sources for the filter `name`, which must be a key of SOURCES."""
    if name == "failing":
        return Q(is_active=True, failures__gt=0)
    if name == "waiting":
        return Q(is_active=True, failures=0) & ~Q(error="")
    return Q(pk__in=Quarantined.objects.filter(replayed_at=None).values("fetch__source"))


def _today(now: datetime) -> Q:
    """Return the condition for mentions that were found by a fetch that started today.

    The condition on `source` excludes no row, but it allows PostgreSQL to use the index of fetches.
    """
    fetches = Fetch.objects.filter(source__in=Source.objects.values("pk"))
    return Q(fetch__in=fetches.filter(started_at__gte=midnight(timezone.localdate(now))))


_ITEMS: dict[str, Callable[[datetime], Q]] = {
    "today": _today,
    "kept": lambda _now: Q(interaction__isnull=False),
    "unmatched": lambda _now: Q(interaction=None, backlog=False, processed_at__isnull=False),
    "answers": lambda _now: Q(interaction__in=above.replies_to_us()),
    "waiting": lambda _now: Q(processed_at=None),
}
