"""Append-only tables. Triggers protect them, so that raw SQL cannot change them either.

See guarantee G17 in docs/guarantees.md. No row may be deleted. `append_only` protects all columns
of a table, and `frozen` protects the given columns. During an erasure, the columns that are given
to these functions may be changed. In the ledger, the conversation of an item may also be changed
as a move says (`movable`). An erasure is a transaction that has set `scrm.erasing` to `on`;
scrm itself has no such transaction yet.
"""

from __future__ import annotations

import pgtrigger

_ERASING = "current_setting('scrm.erasing', true) = 'on'"
_IS_MOVED = (
    "NEW.conversation_id IS NOT DISTINCT FROM (SELECT to_conversation_id FROM crm_interactionmove "
    "WHERE interaction_id = OLD.id ORDER BY id DESC LIMIT 1)"
)


def append_only(
    *blankable: str, emptied: tuple[str, ...] = (), movable: bool = False
) -> list[pgtrigger.Trigger]:
    """Return triggers that refuse every DELETE and UPDATE.

    During an erasure, an UPDATE may change the `blankable` columns.

    emptied: JSON columns that an erasure may set to {}, but to no other value.
    movable: whether the conversation of a row may become the one that the row's latest
    `InteractionMove` names, at any time.
    """
    return [
        _no_delete(),
        _no_update(allowed=(*blankable, *emptied), emptied=emptied, movable=movable),
    ]


def frozen(*columns: str, unless: str = "FALSE", never: str = "FALSE") -> list[pgtrigger.Trigger]:
    """Return triggers that refuse every DELETE, and every change of these columns.

    The columns may be changed during an erasure. All other columns may always be changed.

    unless: an SQL condition. If it is true for a row, the columns of this row may be changed too.
    never: an SQL condition. If it is true for a row, every UPDATE of this row is refused, even
    during an erasure.
    """
    changed = " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in columns)
    return [
        _no_delete(),
        pgtrigger.Trigger(
            name="frozen",
            when=pgtrigger.Before,
            operation=pgtrigger.Update,
            func=_refuse(
                f"({never}) OR (({changed}) AND NOT ({unless}) AND NOT COALESCE({_ERASING}, FALSE))"
            )
            + " RETURN NEW;",
        ),
    ]


def _no_delete() -> pgtrigger.Trigger:
    return pgtrigger.Trigger(
        name="no_delete",
        when=pgtrigger.Before,
        operation=pgtrigger.Delete,
        func=_refuse("TRUE") + " RETURN OLD;",
    )


def _no_update(
    *, allowed: tuple[str, ...], emptied: tuple[str, ...], movable: bool
) -> pgtrigger.Trigger:
    same = _equal_except(*allowed)
    for name in emptied:
        same += f" AND NEW.{name} IN (OLD.{name}, '{{}}'::jsonb)"
    refused = f"NOT (COALESCE({_ERASING}, FALSE) AND {same})"
    if movable:
        # Generated columns are NULL in the trigger, so they cannot be compared.
        same = _equal_except("conversation_id", "sort_at", "words")
        refused += f" AND NOT ({same} AND {_IS_MOVED})"
    return pgtrigger.Trigger(
        name="no_update",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func=_refuse(refused) + " RETURN NEW;",
    )


def _equal_except(*columns: str) -> str:
    """Return an SQL condition: the row changes in no column except these."""
    keys = ", ".join(f"'{name}'" for name in columns)
    return f"(to_jsonb(NEW) - ARRAY[{keys}]::text[]) = (to_jsonb(OLD) - ARRAY[{keys}]::text[])"


def _refuse(condition: str) -> str:
    return (
        f"IF {condition} THEN RAISE EXCEPTION '% is append-only: % refused', "
        "TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF;"
    )
