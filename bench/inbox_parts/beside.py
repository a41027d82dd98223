"""Measure django-helpdesk for comparison with scrm.

django-helpdesk runs in its own virtual environment under `var/`. If it cannot be installed, nothing
is measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection

VERSION = "django-helpdesk==2.6.1"
_HOME = Path(__file__).parents[2] / "var" / "helpdesk"
_CHILD = Path(__file__).with_name("helpdesk_child.py")
Cost = tuple[float, float]
"""Milliseconds of CPU: of its own process, of its database."""


@contextmanager
def drawing() -> Iterator[Callable[[], Cost] | None]:
    """Yield a function that renders django-helpdesk's list of tickets and returns the cost of this.

    The context manager yields None if django-helpdesk cannot be installed.
    """
    python = _python()
    if python is None:
        print(f"{VERSION} could not be installed, so nothing is measured beside it.")
        yield None
        return
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS bench_helpdesk WITH (FORCE)")
        cursor.execute("CREATE DATABASE bench_helpdesk")
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path="/bench_helpdesk").geturl()
    env = {"DATABASE_URL": url, "PATH": os.environ["PATH"]}
    pipe = subprocess.PIPE
    with subprocess.Popen([python, _CHILD], env=env, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin and child.stdout
        asks, answers = child.stdin, child.stdout
        assert answers.readline() == "ready\n"

        def draw() -> Cost:
            asks.write("again\n")
            asks.flush()
            own, database = answers.readline().split()
            return float(own), float(database)

        try:
            yield draw
        finally:
            asks.close()


def _python() -> Path | None:
    """Return the path of the Python in django-helpdesk's virtual environment.

    The first call creates the environment and installs django-helpdesk. The result is None if the
    installation fails.
    """
    python = _HOME / "bin" / "python"
    if not (_HOME / "installed").exists():
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        commands = ([sys.executable, "-m", "venv", _HOME], [*install, VERSION, "psycopg2-binary"])
        for command in commands:
            try:
                done = subprocess.run(command, capture_output=True, timeout=300, check=False)
            except (OSError, subprocess.TimeoutExpired):
                return None
            if done.returncode:
                return None
        (_HOME / "installed").touch()
    return python
