"""Notify the owner of a source that fails or stays silent for longer than ever before."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from crm.models import Notice
from crm.models.notice import About
from listening.models import Source
from scrm.channels.base import ChannelError

SHORTEST_SILENCE = timedelta(days=3)
SHORTEST_OUTAGE = timedelta(hours=6)
"""A shorter silence or outage is never reported, even if it is the longest so far."""


def after_success(source: Source, *, found_new: bool, now: datetime) -> None:
    """Update the gaps of a source before a successful fetch is recorded."""
    if source.failures and source.last_ok_at:
        source.longest_outage = max(source.longest_outage, now - source.last_ok_at)
        source.gap_noticed_at = None
    # The history of a source begins with the first fetch after its creation or after an upgrade.
    since = source.last_new_at or now
    if found_new or source.last_new_at is None:
        source.longest_silence = max(source.longest_silence, now - since)
        source.last_new_at, source.gap_noticed_at = now, None
        return
    if _is_record(source, now - since, max(source.longest_silence, SHORTEST_SILENCE)):
        text = _("Nothing new for %s. It was never silent for so long.") % timesince(since, now)
        _notify(source, text, now)


def after_failure(source: Source, error: ChannelError, *, now: datetime) -> None:
    """Notify the owner if the source was paused, or was never unreachable for so long."""
    since = source.last_ok_at or source.created_at
    longest = max(source.longest_outage, SHORTEST_OUTAGE)
    if error.gone:
        _notify(source, _("It was paused. %s") % error.message, now)
    elif _is_record(source, now - since, longest):
        text = _("Every fetch has failed for %(time)s, longer than ever before. %(error)s")
        words = {"time": timesince(since, now), "error": error.message}
        _notify(source, text % words, now)


def _is_record(source: Source, gap: timedelta, longest: timedelta) -> bool:
    return gap > longest and source.gap_noticed_at is None


def _notify(source: Source, text: str, now: datetime) -> None:
    source.gap_noticed_at = now
    about = About(
        key=f"source:{source.pk}", title=source.name, place=source.channel.label,
        url=source.get_absolute_url(),
    )  # fmt: skip
    Notice.give([source.owner_id], Notice.Kind.SOURCE_GAP, about=about, text=text, now=now)
