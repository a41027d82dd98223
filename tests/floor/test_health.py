"""The health probes report whether the server is alive and whether it is ready.

If the server is not ready, the readiness probe also reports the reason.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from scrm.models import Heartbeat

pytestmark = pytest.mark.django_db


def ready(client: Client) -> tuple[int, dict[str, Any]]:
    response = client.get("/readyz")
    return response.status_code, response.json()


@pytest.fixture
def ticking() -> None:
    Heartbeat.beat("tick", now=timezone.now())


def test_the_process_is_alive_whatever_else_is_not(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


def test_all_is_well(client: Client, ticking: None) -> None:
    fine = {"database": "ok", "migrations": "ok", "redis": "ok", "tick": "ok"}
    assert ready(client) == (200, {"ready": True, **fine})


def test_a_machine_that_never_ticked_is_not_ready(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """If the tick has not run yet, the readiness probe answers with status 503.

    The tick is a Celery task that runs every few seconds. On a new installation, the status 503 is
    normal, so no error is logged.
    """
    status, said = ready(client)
    assert (status, said["ready"], said["tick"]) == (503, False, "never ticked")
    assert said["redis"] == "ok"
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


def test_a_tick_of_long_ago_is_no_tick(client: Client) -> None:
    """If the tick last ran five minutes ago, the readiness probe answers with status 503.

    Fails if the probe ignores the age of the last run.
    """
    Heartbeat.beat("tick", now=timezone.now() - timedelta(minutes=5))
    status, said = ready(client)
    assert (status, said["tick"]) == (503, "last 300 s ago")


def test_the_last_beat_counts(client: Client, ticking: None) -> None:
    Heartbeat.beat("tick", now=timezone.now())
    assert Heartbeat.objects.count() == 1
    assert ready(client)[0] == 200


def test_without_redis_it_is_not_ready_and_says_so(
    client: Client, ticking: None, settings: Any
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    status, said = ready(client)
    assert (status, said["redis"]) == (503, "not reachable (ConnectionError)")
    assert said["database"] == "ok"


def test_without_its_database_it_is_not_ready_and_says_so(
    client: Client, ticking: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> str:
        raise OperationalError("the password is hunter2")

    monkeypatch.setattr("scrm.web.health._CHECKS", {"database": down})
    status, said = ready(client)
    assert (status, said["database"]) == (503, "not reachable (OperationalError)")
    assert "hunter2" not in str(said)


def test_probes_need_no_login_and_change_nothing(client: Client) -> None:
    for path in ("/healthz", "/readyz"):
        assert "sessionid" not in client.get(path).cookies
        assert client.post(path).status_code == 405
