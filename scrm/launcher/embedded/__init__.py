"""PostgreSQL and Redis for a machine that has neither, and the keys that scrm needs to start."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scrm.launcher.embedded.postgres import Postgres
from scrm.launcher.embedded.redis_server import Redis
from scrm.launcher.embedded.server import Server, ServiceError, locked

__all__ = [
    "Postgres",
    "Redis",
    "Server",
    "ServiceError",
    "Services",
    "keys",
    "locked",
    "services",
]


@dataclass(frozen=True)
class Services:
    database_url: str
    redis_url: str
    started: tuple[Server, ...] = ()

    @property
    def env(self) -> dict[str, str]:
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


@contextmanager
def services(
    data: Path, *, durable: bool = True, env: Mapping[str, str] = os.environ
) -> Iterator[Services]:
    """Provide the URLs of PostgreSQL and Redis.

    If the environment variable DATABASE_URL or REDIS_URL is not set, a server of our own is started
    instead, and it is stopped at the end. With `durable=False`, which is only for tests, a power
    cut may destroy committed data.
    """
    postgres, cache = (
        Postgres(data / "postgres", durable=durable),
        Redis(data / "redis"),
    )
    given = {postgres: env.get("DATABASE_URL"), cache: env.get("REDIS_URL")}
    started = tuple(server for server, url in given.items() if not url)
    with locked(data / "services.lock"), ExitStack() as stack:
        for server in started:
            # Registered before start(), so that a server whose start fails half-way is stopped too.
            stack.callback(server.stop)
            server.start()
        yield Services(given[postgres] or postgres.url, given[cache] or cache.url, started)


def keys(path: Path) -> dict[str, str]:
    """Return the signing key and the encryption key of this workspace as environment variables.

    The first call creates the file `path` with new keys. If the file is lost, the stored passwords
    of all accounts cannot be decrypted, so back up the file with the database.
    """
    if not path.exists():
        made = {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "SCRM_SECRETS_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        # Write a new file and rename it, so that a crash cannot leave a file with half of the keys.
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in made.items())
        new.rename(path)
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
