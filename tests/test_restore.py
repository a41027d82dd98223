"""Guarantees G18 and G26 (docs/guarantees.md): after a database was restored, nothing is sent.

The database is restored from a dump or from a copy of older data files. The dumps, the files and
the workers are real. Sending continues only after a user allows it on a page. That page is tested
in `tests/responses/test_restored_database.py`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from django.conf import settings as in_force
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from crm.models import Account, Department, Instance, Membership, Pause, User
from crm.models.instance import ONLY, CurrentFingerprint
from responses import outbox
from responses.compose import Words, places_for, reply
from responses.models import Delivery, Response
from routing.models import Case
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post
from scrm.launcher.embedded import Postgres
from scrm.launcher.embedded.postgres import postgres_program
from tests import migrated
from tests.machinery import Machine, database_url
from tests.responses.conftest import hear

__all__ = ["hear"]
pytestmark = [pytest.mark.live, pytest.mark.slow]
As = Callable[[User], Any]
MICROBLOG = "sandbox.microblog"


@pytest.fixture(autouse=True)
def witness(settings: Any, tmp_path: Path) -> Path:
    """The directory with the file of the witness, which contains the number of send attempts.

    The test process and the workers share the directory.
    """
    settings.UNDO_SECONDS = 0
    settings.WITNESS_DIR = tmp_path / "witness"
    return tmp_path / "witness"


@contextmanager
def looking_at(url: str) -> Iterator[None]:
    """Let Django use the given database in this block, only in the test process."""
    before = dict(connection.settings_dict)
    connection.close()
    parts = urlsplit(url)
    connection.settings_dict |= {"NAME": parts.path[1:], "HOST": unquote(parts.hostname or "")}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


def program(name: str, *arguments: str) -> None:
    subprocess.run([postgres_program(name), *arguments], check=True, capture_output=True)


def answers(hear: Callable[..., Case], agent: User, number: int) -> list[Delivery]:
    """Create `number` replies that wait to be sent; no worker has tried to send them."""
    rows = []
    for _ in range(number):
        key = community.post(MICROBLOG, f"p-{uuid.uuid4().hex[:8]}", "@SkywardAir and me")
        case = hear("@SkywardAir and me", handle=f"@{key}", key=key)
        words = Words(uuid.uuid4(), "We are so sorry.", "public", seen=case.last_inbound_id)
        said = reply(case, words, place=places_for(case)[0], by=agent)
        rows.append(said.deliveries.select_related("account").get())
    return rows


def left() -> dict[str, int]:
    """Return the number of copies of our posts on the network, by the nonce of the post."""
    nonces = Post.objects.exclude(nonce="").values_list("nonce", flat=True)
    return {nonce: list(nonces).count(nonce) for nonce in nonces}


def states() -> dict[str, str]:
    return {str(uuid): state for uuid, state in Delivery.objects.values_list("uuid", "state")}


@pytest.mark.django_db(transaction=True)
def test_a_restored_dump_sends_nothing_until_a_human_releases_it(
    tmp_path: Path, witness: Path, hear: Callable[..., Case], microblog: Account, agent: User,
    supervisor: User, as_: As,
) -> None:  # fmt: skip
    sent, due, planned, unknown, taken_back = answers(hear, agent, 5)
    outbox.deliver(sent)
    Delivery.objects.filter(pk=planned.pk).update(send_after=timezone.now() + timedelta(hours=3))
    Delivery.objects.filter(pk=taken_back.pk).update(send_after=timezone.now() + timedelta(hours=3))
    Delivery.objects.filter(pk=unknown.pk).update(state="unknown", error="No answer came.")
    before = left()
    dump, copy = tmp_path / "scrm.dump", f"{connection.settings_dict['NAME']}_copy"
    program("pg_dump", "-Fc", f"--file={dump}", database_url())
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {copy}")
    url = database_url() + "_copy"
    try:
        program("pg_restore", f"--dbname={url}", str(dump))
        with looking_at(url), Machine(tmp_path, env={"DATABASE_URL": url}) as machine:
            machine.wait()
            machine.until(Pause.objects.restored().exists)
            machine.until(lambda: states()[str(due.uuid)] == "unknown")
            for _ in range(2):
                machine.wait()
            assert left() == before
            page = as_(supervisor).get("/delivery-problems/").content.decode()
            assert str(Pause.Evidence.MOVED.label) in page
            assert page.count("We are so sorry.") >= 3

            Response.objects.get(deliveries=taken_back.pk).cancel(by=agent)
            as_(supervisor).post("/delivery-problems/release/", {"looked": "on"})
            machine.until(lambda: states()[str(due.uuid)] == "sent")
            for _ in range(2):
                machine.wait()
            assert left() == {**before, str(due.uuid): 1}
            assert states() == {
                str(sent.uuid): "sent",
                str(due.uuid): "sent",
                str(planned.uuid): "queued",
                str(unknown.uuid): "unknown",
                str(taken_back.uuid): "cancelled",
            }
            Delivery.objects.filter(pk=planned.pk).update(send_after=timezone.now())
            machine.until(lambda: states()[str(planned.uuid)] == "sent")
            assert set(left().values()) == {1}
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {copy} WITH (FORCE)")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Postgres]:
    """A PostgreSQL server of this test, whose data files can be copied."""
    server = Postgres(tmp_path / "postgres")
    server.start()
    migrated.fill(server.url)
    with looking_at(server.url):
        Instance.objects.create(pk=ONLY, fingerprint=CurrentFingerprint())
    yield server
    server.stop()


@contextmanager
def stopped(server: Postgres) -> Iterator[Path]:
    """Stop the database server in this block, and yield its data directory."""
    connection.close()
    server.stop()
    yield server.data
    server.start()


def copy(there: Path, here: Path) -> None:
    shutil.rmtree(here, ignore_errors=True)
    subprocess.run(["cp", "-a", str(there), str(here)], check=True)


@pytest.mark.django_db(transaction=True)
def test_older_files_put_back_send_nothing_until_a_human_releases_them(
    tmp_path: Path, witness: Path, cluster: Postgres, as_: As
) -> None:
    with looking_at(cluster.url):
        assert Instance.objects.get().attempts == 0  # recorded by the first migration
        hearing, agent, boss = people()
        first, second, third = answers(hearing, agent, 3)
        Delivery.objects.filter(pk=third.pk).update(send_after=timezone.now() + timedelta(hours=3))
        outbox.deliver(first)
        with stopped(cluster) as files:
            copy(files, tmp_path / "copy")
        cluster.kill()  # a crash is not a restore: after the recovery, sending continues
        cluster.start()
        connection.close()
        outbox.deliver(second)
        assert not Pause.objects.exists()
        assert left() == {str(first.uuid): 1, str(second.uuid): 1}
        with stopped(cluster) as files:
            copy(tmp_path / "copy", files)

        assert not Instance.objects.moved().exists()  # only the count differs
        with Machine(tmp_path, env={"DATABASE_URL": cluster.url}) as machine:
            machine.wait()
            machine.until(Pause.objects.restored().exists)
            assert Pause.objects.restored().get().why == Pause.Evidence.SET_BACK
            for _ in range(2):
                machine.wait()
            assert left() == {str(first.uuid): 1}
            assert (
                str(Pause.Evidence.SET_BACK.label)
                in as_(boss).get("/delivery-problems/").content.decode()
            )
            as_(boss).post("/delivery-problems/release/", {"looked": "on"})
            machine.until(lambda: states()[str(second.uuid)] == "sent")
            machine.wait()
            assert left() == {str(first.uuid): 1, str(second.uuid): 1}
            assert states()[str(third.uuid)] == "queued"


def people() -> tuple[Callable[..., Case], User, User]:
    """Create users, a department and an account in a new database.

    Returns a function that records posts, and two users: an agent and a supervisor.
    """
    boss = User.objects.create_user("sue@scrm.example", name="Sue", role="supervisor")
    agent = User.objects.create_user("anna@scrm.example", name="Anna")
    service = Department.objects.create(name="Service", owner=boss, is_fallback=True)
    Membership.objects.create(user=agent, department=service, role="agent")
    account = Account.objects.create(
        kind="sandbox", network=MICROBLOG, self_key="skywardair", name="@SkywardAir", owner=boss
    )
    service.accounts.add(account)
    return hear.__wrapped__(account), agent, boss


@pytest.mark.django_db(transaction=True)
def test_a_dump_restored_over_the_same_database_is_known_too(
    tmp_path: Path, cluster: Postgres
) -> None:
    with looking_at(cluster.url):
        dump = tmp_path / "scrm.dump"
        program("pg_dump", "-Fc", f"--file={dump}", cluster.url)
        assert not Instance.objects.moved().exists()
        connection.close()
        program("pg_restore", "--clean", f"--dbname={cluster.url}", str(dump))
        assert Instance.objects.moved().exists()


@pytest.mark.django_db(transaction=True)
def test_a_database_of_another_version_is_refused_in_words(cluster: Postgres) -> None:
    """If another version of scrm created the database, `migrate` stops with a clear error message.

    Fails without the check of the version, because Django then runs `migrate` although the database
    has migrations that this version does not have.
    """
    env = {**os.environ, "DATABASE_URL": cluster.url}
    with looking_at(cluster.url):
        MigrationRecorder(connection).record_applied("crm", "0002_inbox")
        connection.close()
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate"],
            env=env, cwd=in_force.BASE_DIR, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "Another version of scrm created this database. Nothing was changed." in done.stderr
    assert "crm.0002_inbox" in done.stderr
