"""Lock rows always in the same order, to prevent deadlocks between transactions.

The order of the tables is in `docs/decisions/0014-lock-order.md`. Within a table, these functions
lock rows in the order of their primary keys.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Return a queryset that locks these rows until the commit, in the order of their primary keys.

    If the query has to wait for another transaction, conditions on the row's own columns are
    checked again after the wait. Do not join other tables: if the other transaction changes the
    foreign key of a row during the wait, PostgreSQL leaves this row out of the result.
    """
    # NO KEY, because a plain FOR UPDATE would also block inserting rows that refer to these rows.
    return rows.select_for_update(no_key=True, of=("self",)).order_by("pk")


def update_in_order(rows: QuerySet[Row], **values: Any) -> int:
    """Update rows in the order of their primary keys, and return the number of updated rows.

    Django's `update` does not guarantee an order.
    """
    # No savepoint is needed for a single SQL statement.
    with transaction.atomic(savepoint=False):
        return rows.model._base_manager.filter(pk__in=locked(rows).values("pk")).update(**values)
