"""The address that a feed is fetched from, after permanent redirects or as an admin set it."""

from __future__ import annotations

from scrm.channels.base import Json


class FeedMoves:
    """Reads and changes the cursor of a feed; see `scrm.channels.channel.Moves`."""

    def fetched_at(self, cursor: Json, asked: str) -> str:
        return str(cursor.get("address") or asked) if cursor.get("asked") == asked else asked

    def fetch_from(self, cursor: Json, asked: str, address: str) -> Json:
        now = self.fetched_at(cursor, asked)
        # The validators belong to the former address. The scope stays, so nothing counts as new.
        kept = {name: cursor[name] for name in ("scope",) if cursor.get("asked") == asked}
        refused = {"refused": now} if now != address else {}
        return {**kept, "asked": asked, "address": address, **refused}
