"""G6, G7, G8: whatever dies while a thousand items come in, each is routed exactly once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Interaction, User
from listening.models import Mention, SetApart, Source
from responses.compose import Words, places_for, reply
from responses.models import Delivery
from routing.models import Case, CaseConversation, CaseEvent
from scrm.channels.sandbox.models import Post
from tests.machinery import Machine, eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live, pytest.mark.slow]
MICROBLOG = "sandbox.microblog"
ITEMS = 1000
LEASES = {
    "SCRM_PROCESS_LEASE_SECONDS": "3",
    "SCRM_POLL_LEASE_SECONDS": "3",
    "SCRM_SEND_LEASE_SECONDS": "3",
}


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
def machine(tmp_path: Path, mentions: Source) -> Iterator[Machine]:
    with Machine(tmp_path, env=LEASES) as machine:
        machine.wait()
        yield machine


def post(count: int = ITEMS) -> None:
    """That many people write to us, each once."""
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
        for number in range(count)
    )


def trouble(cause: Callable[[], object], *, times: int, every: float) -> None:
    for _ in range(times):
        cause()
        time.sleep(every)


def all_in() -> bool:
    return Mention.objects.count() == ITEMS and not Mention.objects.unprocessed().exists()


def assert_routed_once() -> None:
    eventually(all_in, within=60)
    assert not SetApart.objects.exists()
    assert Interaction.objects.filter(direction="in").count() == ITEMS
    assert Case.objects.count() == ITEMS
    assert CaseEvent.objects.filter(kind="routed").count() == ITEMS
    assert CaseConversation.objects.filter(ended_at=None).count() == ITEMS


def test_redis_is_flushed_again_and_again(machine: Machine) -> None:
    post()
    with redis.Redis.from_url(machine.redis.url) as client:
        trouble(client.flushall, times=30, every=0.1)
    assert_routed_once()


def test_redis_stops_and_pages_go_on(
    machine: Machine, as_: Callable[[User], Client], agent: User
) -> None:
    post()
    browser = as_(agent)
    eventually(Case.objects.exists)
    machine.redis.stop()

    assert_pages_answer(browser)

    machine.redis.start()
    assert_routed_once()


def test_redis_freezes_and_nobody_waits_for_it(
    machine: Machine, as_: Callable[[User], Client], agent: User
) -> None:
    post()
    browser = as_(agent)
    eventually(Case.objects.exists)
    machine.redis.freeze()
    try:
        assert_pages_answer(browser)
    finally:
        machine.redis.thaw()
    assert_routed_once()


def assert_pages_answer(browser: Client) -> None:
    """Twenty people take a case and look at the inbox: no error, nobody waits 2.5 s."""
    slowest = 0.0
    for case in Case.objects.order_by("pk")[:20]:
        for ask in (
            lambda case=case: browser.post(reverse("routing:claim", args=[case.pk])),
            lambda: browser.get(reverse("routing:inbox")),
        ):
            start = time.perf_counter()
            assert ask().status_code in {200, 302}
            slowest = max(slowest, time.perf_counter() - start)
    assert slowest < 2.5


def test_every_process_is_killed_in_turn(machine: Machine, agent: User) -> None:
    """kill -9 of each worker and of beat, again and again, while items come and answers go."""
    post()
    eventually(lambda: Case.objects.count() >= 20, within=30)
    for case in Case.objects.order_by("pk")[:20]:
        words = Words(uuid.uuid4(), "We look for it.", "public", seen=case.last_inbound_id)
        reply(case, words, place=places_for(case)[0], by=agent)

    def kill_all() -> None:
        for name in ("worker", "sender", "beat"):
            machine.restart(name)

    trouble(kill_all, times=3, every=3)
    assert_routed_once()
    sent = Delivery.objects.filter(state="sent")
    eventually(lambda: sent.count() == 20, within=60)
    assert all(Post.objects.filter(nonce=str(each.uuid)).count() == 1 for each in sent)
    assert Interaction.objects.filter(direction="out").count() == 20


def test_the_databases_connections_are_cut(machine: Machine) -> None:
    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    post()
    trouble(cut, times=10, every=0.5)
    assert_routed_once()


def test_two_of_everything_change_nothing(machine: Machine) -> None:
    for name in ("worker", "sender", "beat"):
        machine.commands[f"second {name}"] = machine.commands[name]
        machine.start(f"second {name}")
    post()
    assert_routed_once()
