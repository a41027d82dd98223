"""Row locks in one order, so that no two transactions wait for each other.

The order of the tables is in `docs/decisions/0014-lock-order.md`. Within a table it is the order
of the keys, which these functions keep.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def locked(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Return these rows as a query that locks them until the commit, in the order of their keys.

    A condition on the row's own columns is checked again after waiting for another transaction.
    Do not join other tables: a row whose foreign key changes meanwhile would be left out.
    """
    # NO KEY: a plain FOR UPDATE would also block new rows that refer to these.
    return rows.select_for_update(no_key=True, of=("self",)).order_by("pk")


def update_in_order(rows: QuerySet[Row], **values: Any) -> int:
    """Update rows in the order of their keys and return how many; `update` alone has no order."""
    # Without a savepoint: it is one statement, which may be the only one of its transaction.
    with transaction.atomic(savepoint=False):
        return rows.model._base_manager.filter(pk__in=locked(rows).values("pk")).update(**values)
