"""Identify this database, so that a restored copy is detected before it sends anything."""

from __future__ import annotations

import uuid

from django.db import connection, models, transaction
from django.db.models import CharField, Func
from django.utils import timezone

from scrm.db import high_water_mark

ONLY = 1


class CurrentFingerprint(Func):
    """Fingerprint of this database: cluster, database, timeline and the oid of this table.

    Restoring a dump changes the cluster, the database or the oid of the table. Recovery to a point
    in time and the promotion of a standby change the timeline. A crash changes nothing. Every
    database role may read these values.
    """

    template = (
        "concat_ws('/', (pg_control_system()).system_identifier,"
        " (SELECT oid FROM pg_database WHERE datname = current_database()),"
        " left(pg_walfile_name(pg_current_wal_lsn()), 8), 'crm_instance'::regclass::oid)"
    )
    output_field = CharField()


class InstanceQuerySet(models.QuerySet["Instance"]):
    def moved(self) -> InstanceQuerySet:
        """The row, if its fingerprint is not that of this database."""
        return self.exclude(fingerprint=CurrentFingerprint())

    def is_set_back(self) -> bool:
        """Whether the high-water mark counts more attempts of this database than its own row."""
        mine = self.filter(pk=ONLY).first()
        if mine is None:
            return False
        known = high_water_mark.highest(str(mine.uuid))
        # Compared again in the database, because our copy of the row may be old by now: another
        # sender may have counted and reported an attempt, or an admin may have released the
        # database under a new name, which has a mark of its own.
        behind = self.filter(pk=ONLY, uuid=mine.uuid, attempts__lt=known)
        return known > mine.attempts and behind.exists()

    def count_attempt(self) -> None:
        """Count one attempt to send; the high-water mark gets the number on commit.

        Call it last in its transaction: the row stays locked until then, so each number is
        committed after all lower ones. Raises DoesNotExist if the row is missing: creating it here
        would let this database send although no admin released it.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE crm_instance SET attempts = attempts + 1 RETURNING uuid, attempts"
            )
            row = cursor.fetchone()
        if row is None:
            raise self.model.DoesNotExist("The row of this database is missing: nothing is sent.")
        name, attempt = row
        # On commit, before the network call: a copy restored later then counts fewer attempts.
        transaction.on_commit(lambda: high_water_mark.keep(str(name), attempt))

    def accept(self) -> None:
        """Allow this database to send, under a new name.

        The old name is retired in the high-water mark, so that an older copy, if restored later,
        is held.
        """
        # Read before the update, which replaces it.
        old = str(self.get(pk=ONLY).uuid)
        self.filter(pk=ONLY).update(
            fingerprint=CurrentFingerprint(), uuid=uuid.uuid4(), recorded_at=timezone.now()
        )
        transaction.on_commit(lambda: high_water_mark.keep(old, high_water_mark.RETIRED))


class Instance(models.Model):
    """The identity of the database that may send, in one row.

    A restored copy contains the same row, but has another fingerprint. uuid: the name of the
    database in `scrm.db.high_water_mark`. attempts: how many deliveries were attempted.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    uuid = models.UUIDField(default=uuid.uuid4)
    fingerprint = models.CharField(max_length=200)
    attempts = models.BigIntegerField(default=0)
    recorded_at = models.DateTimeField(default=timezone.now)

    objects = InstanceQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=ONLY), name="one_instance")]

    def __str__(self) -> str:
        return self.fingerprint
