"""If thousands of sources are due, they are fetched in the order of their due times.

The queue of Celery messages stays short meanwhile.

The workers are real processes, which keep their database connection between tasks.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from crm.models import User
from listening.models import Fetch, Source
from scrm.bus.nudge import nudge
from tests import quiet
from tests.machinery import Machine, eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live, pytest.mark.slow]
SOURCES = 5000
APART = 50
"""The number of places by which two workers that claim at the same moment may record their fetches
out of order."""


def make(count: int, owner: User) -> list[Source]:
    """Create `count` due sources, each of which became due a second later than the one before.

    Sorted by name, the source that became due last comes first. After a fetch, a source is due
    again one second later.
    """
    first = timezone.now() - timedelta(hours=2)
    return Source.objects.bulk_create(
        Source(
            kind=quiet.CHANNEL.kind,
            address=str(number),
            name=f"{count - number:05}",
            owner=owner,
            rhythm=1,
            created_at=first - timedelta(days=7),
            cases_since=first,
            next_fetch_at=first + timedelta(seconds=number),
        )
        for number in range(count)
    )


def quiet_machine(place: Path, *run: str) -> Machine:
    """Return a machine whose worker loads a channel that never finds an item."""
    machine = Machine(place, run=("worker", *run))
    machine.commands["worker"] += ("-I", quiet.__name__)
    return machine


def test_of_thousands_due_at_once_each_is_visited_in_its_turn(tmp_path: Path, admin: User) -> None:
    """The source that has been due longest is fetched first.

    No source is fetched twice before all others were fetched. Fails if each tick sends messages for
    the first 500 sources by name, because some sources are then never fetched.
    """
    sources = make(SOURCES, admin)
    machine = quiet_machine(tmp_path, "sender", "beat")
    lengths = []

    def round_is_over() -> bool:
        lengths.append(machine.queued())
        return Fetch.objects.count() >= SOURCES + APART

    with machine:
        eventually(round_is_over, within=150, every=0.2)
    assert 0 < max(lengths) <= 1000
    fetches = Fetch.objects.order_by("pk").values_list("source", flat=True)
    places = {source: place for place, source in reversed(list(enumerate(fetches)))}
    assert len(places) == SOURCES
    late = [places[source.pk] - number for number, source in enumerate(sources)]
    assert max(map(abs, late)) <= APART


def test_the_queue_does_not_grow_while_no_worker_takes_from_it(tmp_path: Path, admin: User) -> None:
    """If no worker takes messages from the queue, the queue stays short.

    The length includes messages that have expired. Fails if the tick does not check the length of
    the queue.
    """
    make(SOURCES, admin)
    ticks = 8
    with Machine(tmp_path, run=("sender", "beat"), env={"SCRM_TICK_SECONDS": "0.3"}) as machine:
        for _ in range(ticks):
            machine.wait()
        assert 0 < machine.queued() <= 1000


def others() -> set[int]:
    """Return the process ids of all other connections to this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return {pid for (pid,) in cursor.fetchall()}


def visit_all(sources: list[Source]) -> None:
    """Send one task for each source, and wait until each source was fetched once more."""
    before = Fetch.objects.exclude(ended_at=None).count()
    for source in sources:
        nudge("scrm.pipeline.poll", source.pk)
    done = Fetch.objects.exclude(ended_at=None)
    eventually(lambda: done.count() == before + len(sources), within=30)
    Source.objects.update(next_fetch_at=timezone.now())


def test_tasks_share_a_connection_and_get_over_its_loss(tmp_path: Path, admin: User) -> None:
    """Guarantee G7 (docs/guarantees.md): tasks share a database connection and replace it if lost.

    Fails without CELERY_DB_REUSE_MAX, because each task then closes the connection. Fails also if
    the connection is not checked before each task, because each task then fails after the
    connection was lost.
    """
    sources = make(10, admin)
    with quiet_machine(tmp_path):
        visit_all(sources)
        kept = others()
        visit_all(sources)
        assert 1 <= len(kept) <= 2
        assert others() >= kept
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) pid", [[*kept]])
        visit_all(sources)
        assert not others() & kept
    assert not Fetch.objects.exclude(outcome="unchanged").exists()
