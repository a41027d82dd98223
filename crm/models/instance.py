"""Which database this is, so that one restored from a copy is known before anything leaves it."""

from __future__ import annotations

import uuid

from django.db import connection, models, transaction
from django.db.models import CharField, Func
from django.utils import timezone

from scrm.db import high_water_mark

ONLY = 1


class Here(Func):
    """Where this database is: cluster, database, timeline, and the table of this very row.

    Restoring a dump changes one of the first two or the last, recovery to a point in time and
    the promotion of a standby change the timeline. A crash changes none. Any role may ask.
    """

    template = (
        "concat_ws('/', (pg_control_system()).system_identifier,"
        " (SELECT oid FROM pg_database WHERE datname = current_database()),"
        " left(pg_walfile_name(pg_current_wal_lsn()), 8), 'crm_instance'::regclass::oid)"
    )
    output_field = CharField()


class InstanceQuerySet(models.QuerySet["Instance"]):
    def moved(self) -> InstanceQuerySet:
        """Its row, where this database is not the one that wrote it. Compared by PostgreSQL."""
        return self.exclude(fingerprint=Here())

    def is_set_back(self) -> bool:
        """Whether more was sent from this database than it knows of."""
        mine = self.filter(pk=ONLY).first()
        if mine is None:
            return False
        known = high_water_mark.highest(str(mine.uuid))
        # Asked again: another sender may have counted on before it told the witness.
        # Or a person released it, under a new name, of which this number says nothing.
        behind = self.filter(pk=ONLY, uuid=mine.uuid, attempts__lt=known)
        return known > mine.attempts and behind.exists()

    def count_attempt(self) -> None:
        """Count one; the witness hears of it when that is committed, so before the network.

        Last in its transaction: until then nobody else can count, so that each number is
        committed after all that are lower. Raises DoesNotExist where the row is missing: a new
        row would accept this place without a release.
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
        """From now on this is the database that sends, under a new name.

        The old name is retired with the witness, so that older files put back later are held.
        """
        old = str(self.get(pk=ONLY).uuid)
        self.filter(pk=ONLY).update(
            fingerprint=Here(), uuid=uuid.uuid4(), recorded_at=timezone.now()
        )
        transaction.on_commit(lambda: high_water_mark.keep(old, high_water_mark.RETIRED))


class Instance(models.Model):
    """The database that sends: one row, which a copy carries along, unlike its fingerprint.

    uuid: its name in `scrm.db.high_water_mark`. attempts: how many sendings were tried.
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
