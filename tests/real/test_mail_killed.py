"""With real mail, a process is killed at each step, and no mail is lost or sent twice.

The tests check guarantees G1 and G3 (docs/guarantees.md).
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Account, Attachment, Interaction, User
from listening.models import Fetch, Mention, Source
from responses.models import Delivery
from routing.models import Case
from scrm import pipeline
from tests.killing import killed_at
from tests.machinery import Machine, eventually
from tests.real.mail import OURS, THEIRS, MailSystem, letter
from tests.real.rounds import answer, hear

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]

CARE, JO = f"care@{OURS}", f"jo@{THEIRS}"
LETTERS = 6

SEND = [
    ("responses.outbox:claim", "before", "sent", 1),
    ("responses.outbox:claim", "after", "unknown", 0),
    ("scrm.channels.email.wire:Smtp.enter", "after", "unknown", 0),
    ("scrm.channels.email.speak:_to", "after", "unknown", 0),
    ("scrm.channels.email.speak:_end", "before", "unknown", 0),
    ("scrm.channels.email.speak:_end", "after", "unknown", 1),
    ("responses.outbox:record", "after", "unknown", 1),
    ("responses.outbox:mark_sent", "after", "sent", 1),
]
FETCH: list[tuple[str, str, Callable[[], object]]] = [
    ("scrm.channels.email.wire:Mailbox.enter", "after", lambda: pipeline.poll(source().pk)),
    ("scrm.channels.email.listen:_fetch", "after", lambda: pipeline.poll(source().pk)),
    ("scrm.channels.email.listen:_read", "after", lambda: pipeline.poll(source().pk)),
    ("listening.fetch:_enclose", "after", lambda: pipeline.poll(source().pk)),
    ("listening.models:Source.record_success", "after", lambda: pipeline.poll(source().pk)),
    ("listening.fetch:_keep", "after", lambda: pipeline.poll(source().pk)),
    ("scrm.batch:record", "after", pipeline.process),
    ("scrm.batch:_finish", "after", pipeline.process),
    ("scrm.batch:process_batch", "after", pipeline.process),
]


def source() -> Source:
    return Source.objects.get()


def with_file(number: int) -> Any:
    written = letter(JO, CARE, f"Bag {number}", f"It is lost, {number}.")
    written.add_attachment(b"photo", maintype="image", subtype="png", filename=f"{number}.png")
    return written


def lapse() -> None:
    """Let the leases of dead workers lapse."""
    past = timezone.now() - timedelta(seconds=1)
    Source.objects.update(lease_until=None, next_fetch_at=past)
    Mention.objects.update(lease_until=None)
    Delivery.objects.filter(state="sending").update(lease_until=past)


@pytest.mark.parametrize(("where", "when", "state", "arrived"), SEND)
def test_a_sender_that_is_killed_sends_no_letter_twice(
    mail: MailSystem,
    care: Account,
    as_: Callable[[User], Client],
    agent: User,
    where: str,
    when: str,
    state: str,
    arrived: int,
) -> None:
    mail.deliver(JO, CARE, letter(JO, CARE, "My bag", "It is lost."))
    hear()
    sending = answer(as_(agent), Case.objects.get(), "We found it.").deliveries.get()
    Delivery.objects.update(send_after=timezone.now())

    assert killed_at(where, when, lambda: pipeline.deliver(sending.pk)) == signal.SIGKILL

    for _ in range(3):
        lapse()
        pipeline.tick()
        pipeline.deliver(sending.pk)
        pipeline.settle(sending.pk)
    sending.refresh_from_db()
    assert sending.state == state
    if arrived:
        mail.box(JO).wait(1)
    assert len(mail.box(JO).letters()) == arrived
    unsettled = Delivery.objects.to_check(timezone.now()).filter(pk=sending.pk).exists()
    assert unsettled == (state == "unknown")


@pytest.mark.parametrize(("where", "when", "work"), FETCH)
def test_a_reader_that_is_killed_loses_and_doubles_nothing(
    mail: MailSystem, care: Account, where: str, when: str, work: Callable[[], object]
) -> None:
    for number in range(LETTERS):
        mail.deliver(JO, CARE, with_file(number))
    lapse()
    if work is pipeline.process:
        pipeline.poll(source().pk)

    assert killed_at(where, when, work) == signal.SIGKILL

    lapse()
    hear()
    assert Mention.objects.count() == Interaction.objects.count() == LETTERS
    assert Case.objects.count() == 1
    names = sorted(Attachment.objects.exclude(interaction=None).values_list("name", flat=True))
    assert names == [f"{number}.png" for number in range(LETTERS)]
    assert Attachment.objects.exclude(enclosure=None).count() == LETTERS  # others are cleaned up


def test_a_worker_that_is_killed_while_letters_pour_in_loses_none(
    mail: MailSystem, care: Account, tmp_path: Path, settings: Any
) -> None:
    env = {
        "SCRM_ALLOW_CIDRS": "127.0.0.1/32",
        "SCRM_FETCH_LEASE_SECONDS": "3",
        "SCRM_PROCESS_LEASE_SECONDS": "3",
        "MEDIA_ROOT": str(settings.MEDIA_ROOT),
    }
    Source.objects.update(rhythm=1, next_fetch_at=timezone.now())
    with Machine(tmp_path, env=env) as machine:
        machine.wait()
        for number in range(60):
            mail.deliver(JO, CARE, with_file(number))
            if number % 20 == 10:
                machine.restart("worker")
        eventually(lambda: Interaction.objects.count() >= 60, within=60)
        eventually(lambda: not Mention.objects.unprocessed().exists(), within=20)
    assert Interaction.objects.count() == Mention.objects.count() == 60
    there = Attachment.objects.exclude(enclosure=None)
    assert there.exclude(interaction=None).count() == there.count() == 60
    assert Fetch.objects.filter(outcome="ok").exists()
