"""Read what mentions us, timelines, hashtags, lists and searches.

Timelines are read upwards, from the oldest unread row to the newest one. Ids contain the time of
writing, and a status of another server that arrives late gets an id between older ones. Therefore
each fetch starts a little below the end of the last one: `RECENT` rows or `LATE` minutes, whichever
is more. If a fetch ends early, the next one continues exactly there, and the one after the end
starts where the early one started, because rows can have arrived late meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scrm.channels.base import Batch, ChannelError, Credentials, FetchRequest, Found, Json
from scrm.channels.mastodon import search
from scrm.channels.mastodon.client import Server, checked_id
from scrm.channels.mastodon.read import Place
from scrm.channels.mastodon.reading import (
    NAMELESS,
    RECENT,
    Reading,
    order,
    restored,
    row_name,
)

PAGE, PAGES, LATE = 40, 10, 10
_NOTIFICATIONS = ["mention", "quote", "update", "quoted_update"]
_TAG = re.compile(r"[\w·]{1,200}\Z")
_SNOWFLAKE_DIGITS = 15
_TITLES = {
    "mentions": "Mentions, replies, quotes and direct messages to us",
    "home": "Posts of the accounts that we follow",
    "local": "Public posts of our server",
}

Page = Callable[[str | None], list[Any]]
"""Returns the rows directly after an id; the newest rows if the id is None."""


class MastodonListener:
    def listen(self, request: FetchRequest) -> Batch:
        server, account = Server.of(request.credentials), request.credentials or Credentials("")
        place = Place(account.network, server.domain)
        kind, _, value = request.address.partition(":")
        if kind == "search":
            return search.listen(server, place, value, request)
        page = _page(server, kind, value)
        known = restored(request.cursor.get("recent"))
        reading = Reading(
            server, place, known, str(request.cursor.get("top", "")), roots=kind == "mentions"
        )
        most = PAGE * PAGES if request.max_items is None else request.max_items
        return _Timeline(reading, page, late=kind != "mentions", most=most).fetch(request.cursor)

    def discover(self, address: str, credentials: Credentials | None = None) -> list[Found]:
        """Return the fixed sources, our lists and hashtags, and a typed hashtag or search."""
        if credentials is None:
            return []
        server = Server.of(credentials)
        found = [Found(kind, title, "mastodon") for kind, title in _TITLES.items()]
        found += _lists(server) + _followed_tags(server)
        words = address.strip()
        if words.startswith(("#", "hashtag:")):
            tag = words.removeprefix("hashtag:").removeprefix("#")
            if _TAG.match(tag):
                found.insert(0, Found(f"hashtag:{tag}", f"Posts with #{tag}", "mastodon"))
        elif words and words not in {one.address for one in found} and "@" not in words:
            words = words.removeprefix("search:").strip()
            title = f"Posts with: {words} (only if {server.host} has full-text search)"
            found.insert(0, Found(f"search:{words}", title, "mastodon"))
        return found


@dataclass(slots=True)
class _Timeline:
    """Reads the rows of one timeline into a `Reading`.

    late: whether the ids contain a time, so that rows can arrive late. most: the most rows.
    """

    reading: Reading
    page: Page
    late: bool
    most: int

    def fetch(self, cursor: Json) -> Batch:
        start: str | None = cursor.get("from")
        at, taken = start, 0
        for _ in range(PAGES):
            if taken >= self.most or (taken and self.reading.budget.is_spent):
                return self._more(cursor, at, 0 if taken else None)
            try:
                rows = self.page(at)
            except ChannelError as error:
                # What was read before is kept; the next fetch reports the error if it lasts.
                if taken == 0:
                    raise
                return self._more(cursor, at, error.retry_after or 60.0)
            last, count = self._take(rows, self.most - taken)
            taken, before, at = taken + count, at, last or at
            if count < len(rows):
                return self._more(cursor, at, 0)
            # A first fetch reads the newest page only.
            if start is None or len(rows) < PAGE or at == before:
                return self._end(cursor)
        return self._more(cursor, at, 0)

    def _take(self, rows: list[Any], most: int) -> tuple[str, int]:
        """Read rows, oldest first; return the id of the last one read, and how many were read."""
        last, count = "", 0
        for row in sorted(rows, key=lambda row: order(row_name(row))):
            if count >= most or (count and self.reading.budget.is_spent):
                break
            self.reading.take(row)
            name = row_name(row)
            last = last if name.startswith(NAMELESS) else name
            count += 1
        return last, count

    def _more(self, cursor: Json, at: str | None, next_after: float | None) -> Batch:
        """End the fetch before the end of the timeline; the next one continues exactly here."""
        low = {"low": cursor.get("low"), "continues": True}
        return self.reading.batch(self._cursor(at) | low, next_after)

    def _end(self, cursor: Json) -> Batch:
        start = cursor.get("from")
        if start is not None:
            self.reading.recheck(start)
        rows, low = self.reading.remembered(), start or "0"
        if len(rows) == RECENT or (rows and start is None):
            low = _before(rows[0].row)
        if self.late and rows:
            low = min(low, _earlier(rows[-1].row, LATE), key=order)
        at = low
        if cursor.get("continues") and cursor.get("low") is not None:
            at = min(at, cursor["low"], key=order)
        return self.reading.batch(self._cursor(at) | {"low": low}, None)

    def _cursor(self, at: str | None) -> dict[str, Any]:
        top = max([self.reading.top, *self.reading.known], key=order)
        if top.startswith(NAMELESS):
            top = self.reading.top
        return {"from": at, "top": top, "recent": self.reading.stored()}


def _before(name: str) -> str:
    """Return the id directly before this one, so that a page after it starts with this one."""
    return str(int(name) - 1) if name.isdigit() else name


def _earlier(name: str, minutes: int) -> str:
    """Return the id that a status had if it was written some minutes before this one.

    The upper bits of an id are a time in milliseconds. On other servers ids contain no time.
    """
    if not name.isdigit() or len(name) < _SNOWFLAKE_DIGITS:
        return name
    return str(int(name) - (minutes * 60_000 << 16))


def _page(server: Server, kind: str, value: str) -> Page:
    """Return the function that requests a page of the source. Raises ChannelError."""
    if kind == "hashtag" and _TAG.match(value):
        return lambda at: server.rows(
            lambda api: api.timeline_hashtag(value, min_id=at, limit=PAGE)
        )
    if kind == "list" and _is_id(value):
        return lambda at: server.rows(lambda api: api.timeline_list(value, min_id=at, limit=PAGE))
    if value == "" and kind == "mentions":
        return lambda at: server.rows(lambda api: api.every_notification(_NOTIFICATIONS, at, PAGE))
    if value == "" and kind == "local":
        return lambda at: server.rows(lambda api: api.timeline_local(min_id=at, limit=PAGE))
    if value == "" and kind == "home":
        return lambda at: server.rows(lambda api: api.timeline_home(min_id=at, limit=PAGE))
    raise ChannelError(
        f"Mastodon has no source “{kind}:{value}”. Use mentions, home, local, hashtag:<tag>, "
        "list:<number> or search:<words>.",
        permanent=True,
    )


def _is_id(value: str) -> bool:
    try:
        return bool(checked_id(value))
    except ValueError:
        return False


def _lists(server: Server) -> list[Found]:
    rows = server.rows(lambda api: api.lists())
    return [
        Found(f"list:{row['id']}", f"List: {str(row.get('title'))[:200]}", "mastodon")
        for row in rows
        if isinstance(row, dict) and _is_id(str(row.get("id")))
    ]


def _followed_tags(server: Server) -> list[Found]:
    rows = server.rows(lambda api: api.followed_tags(limit=PAGE))
    names = [str(row.get("name")) for row in rows if isinstance(row, dict)]
    return [
        Found(f"hashtag:{name}", f"Posts with #{name}", "mastodon")
        for name in names
        if _TAG.match(name)
    ]
