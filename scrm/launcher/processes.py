"""Start child processes that end with their parent, and end processes left by earlier runs."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LINUX = sys.platform == "linux"
MARK = "SCRM_PROCESS_MARK"
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP = 28, 1 << 2
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True)
class Identity:
    """The system user and group of a child process.

    passes: whether the child gets the right to read all files and directories, even those that its
    user has no permission to read.
    """

    uid: int
    gid: int
    passes: bool = False


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: IO[bytes] | int | None = None,
    death_signal: int = signal.SIGTERM,
    identity: Identity | None = None,
    session: bool = True,
) -> subprocess.Popen[bytes]:
    """Start a child process. The kernel sends it `death_signal` when the calling *thread* ends.

    Therefore, call this from the main thread. If `session` is true, the child leads its own session
    and process group. Otherwise the child stays in the foreground of the terminal and keeps the
    standard input.
    """
    # If a signal handler raised while Popen forks, the exception or the child would be lost.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        return subprocess.Popen(
            list(command),
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL if session else None,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            start_new_session=session,
            preexec_fn=_before_exec(death_signal, identity),  # noqa: PLW1509 - takes no lock
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _before_exec(death_signal: int, identity: Identity | None) -> Callable[[], None]:
    parent = os.getpid()

    def before_exec() -> None:
        if identity is not None:
            _become(identity)
        if LINUX:
            # After the change of user, because that clears the signal.
            _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            # If the parent died before the call above, no signal would ever come.
            if os.getppid() != parent:
                os._exit(1)
        for signum in STOPPING:
            signal.signal(signum, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    return before_exec


def _become(identity: Identity) -> None:
    passes = identity.passes and LINUX
    if passes:
        # Without this, the change of user and access(2) would drop the capability.
        _libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    # Set the group before the user, because after setuid() the group can no longer be changed.
    os.setgroups([identity.gid])
    os.setgid(identity.gid)
    os.setuid(identity.uid)
    if passes:
        # The capability for reading would be enough, but containers often do not have it.
        _keep(_CAP_DAC_READ_SEARCH) or _keep(_CAP_DAC_OVERRIDE)


def _keep(capability: int) -> bool:
    """Drop all capabilities of this process except `capability`; return whether this succeeded.

    The program that this process executes next keeps `capability` too.
    """
    bit = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    if _libc.capset(header, (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)) != 0:
        return False
    return bool(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0)


def started_at(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the boot of the machine.

    Returns None if the process does not exist.
    """
    stat = _stat(pid)
    return None if stat is None else int(stat[19])


def alive(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    stat = _stat(pid)
    return stat is not None and stat[0] != "Z"


def _stat(pid: int) -> list[str] | None:
    try:
        # The name, in brackets, may contain spaces and brackets itself.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def marked(mark: str) -> list[int]:
    """Return the ids of all processes that have this mark in their environment.

    Child processes inherit the mark, even in another session. This process itself is not included.
    """
    wanted = f"{MARK}={mark}".encode()
    return [pid for pid in _pids() if pid != os.getpid() and wanted in _environ(pid)]


def working_in(directory: Path, program: str) -> list[int]:
    """Return the ids of the processes of a program whose working directory is `directory`."""
    place = str(directory.resolve())
    return [
        pid
        for pid in _pids()
        if _link(pid, "cwd") == place and Path(_link(pid, "exe")).name.startswith(program)
    ]


def _pids() -> list[int]:
    return [
        int(directory.name)
        for directory in Path("/proc").glob("[0-9]*")
        if alive(int(directory.name))
    ]


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _link(pid: int, name: str) -> str:
    try:
        return str(Path(f"/proc/{pid}/{name}").readlink())
    except OSError:
        return ""


def send(pids: Iterable[int], signum: int, *, group: bool = False) -> None:
    for pid in pids:
        try:
            if group:
                os.killpg(pid, signum)
            else:
                os.kill(pid, signum)
        except (ProcessLookupError, PermissionError):
            continue


def end(pids: Sequence[int], *, first: int = signal.SIGTERM, within: float) -> None:
    """Send the signal `first` to processes.

    Those that still run after `within` seconds are killed.
    """
    send(pids, first)
    if not gone(pids, within=within):
        send([pid for pid in pids if alive(pid)], signal.SIGKILL)
        gone(pids, within=2)


def end_marked(mark: str, *, within: float) -> None:
    """End all processes that inherited the mark, including processes that are forked meanwhile."""
    # Search several times, because a process may fork between the search and the signal.
    for _ in range(3):
        if not (pids := marked(mark)):
            return
        end(pids, within=within)


def gone(pids: Sequence[int], *, within: float) -> bool:
    """Wait until none of these processes runs.

    Returns False if one of them still runs after `within` seconds.
    """
    deadline = time.monotonic() + within
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
