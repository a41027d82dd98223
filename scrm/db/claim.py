"""Leases for work rows: one worker at a time works on a row, and a dead worker's lease lapses.

Rows say what is due; Celery messages only wake a worker. Deliveries do not use this: if
the worker died, the message may have been sent, so the delivery is never claimed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from django.db import models, transaction
from django.db.models import F, Q


class LeasedRow(models.Model):
    """A row that workers claim.

    attempt: counts the claims. It is the fence: a worker whose row has another number by now has
    lost its lease and must change nothing.
    """

    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True


Row = TypeVar("Row", bound=LeasedRow)


class LeaseQuerySet(models.QuerySet[Row]):
    def due(self, now: datetime) -> Self:
        """Rows with work to do whose lease has lapsed. Each model adds its own conditions."""
        return self.filter(Q(lease_until=None) | Q(lease_until__lt=now))

    def claim(
        self,
        *,
        now: datetime,
        lease: timedelta,
        order_by: Sequence[str] = ("pk",),
        most: int = 1,
        choose: Callable[[list[Row]], list[Row]] = lambda rows: rows,
        **values: Any,
    ) -> list[Row]:
        """Lease the first due rows, without waiting for rows that another worker is claiming.

        The attempt is committed before the work begins, so that work which kills its worker is
        counted. choose: picks from the locked rows. values: further columns to set.
        """
        with transaction.atomic():
            due = self.due(now).select_for_update(no_key=True, skip_locked=True, of=("self",))
            # Under the lock: a row is chosen and leased by this worker only.
            rows = choose(list(due.order_by(*order_by)[:most]))
            values = {"lease_until": now + lease, **values}
            leased = self.model._base_manager.filter(pk__in=[row.pk for row in rows])
            leased.update(attempt=F("attempt") + 1, **values)
        # Repeat on the instances what UPDATE did: their attempt is the fence.
        for row in rows:
            row.attempt += 1
            for name, value in values.items():
                setattr(row, name, value)
        return rows

    def fenced(self, row: Row) -> Self:
        """This row, unless another worker claimed it since."""
        return self.filter(pk=row.pk, attempt=row.attempt)
