"""Identify this database, so that a restored copy is noticed before it sends anything."""

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
    in time and the promotion of a standby change the timeline. A crash changes nothing. Any role
    may read it.
    """

    template = (
        "concat_ws('/', (pg_control_system()).system_identifier,"
        " (SELECT oid FROM pg_database WHERE datname = current_database()),"
        " left(pg_walfile_name(pg_current_wal_lsn()), 8), 'crm_instance'::regclass::oid)"
    )
    output_field = CharField()


class InstanceQuerySet(models.QuerySet["Instance"]):
    def moved(self) -> InstanceQuerySet:
        """The row, if it was written by another database. PostgreSQL compares."""
        return self.exclude(fingerprint=CurrentFingerprint())

    def is_set_back(self) -> bool:
        """Whether more deliveries were attempted from this database than it knows of."""
        mine = self.filter(pk=ONLY).first()
        if mine is None:
            return False
        known = high_water_mark.highest(str(mine.uuid))
        # Checked again in the database: another sender may count an attempt and commit before it
        # reports the number. Or an admin released the database under a new name, for which this
        # number says nothing.
        behind = self.filter(pk=ONLY, uuid=mine.uuid, attempts__lt=known)
        return known > mine.attempts and behind.exists()

    def count_attempt(self) -> None:
        """Count one attempt.

        The high-water mark gets the number on commit, before the network call.

        Call it last in its transaction: the row stays locked until then, so each number is
        committed after all lower ones. Raises DoesNotExist if the row is missing: a new row would
        accept this database without a release.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE crm_instance SET attempts = attempts + 1 RETURNING uuid, attempts"
            )
            counted = cursor.fetchone()
        if counted is None:
            raise self.model.DoesNotExist("The row of this database is missing: nothing is sent.")
        name, attempt = counted
        transaction.on_commit(lambda: high_water_mark.keep(str(name), attempt))

    def accept(self) -> None:
        """Make this database the one that sends, under a new name.

        The old name is retired in the high-water mark, so that older copies restored later are
        held.
        """
        old = str(self.get(pk=ONLY).uuid)
        self.filter(pk=ONLY).update(
            fingerprint=CurrentFingerprint(), uuid=uuid.uuid4(), recorded_at=timezone.now()
        )
        transaction.on_commit(lambda: high_water_mark.keep(old, high_water_mark.RETIRED))


class Instance(models.Model):
    """The database that sends: one row, which a copy contains too, unlike its fingerprint.

    uuid: its name in `scrm.db.high_water_mark`. attempts: how many deliveries were attempted.
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
