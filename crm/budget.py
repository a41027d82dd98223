"""How much an account may send: so many in any hour, so many in any 24 hours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Budget:
    """None is without limit."""

    per_hour: int | None = None
    per_day: int | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Budget:
        """As it stands in an account's config."""
        return cls(config.get("per_hour"), config.get("per_day"))

    @property
    def limits(self) -> list[tuple[int, timedelta]]:
        """(how many, within how long), for each that is set."""
        both = ((self.per_hour, HOUR), (self.per_day, DAY))
        return [(most, span) for most, span in both if most]
