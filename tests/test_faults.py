"""A thousand items are each routed exactly once, whichever processes die meanwhile.

The tests check guarantees G6, G7 and G8 (docs/guarantees.md).
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
import redis
from django.db import close_old_connections, connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from structlog.testing import capture_logs

from crm import ledger
from crm.models import Account, Interaction, User
from listening.models import Mention, Quarantined, Source
from responses.compose import Words, places_for, reply
from responses.models import Delivery
from routing.models import Case, CaseConversation, CaseEvent
from scrm import pipeline
from scrm.bus.breaker import REST_SECONDS
from scrm.bus.nudge import nudge
from scrm.channels.sandbox.models import Post
from tests.machinery import Machine, eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live, pytest.mark.slow]
MICROBLOG = "sandbox.microblog"
ITEMS = 1000
LEASES = {
    "SCRM_PROCESS_LEASE_SECONDS": "3",
    "SCRM_FETCH_LEASE_SECONDS": "3",
    "SCRM_SEND_LEASE_SECONDS": "3",
}
LEDGER = f"SELECT pg_advisory_xact_lock({ledger._LOCK})"
SEEN = "LOCK TABLE listening_seen IN EXCLUSIVE MODE"


@pytest.fixture
def mentions(microblog: Account, make_source: Callable[..., Source]) -> Source:
    return make_source(
        kind="sandbox",
        address="mentions",
        account=microblog,
        stance="for us",
        rhythm=1,
        cases_since=timezone.now() - timedelta(days=1),
    )


@pytest.fixture
def machine(tmp_path: Path, mentions: Source, settings: Any) -> Iterator[Machine]:
    settings.UNDO_SECONDS = 0
    with Machine(tmp_path, env=LEASES) as machine:
        machine.wait()
        yield machine


def post(first: int = 0, last: int = ITEMS) -> None:
    """Post one message to us from each person with a number from `first` to `last`."""
    Post.objects.bulk_create(
        Post(
            network=MICROBLOG,
            key=f"post-{number}",
            thread_key=f"post-{number}",
            author_key=f"person-{number}",
            author_handle=f"@person-{number}",
            text=f"@skywardair where is my bag number {number}?",
            visibility="public",
        )
        for number in range(first, last)
    )


@contextmanager
def all_stand_at(lock: str) -> Iterator[int]:
    """Hold a lock in this block: every worker that needs this lock stops in the middle of its work.

    Yields the process id of the database connection that holds the lock.
    """
    holder = connection.copy()
    holder.set_autocommit(False)
    try:
        with holder.cursor() as cursor:
            cursor.execute(lock)
            cursor.execute("SELECT pg_backend_pid()")
            yield cursor.fetchone()[0]
    finally:
        holder.close()


def at_work() -> bool:
    """Return whether a worker has claimed a batch that is not yet finished."""
    return Mention.objects.unprocessed().exclude(lease_until=None).exists()


def trouble(cause: Callable[[], object], *, times: int, every: float) -> None:
    for _ in range(times):
        cause()
        time.sleep(every)


def stored() -> bool:
    return Mention.objects.filter(author_key__startswith="person").count() == ITEMS


def all_in() -> bool:
    return stored() and not Mention.objects.unprocessed().exists()


def assert_routed_once() -> None:
    """Wait until all items are processed, and check that each item was routed exactly once.

    Items whose processing was interrupted twice are processed one by one. This is slow on a busy
    machine, so the function waits for up to 180 seconds.
    """
    eventually(all_in, within=180)
    assert not Quarantined.objects.exists()
    assert Interaction.objects.filter(direction="in").count() == ITEMS
    assert Case.objects.count() == ITEMS
    assert CaseEvent.objects.filter(kind="routed").count() == ITEMS
    assert CaseEvent.objects.exclude(interaction=None).count() == ITEMS, "some were heard twice"
    assert CaseConversation.objects.filter(ended_at=None).count() == ITEMS


def assert_answered(count: int) -> None:
    sent = Delivery.objects.filter(state="sent")
    eventually(lambda: sent.count() == count, within=180)
    assert all(Post.objects.filter(nonce=str(each.uuid)).count() == 1 for each in sent)
    assert Interaction.objects.filter(direction="out").count() == count


def test_redis_is_flushed_again_and_again(machine: Machine) -> None:
    """All items are routed although the messages in Redis are deleted again and again.

    Fails if the tick does not search for due sources. The next test covers due mentions.
    """
    post()
    with redis.Redis.from_url(machine.redis.url) as client:
        trouble(client.flushall, times=30, every=0.1)
    assert_routed_once()


def test_what_is_stored_when_its_nudge_is_lost_is_found(machine: Machine, mentions: Source) -> None:
    """If the Celery message for a stored mention is lost, the tick finds the mention.

    The source is switched off, so no other fetch sends the message. Fails if the tick does not
    search for due mentions.
    """

    def visit_all() -> bool:
        mentions.fetch_now()
        pipeline.poll(mentions.pk)
        return stored()

    machine.kill("worker")
    post()
    eventually(visit_all, within=30)
    Source.objects.update(is_active=False)
    with redis.Redis.from_url(machine.redis.url) as client:
        client.flushall()
    machine.start("worker")
    assert_routed_once()


def test_redis_stops_and_pages_go_on(
    machine: Machine, as_: Callable[[User], Client], agent: User
) -> None:
    """While Redis is stopped, pages work; afterwards everything is routed and sent.

    Fails if `live` or `nudge` raises an error in the page. Fails without robust commit hooks,
    because no agent can then claim a case or reply. Fails also if the tick does not search for due
    deliveries.
    """
    post()
    browser = as_(agent)
    eventually(Case.objects.exists, within=30)
    machine.redis.stop()

    assert_pages_answer(browser)

    machine.redis.start()
    assert_routed_once()
    assert_answered(20)


def test_redis_freezes_and_nobody_waits_for_it(
    machine: Machine, as_: Callable[[User], Client], agent: User
) -> None:
    """While Redis is frozen, pages work almost without waiting.

    Fails without the time-outs of live events and Celery messages. Fails also if one of the two
    `Patience` objects (the circuit breakers) is removed.
    """
    post()
    browser = as_(agent)
    eventually(Case.objects.exists, within=30)
    machine.redis.freeze()
    rescue = Timer(30, machine.redis.thaw)  # ends an endless wait; the test fails
    rescue.start()
    try:
        assert_pages_answer(browser)
    finally:
        rescue.cancel()
        machine.redis.thaw()
    assert_routed_once()
    assert_answered(20)


def assert_pages_answer(browser: Client) -> None:
    """Claim and answer twenty cases and open the inbox, without errors and almost without waiting.

    The first request during which Redis gives no answer waits for the time-outs: half a second for
    a live event, and two seconds for a Celery message. After that, Redis is skipped for some
    seconds.
    """
    begin = time.monotonic()
    with capture_logs() as log:
        slowest = max(_use(browser))
    found_silent = Counter(line["event"] for line in log)
    rests = 1 + (time.monotonic() - begin) // REST_SECONDS
    assert slowest < 4.5
    assert 0 < found_silent["live hint lost"] <= rests
    assert 0 < found_silent["nudge lost"] <= rests


def _use(browser: Client) -> Iterator[float]:
    """Make three requests for each of twenty cases.

    Yields the number of seconds that each request took.
    """
    for case in Case.objects.order_by("pk")[:20]:
        place = places_for(case)[0]
        words = {
            "form": uuid.uuid4(),
            "seen": case.last_inbound_id,
            "place": f"{place.account.pk}:{case.profile_id}:{place.visibility}",
            "text": "We look for it.",
        }
        for ask, page, typed in (
            (browser.post, reverse("routing:claim", args=[case.pk]), None),
            (browser.post, reverse("responses:reply", args=[case.pk]), words),
            (browser.get, reverse("routing:inbox"), None),
        ):
            start = time.perf_counter()
            assert ask(page, typed).status_code in {200, 302}
            yield time.perf_counter() - start


def test_every_process_is_killed_in_turn(machine: Machine, agent: User) -> None:
    """The worker, the sender and beat are killed with SIGKILL during fetches, batches and sends.

    Fails if the leases of sources and mentions never lapse, or if the tick does not search for due
    deliveries. If a sender dies, two functions recover its delivery: `give_up_on_the_dead`, and the
    processing of our own post when a fetch finds the post. The test fails only if both are removed.
    """

    def kill_all() -> None:
        for name in ("worker", "sender", "beat"):
            machine.restart(name)

    post(0, 500)
    eventually(lambda: Case.objects.count() >= 20, within=30)
    with all_stand_at(SEEN):
        post(500, 750)
        eventually(waiting, within=30)
        kill_all()
    with all_stand_at(LEDGER):
        post(750, ITEMS)
        eventually(at_work, within=30)
        for case in Case.objects.order_by("pk")[:20]:
            words = Words(uuid.uuid4(), "We look for it.", "public", seen=case.last_inbound_id)
            reply(case, words, place=places_for(case)[0], by=agent)
        eventually(Delivery.objects.filter(state="sending").exists, within=30)
        kill_all()
    trouble(kill_all, times=2, every=2)
    assert_routed_once()
    assert_answered(20)


def waiting() -> int:
    """Return the number of connections to this database that wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE NOT granted AND datname = current_database()"
        )
        count: int = cursor.fetchone()[0]
    return count


