"""The server side of the sandbox networks. No other module writes posts of the sandbox."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from scrm.channels.base import ChannelError
from scrm.channels.sandbox.models import Fault, Post, PostChange
from scrm.channels.sandbox.networks import BLOG, MAIL
from scrm.text.clean import storable

SITE = "https://sandbox.example"

Call = Literal["send", "find", "listen", "moderate", "thread"]
Mode = Literal["answer lost", "down", "refused", "slow", "duplicate"]

Value = str | int | datetime | list[str]

_COLUMNS = tuple(field.attname for field in Post._meta.concrete_fields)
_CHANGE_COLUMNS = tuple(field.attname for field in PostChange._meta.concrete_fields)
_NEW = tuple(name for name in _COLUMNS if name != "seq")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM sandbox_post "  # noqa: S608 - the model's names
_INSERT = (
    f"INSERT INTO sandbox_post ({', '.join(_NEW)}) "  # noqa: S608 - the model's names
    f"VALUES ({', '.join(['%s'] * len(_NEW))}) "
    "ON CONFLICT (network, key) DO NOTHING"
)
_LIST_CHANGES = (
    f"SELECT {', '.join(_CHANGE_COLUMNS)} FROM sandbox_postchange "  # noqa: S608 - the model's names
    "WHERE network = %s AND author_key <> %s AND seq > %s ORDER BY seq LIMIT %s"
)
# One statement each, so that no change is stored without the post that changed.
_REWRITE = """
    WITH post AS (
        UPDATE sandbox_post SET title = %s, text = %s
        WHERE network = %s AND key = %s AND visibility = 'public'
        RETURNING network, key, author_key, title, text)
    INSERT INTO sandbox_postchange (network, key, author_key, kind, title, text, created_at)
    SELECT network, key, author_key, 'edited', title, text, %s FROM post
"""
_REMOVE = """
    WITH post AS (
        DELETE FROM sandbox_post WHERE network = %s AND key = %s RETURNING network, key, author_key)
    INSERT INTO sandbox_postchange (network, key, author_key, kind, title, text, created_at)
    SELECT network, key, author_key, 'deleted', '', '', %s FROM post
