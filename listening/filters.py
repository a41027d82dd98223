"""Named filters for mentions and sources.

Pages that show a count and the lists they link to share them, so that both agree.
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
    "kept": _("stored in the CRM"),
    "unmatched": _("no topic matched"),
    "answers": _("replies to us"),
    "waiting": _("waiting to be routed"),
}
SOURCES = {"failing": _("failing"), "quarantined": _("with quarantined items")}


def items(word: str, *, now: datetime) -> Q:
    """Return the condition on mentions of a filter in ITEMS."""
    return _ITEMS[word](now)


def sources(word: str) -> Q:
    """Return the condition on sources of a filter in SOURCES."""
    if word == "failing":
        return Q(is_active=True, failures__gt=0)
    return Q(pk__in=Quarantined.objects.filter(replayed_at=None).values("fetch__source"))


def _today(now: datetime) -> Q:
    """Mentions found by a fetch of today.

    The fetches are filtered by source although every source counts: only then is an index used.
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
