"""End the access of a user who leaves, and reassign what the user owns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from crm import above
from crm.models import OAuthAttempt, User
from crm.ownership import OwnedKind
from scrm.bus.live import allow_streams, end_streams

MAX_SHOWN = 20
"""The number of rows of each kind that a page names."""


@dataclass(frozen=True, slots=True)
class Owned:
    """The rows of one kind that a user owns: how many, and the first `MAX_SHOWN`."""

    kind: OwnedKind
    count: int
    rows: list[Any]

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


@transaction.atomic
def end_access(person: User, *, by: User, now: datetime) -> int:
    """End the access of a user at once, and hold the responses that the user planned.

    Sessions, password links, live streams and unfinished logins at networks end. The user stays the
    owner of everything until it is reassigned. Returns the number of responses that were held.
    """
    person.is_active = False
    person.set_unusable_password()  # ends sessions and password links for good
    person.save(update_fields=["is_active", "password"])
    OAuthAttempt.objects.filter(user=person, used_at=None).update(used_at=now, kept={})
    end_streams(person.pk)
    return above.hold_planned(person, by=by, now=now)


@transaction.atomic
def restore_access(person: User) -> None:
    """Allow a user to log in again, once the user has set a new password."""
    person.is_active = True
    person.save(update_fields=["is_active"])
    allow_streams(person.pk)


def owned_by(person: User) -> list[Owned]:
    """Return what a user owns, without empty kinds. Two SQL statements for each kind."""
    found = []
    for kind in above.owned_kinds():
        rows = list(kind.rows(person)[: MAX_SHOWN + 1])
        count = kind.rows(person).count() if len(rows) > MAX_SHOWN else len(rows)
        if rows:
            found.append(Owned(kind, count, rows[:MAX_SHOWN]))
    return found


def reassign_all(person: User, *, to: dict[str, User], by: User) -> int:
    """Reassign what a user owns; return how many rows were reassigned.

    to: key of a kind → the new owner. Kinds that are left out stay with the user. Each kind is
    reassigned in a transaction of its own; if one fails, the user still owns the rest.
    """
    count = 0
    for kind in above.owned_kinds():
        if kind.key in to:
            # One transaction for all kinds would lock cases after drafts and rules; see ADR 14.
            with transaction.atomic():
                count += kind.reassign(person, to[kind.key], by)
    return count
