"""Budget of an account: how many deliveries it may send in any hour and in any 24 hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of an account; None means no limit."""

    per_hour: int | None = None
    per_day: int | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Budget:
        """Read the budget from an account's config."""
        return cls(config.get("per_hour"), config.get("per_day"))

    @property
    def limits(self) -> list[tuple[int, timedelta]]:
        """The limits that are set, as (maximum number of deliveries, time span)."""
        both = ((self.per_hour, HOUR), (self.per_day, DAY))
        return [(maximum, span) for maximum, span in both if maximum]
