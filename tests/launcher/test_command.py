"""The command `python -m scrm.launcher.embedded --data … -- command`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scrm.launcher import processes

GIVEN = ("DATABASE_URL", "REDIS_URL")
CLEAN = {name: value for name, value in os.environ.items() if name not in GIVEN}

pytestmark = pytest.mark.slow


def start(data: Path, code: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "scrm.launcher.embedded", "--fresh", "--data", str(data), "--"]
    return subprocess.Popen(
        [*command, sys.executable, "-u", "-c", code],
        env=CLEAN,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def servers(data: Path) -> list[int]:
    return [
        pid
        for run in data.glob("[0-9]*")
        for pid in processes.working_in(run / "postgres", "postgres")
        + processes.working_in(run / "redis", "redis-server")
    ]


def until(condition: Callable[[], bool], *, within: float = 10) -> bool:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_the_command_gets_working_services_and_its_exit_code_is_returned(tmp_path: Path) -> None:
    code = """
import os, psycopg2, redis
psycopg2.connect(os.environ["DATABASE_URL"])
assert redis.from_url(os.environ["REDIS_URL"]).ping()
assert os.environ["SECRET_KEY"] and os.environ["SCRM_SECRETS_KEYS"]
raise SystemExit(7)
"""
    run = start(tmp_path, code)
    run.communicate(timeout=30)
    assert run.returncode == 7
    assert list(tmp_path.iterdir()) == []


def test_a_kill_of_the_parent_leaves_no_orphan(tmp_path: Path) -> None:
    run = start(tmp_path, "import os, time; print(os.getpid()); time.sleep(600)")
    assert run.stdout is not None
    child = int(run.stdout.readline())
    left = [child, *servers(tmp_path)]
    assert len(left) > 3
    run.kill()
    run.wait()
    assert processes.gone(left, within=5)


def test_an_interrupt_reaches_the_command_and_then_everything_stops(tmp_path: Path) -> None:
    code = """
import time
print("ready")
try:
    time.sleep(600)
except KeyboardInterrupt:
    print("tidied up")
    raise SystemExit(5)
"""
    run = start(tmp_path, code)
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    left = servers(tmp_path)
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=10)
    assert (output, run.returncode) == ("tidied up\n", 5)
    assert processes.gone(left, within=0)


def test_what_the_command_left_behind_is_ended(tmp_path: Path) -> None:
    code = """
import subprocess
print(subprocess.Popen(["sleep", "600"], start_new_session=True).pid)
"""
    run = start(tmp_path, code)
    output, _ = run.communicate(timeout=30)
    assert not processes.alive(int(output))


def test_two_runs_beside_each_other_do_not_meet(tmp_path: Path) -> None:
    code = "import os; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL']); input()"
    one, two = start(tmp_path, code), start(tmp_path, code)
    first, second = (run.communicate(timeout=30)[0].split() for run in (one, two))
    assert len({*first, *second}) == 4


def test_data_of_a_killed_run_is_swept_by_the_next(tmp_path: Path) -> None:
    run = start(tmp_path, "import time; print(); time.sleep(600)")
    assert run.stdout is not None
    run.stdout.readline()
    left = servers(tmp_path)
    run.kill()
    run.wait()
    assert processes.gone(left, within=5)
    assert until(lambda: start(tmp_path, "").wait(30) == 0)
    assert list(tmp_path.iterdir()) == []
