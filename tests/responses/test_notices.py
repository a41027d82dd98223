"""A notice is written in the same transaction as the change that it reports.

The recipients are the authors of responses and the users who started long-running jobs.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Job, Notice, User
from crm.models.job import ENDLESS, LEASE, MAX_ATTEMPTS
from responses import bulk, check_sending, outbox, release
from responses.models import Delivery, Response, ResponseRule
from responses.tasks import carry_out
from routing.models import Case
from scrm.channels.base import ChannelError, Lookup, Receipt
from scrm.channels.sandbox.channel import CHANNEL

As = Callable[[User], Client]
Kind = Notice.Kind


@pytest.fixture
def leaving(answer: Callable[..., Response]) -> Delivery:
    """Return the delivery of the agent's reply, which is due."""
    delivery = answer().deliveries.get()
    Delivery.objects.filter(pk=delivery.pk).update(send_after=timezone.now())
    return Delivery.objects.select_related("account").get(pk=delivery.pk)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets the results of the next sends and look-ups on the network.

    Each result is a value to return or an exception to raise.
    """

    def answers(**calls: Any) -> None:
        for name, outcome in calls.items():

            def call(*_args: Any, outcome: Any = outcome, **_facts: Any) -> Any:
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

            monkeypatch.setattr(type(CHANNEL.speaker), name, call)

    return answers


def rung(user: User) -> list[str]:
    return list(Notice.objects.filter(user=user).order_by("pk").values_list("kind", flat=True))


# Responses


def test_an_author_hears_that_their_text_was_approved_and_by_whom(
    held: Response, agent: User, lead: User
) -> None:
    release.approve(held, by=lead)
    notice = Notice.objects.get(user=agent)
    assert (notice.user, notice.kind, notice.by) == (agent, Kind.APPROVED, lead)
    assert (notice.about, notice.url) == (f"case:{held.case_id}", held.get_absolute_url())
    assert notice.text == "“We are so sorry.”"


def test_an_author_hears_that_it_came_back_why_and_where_to_go_on(
    held: Response, agent: User, lead: User
) -> None:
    release.send_back(held, by=lead, why="Say what we will do.")
    notice = Notice.objects.get(user=agent)
    assert (notice.user, notice.kind) == (agent, Kind.SENT_BACK)
    assert notice.text == "Say what we will do."
    assert notice.url == reverse("responses:edit", args=[held.pk])


def test_who_approves_their_own_is_not_told(
    make_rule: Callable[..., ResponseRule], answer: Callable[..., Response], lead: User
) -> None:
    make_rule("sorry")
    release.approve(answer(by=lead), by=lead)
    assert rung(lead) == []


@pytest.mark.parametrize("text", ["Deeply sorry.", "We pay."])  # only one of them is held
def test_an_author_hears_once_that_their_words_were_edited_and_let_go(
    held: Response, agent: User, lead: User, as_: As, text: str
) -> None:
    typed = {"shown": held.content_hash, "text": text, "then": "send"}
    assert held.case
    as_(lead).post(
        reverse("responses:edit", args=[held.pk]), typed | {"seen": held.case.last_inbound_id}
    )
    held.refresh_from_db()
    assert held.state == "released"
    assert rung(agent) == [Kind.APPROVED]
    assert "Edited by Lea Lead" in Notice.objects.get(user=agent).text


# Deliveries


def test_a_failed_sending_rings_for_its_author(
    leaving: Delivery, agent: User, network: Callable[..., None]
) -> None:
    network(send=ChannelError("They refused it.", permanent=True))
    outbox.deliver(leaving)
    notice = Notice.objects.get()
    assert (notice.user, notice.kind) == (agent, Kind.FAILED)
    assert notice.about == f"case:{leaving.response.case_id}"
    assert notice.text == "It was not sent. They refused it."
    assert notice.url == f"/delivery-problems/#sending-{leaving.pk}"


def test_what_is_tried_again_by_itself_rings_for_nobody(
    leaving: Delivery, network: Callable[..., None]
) -> None:
    network(send=ChannelError("Busy."))
    outbox.deliver(leaving)
    assert not Notice.objects.exists()


@pytest.mark.parametrize("looked", [Lookup.CANNOT_TELL, ChannelError("Down.")])
def test_one_that_nobody_can_look_up_rings_once_however_often_it_is_asked(
    leaving: Delivery, agent: User, network: Callable[..., None], looked: Any
) -> None:
    """An unknown delivery causes one notice, however often scrm looks it up on the network.

    Fails without `once`, because then each look-up writes another notice.
    """
    network(send=ChannelError("No answer came.", uncertain=True), find=looked)
    outbox.deliver(leaving)
    for _ in range(3):
        outbox.settle(Delivery.objects.select_related("account").get(pk=leaving.pk))
    assert rung(agent) == [Kind.FAILED]
    assert Notice.objects.get().text == "It may or may not have been sent. No answer came."


def test_one_that_is_found_rings_for_nobody(
    leaving: Delivery, network: Callable[..., None]
) -> None:
    network(
        send=ChannelError("No answer came.", uncertain=True),
        find=Receipt("sandbox.microblog", "there"),
    )
    outbox.deliver(leaving)
    outbox.settle(Delivery.objects.select_related("account").get(pk=leaving.pk))
    leaving.refresh_from_db()
    assert leaving.state == "sent"
    assert not Notice.objects.exists()


def test_the_second_sending_of_the_same_words_rings_anew(
    leaving: Delivery, agent: User, network: Callable[..., None]
) -> None:
    network(send=ChannelError("They refused it.", permanent=True))
    outbox.deliver(leaving)
    again = check_sending.send_again(leaving, by=agent)
    outbox.deliver(Delivery.objects.select_related("account").get(pk=again.pk))
    assert rung(agent) == [Kind.FAILED] * 2


@pytest.fixture
def broken_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Notice, "_write", broken)


def test_a_text_is_not_approved_or_sent_back_where_the_bell_cannot_ring(
    held: Response, lead: User, broken_bell: None
) -> None:
    for act in (release.approve, release.send_back):
        with pytest.raises(RuntimeError):
            act(held, by=lead, why="No.")
    held.refresh_from_db()
    assert held.state == "held"
    assert not held.approvals.exists()


def test_a_sending_is_not_given_up_where_the_bell_cannot_ring(
    leaving: Delivery, network: Callable[..., None], broken_bell: None
) -> None:
    """If the notice about a failure cannot be written, the delivery does not become failed.

    Fails without the transaction in `_settle`, because then the delivery fails without a notice.
    """
    network(send=ChannelError("They refused it.", permanent=True))
    with pytest.raises(RuntimeError):
        outbox.deliver(leaving)
    leaving.refresh_from_db()
    assert leaving.state == "sending"  # it is looked up when its lease lapses


# Long jobs


@pytest.fixture
def job(hear: Callable[..., Case], agent: User) -> Job:
    cases = [hear("Me too", handle=f"@person{n}") for n in range(3)]
    shown = [[case.pk, case.last_inbound_id, 0] for case in cases]
    values = {"every": "Thanks"}
    return Job.ask("responses.bulk", by=agent, total=3, verb="done", values=values, cases=shown)


def test_long_work_rings_when_it_has_ended(job: Job, agent: User) -> None:
    carry_out(job.pk)
    notice = Notice.objects.get()
    assert (notice.user, notice.kind, notice.url) == (agent, Kind.JOB, job.get_absolute_url())
    assert notice.text == "Done: 3 cases."
    carry_out(job.pk)
    assert rung(agent) == [Kind.JOB]


def test_what_was_done_while_the_page_waited_rings_for_nobody(
    hear: Callable[..., Case], agent: User, as_: As
) -> None:
    case = hear("Me too")
    form = str(uuid.uuid4())
    as_(agent).post(
        "/bulk/", {"verb": "done", "case": [f"{case.pk}:{case.last_inbound_id}:0"], "form": form}
    )
    carry_out(Job.objects.get().pk)
    assert rung(agent) == []


def test_work_that_always_dies_rings_in_the_end(job: Job, agent: User) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    for n in range(MAX_ATTEMPTS):
        assert job.claim(now=long_ago + n * 2 * LEASE)
    carry_out(job.pk)
    carry_out(job.pk)
    assert rung(agent) == [Kind.JOB]
    assert Notice.objects.get().text == f"Failed: {ENDLESS}"


def test_a_job_ends_with_its_notice_or_not_at_all(job: Job, broken_bell: None) -> None:
    """If the notice about the end of a job cannot be written, the job does not end.

    Fails without the transaction in `bulk.carry_out`, because then the job ends without a notice to
    its owner.
    """
    job.claim()
    with pytest.raises(RuntimeError):
        bulk.carry_out(job, ring=True)
    assert Job.objects.get().ended_at is None
