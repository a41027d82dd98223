"""A migrated database that test databases are copied from.

Applying all migrations takes some 20 seconds, copying a database less than one. The migrated
database is also dumped into `var/pytest`, for the next test run with a new server.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2.extensions import connection as Connection

from scrm.launcher.embedded.postgres import postgres_program

ROOT = Path(__file__).parents[1]
DUMPS = ROOT / "var" / "pytest"
LOCK = 7_301_554  # any number; the lock of PostgreSQL that a test process holds while it migrates


def template() -> str:
    """Return the name of a database of the server at DATABASE_URL to which all migrations apply.

    Creates the database if it is missing. Raises subprocess.CalledProcessError if that fails.
    """
    name = _name()
    with closing(psycopg2.connect(_address("postgres"))) as server:
        server.autocommit = True
        with _locked(server), server.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            if cursor.rowcount == 0:
                cursor.execute("DROP DATABASE IF EXISTS scrm_migrating")
                cursor.execute("CREATE DATABASE scrm_migrating")
                fill(_address("scrm_migrating"))
                cursor.execute(f"ALTER DATABASE scrm_migrating RENAME TO {name}")
    return name


def _name() -> str:
    """Return a name with a hash of everything that the tables depend on."""
    files = [ROOT / "requirements-dev.lock", *sorted(ROOT.glob("*/migrations/*.py"))]
    files += sorted(ROOT.glob("scrm/channels/*/migrations/*.py"))
    content = b"".join(file.read_bytes() for file in files)
    return f"scrm_migrated_{hashlib.sha256(content).hexdigest()[:16]}"


def fill(address: str) -> None:
    """Restore the dump into the empty database at `address`; if there is none, migrate and dump.

    Afterwards, the table `crm_instance` is empty: its row identifies the database that it was
    recorded in.
    """
    dump = DUMPS / f"{_name()}.dump"
    if dump.exists():
        restore = [postgres_program("pg_restore"), "--no-owner", f"--dbname={address}", str(dump)]
        subprocess.run(restore, check=True)
        return
    migrate = [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity=0"]
    subprocess.run(migrate, cwd=ROOT, env=os.environ | {"DATABASE_URL": address}, check=True)
    with closing(psycopg2.connect(address)) as database, database, database.cursor() as cursor:
        cursor.execute("DELETE FROM crm_instance")
    dump.parent.mkdir(parents=True, exist_ok=True)
    new = dump.with_suffix(f".{os.getpid()}")
    subprocess.run([postgres_program("pg_dump"), "-Fc", f"--file={new}", address], check=True)
    new.rename(dump)


@contextmanager
def _locked(server: Connection) -> Iterator[None]:
    """Let only one process of the test run create the database."""
    with server.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _address(database: str) -> str:
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}"))
