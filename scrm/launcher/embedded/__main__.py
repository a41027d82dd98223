"""Run a command with its own PostgreSQL and its own Redis.

    python -m scrm.launcher.embedded --data var/test --fresh -- pytest -q

This starts PostgreSQL if DATABASE_URL is not set, and Redis if REDIS_URL is not set. It runs the
command with both variables and with the keys that scrm needs. Then it stops everything.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from scrm.launcher import processes
from scrm.launcher.embedded import Postgres, ServiceError, keys, locked, services


@contextmanager
def throw_away(parent: Path) -> Iterator[Path]:
    """Provide an unused data directory for one run, and remove it at the end.

    This also removes the directories of earlier runs that were killed.
    """
    for old in parent.glob("[0-9]*"):
        # Locking fails if a run still uses the directory.
        with suppress(ServiceError), locked(old / "services.lock"):
            shutil.rmtree(Postgres(old / "postgres").sockets, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
    data = parent / str(os.getpid())
    try:
        yield data
    finally:
        shutil.rmtree(data, ignore_errors=True)


def run(command: Sequence[str], env: Mapping[str, str]) -> int:
    """Run the command in the foreground, end all its processes, and return its exit code."""
    mark = secrets.token_hex(8)
    child = processes.spawn(command, env={**env, processes.MARK: mark}, session=False)

    def forward(signum: int, _frame: FrameType | None) -> None:
        # The terminal sends Ctrl-C to the child too; a second signal from us would interrupt its
        # clean-up.
        if signum != signal.SIGINT or not sys.stdin.isatty():
            processes.send([child.pid], signum)

    for signum in processes.STOPPING:
        signal.signal(signum, forward)
    try:
        code = child.wait()
    finally:
        processes.end_marked(mark, within=3)
    return code if code >= 0 else 128 - code


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scrm.launcher.embedded")
    parser.add_argument("--data", type=Path, required=True, help="where the services keep data")
    parser.add_argument(
        "--fresh", action="store_true", help="use and remove new data, unsafely fast"
    )
    parser.add_argument("command", nargs="+", help="what to run, after --")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        data = stack.enter_context(throw_away(options.data)) if options.fresh else options.data
        try:
            here = stack.enter_context(services(data, durable=not options.fresh))
            return run(
                options.command,
                {**keys(data / "secrets.env"), **os.environ, **here.env},
            )
        except ServiceError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main())