"""
# SKIP LOCKED, so that two calls at the same time take two different faults.
_TAKE_FAULT = """
    UPDATE sandbox_fault SET remaining = remaining - 1 WHERE id = (
        SELECT id FROM sandbox_fault WHERE network = %s AND call = %s AND remaining > 0
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, network, call, mode, remaining, seconds
"""


@contextmanager
def wire() -> Iterator[CursorWrapper]:
    """Open a separate database connection in autocommit mode.

    Thus no rollback of the caller's transaction undoes a post. Each call opens a new connection, so
    it also works after a fork, after a lost connection and in threads.
    """
    connection = connections[DEFAULT_DB_ALIAS].copy()
    try:
        connection.ensure_connection()
    except OperationalError as error:
        raise ChannelError("The sandbox network cannot be reached.") from error
    try:
        with connection.cursor() as cursor:
            yield cursor
    except (OperationalError, InterfaceError) as error:
        raise ChannelError("The sandbox network closed the connection.", uncertain=True) from error
    finally:
        connection.close()


def select(cursor: CursorWrapper, clause: str, values: Sequence[Value]) -> list[Post]:
    """Return the posts that `clause` (WHERE … ORDER BY …) finds."""
    cursor.execute(_SELECT + clause, values)
    return [Post.from_db(None, _COLUMNS, row) for row in cursor.fetchall()]


def by_key(cursor: CursorWrapper, network: str, key: str) -> Post | None:
    found = select(cursor, "WHERE network = %s AND key = %s", [network, key]) if key else []
    return found[0] if found else None


def take_fault(cursor: CursorWrapper, network: str, call: Call) -> Fault | None:
    """Return the next fault that waits for such a call, and reduce its `remaining` by one."""
    cursor.execute(_TAKE_FAULT, [network, call])
    row = cursor.fetchone()
    return Fault(*row) if row else None


def apply_fault(cursor: CursorWrapper, network: str, call: Call) -> Fault | None:
    """Apply the next waiting fault and return it; return None if no fault waits.

    The caller must handle the modes "answer lost" and "duplicate".
    """
    fault = take_fault(cursor, network, call)
    if fault and fault.mode == "down":
        raise ChannelError("The sandbox network is down; the fetch will be retried.")
    if fault and fault.mode == "refused":
        raise ChannelError("The network rejected the message.", permanent=True)
    if fault and fault.mode == "slow":
        time.sleep(fault.seconds)
    return fault


def publish(cursor: CursorWrapper, post: Post) -> Post:
    """Store `post` in its thread. If a post with its key exists already, return the stored post.

    If the visibility is "", it is derived from the recipient, the network or the answered post.
    Raises ChannelError (permanent) if the network does not accept the post.
    """
    parent = by_key(cursor, post.network, post.parent_key)
    if post.parent_key and parent is None and post.network != MAIL:
        raise ChannelError("The post that this replies to does not exist.", permanent=True)
    post.visibility = post.visibility or _implied_visibility(post, parent)
    post.to_key = post.to_key or (parent.author_key if parent else "")
    _refuse_misaddressed(post, parent)
    if post.network == MAIL:
        post.author_key, post.to_key = post.author_key.lower(), post.to_key.lower()
        post.title = post.title or _re(parent)
    post.thread_key = _thread_key(post, parent)
    post.title, post.text = storable(post.title), storable(post.text)
    cursor.execute(_INSERT, [getattr(post, name) for name in _NEW])
    if cursor.rowcount:
        return post
    return by_key(cursor, post.network, post.key) or post


def rewrite(cursor: CursorWrapper, network: str, key: str, title: str, text: str) -> bool:
    """Replace the text of a public post; return whether the post exists."""
    cursor.execute(_REWRITE, [storable(title), storable(text), network, key, timezone.now()])
    return bool(cursor.rowcount)


def remove(cursor: CursorWrapper, network: str, key: str) -> None:
    cursor.execute(_REMOVE, [network, key, timezone.now()])


def last_change(cursor: CursorWrapper) -> int:
    """Return the number of the newest change on all networks, or 0."""
    cursor.execute("SELECT coalesce(max(seq), 0) FROM sandbox_postchange")
    return int(cursor.fetchone()[0])


def changes_after(
    cursor: CursorWrapper, network: str, seq: int, *, by_other_than: str, limit: int
) -> list[PostChange]:
    """Return the changes with a higher number, except those of one author's own posts."""
    cursor.execute(_LIST_CHANGES, [network, by_other_than, seq, limit])
    return [PostChange.from_db(None, _CHANGE_COLUMNS, row) for row in cursor.fetchall()]


def mark(cursor: CursorWrapper, network: str, by: str, action: str, key: str, reason: str) -> None:
    """Store that the account `by` did this to a post or an author. Idempotent."""
    cursor.execute(
        "INSERT INTO sandbox_mark (network, by, action, key, reason) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING",
        [network, by, action, key, reason],
    )


def unmark(cursor: CursorWrapper, network: str, by: str, action: str, key: str) -> None:
    cursor.execute(
        "DELETE FROM sandbox_mark WHERE network = %s AND by = %s AND action = %s AND key = %s",
        [network, by, action, key],
    )


def url_of(network: str, key: str) -> str:
    return f"{SITE}/{network.removeprefix('sandbox.')}/{key}"


def _implied_visibility(post: Post, parent: Post | None) -> str:
    if post.network == MAIL or post.to_key or (parent and parent.visibility == "private"):
        return "private"
    return "public"


def _refuse_misaddressed(post: Post, parent: Post | None) -> None:
    if post.visibility == "public":
        if parent and parent.visibility == "private":
            raise ChannelError("A private message cannot be answered publicly.", permanent=True)
    elif post.network == BLOG:
        raise ChannelError("Everything on a blog is public.", permanent=True)
    elif not post.to_key:
        raise ChannelError("A private message needs a recipient.", permanent=True)
    elif post.network == MAIL and not ("@" in post.to_key and "@" in post.author_key):
        raise ChannelError("Mail goes from one mail address to another.", permanent=True)


def _re(parent: Post | None) -> str:
    return f"Re: {parent.title.removeprefix('Re: ')}" if parent and parent.title else ""


def _thread_key(post: Post, parent: Post | None) -> str:
    """Return the thread key. All direct messages between two people form one thread."""
    if post.network != MAIL and post.visibility == "private":
        return "dm:" + ":".join(sorted((post.author_key, post.to_key)))
    if parent:
        return parent.thread_key
    return (post.thread_key if post.network == MAIL else "") or post.key
