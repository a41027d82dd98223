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
SHORTEST_HISTORY = timedelta(weeks=4)
"""Before the first silence between two items, only a silence of this length is reported."""
GONE_AFTER = timedelta(days=1)
"""A source is paused if it still says so long after the first time that it was removed for good."""

RESET = ("last_new_at", "gap_noticed_at", "outage_noticed_at", "failing_since", "gone_since")
"""The fields that `after_pause` changes."""


def after_success(source: Source, *, found_new: bool, now: datetime) -> None:
    """Update the gaps of a source before a successful fetch is recorded."""
    if source.failures and source.failing_since:
        source.longest_outage = max(source.longest_outage, now - source.failing_since)
    source.failing_since = source.gone_since = source.outage_noticed_at = None
    _skip_wait(source, now)
    # The history of a source begins with the first fetch after its creation or after an upgrade.
    since = source.last_new_at or now
    silence = now - since
    if found_new or source.last_new_at is None:
        source.longest_silence = max(source.longest_silence, silence)
        source.last_new_at, source.gap_noticed_at = now, None
        return
    longest = max(source.longest_silence, SHORTEST_SILENCE)
    if not source.longest_silence:
        longest = SHORTEST_HISTORY
    if silence > longest and source.gap_noticed_at is None:
        source.gap_noticed_at = now
        text = _("Nothing new for %s. It was never silent for so long.") % timesince(since, now)
        _notify(source, text, now)


def after_failure(source: Source, error: ChannelError, *, now: datetime) -> None:
    """Update the gaps of a source before a failed fetch is recorded.

    If the source was removed for good, it is paused. Its owner is notified of that, and if the
    source was never unreachable for so long.
    """
    _skip_wait(source, now)
    # The time before the first failure is no outage: the source may have been paused.
    if not source.failures or source.failing_since is None:
        source.failing_since, source.outage_noticed_at = now, None
    if error.gone:
        source.gone_since = source.gone_since or now
        if now - source.gone_since >= GONE_AFTER:
            source.is_active = False
            _notify(source, _("It was paused. %s") % error.message, now)
            return
    longest = max(source.longest_outage, SHORTEST_OUTAGE)
    if now - source.failing_since > longest and source.outage_noticed_at is None:
        source.outage_noticed_at = now
        text = _("Every fetch has failed for %(time)s, longer than ever before. %(error)s")
        words = {"time": timesince(source.failing_since, now), "error": error.message}
        _notify(source, text % words, now)


def after_pause(source: Source, *, now: datetime) -> None:
    """Update the gaps of a source that is resumed: the pause was neither silence nor outage."""
    if source.last_new_at:
        source.last_new_at = now
    source.gap_noticed_at = source.outage_noticed_at = None
    source.failing_since = source.gone_since = None


def _skip_wait(source: Source, now: datetime) -> None:
    """A wait for a budget was no silence."""
    if source.waits_for_budget and source.last_new_at:
        source.last_new_at = now


def _notify(source: Source, text: str, now: datetime) -> None:
    about = About(
        key=f"source:{source.pk}", title=source.name, place=source.channel.label,
        url=source.get_absolute_url(),
    )  # fmt: skip
    Notice.give([source.owner_id], Notice.Kind.SOURCE_GAP, about=about, text=text, now=now)
