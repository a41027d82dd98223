"""Real workers and a real Celery beat for a test, as processes on the test database.

    with Machine(tmp_path, env={"SCRM_TICK_SECONDS": "0.5"}) as machine:
        machine.kill("worker")          # SIGKILL, also for its pool
        machine.start("worker")
        machine.redis.kill()            # or stop(), freeze(), thaw()
        machine.redis.start()           # at the same address, empty
        machine.until(lambda: Case.objects.count() == 3, within=20)

The machine has its own Redis, which the test process also uses while the machine runs. The test
must commit the rows that it writes, so mark it with `@pytest.mark.django_db(transaction=True)`.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import redis
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from scrm.bus import live, nudge
from scrm.celery import app
from scrm.launcher import processes
from scrm.launcher.embedded import Redis
from scrm.launcher.run import plan
from scrm.models import Heartbeat

T = TypeVar("T")
QUEUES = ("celery", "poll", "process", "tick", "deliver")
STOP_WITHIN = 2.0


def eventually(check: Callable[[], T], *, within: float = 60, every: float = 0.05) -> T:
    """Call `check` repeatedly until its result is true, and return this result.

    Raises AssertionError if the result is not true within `within` seconds.
    """
    deadline = time.monotonic() + within
    while not (answer := check()):
        assert time.monotonic() < deadline, f"still {answer!r} after {within} s"
        time.sleep(every)
    return answer


def slowdown(seconds: float = 0.2) -> float:
    """Return how many times slower the test process runs now than on an idle machine.

    The function computes for `seconds` of processor time, and divides the elapsed time by the
    processor time. The normal value is 1.
    """
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < seconds:
        pass
    return max(1.0, (time.monotonic() - began) / seconds)


class Machine:
    """The processes of `make run`, with the same names: worker, sender, beat and web.

    The web server is started only if `run` contains "web". It uses the PORT in `env`.
    """

    def __init__(
        self,
        place: Path,
        *,
        env: Mapping[str, str] | None = None,
        run: tuple[str, ...] = ("worker", "sender", "beat"),
    ) -> None:
        commands = plan(env or {}).processes
        self.commands = {name: commands[name] for name in run}
        self.place = place
        self.given = dict(env or {})
        self.redis = Redis(place / "redis")
        self.mark = secrets.token_hex(8)
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Machine:
        with ExitStack() as stack:
            stack.callback(self.redis.stop)
            self.redis.start(within=15)
            stack.enter_context(nudging(self.redis.url))
            stack.callback(self.stop)
            for name in self.commands:
                self.start(name)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        if error is not None:
            print(self.words(), file=sys.stderr)

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": database_url(),
            "SCRM_UNDO_SECONDS": "0",
            "SCRM_TICK_SECONDS": "0.5",
            "SCRM_SANDBOX_SECONDS": "0",
            "PYTHONUNBUFFERED": "1",
            "SCRM_WITNESS_DIR": str(self.place / "witness"),
            **self.given,
            "REDIS_URL": self.redis.url,
            processes.MARK: self.mark,
        }

    def start(self, name: str) -> None:
        """Start a process that was never started or has ended.

        The method returns before the process is ready.
        """
        with self.log(name).open("ab") as log:
            self.children[name] = processes.spawn(
                self.commands[name], env=self.env, cwd=settings.BASE_DIR, output=log
            )

    def kill(self, name: str) -> None:
        """Send SIGKILL to a process and its pool, so that they cannot clean up."""
        child = self.children.pop(name)
        processes.send([child.pid], signal.SIGKILL, group=True)
        child.wait()

    def restart(self, name: str) -> None:
        self.kill(name)
        self.start(name)

    def until(self, check: Callable[[], T], *, within: float = 30) -> T:
        """Wait as `eventually` does. If a process of the machine ends meanwhile, start it again.

        `make run` also starts such processes again. A worker ends, for example, if the connection
        to Redis is lost again while the worker reconnects.
        """
        return eventually(lambda: self._revive() or check(), within=within)

    def _revive(self) -> None:
        for name, child in self.children.items():
            if child.poll() is not None:
                self.start(name)

    def pids(self) -> list[int]:
        """Return the ids of all running processes and of their pool processes."""
        return processes.marked(self.mark)

    def stop(self) -> None:
        """End all processes: send SIGTERM first, and later SIGKILL."""
        leaders = [child.pid for child in self.children.values()]
        processes.end(leaders, within=STOP_WITHIN)
        processes.end_marked(self.mark, within=0.2)
        for child in self.children.values():
            child.wait()
        self.children.clear()

    def wait(self, *, within: float = 30) -> None:
        """Wait until a tick (`scrm.pipeline.tick`) that started after this call has ended."""
        since = timezone.now()
        eventually(lambda: Heartbeat.objects.filter(name="tick", at__gt=since), within=within)

    def queued(self) -> int:
        """Return the number of Celery messages that wait in Redis."""
        with redis.Redis.from_url(self.redis.url) as client:
            return sum(int(client.llen(queue)) for queue in QUEUES)

    def log(self, name: str) -> Path:
        return self.place / f"{name}.log"

    def words(self) -> str:
        """Return the last lines of each process's log."""
        logs = {name: self.log(name) for name in self.commands if self.log(name).exists()}
        return "\n".join(
            f"--- {name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-60:])
            for name, log in logs.items()
        )


def database_url() -> str:
    """Return the URL of the test database, so that another process can connect to it."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))


@contextmanager
def nudging(url: str) -> Iterator[None]:
    """Let the test process send its Celery messages and live events to the Redis at `url`."""
    before = app.conf.broker_url
    with override_settings(REDIS_URL=url):
        _connect(url)
        try:
            yield
        finally:
            _connect(before)


def _connect(url: str) -> None:
    app.conf.broker_url = url
    app._after_fork()  # close the connections, so that new ones use the new address
    live._publisher.cache_clear()
    nudge._client.cache_clear()
