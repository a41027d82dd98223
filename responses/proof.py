"""The nightly proof that the record is whole (G21). It tells of holes, and mends none."""

from __future__ import annotations

import structlog
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from responses.chain import CHECKS
from responses.checks import MOST, Check
from responses.models import Hole, Proof

_log = structlog.get_logger(__name__)
PATIENCE = 60
"""Seconds that one check may take; one that takes longer is told of, and the others go on."""


def prove(proof: Proof) -> None:
    """Make all checks, each by itself, going on where a dead try stopped."""
    if not proof.claim():
        return
    for check in CHECKS:
        if check.key not in proof.found and check.key not in proof.missed:
            _make(check, proof)
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
        proof.note(check.key, missed=why)
    else:
        proof.note(check.key, found=len(found))
