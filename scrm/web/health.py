"""Health checks for monitoring probes. They need no login, and the answers contain no secrets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_safe

from scrm.models import Heartbeat

OLDEST_TICK = timedelta(seconds=60)
ALIVE = "ok\n"


@login_not_required
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Show that this process answers. Under ASGI, `alive` answers the URL instead of this view."""
    return HttpResponse(ALIVE, content_type="text/plain")


async def alive(scope: Any, _receive: Any, send: Any) -> None:
    """ASGI version of `healthz`, which runs on the event loop.

    It answers even while pages use all threads.
    """
    is_read = scope["method"] in ("GET", "HEAD")
    content = ALIVE.encode() if is_read else b""
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", str(len(content)).encode()),
        *([] if is_read else [(b"allow", b"GET, HEAD"), (b"connection", b"close")]),
    ]
    status = 200 if is_read else 405
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@login_not_required
@require_GET
def readyz(_request: HttpRequest) -> JsonResponse:
    """Report whether all parts of scrm work.

    The status is 200 if they do. Otherwise it is 503, with a reason for each part that fails.
    """
    parts = {name: _result(check) for name, check in _CHECKS.items()}
    ready = all(word == "ok" for word in parts.values())
    answer = JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)
    answer._has_been_logged = True  # type: ignore[attr-defined] # a start in progress is no error
    return answer


def _result(check: Callable[[], str]) -> str:
    try:
        return check()
    except (DatabaseError, redis.RedisError) as error:
        return f"not reachable ({type(error).__name__})"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(waiting)} to apply" if waiting else "ok"


def _redis() -> str:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1
    ) as client:
        client.ping()
    return "ok"


def _tick() -> str:
    last = Heartbeat.objects.filter(name="tick").first()
    if last is None:
        return "never ticked"
    age = timezone.now() - last.at
    return "ok" if age < OLDEST_TICK else f"last {age.total_seconds():.0f} s ago"


_CHECKS = {
    "database": _database,
    "migrations": _migrations,
    "redis": _redis,
    "tick": _tick,
}
