"""Append-only tables. Triggers protect them, so that raw SQL cannot change them either.

See guarantee G17 in docs/guarantees.md. No row may be deleted. `append_only` protects all columns
of a table, and `frozen` protects the given columns. During an erasure, the columns that are given
to these functions may be changed. An erasure is a transaction that has set `scrm.erasing` to `on`;
scrm itself has no such transaction yet.
"""

from __future__ import annotations

import pgtrigger

_ERASING = "current_setting('scrm.erasing', true) = 'on'"


def append_only(*blankable: str, emptied: tuple[str, ...] = ()) -> list[pgtrigger.Trigger]:
    """Return triggers that refuse every DELETE and UPDATE.

    During an erasure, an UPDATE may change the `blankable` columns.

    emptied: JSON columns that an erasure may set to {}, but to no other value.
    """
    return [_no_delete(), _no_update(allowed=(*blankable, *emptied), emptied=emptied)]


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


def _no_update(*, allowed: tuple[str, ...], emptied: tuple[str, ...]) -> pgtrigger.Trigger:
    keys = ", ".join(f"'{name}'" for name in allowed)
    same = f"(to_jsonb(NEW) - ARRAY[{keys}]::text[]) = (to_jsonb(OLD) - ARRAY[{keys}]::text[])"
    for name in emptied:
        same += f" AND NEW.{name} IN (OLD.{name}, '{{}}'::jsonb)"
    return pgtrigger.Trigger(
        name="no_update",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func=_refuse(f"NOT (COALESCE({_ERASING}, FALSE) AND {same})") + " RETURN NEW;",
    )


def _refuse(condition: str) -> str:
    return (
        f"IF {condition} THEN RAISE EXCEPTION '% is append-only: % refused', "
        "TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation'; END IF;"
    )
