"""The process supervisor keeps processes running, prints their output, and stops them."""

from __future__ import annotations

import http.client
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from scrm.launcher import processes
from scrm.launcher.embedded import Server, ServiceError

COLOURS = (36, 33, 35, 32, 34)
LONGEST_LINE = 16 * 1024
PATIENCE = 3.1
"""Seconds between asking the processes to stop and killing them; the servers stop after that."""
STEADY = 30
"""A process that ran this many seconds is restarted without delay."""
SLOW_START = 30
"""Seconds without readiness after which the supervisor prints what is missing."""

Command = Sequence[str]


class Screen:
    """Prints the output lines of several processes with their names, and logs them to files.

    Each process has its own log file.
    """

    def __init__(self, names: Sequence[str], logs: Path) -> None:
        self.width = max(map(len, names))
        self.colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
        self.logs = logs
        logs.mkdir(parents=True, exist_ok=True)
        for name in names:
            with suppress(FileNotFoundError):
                (logs / f"{name}.log").replace(logs / f"{name}.log.1")

    def show(self, name: str, line: str) -> None:
        prefix = f"{name:<{self.width}} |"
        if sys.stdout.isatty():
            prefix = f"\x1b[{self.colours[name]}m{prefix}\x1b[0m"
        print(prefix, line, flush=True)
        with (self.logs / f"{name}.log").open("a") as log:
            log.write(f"{line}\n")


@dataclass
class Process:
    """One process of the plan, in its own process group. It is started again when it ends."""

    name: str
    command: Command
    screen: Screen
    child: subprocess.Popen[bytes] | None = None
    started: float = 0
    due: float = 0
    failures: int = 0
    rest: bytes = field(default=b"", repr=False)

    def start(self, env: Mapping[str, str]) -> IO[bytes]:
        self.child = processes.spawn(self.command, env=env, output=subprocess.PIPE)
        # Non-blocking, so that a process without output does not delay the other processes.
        os.set_blocking(self.output.fileno(), False)
        self.started = time.monotonic()
        return self.output

    @property
    def output(self) -> IO[bytes]:
        assert self.child is not None
        assert self.child.stdout is not None
        return self.child.stdout

    def read(self) -> bool:
        """Print the available lines of output; return False at the end of the output."""
        data = self.output.read(65536)
        if data is None:
            return True
        *lines, self.rest = (self.rest + data).split(b"\n")
        if self.rest and (not data or len(self.rest) > LONGEST_LINE):
            lines, self.rest = [*lines, self.rest], b""
        for line in lines:
            self.screen.show(self.name, line.decode(errors="replace").rstrip("\r"))
        return bool(data)

    def died(self) -> None:
        """Handle the end of the process.

        This kills its children, prints the reason, and sets the time of the next start. If the
        process ends repeatedly soon after its start, the next start is delayed.
        """
        assert self.child is not None
        # End its children too, because they could still use the port or go on working.
        processes.send([self.child.pid], signal.SIGKILL, group=True)
        self.output.close()
        now = time.monotonic()
        # A process that dies soon after each start must not be restarted in a tight loop.
        self.failures = 0 if now - self.started > STEADY else self.failures + 1
        delay = min(0.5 * 2**self.failures, 10.0) if self.failures else 0.0
        code, self.child, self.due = self.child.returncode, None, now + delay
        why = (
            f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        )
        self.screen.show(self.name, f"{why}; starting it again in {delay:.0f} s")


class Supervisor:
    """Keeps processes and servers running until `stop` is called.

    The servers are the PostgreSQL and the Redis that scrm has started itself, if any.
    """

    def __init__(
        self,
        commands: Mapping[str, Command],
        env: Mapping[str, str],
        *,
        servers: Sequence[Server],
        address: tuple[str, int],
        logs: Path,
    ) -> None:
        self.env, self.servers, self.address = env, servers, address
        screen = Screen(list(commands), logs)
        self.processes = [Process(name, command, screen) for name, command in commands.items()]
        self.selector = selectors.DefaultSelector()
        self.ready = False
        self.asked = self.reported = time.monotonic()

    def run(self, *, on_change: Callable[[list[int]], None], on_ready: Callable[[], None]) -> None:
        """Keep the processes running until an exception is raised, for example KeyboardInterrupt.

        on_change: called after each start of processes, with the ids of all processes.
        on_ready: called once, when the web server is ready.
        """
        while True:
            if self._keep_running():
                # Store the ids at once: if this process is killed, the next start ends them by id.
                on_change(
                    [process.child.pid for process in self.processes if process.child is not None]
                )
            self._show(0.1)
            if not self.ready and self._answers():
                self.ready = True
                on_ready()

    def _show(self, wait: float) -> None:
        for key, _ in self.selector.select(wait):
            if not key.data.read():
                self.selector.unregister(key.fileobj)

    def _keep_running(self) -> bool:
        """Start servers and processes that have ended; return whether any process was started.

        A process is started only when the delay after its last end is over.
        """
        # Start the servers first, because the processes need them.
        for server in self.servers:
            if not server.running:
                print(f"{server.program} ended; starting it again", flush=True)
                with suppress(ServiceError):
                    server.start(within=20)
        for process in self.processes:
            if process.child is not None and process.child.poll() is not None:
                self._handle_death(process)
        now = time.monotonic()
        due = [
            process for process in self.processes if process.child is None and now >= process.due
        ]
        for process in due:
            output = process.start(self.env)
            self.selector.register(output, selectors.EVENT_READ, process)
        return bool(due)

    def _handle_death(self, process: Process) -> None:
        # Read the last lines before died() closes the pipe, because they often say why it died.
        with suppress(KeyError):
            self.selector.unregister(process.output)
            process.read()
        process.died()

    def _answers(self) -> bool:
        """Request /readyz and return whether the web server is ready.

        A request is made at most four times a second; between requests, the result is False. While
        the start takes long, this prints the response from time to time.
        """
        now = time.monotonic()
        if now - self.asked < 0.25:
            return False
        self.asked = now
        host, port = self.address
        with closing(http.client.HTTPConnection(host, port, timeout=1)) as connection:
            try:
                connection.request("GET", "/readyz", headers={"Host": "localhost"})
                response = connection.getresponse()
                status, words = response.status, response.read(500).decode(errors="replace")
            except (OSError, http.client.HTTPException) as error:
                status, words = 0, str(error)
        if status != 200 and now - self.reported > SLOW_START:
            self.reported = now
            print(f"Still starting. /readyz answers: {status} {words}", flush=True)
        return status == 200

    def stop(self) -> None:
        """Send SIGTERM to every process, print the last output, and kill what still runs."""
        deadline = time.monotonic() + PATIENCE
        children = [process.child for process in self.processes if process.child is not None]
        processes.send([child.pid for child in children], signal.SIGTERM, group=True)
        # Keep reading, because a process that waits for a full pipe cannot end.
        while time.monotonic() < deadline and any(child.poll() is None for child in children):
            self._show(0.05)
        # Kill all groups, even if the leader has ended, because its children may still run.
        processes.send([child.pid for child in children], signal.SIGKILL, group=True)
