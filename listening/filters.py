"""Words that narrow what was heard, and the sources. A figure that counts by them opens a list
that holds them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from listening.models import Poll, SetApart, Source
from scrm.web.params import midnight

ITEMS = {
    "today": _("found today"),
    "kept": _("written to the CRM"),
    "unmatched": _("no topic matched"),
    "answers": _("answers to us"),
    "waiting": _("waiting to be routed"),
}
SOURCES = {"failing": _("failing"), "apart": _("with items set apart")}


def items(word: str, *, now: datetime) -> Q:
    """What a word of ITEMS asks of a mention."""
    return _ITEMS[word](now)


def sources(word: str) -> Q:
    """What a word of SOURCES asks of a source."""
    if word == "failing":
        return Q(is_active=True, failures__gt=0)
    return Q(pk__in=SetApart.objects.filter(replayed_at=None).values("poll__source"))


def _today(now: datetime) -> Q:
    """Found at a visit of today; asked source by source, because so an index holds it."""
    visits = Poll.objects.filter(source__in=Source.objects.values("pk"))
    return Q(poll__in=visits.filter(started_at__gte=midnight(timezone.localdate(now))))


_ITEMS: dict[str, Callable[[datetime], Q]] = {
    "today": _today,
    "kept": lambda _now: Q(interaction__isnull=False),
    "unmatched": lambda _now: Q(interaction=None, backlog=False, processed_at__isnull=False),
    "answers": lambda _now: Q(interaction__feedback__isnull=False),  # stands above: named only
    "waiting": lambda _now: Q(processed_at=None),
}
