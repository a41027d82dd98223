"""Wait, in a test, until another connection waits for a lock that the test's connection holds."""

from __future__ import annotations

import time

from django.db import connection


def wait_until_blocked() -> None:
    blocked = (
        "SELECT EXISTS (SELECT FROM pg_locks"
        " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
    )
    until = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            cursor.execute(blocked)
            if cursor.fetchone() == (True,):
                return
            time.sleep(0.01)
    raise AssertionError("Nobody waited.")
