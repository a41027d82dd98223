"""Run the nightly record check: guarantee G21 (docs/guarantees.md).

The record check only reports gaps and repairs nothing.
"""

from __future__ import annotations

from time import monotonic

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from responses.models import Gap, RecordCheck
from responses.record_check.base import MAX_GAPS, Check
from responses.record_check.checks import CHECKS

_log = structlog.get_logger(__name__)
PATIENCE = 60
"""Maximum seconds for the query of one check; a longer check is reported as not made."""
ROOM = 10
"""Seconds after which a task starts no further check. ROOM + PATIENCE < a task's time limit."""
_UNFINISHED = "The check started but did not finish. It runs again the next night."


def check_record(record_check: RecordCheck, *, room: float | None = None) -> None:
    """Run the checks one after the other. Checks that an earlier attempt has begun are skipped.

    After `room` seconds, no further check is started, and another task continues with the remaining
    checks. If `room` is None, there is no limit. If the process dies during a check, the next
    attempt skips this check and continues with the next one.
    """
    if not record_check.claim():
        return
    began = monotonic()
    for check in CHECKS:
        if check.key in record_check.found or check.key in record_check.missed:
            continue
        if room is not None and monotonic() - began > room:
            record_check.rest()
            return
        # This is stored before the check: if the process dies during the check, the next attempt
        # skips it.
        record_check.note(check.key, missed=_UNFINISHED)
        try:
            _make(check, record_check)
        except SoftTimeLimitExceeded:
            record_check.rest()
            return
    record_check.end()


def _make(check: Check, record_check: RecordCheck) -> None:
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                # LOCAL: the time limit ends with this transaction and not with the connection.
                cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
            found = check.find()
            whole = len(found) < MAX_GAPS
            Gap.store(check.key, found, all_of_them=whole, now=timezone.now())
    except OperationalError as error:
        if not connection.is_usable():
            raise  # the database is unavailable: the periodic task starts another attempt
        _log.warning("check not made", check=check.key, error=str(error))
        why = f"It took longer than {PATIENCE} seconds, or the database stopped it."
        record_check.note(check.key, missed=f"{why} It runs again the next night.")
    else:
        record_check.note(check.key, found=len(found))