def cut(*spared: int) -> None:
    """End all connections to the database, except those of the test and those in `spared`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid <> ALL (%s)",
            [list(spared)],
        )


def test_the_databases_connections_are_cut(machine: Machine) -> None:
    """All items are routed although the database connections are cut repeatedly.

    Fails only if `again` is removed and leases never lapse, because each of the two is enough.
    """
    post(0, 500)
    trouble(cut, times=5, every=0.5)
    with all_stand_at(LEDGER) as ours:
        post(500, ITEMS)
        eventually(at_work, within=30)
        cut(ours)
    trouble(cut, times=5, every=0.5)
    assert_routed_once()


def test_a_page_after_the_cut_notices_nothing(as_: Callable[[User], Client], agent: User) -> None:
    """A page works although the database connection of the previous request was cut.

    Fails without `conn_health_checks`, because the page then uses the lost connection.
    """
    browser = as_(agent)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ours = cursor.fetchone()[0]
    executioner = connection.copy()
    with executioner.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [ours])
    executioner.close()
    close_old_connections()  # real requests do this at their start
    assert browser.get(reverse("routing:inbox")).status_code == 200


def test_two_of_everything_change_nothing(machine: Machine) -> None:
    """With two processes of each kind, nothing is done twice.

    The processes get many messages about the same items and wait for the same lock. Fails if the
    claim ignores the lease, because mentions that are claimed too often are then quarantined. If
    the fence of the batch is removed as well, each mention is recorded twice.
    """
    for name in ("worker", "sender", "beat"):
        machine.commands[f"second {name}"] = machine.commands[name]
        machine.start(f"second {name}")
    with all_stand_at(LEDGER):
        post()
        eventually(at_work, within=30)
        trouble(lambda: nudge("scrm.pipeline.process"), times=10, every=0.2)
    assert_routed_once()
