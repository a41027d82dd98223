"""One fetch: collect items, changes and unreadable rows, and remember the last rows.

The cursor contains the last rows of a source, so that the next fetch can read them once more: a
status that arrived late is found between them, an edited one has another `edited_at`, and one that
is missing may have been deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from scrm.channels.base import (
    Batch,
    Change,
    ChannelError,
    Item,
    Json,
    UnreadableItem,
)
from scrm.channels.mastodon import read
from scrm.channels.mastodon.budget import Budget
from scrm.channels.mastodon.client import Gone, Server, checked_id
from scrm.channels.mastodon.read import Place
from scrm.channels.unreadable import UNREADABLE

RECENT, MOST_CHECKED = 30, 40
AT_ONCE, SINGLES = 20, 10
"""How many statuses are looked up with one request, and how many one by one."""
NAMELESS = "?"
"""The first character of the name of a row without an id."""
_EDITS = {"update", "quoted_update"}
"""Notifications about an edited status that we have boosted or quoted."""


@dataclass(frozen=True, slots=True)
class Known:
    """A row that was read before.

    row: its id in the list, which is that of a notification or of a boost, if it is one.
    status: the id of its status; "" if the row has none or cannot be read.
    """

    row: str
    status: str = ""
    edited: str = ""
    thread: str = ""


@dataclass(slots=True)
class Reading:
    """Collects what one fetch finds.

    roots: whether the root of a thread may be looked up, which takes a request for each thread.
    met: the ids of the rows that this fetch has read.
    """

    server: Server
    place: Place
    known: dict[str, Known]
    top: str = ""
    roots: bool = False
    budget: Budget = field(default_factory=Budget)
    items: dict[str, Item] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    unreadable: list[UnreadableItem] = field(default_factory=list)
    met: set[str] = field(default_factory=set)
    size: int = 0

    def take(self, row: Any) -> None:
        """Read one row of a timeline or of the notifications. Raises ChannelError."""
        name = row_name(row)
        self.met.add(name)
        before = self.known.get(name)
        try:
            status = _status(row)
            if status is None:
                self._keep_without_status(name)
                return
            found = Known(name, checked_id(status["id"]), read.edited_at(status))
            if before and (before.status, before.edited) == (found.status, found.edited):
                return
            self._keep(row, status, found, before)
        except UNREADABLE as error:
            if before is None:
                reason = f"This answer of {self.server.host} cannot be read: {error!r}"
                self.unreadable.append(UnreadableItem(read.raw(row), reason[:500]))
            self.known[name] = before or Known(name)

    def _keep_without_status(self, name: str) -> None:
        if name in self.known:  # `recheck` finds out whether its status was deleted
            self.met.discard(name)
        else:
            self.known[name] = Known(name)

    def _keep(self, row: Any, status: read.Json, found: Known, before: Known | None) -> None:
        is_edit = row.get("type") in _EDITS
        was_passed = bool(self.top) and order(found.row) <= order(self.top)
        thread = before.thread if before else ""
        if before is None and not is_edit:
            # Before the pictures, which take long: a status that cannot be read needs none.
            read.item(status, self.place)
            item = read.item(
                status,
                self.place,
                thread_key=self._thread(status),
                files=self.budget.files(status),
            )
            self.items[item.key], thread = item, item.thread_key
            self.size += len(item.raw)
        # An edited status between rows that were read before may have been found before, too.
        if is_edit or before or (found.edited and was_passed):
            self._change(read.change(status, self.place))
        self.known[found.row] = Known(found.row, found.status, found.edited, thread)

    def _thread(self, status: read.Json) -> str:
        """Return the root of the thread: that of the parent if known, else the first ancestor.

        Without a look-up it is the answered status, because a conversation follows the answered
        item anyway.
        """
        parent = read.parent_of(status)
        for known in self.known.values():
            if parent and known.status == parent and known.thread:
                return known.thread
        if not parent or not self.roots:
            return parent
        self.budget.lookups -= 1
        try:
            context = self.server.row(lambda api: api.status_context(checked_id(status["id"])))
        except ChannelError:
            # An item without its root is better than a fetch that fails again and again.
            self.roots = False
            return parent
        ancestors = context.get("ancestors")
        first = ancestors[0] if isinstance(ancestors, list) and ancestors else {"id": parent}
        return checked_id(first["id"])

    def recheck(self, start: str) -> None:
        """Look up the known rows after `start` that this fetch has not met. Raises ChannelError.

        Such a row does not prove a deletion: a user may have dismissed the notification, or may
        have muted the author.
        """
        missed = [
            known
            for known in self.known.values()
            if known.status and known.row not in self.met and order(known.row) > order(start)
        ][-MOST_CHECKED:]
        found = self._look_up([known.status for known in missed])
        for known in missed:
            status = found.get(known.status, known)
            if status is None:
                self._change(read.deleted(known.status, self.place))
                del self.known[known.row]
            elif isinstance(status, Mapping):
                self._keep_edit(status, known)

    def _keep_edit(self, status: read.Json, known: Known) -> None:
        """Keep the change if the status was edited. If it cannot be read, it is looked up again."""
        try:
            edited = read.edited_at(status)
            if edited != known.edited:
                self._change(read.change(status, self.place))
                self.known[known.row] = Known(known.row, known.status, edited, known.thread)
        except UNREADABLE:
            return

    def _change(self, change: Change) -> None:
        self.changes[change.key] = change

    def _look_up(self, keys: list[str]) -> dict[str, read.Json | None]:
        """Return the statuses by their ids; None for a status that no longer exists."""
        found: dict[str, read.Json | None] = dict.fromkeys(keys)
        for start in range(0, len(keys), AT_ONCE):
            asked = keys[start : start + AT_ONCE]
            try:
                rows = self._several(asked)
            except Gone:  # before Mastodon 4.3, statuses can only be requested one by one
                return self._one_by_one(keys[-SINGLES:])
            found |= {str(row["id"]): row for row in rows if _is_whole(row)}
        return found

    def _several(self, keys: list[str]) -> list[Any]:
        return self.server.rows(lambda api: api.statuses(list(keys)))

    def _one_by_one(self, keys: list[str]) -> dict[str, read.Json | None]:
        found: dict[str, read.Json | None] = {}
        for key in keys:
            if self.budget.is_spent:
                break
            found[key] = self._one(key)
        return found

    def _one(self, key: str) -> read.Json | None:
        try:
            return self.server.row(lambda api: api.status(key))
        except Gone:
            return None

    def remembered(self, most: int = RECENT) -> list[Known]:
        """Return the last rows that have an id, oldest first."""
        named = [known for known in self.known.values() if not known.row.startswith(NAMELESS)]
        return sorted(named, key=lambda known: order(known.row))[-most:]

    def stored(self, most: int = RECENT) -> list[list[str]]:
        """Return for the cursor the last rows, and the rows without an id that are still there."""
        nameless = [name for name in sorted(self.met) if name.startswith(NAMELESS)][:RECENT]
        rows = [*map(Known, nameless), *self.remembered(most)]
        return [[known.row, known.status, known.edited, known.thread] for known in rows]

    def batch(self, cursor: Json, next_after: float | None) -> Batch:
        items, changes = tuple(self.items.values()), tuple(self.changes.values())
        nothing = not (items or changes or self.unreadable)
        return Batch(items, cursor, nothing, next_after, tuple(self.unreadable), self.size, changes)


def order(name: str) -> tuple[int, str]:
    """Return a sort key of ids: by their numbers, without relying on all of them being numbers."""
    return len(name), name


def row_name(row: Any) -> str:
    """Return the id of a row; if it has none, a hash of it."""
    try:
        return checked_id(row["id"])
    except (KeyError, TypeError, ValueError):
        return f"{NAMELESS}{sha256(read.raw(row)).hexdigest()[:20]}"


def restored(rows: Any) -> dict[str, Known]:
    known = [Known(*row) for row in rows or ()]
    return {one.row: one for one in known}


def _status(row: Any) -> read.Json | None:
    """Return the status of a row; None if a notification has no status any more."""
    if not isinstance(row, Mapping):
        raise TypeError("the row is no object")
    if "type" not in row or "content" in row:
        return read.shown(row)
    status = row.get("status")
    return status if isinstance(status, Mapping) else None


def _is_whole(row: Any) -> bool:
    return isinstance(row, Mapping) and isinstance(row.get("content"), str) and "id" in row
