"""The sending limits of an account: the maximum number of deliveries in an hour and in a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Budget:
    """The sending limits of an account, per hour and per day. None means that there is no limit."""

    per_hour: int | None = None
    per_day: int | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Budget:
        """Read the limits from the configuration of an account."""
        return cls(config.get("per_hour"), config.get("per_day"))

    @property
    def limits(self) -> list[tuple[int, timedelta]]:
        """The limits that are set, each as a pair (maximum number of deliveries, time span)."""
        both = ((self.per_hour, HOUR), (self.per_day, DAY))
        return [(maximum, span) for maximum, span in both if maximum]
