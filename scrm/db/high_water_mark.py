"""Store the witness of a database: the number of the last attempt to send, outside the database.

The witness is kept in Redis and in a file. The database counts the attempts too. If the number in
the database is lower than the witness, the database was replaced by an older copy. If the witness
is missing in Redis and in the file, nothing is concluded from that.
"""

from __future__ import annotations

import fcntl
from functools import cache
from pathlib import Path

import redis
import structlog
from django.conf import settings

from scrm.bus.breaker import Patience

_log = structlog.get_logger(__name__)
_patience = Patience()
KEY = "scrm:witness"
"""A sorted set: the name of a database → its highest attempt."""
RETIRED = 2**53
"""A mark above any count, for a name under which nothing may be sent any more.

Redis stores scores as doubles: up to this number every integer is exact.
"""


def highest(name: str) -> int:
    """Return the witness of the database with this name; 0 if no witness is known."""
    # Take the higher of the two numbers, because either may be lost or out of date.
    return max(_in_redis(name), _in_file(name))


def keep(name: str, attempt: int) -> None:
    """Store the number of this attempt as the witness, unless a higher number is already stored.

    name: the name of the database.
    If Redis or the file cannot be written, the function logs a warning and raises no exception.
    """
    _keep_in_redis(name, attempt)
    _keep_in_file(name, attempt)


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


def _in_redis(name: str) -> int:
    if _patience.is_over():
        return 0
    try:
        return int(_client().zscore(KEY, name) or 0)
    except redis.RedisError:
        _patience.lose()
        return 0


def _keep_in_redis(name: str, attempt: int) -> None:
    if _patience.is_over():
        return
    try:
        # gt=True, because two senders may report out of order, and the number must never decrease.
        _client().zadd(KEY, {name: attempt}, gt=True)
    except redis.RedisError as error:
        _patience.lose()
        _log.warning("witness not kept in Redis", error=str(error))


def _file(name: str) -> Path | None:
    return settings.WITNESS_DIR / name if settings.WITNESS_DIR else None


def _in_file(name: str) -> int:
    path = _file(name)
    try:
        return _number(path.read_text()) if path else 0
    except OSError:
        return 0


def _keep_in_file(name: str, attempt: int) -> None:
    path = _file(name)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as file:
            # Compare and write under a lock, so that two senders cannot lower the number.
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            if attempt > _number(file.read()):
                file.truncate(0)
                file.write(f"{attempt}\n")
    except OSError as error:
        _log.warning("witness not kept in its file", error=str(error))


def _number(text: str) -> int:
    """Return the number in the text of a file; 0 if a crash left the file empty."""
    text = text.strip()
    return int(text) if text.isdecimal() else 0
