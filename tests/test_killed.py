"""A fetch or batch that is killed at any step loses no item and stores no item twice.

The tests check guarantees G3 and G8 (docs/guarantees.md).
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from django.utils import timezone

from crm.models import Account, Interaction
from listening.fetch import fetch_source
from listening.models import Fetch, Mention, Source
from routing.models import Case, CaseConversation, CaseEvent
from scrm import pipeline
from scrm.channels.sandbox import community
from tests.killing import killed_at

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ITEMS = 12

VISIT = [
    ("listening.models:Source.start_fetch", "before"),
    ("listening.models:Source.start_fetch", "after"),
    ("scrm.channels.sandbox.channel:SandboxListener.listen", "after"),
    ("listening.models:Seen.objects.claim", "after"),
    ("listening.fetch:_store", "after"),
    ("listening.models:Source.record_success", "after"),
]
BATCH = [
    ("scrm.batch:find_matches", "before"),
    ("scrm.batch:find_matches", "after"),
    ("scrm.batch:keep_matches", "after"),
    ("scrm.batch:record", "after"),
    ("routing.intake:update_cases", "before"),
    ("scrm.batch:take_in", "after"),
    ("scrm.batch:_finish", "after"),
    ("scrm.batch:process_batch", "after"),
]


@pytest.fixture
def mentions(microblog: Account, make_source: Callable[..., Source]) -> Source:
    source = make_source(kind="sandbox", address="mentions", account=microblog, stance="for us")
    for number in range(ITEMS):
        community.post("sandbox.microblog", f"person{number}", f"@SkywardAir bag {number}?")
    return source


def lapse() -> None:
    """Let the leases of dead workers lapse."""
    past = timezone.now()
    Source.objects.update(lease_until=None, next_fetch_at=past)
    Mention.objects.update(lease_until=None)


def assert_all_once() -> None:
    assert Mention.objects.count() == ITEMS
    assert not Mention.objects.unprocessed().exists()
    assert Interaction.objects.count() == ITEMS
    assert Case.objects.count() == ITEMS
    assert CaseEvent.objects.filter(kind="routed").count() == ITEMS
    assert CaseConversation.objects.count() == ITEMS


@pytest.mark.parametrize(("where", "when"), VISIT)
def test_a_killed_visit_is_made_again(mentions: Source, where: str, when: str) -> None:
    """After a fetch was killed at any step, the next fetch stores each item once.

    Fails if `_keep` does not run in a transaction, because items then count as seen although they
    were not stored.
    """
    assert killed_at(where, when, lambda: fetch_source(mentions)) == signal.SIGKILL
    found = Mention.objects.count()
    assert found in {0, ITEMS}

    lapse()
    fetch_source(Source.objects.get())
    pipeline.process()

    assert_all_once()
    assert not Fetch.objects.filter(outcome="running").exists()


@pytest.mark.parametrize(("where", "when"), BATCH)
def test_a_killed_batch_is_processed_again(mentions: Source, where: str, when: str) -> None:
    """After a batch was killed at any step, the next batch processes each mention exactly once.

    Fails only if neither the batch nor `take_in` runs in a transaction, because cases then have no
    event about their routing.
    """
    fetch_source(mentions)
    assert killed_at(where, when, pipeline.process) == signal.SIGKILL
    assert Case.objects.count() in {0, ITEMS}

    lapse()
    pipeline.process()

    assert_all_once()
