"""Leases for rows that need work: only one worker at a time works on a row.

When the lease of a worker lapses, another worker may claim the row. Rows say what is due; Celery
messages only wake a worker. Deliveries do not use these leases: a worker that died may have sent
the text, so a delivery is never claimed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from django.db import models, transaction
from django.db.models import F, Q


class LeasedRow(models.Model):
    """A row that workers claim.

    attempt: the number of claims so far. It is the fence: if this number has changed in the
      database, another worker has claimed the row. The first worker must then change nothing.
    """

    attempt = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True


Row = TypeVar("Row", bound=LeasedRow)


class LeaseQuerySet(models.QuerySet[Row]):
    def due(self, now: datetime) -> Self:
        """Return the rows without a valid lease. Each model adds its own conditions."""
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
        """Claim and return the first due rows.

        If another worker is claiming a row at this moment, that row is skipped. The attempt is
        committed before the work begins, so that it is counted even if the process dies during the
        work.

        most: the maximum number of rows that are locked.
        choose: selects the rows to claim from the locked rows.
        values: further columns to set.
        """
        with transaction.atomic():
            due = self.due(now).select_for_update(no_key=True, skip_locked=True, of=("self",))
            # The rows are locked, so no other worker can choose or claim them now.
            rows = choose(list(due.order_by(*order_by)[:most]))
            values = {"lease_until": now + lease, **values}
            leased = self.model._base_manager.filter(pk__in=[row.pk for row in rows])
            leased.update(attempt=F("attempt") + 1, **values)
        # Set the same values on the instances, because their attempt is used as the fence.
        for row in rows:
            row.attempt += 1
            for name, value in values.items():
                setattr(row, name, value)
        return rows

    def fenced(self, row: Row) -> Self:
        """Return a queryset with this row only.

        The queryset is empty if another worker has claimed the row since this worker claimed it.
        """
        return self.filter(pk=row.pk, attempt=row.attempt)
