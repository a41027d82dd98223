"""Whether this database holds the sample, and which rows came with it.

A row that only `load_sample` writes: it remembers the highest key of every table.
"""

from __future__ import annotations

from datetime import datetime

from django.apps import apps
from django.db import models
from django.db.models import Max, QuerySet

from crm.models import User
from scrm.models import Sample


def rows() -> QuerySet[Sample]:
    return Sample.objects.all()


def set_now(*, now: datetime) -> None:
    """All that is there now is the sample."""
    Sample.objects.update_or_create(defaults={"loaded_at": now, "newest": _newest()})


def loaded_at() -> datetime | None:
    """When the sample was loaded; None where there is none, or no longer."""
    return rows().values_list("loaded_at", flat=True).first()


def newest(model: type[models.Model]) -> int:
    """The highest key that a row of the sample has there."""
    here = rows().values_list("newest", flat=True).first() or {}
    return int(here.get(model._meta.db_table, 0))


def people() -> QuerySet[User]:
    """Those who came with the sample."""
    return User.objects.filter(pk__lte=newest(User)) if loaded_at() else User.objects.none()


def _newest() -> dict[str, int]:
    numbered = (m for m in apps.get_models(include_auto_created=True) if is_numbered(m))
    highest = {
        m._meta.db_table: m._default_manager.aggregate(key=Max("pk"))["key"] for m in numbered
    }
    return {table: key for table, key in highest.items() if key}


def is_numbered(model: type[models.Model]) -> bool:
    """Whether its rows are numbered in the order in which they were made."""
    return model._meta.managed and isinstance(model._meta.pk, models.AutoField)
