from __future__ import annotations

from hashlib import sha256

from django.db import connection, models
from django.utils import timezone

Place = tuple[str, str]
"""The identity of an item: (scope, key)."""


class SeenManager(models.Manager["Seen"]):
    def claim(self, places: set[Place], known: set[Place] | None = None) -> set[Place]:
        """Mark items as seen and return the items that were not seen before.

        known: the result of `known()`, if the caller has asked already.

        This uses at most two SQL statements for any number of items. The rows are inserted in
        sorted order, and each fetch claims its chunks in sorted order too. Therefore two fetches
        with the same items do not deadlock: one of them waits until the other has committed.
        """
        # Read before writing: most items of a feed were already there at the last fetch.
        known = self.known(places) if known is None else known
        by_hash = {(scope, digest(key)): (scope, key) for scope, key in sorted(places - known)}
        fresh = list(by_hash)
        if not fresh:
            return set()
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO listening_seen (scope, key_hash, first_seen_at) "
                "SELECT scope, key_hash, now() "
                "FROM unnest(%s::text[], %s::bytea[]) WITH ORDINALITY AS new (scope, key_hash, n) "
                "ORDER BY n ON CONFLICT DO NOTHING RETURNING scope, key_hash",
                _columns(fresh),
            )
            return {by_hash[scope, bytes(key_hash)] for scope, key_hash in cursor.fetchall()}

    def known(self, places: set[Place]) -> set[Place]:
        """Return the given items that were seen before."""
        by_hash = {(scope, digest(key)): (scope, key) for scope, key in places}
        return {by_hash[pair] for pair in self._known(list(by_hash))} if by_hash else set()

    def _known(self, wanted: list[tuple[str, bytes]]) -> set[tuple[str, bytes]]:
        """Return the given pairs (scope, hash of the key) that are stored."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT seen.scope, seen.key_hash FROM listening_seen seen "
                "JOIN unnest(%s::text[], %s::bytea[]) AS asked (scope, key_hash) "
                "ON seen.scope = asked.scope AND seen.key_hash = asked.key_hash",
                _columns(wanted),
            )
            return {(scope, bytes(key_hash)) for scope, key_hash in cursor.fetchall()}


class Seen(models.Model):
    """The fact that an item was found.

    The row is kept when the text of the item is deleted, so that the item never counts as new
    again.
    """

    scope = models.CharField(max_length=600)
    key_hash = models.BinaryField(max_length=32)
    first_seen_at = models.DateTimeField(default=timezone.now)

    objects = SeenManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key_hash"], name="seen_once")]


def digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


def _columns(pairs: list[tuple[str, bytes]]) -> list[list[object]]:
    return [[scope for scope, _ in pairs], [key_hash for _, key_hash in pairs]]
