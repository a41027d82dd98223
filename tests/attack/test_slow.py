"""Guarantee G24 (docs/guarantees.md): slow connections do not slow down other users.

The test opens 100 slow connections without a login.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from crm.models import User
from tests.attack.slow import CONNECTIONS, Attack, p95, times
from tests.machinery import Machine, eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.alone, pytest.mark.slow]
NOISE = 0.05
"""Seconds that a busy machine may add to a page."""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with Machine(tmp_path, env={"PORT": str(port)}, run=("web",)) as machine:
        eventually(lambda: all(took < 1 for took in times(port, "/healthz", count=9)), within=60)
        yield machine


def test_pages_stay_as_fast_while_100_slow_connections_stand(machine: Machine, agent: User) -> None:
    """While 100 slow connections are open, pages take at most twice as long as without them.

    Fails with plain uvicorn and a2wsgi, because the server then answers no request, not even
    /healthz.
    """
    port, pids = int(machine.given["PORT"]), machine.pids()
    browser = Client()
    browser.force_login(agent)
    cookie = f"sessionid={browser.cookies['sessionid'].value}"
    pages = {"/": cookie, "/account/login/": ""}
    alone = {path: p95(times(port, path, count=60, cookie=with_)) for path, with_ in pages.items()}
    with Attack(port).standing_all() as attack:
        assert attack.standing > CONNECTIONS * 0.9
        assert max(times(port, "/healthz", count=60)) < 1
        for path, with_ in pages.items():
            beside = p95(times(port, path, count=60, cookie=with_))
            assert beside <= 2 * max(alone[path], NOISE), (path, alone[path], beside)
        assert attack.standing > CONNECTIONS * 0.9
    assert machine.pids() == pids
