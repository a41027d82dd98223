"""Delete files that nothing uses.

These are old uploads and scans that were never used, and received files that no mention refers to.
The row of a file is deleted first. The file itself is deleted after the commit, so that a row never
points to a missing file.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet

from crm.models import Attachment, Job
from responses.models import Draft

_log = structlog.get_logger(__name__)
UNTOUCHED = timedelta(days=7)
"""Age from which an unused file is deleted: no open page or running fetch is this old."""
SLICE = 100
"""Rows deleted per transaction: a crash leaves at most so many files whose row is gone."""


def sweep(*, now: datetime) -> int:
    """Delete all unused files; return how many files were deleted."""
    swept = last = 0
    while seen := _after(last, now):
        names = _drop_rows(seen, now)
        for name in names:
            # Keep a file to which another row refers too.
            if not Attachment.objects.filter(file=name).exists():
                default_storage.delete(name)
        swept, last = swept + len(names), seen[-1]
    if swept:
        _log.info("swept", files=swept)
    return swept


def _after(last: int, now: datetime) -> list[int]:
    unused = _unused(now).filter(pk__gt=last).order_by("pk")
    return list(unused.values_list("pk", flat=True)[:SLICE])


@transaction.atomic
def _drop_rows(seen: list[int], now: datetime) -> list[str]:
    """Delete those of the given rows that are still unused; return the names of their files.

    When a transaction uses a file, it locks the row of the file. Locked rows are skipped.
    """
    rows = Attachment.objects.filter(pk__in=seen).select_for_update(skip_locked=True)
    locked = [row.pk for row in rows]
    # Under the locks, check again that no file was used since the rows were listed.
    unused = {row.pk: row for row in _unused(now).filter(pk__in=locked)}
    named = {str(uuid) for uuid in _named()}
    gone = [row for row in unused.values() if str(row.uuid) not in named]
    Attachment.objects.filter(pk__in=[row.pk for row in gone]).delete()
    return [row.file.name for row in gone if row.file.name]


def _unused(now: datetime) -> QuerySet[Attachment]:
    old = Attachment.objects.filter(created_at__lt=now - UNTOUCHED, interaction=None)
    return old.filter(responses=None, enclosure=None)


def _named() -> Iterable[object]:
    """Yield the UUIDs of the files to which drafts and imports refer."""
    for kept in Draft.objects.filter(fields__has_key="kept").values_list("fields__kept", flat=True):
        yield from kept
    yield from Job.objects.filter(data__has_key="upload").values_list("data__upload", flat=True)
