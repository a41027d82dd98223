"""Start and stop a server process of our own, which has its own data directory.

If root starts scrm, the server process runs as another system user.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from scrm.launcher import processes

SYSTEM_USER = "scrm"


class ServiceError(Exception):
    """A server cannot be started. The message says why and what the user can do."""


class Server:
    """One server process. Nothing else uses its data directory."""

    program: str
    stop_signals: tuple[tuple[int, float], ...]
    url: str

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        self.data = data.resolve()
        self.durable = durable
        self.log = self.data.parent / f"{self.data.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.identity: processes.Identity | None = None

    @property
    def pid(self) -> int:
        if self.process is None:
            raise ServiceError(f"{self.program} has not been started")
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, *, within: float = 60) -> None:
        """End the server of an earlier run, start a new one, and wait until it answers.

        within: the largest time to wait for the answer, in seconds.
        """
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.identity = runner(self.data)
        # End the old server first, because two servers on the same data would destroy the data.
        processes.end(
            processes.working_in(self.data, self.program),
            first=self.stop_signals[0][0],
            within=10,
        )
        self.prepare()
        with self.log.open("ab") as log:
            self.process = processes.spawn(
                self.command(),
                cwd=self.data,
                output=log,
                death_signal=self.stop_signals[0][0],
                identity=self.identity,
            )
        try:
            self._wait(time.monotonic() + within)
        except BaseException:
            self.stop()
            raise

    def _wait(self, deadline: float) -> None:
        while not self.answers():
            if not self.running or time.monotonic() > deadline:
                raise ServiceError(
                    f"{self.program} did not start. The end of its log:\n{self.tail()}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server: ask for a clean shutdown first, and kill the server if it does not end.

        A frozen server is resumed first, because it could not handle the signal otherwise.
        """
        if self.process is None:
            return
        self.thaw()
        for signum, patience in self.stop_signals:
            processes.send([self.process.pid] if self.running else [], signum)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
                return
        self.kill()

    def kill(self) -> None:
        """Kill the server with SIGKILL, so that it cannot clean up."""
        if self.running:
            processes.send([self.pid], signal.SIGKILL)
            assert self.process is not None
            self.process.wait()

    def freeze(self) -> None:
        """Suspend the server with SIGSTOP: its connections stay open, but it does not answer."""
        processes.send([self.pid], signal.SIGSTOP)

    def thaw(self) -> None:
        if self.running:
            processes.send([self.pid], signal.SIGCONT)

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-8:])

    def prepare(self) -> None:
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock, which also ends if this process dies.

    Raises ServiceError if another run holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            # flock is used, because a file without a lock would still exist after the process was
            # killed.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServiceError(f"{path.parent} is in use by another run.") from None
        yield


def runner(data: Path) -> processes.Identity | None:
    """Return the system user of the server process, or None to use the current user.

    Only root starts a server as another user, because PostgreSQL refuses to run as root. This other
    user is the owner of the data directory. If the directory does not exist or belongs to root, a
    special system user is used. Raises ServiceError if the current user is not root and the
    directory belongs to another user.
    """
    owner = data.stat() if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise ServiceError(f"{data} belongs to another user. Start scrm as that user.")
        return None
    # A checkout below /root can be entered by root only.
    passes = closed(data) or closed(Path(sys.prefix))
    if owner is not None and owner.st_uid != 0:
        return processes.Identity(owner.st_uid, owner.st_gid, passes)
    entry = _system_user()
    return processes.Identity(entry.pw_uid, entry.pw_gid, passes)


def closed(path: Path) -> bool:
    """Return whether a directory above `path` cannot be entered by all users."""
    return any(not parent.stat().st_mode & 0o001 for parent in path.absolute().parents)


def _system_user() -> pwd.struct_passwd:
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    command = [
        "useradd",
        "--system",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
    ]
    with suppress(OSError):
        subprocess.run([*command, SYSTEM_USER], capture_output=True, check=False)
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    return pwd.getpwnam("nobody")


def private_directory(path: Path, identity: processes.Identity | None) -> None:
    """Make a directory that only the system user of the server can enter.

    Raises ServiceError if the directory exists and belongs to another user.
    """
    owner = identity.uid if identity else os.geteuid()
    path.mkdir(mode=0o700, exist_ok=True)
    # lstat, because in /tmp another user could have put a link in the place of the directory.
    found = path.lstat()
    if path.is_symlink() or found.st_uid not in (owner, os.geteuid()):
        raise ServiceError(f"{path} belongs to another user. Remove it and start again.")
    path.chmod(0o700)
    if identity is not None:
        os.chown(path, identity.uid, identity.gid)


def package_at(name: str) -> Path | None:
    """Return the directory of an installed package, without importing it."""
    spec = find_spec(name)
    return (
        Path(spec.submodule_search_locations[0])
        if spec and spec.submodule_search_locations
        else None
    )
