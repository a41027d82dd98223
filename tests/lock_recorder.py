"""Record in which order each transaction locks rows, and check this against the lock order.

Many tests run inside one transaction. In such a test, each outermost savepoint corresponds to a
transaction of the product. The lock order and its reasons are in
`docs/decisions/0014-lock-order.md`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

LEDGER = "the ledger"
RANKS = {
    LEDGER: 0,
    "crm_pause": 1,
    "crm_user": 2,
    "crm_membership": 2,
    "crm_account": 3,
    "routing_case": 4,
    "responses_response": 5,
    "responses_delivery": 6,
    "responses_approvalrequest": 7,
    "responses_campaignstatement": 7,
    "responses_draft": 7,
    "routing_presence": 7,
    "crm_attachment": 7,
    "crm_notice": 7,
    "responses_moderation": 7,
    "responses_threadreading": 7,
    "crm_job": 7,
    "crm_instance": 8,
}
"""The position of each table. Up to deliveries, the rows of a table are locked by key."""
CASE, DELIVERY = RANKS["routing_case"], RANKS["responses_delivery"]
FREE = {"listening_mention", "crm_profile", "crm_conversation", "routing_caseconversation"}
"""Tables that stand beside the order: with cases, only the holder of the ledger locks them."""
AFTER_CASES = {"crm_conversation", "routing_caseconversation"}
"""These may also be locked last, by a transaction that holds their case."""

_SELECT = re.compile(r"^(SELECT) .*? FROM \"(\w+)\".* FOR (NO KEY )?UPDATE", re.DOTALL)
_WRITE = re.compile(r"^(UPDATE|DELETE FROM|INSERT INTO) \"?(\w+)\"?")
_IN_ORDER = re.compile(
    r"(\"id\" AS \"pk\" .*ORDER BY 1|ORDER BY \"?\w+\"?\.\"id\") ASC[^()]*FOR NO KEY UPDATE",
    re.DOTALL,
)
_ONE = re.compile(r"\"id\" = %s")


@dataclass(frozen=True)
class Statement:
    """An SQL statement that locks rows.

    kind: the first word or the first two words of the statement, for example "INSERT INTO".
    """

    kind: str
    table: str
    sql: str

    @property
    def is_ranked(self) -> bool:
        """Return whether rows of this table must be locked in the order of their primary keys."""
        return RANKS.get(self.table, DELIVERY + 1) <= DELIVERY

    @property
    def is_in_order(self) -> bool:
        return bool(_IN_ORDER.search(self.sql) or (self.kind == "SELECT" and _ONE.search(self.sql)))

    @property
    def is_plain(self) -> bool:
        return "FOR UPDATE" in self.sql

    @property
    def skips(self) -> bool:
        return "SKIP LOCKED" in self.sql


def parse(sql: str) -> Statement | None:
    """Return a Statement if this SQL locks rows of a table that is in the lock order, else None.

    Such a table has a rank in RANKS, or is listed in FREE. The advisory lock of the ledger counts
    too. A RETURNING clause is added to a statement that writes, so that the keys of the written
    rows are known.
    """
    if "pg_advisory_xact_lock" in sql:
        return Statement("advisory", LEDGER, sql)
    found = _WRITE.match(sql) or ("UPDATE" in sql and _SELECT.match(sql))
    if not found or (found[2] not in RANKS and found[2] not in FREE):
        return None
    if found[1] != "SELECT" and "RETURNING" not in sql:
        sql = f'{sql} RETURNING "{found[2]}".*'
    return Statement(found[1], found[2], sql)


@dataclass
class Transaction:
    """The locks of one transaction.

    held: all rows that the transaction has locked or created.
    taken: the rows for whose locks the transaction may have waited, in order.
    """

    held: set[tuple[str, Any]] = field(default_factory=set)
    taken: list[tuple[str, Any]] = field(default_factory=list)

    def hold(self, table: str, keys: Sequence[Any]) -> None:
        self.held |= {(table, key) for key in keys}


@dataclass
class Recorder:
    """Finds violations of the lock order in the SQL statements of one connection.

    outer: the number of savepoints that are open around the test itself.
    """

    outer: int
    own_statements: bool = False
    transactions: dict[str, Transaction] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        transaction, statement = self._current(), parse(sql)
        if transaction is None or statement is None:
            return execute(sql, params, many, context)
        if statement.table == LEDGER:
            self._take(transaction, statement, [0])
            return execute(sql, params, many, context)
        newest = self._newest(statement.table) if statement.kind == "INSERT INTO" else None
        result = execute(statement.sql, params, many, context)
        keys = _keys(context["cursor"].cursor)
        if keys == [None] and (one := _ONE.search(sql)):
            keys = [params[sql[: one.start()].count("%s")]]
        if newest is not None:
            # Other transactions cannot see a new row. If an upsert finds a row, it locks the row as
            # an update does.
            transaction.hold(statement.table, [key for key in keys if not key or key > newest])
        self._take(transaction, statement, keys)
        return result

    def saw(self, *tables: str) -> bool:
        """Return whether rows of each of these tables were locked during the recording."""
        return set(tables) <= self.seen

    def _current(self) -> Transaction | None:
        names = connection.savepoint_ids[self.outer :]
        if names and names[0]:
            return self.transactions.setdefault(names[0], Transaction())
        # An SQL statement outside an atomic block is a transaction of its own.
        return Transaction() if names or self.own_statements else None

    def _newest(self, table: str) -> Any:
        """Return the highest key of the table.

        This query bypasses Django's execution wrapper, so that the recorder does not record the
        query.
        """
        column = "response_id" if table == "responses_approvalrequest" else "id"
        with connection.connection.cursor() as cursor:
            cursor.execute(f'SELECT coalesce(max("{column}"), 0) FROM "{table}"')
            return cursor.fetchone()[0]

    def _take(self, transaction: Transaction, statement: Statement, keys: list[Any]) -> None:
        self._check(statement)
        table = statement.table
        fresh = [key for key in keys if (table, key) not in transaction.held]
        if fresh:
            self.seen.add(table)
        if statement.skips:
            # An SQL statement with SKIP LOCKED never waits, so it may come at any place in the
            # order.
            transaction.hold(table, fresh)
            return
        if statement.kind != "SELECT" and statement.is_in_order:
            fresh.sort()  # these rows are locked in the order of their keys before they are written
        elif statement.kind != "SELECT" and len(fresh) > 1 and statement.is_ranked:
            self._violate("Several rows are changed that were not locked in order", statement)
        for key in fresh:
            if why := self._why_not(transaction, table, key):
                before = " → ".join(f"{name} {row}" for name, row in transaction.taken)
                self._violate(f"{why}: {table} {key} after {before}", statement)
            transaction.hold(table, [key])
            transaction.taken.append((table, key))

    def _check(self, statement: Statement) -> None:
        """Check the text of a SELECT that locks rows. The rows in its result are not considered."""
        if statement.kind != "SELECT":
            return
        if statement.is_plain and (statement.is_ranked or statement.table in FREE):
            self._violate(
                "A plain FOR UPDATE blocks whoever adds a row that points at it", statement
            )
        if statement.is_ranked and not statement.is_in_order and not statement.skips:
            self._violate("Several rows are locked in no order", statement)

    def _why_not(self, transaction: Transaction, table: str, key: Any) -> str:
        """Return the reason why the transaction must not wait for this row now.

        Returns "" if the transaction may wait for the row.
        """
        alone = (LEDGER, 0) not in transaction.held
        rank = RANKS.get(table)
        ranked = [(RANKS[name], row) for name, row in transaction.taken if name in RANKS]
        if rank is None:
            mixes = any(CASE <= other <= DELIVERY for other, _ in ranked)
            return "Without the ledger" if alone and mixes and table not in AFTER_CASES else ""
        beside = {name for name, _ in transaction.taken if name in FREE}
        if beside and alone and CASE <= rank <= DELIVERY:
            return "Without the ledger"
        if beside & AFTER_CASES and rank == CASE:
            return "A case after a conversation"
        last, _last_key = max(ranked, default=(0, 0), key=lambda entry: entry[0])
        if rank < last:
            return "Out of order"
        same = [row for other, row in ranked if other == rank]
        if CASE <= rank <= DELIVERY and same and key < max(same):
            return "Not by key"
        return ""

    def _violate(self, what: str, statement: Statement) -> None:
        self.violations.append(f"{what}\n    {statement.sql[:300]}")


def _keys(cursor: Any) -> list[Any]:
    """Return the keys in the result of a query.

    Then the cursor is reset, so that the caller can read the result too.
    """
    if cursor.description is None or not cursor.rowcount:
        return []
    names = [column.name for column in cursor.description]
    name = next((name for name in ("pk", "id", "response_id") if name in names), None)
    rows = cursor.fetchall()
    if rows:
        cursor.scroll(0, mode="absolute")
    return [row[names.index(name)] if name else None for row in rows]


@contextmanager
def recorded_locks(*, own_statements: bool = False) -> Iterator[Recorder]:
    """Record the locks that this block takes; fail at its end if they violate the lock order.

    own_statements: whether to record also the SQL statements of the test itself, which run outside
    the transactions of the product.
    """
    assert connection.in_atomic_block, "The recorder needs a test inside a transaction."
    recorder = Recorder(len(connection.savepoint_ids), own_statements)
    with connection.execute_wrapper(recorder):
        yield recorder
    assert not recorder.violations, "\n".join(recorder.violations)
