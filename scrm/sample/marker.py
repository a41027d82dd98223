"""Find out whether this database contains the sample, and which rows belong to it.

The marker is the row of the model `Sample`, which only `load_sample` writes. The row stores the
highest key of each table at the time when the sample was loaded.
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
    """Mark all rows that exist now as rows of the sample."""
    Sample.objects.update_or_create(defaults={"loaded_at": now, "newest": _newest()})


def loaded_at() -> datetime | None:
    """Return when the sample was loaded, or None if the database has no sample."""
    return rows().values_list("loaded_at", flat=True).first()


def newest(model: type[models.Model]) -> int:
    """Return the highest key in this table that belongs to the sample, or 0 if there is none."""
    here = rows().values_list("newest", flat=True).first() or {}
    return int(here.get(model._meta.db_table, 0))


def people() -> QuerySet[User]:
    """Return the users who belong to the sample."""
    return User.objects.filter(pk__lte=newest(User)) if loaded_at() else User.objects.none()


def _newest() -> dict[str, int]:
    numbered = (m for m in apps.get_models(include_auto_created=True) if is_numbered(m))
    highest = {
        m._meta.db_table: m._default_manager.aggregate(key=Max("pk"))["key"] for m in numbered
    }
    return {table: key for table, key in highest.items() if key}


def is_numbered(model: type[models.Model]) -> bool:
    """Return whether the primary keys of a table are numbers in order of creation."""
    return model._meta.managed and isinstance(model._meta.pk, models.AutoField)
