"""Identify this database, so that a restored copy is detected before it sends anything."""

from __future__ import annotations

import uuid

from django.db import connection, models, transaction
from django.db.models import CharField, Func
from django.utils import timezone

from scrm.db import high_water_mark

ONLY = 1


class CurrentFingerprint(Func):
    """An SQL expression for the fingerprint of this database.

    The fingerprint consists of the identifier of the PostgreSQL cluster, the oid of the database,
    the timeline of the cluster and the oid of this table. If a dump is restored, the identifier of
    the cluster, the oid of the database or the oid of the table changes. Point-in-time recovery and
    the promotion of a standby change the timeline. A crash changes none of the four values. Every
    database role may read the four values.
    """

    template = (
        "concat_ws('/', (pg_control_system()).system_identifier,"
        " (SELECT oid FROM pg_database WHERE datname = current_database()),"
        " left(pg_walfile_name(pg_current_wal_lsn()), 8), 'crm_instance'::regclass::oid)"
    )
    output_field = CharField()


class InstanceQuerySet(models.QuerySet["Instance"]):
    def moved(self) -> InstanceQuerySet:
        """Return the row if its stored fingerprint differs from the fingerprint of this database.

        Otherwise the result is empty.
        """
        return self.exclude(fingerprint=CurrentFingerprint())

    def is_set_back(self) -> bool:
        """Return whether this database was set back to an earlier state.

        The database stores the number of attempts to send. The witness (see
        `scrm.db.high_water_mark`) is the highest number that the database ever had, and it is kept
        outside the database. If the number in the database is lower than the witness, the database
        was set back.
        """
        mine = self.filter(pk=ONLY).first()
        if mine is None:
            return False
        known = high_water_mark.highest(str(mine.uuid))
        # Compare again in the database, because `mine` may be out of date by now: another process
        # may have counted an attempt and stored it in the high-water mark, or an admin may have
        # released the database under a new name, which has its own mark.
        behind = self.filter(pk=ONLY, uuid=mine.uuid, attempts__lt=known)
        return known > mine.attempts and behind.exists()

    def count_attempt(self) -> None:
        """Count one attempt to send. After the commit, the new number is stored as the witness.

        Call this method last in the transaction. It locks the row until the commit, so the numbers
        are committed in ascending order. Raises DoesNotExist if the row is missing. The method does
        not create a missing row: with a new row, this database could send although no user has
        allowed it to send.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE crm_instance SET attempts = attempts + 1 RETURNING uuid, attempts"
            )
            row = cursor.fetchone()
        if row is None:
            raise self.model.DoesNotExist("The row of this database is missing: nothing is sent.")
        name, attempt = row
        # Store the mark on commit and before the network call: a copy that is restored later then
        # counts fewer attempts than the mark.
        transaction.on_commit(lambda: high_water_mark.keep(str(name), attempt))

    def accept(self) -> None:
        """Give this database a new name and allow it to send.

        The witness of the old name is set to RETIRED. If an older copy of the database is restored
        later, the copy has the old name and therefore cannot send.
        """
        # Read the old name before the update replaces it.
        old = str(self.get(pk=ONLY).uuid)
        self.filter(pk=ONLY).update(
            fingerprint=CurrentFingerprint(), uuid=uuid.uuid4(), recorded_at=timezone.now()
        )
        transaction.on_commit(lambda: high_water_mark.keep(old, high_water_mark.RETIRED))


class Instance(models.Model):
    """The identity of the database that may send. The table has one row.

    A restored copy of the database contains the same row. But in the copy, the value of
    `CurrentFingerprint` differs from the stored `fingerprint`.
    uuid: the name of the database, under which its witness is stored.
    attempts: the number of attempts to send.
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
