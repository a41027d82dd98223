"""What `routing` does in each tick."""

from __future__ import annotations

from datetime import datetime

from routing.alarms import raise_alarms
from routing.models import Presence
from routing.wake import wake_snoozed


def keep_up(*, now: datetime) -> None:
    """Wake snoozed cases, tell people what is due, and end the presence of those who left."""
    wake_snoozed(now=now)
    raise_alarms(now=now)
    Presence.objects.sweep(now=now)
