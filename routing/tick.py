"""The periodic work of routing, which `scrm.pipeline.tick` starts."""

from __future__ import annotations

from datetime import datetime

from routing.alarms import raise_alarms
from routing.models import Presence
from routing.mutes import weekly_digest
from routing.statutory import announce_deadlines
from routing.wake import wake_snoozed


def run_tick(*, now: datetime) -> None:
    """Wake snoozed cases, send warnings and digests, and remove the presence of users who left."""
    wake_snoozed(now=now)
    raise_alarms(now=now)
    announce_deadlines(now=now)
    weekly_digest(now=now)
    Presence.objects.sweep(now=now)
