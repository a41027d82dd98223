"""Is it alive, and can it work? For probes: no login, no secrets in the answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from scrm.models import Heartbeat

OLDEST_TICK = timedelta(seconds=60)


@login_not_required
@require_GET
def healthz(_request: HttpRequest) -> HttpResponse:
    """This process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@require_GET
def readyz(_request: HttpRequest) -> JsonResponse:
    """Everything that work needs: 200, or 503 and which part is missing, in words."""
    parts = {name: _said(check) for name, check in _CHECKS.items()}
    ready = all(word == "ok" for word in parts.values())
    answer = JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)
    answer._has_been_logged = True  # type: ignore[attr-defined] # "not yet" is no fault to Django
    return answer


def _said(check: Callable[[], str]) -> str:
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
