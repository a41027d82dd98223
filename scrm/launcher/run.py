"""`make run`: start everything that scrm needs, with one process supervisor and one URL.

Ctrl-C stops all processes. The state and the logs are in the directory var/.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psycopg2

from scrm.launcher import processes
from scrm.launcher.embedded import ServiceError, keys, locked, services
from scrm.launcher.supervisor import Command, Supervisor

PYTHON = sys.executable
IGNORE_SECONDS = 2.0
"""Seconds after a signal in which a further one is ignored."""


@dataclass(frozen=True)
class Plan:
    """The commands to run, and the host and port of the web server; `make run` uses `plan()`."""

    processes: Mapping[str, Command]
    migrate: Command
    sample: Command | None
    logins: Command
    host: str = "127.0.0.1"
    port: int = 8000
    var: Path = Path("var")

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def loopback(self) -> str:
        """Return the host name or IP address for requests from this machine to the web server."""
        return "127.0.0.1" if self.host in ("0.0.0.0", "localhost") else self.host

    @property
    def state(self) -> Path:
        return self.var / "run.json"


def plan(env: Mapping[str, str] = os.environ) -> Plan:
    """Return the plan of `make run`. The environment variables HOST, PORT and SAMPLE change it."""
    host, port = env.get("HOST", "127.0.0.1"), env.get("PORT", "8000")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ServiceError(f"PORT must be a number from 1 to 65535, not {port!r}.")
    manage, celery = (PYTHON, "manage.py"), (PYTHON, "-m", "celery", "--quiet", "-A", "scrm")
    quiet = ("--without-gossip", "--without-mingle")
    web = (PYTHON, "-m", "scrm.web.server", "--host", host, "--port", port)
    listen = (
        "worker",
        "-n",
        "listen@%h",
        "-Q",
        "celery,poll,process",
        "-c",
        "2",
        *quiet,
    )
    send = ("worker", "-n", "send@%h", "-Q", "tick,deliver", "-c", "2", *quiet)
    beat = ("beat", "--scheduler", "scrm.bus.scheduler:BoundedScheduler", "--pidfile=")
    return Plan(
        processes={
            "web": web,
            "worker": (*celery, *listen),
            "sender": (*celery, *send),
            "beat": (*celery, *beat),
        },
        migrate=(*manage, "migrate", "--noinput", "--verbosity", "1"),
        sample=(*manage, "first_admin" if env.get("SAMPLE") == "0" else "load_sample"),
        logins=(*manage, "logins"),
        host=host,
        port=int(port),
    )


def write_state(plan: Plan, mark: str, children: Sequence[int]) -> None:
    """Store which processes are running.

    If the process supervisor is killed, the next start reads this file and ends these processes.
    """
    state = {
        "pid": os.getpid(),
        "url": plan.url,
        "mark": mark,
        "children": {str(pid): processes.started_at(pid) for pid in children},
    }
    new = plan.state.with_suffix(".new")
    new.write_text(json.dumps(state))
    new.rename(plan.state)


def read_state(plan: Plan) -> dict[str, object]:
    try:
        state = json.loads(plan.state.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def end_leftovers(plan: Plan) -> None:
    """End the processes that are still running because an earlier process supervisor was killed.

    A process is ended only if its start time also matches, because the kernel may have given the
    process id to another process. Processes with the mark of the earlier run are ended too.
    """
    state = read_state(plan)
    children = state.get("children")
    known = children.items() if isinstance(children, dict) else ()
    left = {int(pid) for pid, start in known if start and processes.started_at(int(pid)) == start}
    if state.get("mark"):
        left |= set(processes.marked(str(state["mark"])))
    if left:
        print(f"Ending {len(left)} processes that an earlier run left behind.", flush=True)
        processes.end(sorted(left), within=3)


def refuse_taken_port(plan: Plan) -> None:
    family = socket.AF_INET6 if ":" in plan.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((plan.host, plan.port))
        except OSError as error:
            raise ServiceError(
                f"Port {plan.port} on {plan.host} cannot be used: {error.strerror}."
                " Nothing was started. Stop the program that has it, or choose another port:"
                f" make run PORT={plan.port + 1}"
            ) from None


def environment(plan: Plan, mark: str) -> dict[str, str]:
    """Return the environment variables of every child process.

    A variable that is already set in this process keeps its value.
    """
    given = {
        **keys(plan.var / "secrets.env"),
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "SCRM_PUBLIC_URL": plan.url,
        "PYTHONUNBUFFERED": "1",
        "SCRM_SAMPLE_SWITCHER": "0" if os.environ.get("SAMPLE") == "0" else "1",
        **os.environ,
    }
    return {**given, processes.MARK: mark}


def empty(database_url: str) -> bool:
    """Return whether the database contains no user."""
    with (
        closing(psycopg2.connect(database_url)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT EXISTS (SELECT FROM crm_user)")
        return cursor.fetchone() == (False,)


def once(command: Command, env: Mapping[str, str]) -> None:
    """Run a command that must succeed before the processes of the plan can start.

    Raises ServiceError if the command fails.
    """
    code = processes.spawn(command, env=env).wait()
    if code != 0:
        raise ServiceError(f"`{' '.join(command[1:])}` failed with code {code}; see above.")


@contextmanager
def only_one(plan: Plan) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(plan.var / "run.lock"))
        except ServiceError:
            state = read_state(plan)
            raise ServiceError(
                f"scrm is already running here: process {state.get('pid')}, {state.get('url')}."
                " Stop it with Ctrl-C in its terminal, or use it."
            ) from None
        yield


def supervise(plan: Plan) -> None:
    """Run the processes of the plan until a signal raises KeyboardInterrupt."""
    mark = secrets.token_hex(8)
    env = environment(plan, mark)
    with only_one(plan), ExitStack() as stack:
        stack.callback(ignore_signals)
        end_leftovers(plan)
        # Check the port after end_leftovers(), because processes of a killed run may still use it.
        refuse_taken_port(plan)
        # Store the mark before the first child starts: if this process is killed, the next start
        # finds the children by the mark, even without their process ids.
        write_state(plan, mark, ())
        here = stack.enter_context(services(plan.var))
        env |= here.env
        # This runs before the servers stop, because then no process may use the servers any more.
        stack.callback(processes.end_marked, mark, within=0.05)
        # Migrate before the processes start, because they need the tables of this version.
        once(plan.migrate, env)
        if plan.sample is not None and empty(here.database_url):
            once(plan.sample, env)
        logins = processes.spawn(plan.logins, env=env, output=subprocess.PIPE)
        supervisor = Supervisor(
            plan.processes,
            env,
            servers=here.started,
            address=(plan.loopback, plan.port),
            logs=plan.var / "log",
        )
        stack.callback(supervisor.stop)
        # This runs first, so that a second Ctrl-C does not interrupt supervisor.stop().
        stack.callback(ignore_signals)
        supervisor.run(
            on_change=lambda children: write_state(plan, mark, children),
            on_ready=lambda: greet(plan, logins),
        )


def greet(plan: Plan, logins: subprocess.Popen[bytes]) -> None:
    words = logins.communicate()[0].decode(errors="replace").strip()
    print(f"\nscrm is ready: {plan.url}\n", flush=True)
    if logins.returncode == 0:
        print(f"{words}\n", flush=True)
    print("Ctrl-C stops it.\n", flush=True)


def ignore_signals() -> None:
    for signum in processes.STOPPING:
        signal.signal(signum, signal.SIG_IGN)


class Interrupt:
    """A signal handler that raises KeyboardInterrupt.

    For IGNORE_SECONDS after it has raised the exception, further signals are ignored.
    """

    def __init__(self) -> None:
        self.last = -IGNORE_SECONDS

    def __call__(self, signum: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self.last > IGNORE_SECONDS:
            self.last = now
            raise KeyboardInterrupt(signal.Signals(signum).name)


def main(what: Plan | None = None) -> int:
    interrupt = Interrupt()
    for signum in processes.STOPPING:
        signal.signal(signum, interrupt)
    try:
        supervise(what or plan())
    except ServiceError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("scrm has stopped.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
