"""How users control sending: the pause of all sending and the rate limits of accounts.

Supervisors get a notice if deliveries of an account fail repeatedly.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Notice, Pause, User
from responses import outbox, throttle
from responses.compose import Words, places_for, reply
from responses.models import Delivery, Response, Trouble
from routing.models import Case
from scrm import pipeline
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post

pytestmark = pytest.mark.django_db(transaction=True)
As = Callable[[User], Client]
Many = Callable[..., list[Response]]
MICROBLOG = "sandbox.microblog"
SENDINGS = "/delivery-problems/"


@pytest.fixture(autouse=True)
def no_undo(settings: object) -> None:
    settings.UNDO_SECONDS = 0  # type: ignore[attr-defined]
    community.reset()


@pytest.fixture
def answer_many(hear: Callable[..., Case], agent: User) -> Many:
    """Return a function that replies to `count` people.

    Each person has a post in the sandbox and a case of their own.
    """

    def write(count: int) -> list[Response]:
        said = []
        for _ in range(count):
            key = community.post(MICROBLOG, f"p-{uuid.uuid4().hex[:8]}", "@SkywardAir and me")
            case = hear("@SkywardAir and me", handle=f"@{key}", key=key)
            words = Words(uuid.uuid4(), "We are so sorry.", "public", seen=case.last_inbound_id)
            said.append(reply(case, words, place=places_for(case)[0], by=agent))
        return said

    return write


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def try_all() -> None:
    for delivery in Delivery.objects.select_related("account").order_by("-pk"):
        outbox.deliver(delivery)


def later(by: timedelta) -> None:
    """Simulate that time passes.

    The function moves all times of the deliveries into the past by the given duration.
    """
    for delivery in Delivery.objects.all():
        for name in ("tried_at", "send_after", "waits_since"):
            moment = getattr(delivery, name)
            Delivery.objects.filter(pk=delivery.pk).update(**{name: moment and moment - by})


# Pausing


def test_one_switch_stops_everything_and_lets_it_go_again(
    answer_many: Many, supervisor: User, agent: User, as_: As
) -> None:
    answer_many(1)
    url = reverse("responses:pause")
    as_(supervisor).post(url, {"to": "paused", "why": "A crash. Nobody jokes today."})
    pipeline.tick()
    try_all()
    assert states() == ["queued"]
    page = as_(agent).get("/inbox/").content.decode()
    assert "All sending is paused" in page
    assert "Nobody jokes today" in as_(agent).get(SENDINGS).content.decode()

    as_(supervisor).post(url, {"to": "active"})
    try_all()
    assert states() == ["sent"]
    assert "All sending is paused" not in as_(agent).get("/inbox/").content.decode()
    pause = Pause.objects.get()
    assert (pause.by, pause.ended_by) == (supervisor, supervisor)


def test_a_pause_needs_a_reason_and_what_was_typed_is_told_off(supervisor: User, as_: As) -> None:
    page = as_(supervisor).post(reverse("responses:pause"), {"to": "paused", "why": ""})
    assert page.status_code == 422
    assert not Pause.objects.exists()


def test_two_who_pause_at_once_make_one_pause(supervisor: User, admin: User) -> None:
    assert Pause.objects.all().begin(by=supervisor, why="A storm.")
    assert not Pause.objects.all().begin(by=admin, why="Me too.")
    assert Pause.objects.get().by == supervisor


# Rate limits


def limit(account: Account, **most: int) -> None:
    account.config = most
    account.save()


def test_what_exceeds_the_hour_waits_in_its_order(answer_many: Many, microblog: Account) -> None:
    limit(microblog, per_hour=2)
    answer_many(5)
    for delivery in Delivery.objects.order_by("-pk")[:3]:  # their turn has not come yet
        outbox.deliver(delivery)
    assert states() == ["queued"] * 5

    for _ in range(3):
        pipeline.tick()
        for delivery in Delivery.objects.due(timezone.now()).select_related("account"):
            outbox.deliver(delivery)
    assert states() == ["sent"] * 2 + ["queued"] * 3
    waiting = throttle.waiting()
    assert [each.pk for each in waiting] == sorted(each.pk for each in waiting)
    assert waiting.count() == 3
    assert not Delivery.objects.to_check(timezone.now()).exists()

    later(timedelta(minutes=61))
    pipeline.tick()
    try_all()
    try_all()
    assert states() == ["sent"] * 4 + ["queued"]


def test_waiting_for_a_turn_is_not_being_overdue(answer_many: Many, microblog: Account) -> None:
    limit(microblog, per_day=1)
    answer_many(2)
    for _ in range(2):
        try_all()
        pipeline.tick()
    later(timedelta(hours=20))
    pipeline.tick()
    assert states() == ["sent", "queued"]
    assert not Delivery.objects.to_check(timezone.now()).exists()


def test_many_senders_at_once_stay_within_the_budget(answer_many: Many, microblog: Account) -> None:
    limit(microblog, per_hour=3)
    answer_many(8)
    keys = list(Delivery.objects.values_list("pk", flat=True))

    def send(pk: int) -> None:
        try:
            for _ in range(3):
                outbox.deliver(Delivery.objects.select_related("account").get(pk=pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=[pk]) for pk in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Post.objects.exclude(nonce="").count() == 3
    assert states() == ["sent"] * 3 + ["queued"] * 5


def test_a_higher_limit_lets_what_waits_go_at_once(
    answer_many: Many, microblog: Account, admin: User, as_: As
) -> None:
    url = reverse("crm:account_budget", args=[microblog.pk])
    assert as_(admin).post(url, {"per_hour": "0"}).status_code == 422
    as_(admin).post(url, {"per_hour": "1", "per_day": ""})
    answer_many(2)
    for _ in range(2):
        try_all()
        pipeline.tick()
    assert states() == ["sent", "queued"]
    assert "1 delivery is queued" in as_(admin).get(SENDINGS).content.decode()

    as_(admin).post(url, {"per_hour": "", "per_day": ""})
    pipeline.tick()
    try_all()
    assert states() == ["sent", "sent"]


# Notices


def test_three_failures_in_a_row_ring_the_supervisors_once(
    answer_many: Many, supervisor: User, agent: User, as_: As
) -> None:
    answer_many(3)
    for number in range(3):
        community.fail(MICROBLOG, "refused")
        outbox.deliver(Delivery.objects.filter(state="queued").order_by("pk")[0])
        pipeline.tick()
        assert Trouble.objects.count() == (1 if number == 2 else 0)
    pipeline.tick()
    rung = Notice.objects.filter(user=supervisor, kind=Notice.Kind.FAILED)
    assert [each.text for each in rung] == ["@SkywardAir: 3 deliveries in a row failed."]
    assert "account fails to send" in as_(supervisor).get("/map/").content.decode()
    assert "3 deliveries in a row" in as_(supervisor).get(SENDINGS).content.decode()

    answer_many(3)
    try_all()
    pipeline.tick()
    later(timedelta(minutes=20))
    pipeline.tick()
    assert not Trouble.objects.open().exists()
    assert "account fails to send" not in as_(supervisor).get("/map/").content.decode()


def test_half_of_many_is_trouble_too(answer_many: Many, supervisor: User) -> None:
    answer_many(4)
    now = timezone.now()
    for place, delivery in enumerate(Delivery.objects.order_by("pk")):
        bad = place % 2 == 0
        Delivery.objects.filter(pk=delivery.pk).update(
            state="failed" if bad else "cancelled", tried_at=now - timedelta(minutes=place)
        )
    Trouble.objects.all().update_open(now=now)
    assert "2 of 4" in Trouble.objects.get().words
