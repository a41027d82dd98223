"""The nightly proof that the record is whole (G21). It tells of holes, and mends none."""

from __future__ import annotations

from time import monotonic

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from responses.models import Hole, Proof
from responses.proof.check import MOST, Check
from responses.proof.checks import CHECKS

_log = structlog.get_logger(__name__)
PATIENCE = 60
"""Seconds that the statement of one check may take; then it is told of, and the others go on."""
ROOM = 10
"""Seconds after which a task begins no other check; with PATIENCE less than a task may take."""
_UNFINISHED = "It was begun and not finished. It is tried again the next night."


def prove(proof: Proof, *, room: float | None = None) -> None:
    """Make all checks, each by itself, going on where another try stopped.

    room: seconds after which the rest is left to a next task; None makes all of them now. Whoever
    dies in a check, or is stopped there, loses that check and no other.
    """
    if not proof.claim():
        return
    began = monotonic()
    for check in CHECKS:
        if check.key in proof.found or check.key in proof.missed:
            continue
        if room is not None and monotonic() - began > room:
            proof.rest()
            return
        proof.note(check.key, missed=_UNFINISHED)
        try:
            _make(check, proof)
        except SoftTimeLimitExceeded:
            proof.rest()
            return
    proof.end()


def _make(check: Check, proof: Proof) -> None:
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}s'")
            found = check.find()
            whole = len(found) < MOST
            Hole.put_down(check.key, found, all_of_them=whole, now=timezone.now())
    except OperationalError as error:
        if not connection.is_usable():
            raise  # the database is away: the tick begins again
        _log.warning("check not made", check=check.key, error=str(error))
        why = f"It took longer than {PATIENCE} seconds, or the database stopped it."
        proof.note(check.key, missed=f"{why} It is tried again the next night.")
    else:
        proof.note(check.key, found=len(found))
