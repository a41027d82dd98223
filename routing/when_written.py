"""When an item was written, as routing rules see it: in the workspace's zone and opening hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from crm.ledger import tellable
from crm.models import Workspace
from routing.clock import Hours, spans_between
from routing.facts import Written
from routing.models import Calendar

_MOMENT = timedelta(seconds=1)
_FIRST_YEAR = 1970
"""For earlier times, the working hours are unknown."""


@dataclass(frozen=True, slots=True)
class WhenWritten:
    """The workspace's time zone, and the hours of its default calendar; None without a calendar."""

    zone: tzinfo
    hours: Hours | None

    @classmethod
    def load(cls) -> WhenWritten:
        """Read the zone and the hours. This runs three SQL queries."""
        default = Calendar.objects.in_force().default
        return cls(Workspace.objects.zone(), default.hours if default.revision else None)

    def at(self, moment: datetime) -> Written:
        # A typed date may be in the year 1, which some zones and calendars cannot express.
        moment = tellable(moment) or moment
        working = None
        if self.hours and moment.year >= _FIRST_YEAR:
            working = bool(spans_between(moment, moment + _MOMENT, self.hours))
        return Written(moment.astimezone(self.zone), working)
