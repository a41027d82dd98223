"""The PostgreSQL and Redis servers that scrm itself starts."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import redis

from scrm.launcher import processes
from scrm.launcher.embedded import Postgres, Redis, ServiceError, keys, locked, services


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path / "postgres")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


def ask(server: Postgres, sql: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        rows: list[tuple[object, ...]] = cursor.fetchall() if cursor.description else []
        connection.commit()
        return rows


@pytest.mark.slow
def test_the_database_listens_on_no_port_and_in_a_directory_that_only_its_user_enters(
    postgres: Postgres,
) -> None:
    assert ask(postgres, "SHOW listen_addresses") == [("",)]
    assert stat.S_IMODE(postgres.sockets.stat().st_mode) == 0o700
    assert ask(postgres, "SHOW fsync") == [("on",)]


@pytest.mark.slow
def test_the_database_does_not_run_as_root(postgres: Postgres) -> None:
    status = Path(f"/proc/{postgres.pid}/status").read_text()
    uid = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1]
    assert uid != "0"


@pytest.mark.slow
def test_committed_rows_outlive_a_kill_of_the_database(postgres: Postgres) -> None:
    ask(postgres, "CREATE TABLE kept AS SELECT 7 AS n")
    postgres.kill()
    postgres.start()
    assert ask(postgres, "SELECT n FROM kept") == [(7,)]


@pytest.mark.slow
def test_a_lock_file_whose_pid_now_belongs_to_another_program_does_not_stop_the_start(
    postgres: Postgres,
) -> None:
    # Without the removal of stale locks PostgreSQL refuses to start: "lock file already exists".
    postgres.kill()
    bystander = processes.spawn(["sleep", "60"], identity=postgres.identity)
    lock = postgres.data / "postmaster.pid"
    lines = lock.read_text().splitlines()
    lock.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
    try:
        postgres.start()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.slow
def test_a_database_that_a_killed_run_left_running_is_replaced(postgres: Postgres) -> None:
    ask(postgres, "CREATE TABLE kept AS SELECT 7 AS n")
    left = postgres.pid
    second = Postgres(postgres.data)
    second.start()
    try:
        assert not processes.alive(left)
        assert ask(second, "SELECT n FROM kept") == [(7,)]
    finally:
        second.stop()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_socket_directory_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres")
    server.sockets.mkdir(mode=0o777)
    os.chown(server.sockets, 54321, 54321)
    try:
        with pytest.raises(ServiceError, match="belongs to another user"):
            server.start()
    finally:
        server.sockets.rmdir()


def test_a_data_directory_reached_through_a_closed_one_is_used(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = Redis(closed / "redis")
    server.start()
    assert redis.Redis.from_url(server.url).ping()
    server.stop()


def test_redis_keeps_its_address_over_a_restart(cache: Redis) -> None:
    before = cache.url
    cache.stop()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(before).ping()
    cache.start()
    assert redis.Redis.from_url(before).ping()


def test_redis_refuses_a_client_without_the_password(cache: Redis) -> None:
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host="127.0.0.1", port=cache.port).ping()
    commands = Path(f"/proc/{cache.pid}/cmdline").read_text()
    assert cache.password not in commands


def test_a_frozen_redis_answers_again_once_thawed(cache: Redis) -> None:
    client = redis.Redis.from_url(cache.url, socket_timeout=0.2, retry=None)
    assert client.ping()
    cache.freeze()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    cache.thaw()
    assert client.ping()


def test_a_frozen_server_can_be_stopped(cache: Redis) -> None:
    cache.freeze()
    began = time.monotonic()
    cache.stop()
    assert not cache.running
    assert time.monotonic() - began < 2


def test_a_server_that_cannot_start_says_its_last_words(tmp_path: Path) -> None:
    first = Redis(tmp_path / "first")
    first.start()
    second = Redis(tmp_path / "second")
    second.port = first.port
    try:
        with pytest.raises(ServiceError, match="Address already in use"):
            second.start()
    finally:
        first.stop()


def test_addresses_that_are_given_are_used_and_nothing_is_started(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://elsewhere/scrm", "REDIS_URL": "redis://elsewhere"}
    with services(tmp_path, env=given) as here:
        assert here.env == given
        assert here.started == ()


def test_two_runs_cannot_share_their_data(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "services.lock"),
        pytest.raises(ServiceError, match="in use by another run"),
        services(tmp_path, env={"DATABASE_URL": "x", "REDIS_URL": "x"}),
    ):
        pass


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    made = keys(tmp_path / "secrets.env")
    assert set(made) == {"SECRET_KEY", "SCRM_SECRETS_KEYS"}
    assert keys(tmp_path / "secrets.env") == made
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600


def test_a_process_is_found_by_its_mark_even_in_another_session() -> None:
    mark = f"test-{os.getpid()}"
    child = processes.spawn(["sleep", "60"], env={**os.environ, processes.MARK: mark})
    try:
        assert processes.marked(mark) == [child.pid]
    finally:
        processes.end([child.pid], within=1)
    assert child.wait() == -signal.SIGTERM
