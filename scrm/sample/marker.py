"""Whether this database holds the sample: a row that only `load_sample` writes."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from scrm.models import Heartbeat

NAME = "sample"


def rows() -> QuerySet[Heartbeat]:
    return Heartbeat.objects.filter(name=NAME)


def set_now(*, now: datetime) -> None:
    Heartbeat.beat(NAME, now=now)


def loaded_at() -> datetime | None:
    """When the sample was loaded; None where there is none, or no longer."""
    return rows().values_list("at", flat=True).first()
