"""Refuse a database that another version of scrm created, before a migration changes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import Error, Tags, register
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

APPS = ("scrm", "sandbox", "crm", "listening", "routing", "responses")


@register(Tags.database)
def check_migrations_are_known(*, databases: Sequence[str] | None, **_: Any) -> list[Error]:
    """Report migrations that were applied to the database but do not exist in this version.

    `manage.py migrate` runs this check first. Without it, Django would consider a migration applied
    if its name is recorded in the database, even if its content was different.
    """
    loader = MigrationLoader(None, load=False)
    # Load migrations only from disk, because the check must also work if the database has unknown
    # ones.
    loader.load_disk()
    known = loader.disk_migrations or {}
    unknown = sorted(
        f"{app}.{name}"
        for alias in databases or ()
        for app, name in MigrationRecorder(connections[alias]).applied_migrations()
        if app in APPS and (app, name) not in known
    )
    if not unknown:
        return []
    return [
        Error(
            "Another version of scrm created this database. Nothing was changed. This version "
            f"does not have these migrations: {', '.join(unknown)}.",
            hint="Use an empty database, or the version of scrm that created this one.",
            id="scrm.E001",
        )
    ]
