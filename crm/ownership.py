"""What users own, and how it is reassigned when a user leaves.

Each app declares its kinds in a module `owned`; `scrm/wiring.py` joins them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.functional import Promise

from crm.models.user import User

Label = str | Promise
Rows = Callable[[User], QuerySet[Any, Any]]
Reassign = Callable[[User, User, User], int]
_Simple = Callable[[User, User], int]


@dataclass(frozen=True, slots=True)
class OwnedKind:
    """One kind of rows that users own.

    key: the name in forms, and field: the foreign key, such as "listening.Topic.owner".
    rows: returns the rows of a user that need an owner who is active.
    reassign: makes another user the owner of all of them: (from, to, by) → how many changed.
      Rows that the new user cannot own stay with the old user.
    """

    key: str
    field: str
    label: Label
    rows: Rows
    reassign: Reassign


def owner_field(key: str, label: Label, manager: Any, field: str = "owner") -> OwnedKind:
    """Return a kind whose owner is a plain foreign key without restrictions on the new owner."""

    def rows(user: User) -> QuerySet[Any, Any]:
        found: QuerySet[Any, Any] = manager.filter(**{field: user}).order_by("pk")
        return found

    name = f"{manager.model._meta.label}.{field}"
    return OwnedKind(key, name, label, rows, without_actor(partial(_reassign_each, rows, field)))


def without_actor(reassign: _Simple) -> Reassign:
    """Return a `Reassign` that does not record who did it; triggers record that rows changed."""
    return lambda person, to, _by: reassign(person, to)


def _reassign_each(rows: Rows, field: str, person: User, to: User) -> int:
    """Reassign the rows one by one. A row whose name the new owner already uses stays."""
    count = 0
    for row in rows(person):
        try:
            with transaction.atomic():
                count += type(row)._default_manager.filter(pk=row.pk).update(**{field: to})
        except IntegrityError:
            continue
    return count
