"""Deliveries on a network that charges per text stay within the budget (guarantee G22)."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm import spending
from crm.models import Account, Notice, User
from responses import outbox, send_budget, throttle
from responses.compose import Words, places_for, reply
from responses.models import Delivery, Response
from routing.models import Case
from scrm.channels.base import ChannelError, Lookup, Receipt
from tests import toll
from tests.killing import killed_at
from tests.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)
As = Callable[[User], Client]
Many = Callable[..., list[Response]]
POST = 15_000


@pytest.fixture(autouse=True)
def no_undo(settings: object) -> None:
    settings.UNDO_SECONDS = 0  # type: ignore[attr-defined]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> toll.Toll:
    return toll.install(monkeypatch)


@pytest.fixture
def answer_many(hear: Callable[..., Case], agent: User, network: toll.Toll) -> Many:
    """Return a function that replies to people with these texts, each in a case of their own."""

    def write(*texts: str) -> list[Response]:
        said = []
        for text in texts:
            key = uuid.uuid4().hex
            case = hear("@SkywardAir and me", handle=f"@{key[:8]}", key=key)
            words = Words(uuid.uuid4(), text, "public", seen=case.last_inbound_id)
            said.append(reply(case, words, place=places_for(case)[0], by=agent))
        return said

    return write


def limit(account: Account, **limits: int | None) -> None:
    account.keep_with(limits)


def send(pk: int) -> None:
    outbox.deliver(Delivery.objects.select_related("account").get(pk=pk))


def send_all() -> None:
    """Try all deliveries, the newest first."""
    for pk in Delivery.objects.order_by("-pk").values_list("pk", flat=True):
        send(pk)


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def spent(account: Account) -> int:
    return spending.spent_by(account, now=timezone.now()).day


def test_a_delivery_beyond_the_budget_waits_with_the_reason(
    answer_many: Many, microblog: Account, network: toll.Toll, agent: User, as_: As
) -> None:
    limit(microblog, usd_per_day=POST)
    answer_many("One.", "Two.")
    for pk in Delivery.objects.order_by("pk").values_list("pk", flat=True):
        send(pk)
    assert states() == ["sent", "queued"]
    assert spent(microblog) == network.charged == POST
    waiting = Delivery.objects.get(state="queued")
    assert waiting.attempts == 0
    assert waiting.error.startswith("The budget of “@SkywardAir” is used up (0.01 of 0.01") or (
        waiting.error.startswith("The budget of “@SkywardAir” is used up (0.02 of 0.02")
    )
    assert waiting.send_after
    assert waiting.send_after.astimezone(UTC).time() == datetime.min.time()
    assert not Delivery.objects.to_check(timezone.now()).exists()
    page = as_(agent).get(waiting.response.get_absolute_url()).content.decode()
    assert "Sending continues on" in page
    assert waiting.error in as_(agent).get("/delivery-problems/").content.decode()


def test_the_cost_ahead_is_one_query(
    answer_many: Many, microblog: Account, network: toll.Toll
) -> None:
    """Fails if each delivery ahead is completed with queries of its own."""
    limit(microblog, usd_per_day=0)
    answer_many(*"ABCDE")
    for pk in Delivery.objects.order_by("pk").values_list("pk", flat=True):
        send(pk)
    limit(microblog, usd_per_day=10 * POST)
    Delivery.objects.update(send_after=timezone.now())
    newest = Delivery.objects.select_related("account").latest("pk")
    with CaptureQueriesContext(connection) as queries:
        assert send_budget._cost_ahead_of(newest, timezone.now()) == 4 * POST
    assert len(queries) == 1


def test_deliveries_leave_in_their_order_after_the_renewal(
    answer_many: Many, microblog: Account, network: toll.Toll
) -> None:
    """The newest is tried first, but the oldest two are paid for first.

    Fails without both `within_budget` and `_cost_ahead_of`; each alone keeps the order.
    """
    limit(microblog, usd_per_day=0)
    answer_many("One.", "Two.", "Three.", "Four.")
    for pk in Delivery.objects.order_by("pk").values_list("pk", flat=True):
        send(pk)
    assert states() == ["queued"] * 4
    limit(microblog, usd_per_day=2 * POST)
    throttle.hold_back(timezone.now())
    send_all()
    assert states() == ["sent", "sent", "queued", "queued"]
    limit(microblog, usd_per_day=None)
    throttle.hold_back(timezone.now())
    send_all()
    assert states() == ["sent"] * 4
    assert network.charged == 4 * POST


def test_a_newer_delivery_does_not_take_the_money_of_a_waiting_one(
    answer_many: Many, microblog: Account
) -> None:
    """Fails without `_cost_ahead_of`."""
    limit(microblog, usd_per_day=0)
    answer_many("One.")
    send_all()
    limit(microblog, usd_per_day=POST)
    throttle.hold_back(timezone.now())
    answer_many("Two.")
    send_all()
    assert states() == ["sent", "queued"]


def test_a_cheap_reply_does_not_wait_for_an_expensive_post(
    answer_many: Many, microblog: Account
) -> None:
    limit(microblog, usd_per_day=100_000)
    answer_many("See https://skyward.example", "Sorry.")
    for pk in Delivery.objects.order_by("pk").values_list("pk", flat=True):
        send(pk)
    assert states() == ["queued", "sent"]


def test_a_text_that_is_scheduled_for_later_keeps_its_time(
    answer_many: Many, microblog: Account
) -> None:
    """A delivery that is not due is not postponed to the renewal, which may be earlier."""
    limit(microblog, usd_per_day=0)
    answer_many("One.")
    later = timezone.now() + timedelta(days=40)
    Delivery.objects.update(send_after=later)
    send_all()
    assert Delivery.objects.get().send_after == later


def test_eight_senders_at_once_stay_within_the_budget(
    answer_many: Many, microblog: Account, network: toll.Toll
) -> None:
    limit(microblog, usd_per_month=3 * POST)
    answer_many(*[f"Text {n}." for n in range(8)])
    keys = list(Delivery.objects.values_list("pk", flat=True))
    at_once(*[lambda pk=pk: send(pk) for pk in keys])  # type: ignore[misc]
    assert network.charged == 3 * POST
    assert states().count("sent") == 3


def test_two_workers_with_one_delivery_pay_once(
    answer_many: Many, microblog: Account, network: toll.Toll
) -> None:
    answer_many("One.")
    pk = Delivery.objects.get().pk
    at_once(lambda: send(pk), lambda: send(pk))
    assert spent(microblog) == network.charged == POST


@pytest.mark.parametrize(
    ("error", "state", "cost"),
    [
        (ChannelError("Refused.", permanent=True), "failed", 0),
        (ChannelError("Not now.", retry_after=60), "queued", 0),
        (ChannelError("No answer.", uncertain=True), "unknown", POST),
        (ChannelError("2 of 3 parts.", retry_after=60, usage={"post": 2}), "queued", 2 * POST),
        (ChannelError("2 of 3 parts.", permanent=True, usage={"post": 2}), "failed", 2 * POST),
        (ChannelError("No answer.", uncertain=True, usage={"post": 3}), "unknown", 3 * POST),
    ],
)
def test_an_uncertain_delivery_keeps_its_cost(
    answer_many: Many,
    microblog: Account,
    network: toll.Toll,
    error: ChannelError,
    state: str,
    cost: int,
) -> None:
    answer_many("One.")
    network.error = error
    send_all()
    assert states() == [state]
    assert spent(microblog) == cost


@pytest.mark.parametrize(
    ("answer", "state", "cost"),
    [
        (Lookup.CANNOT_TELL, "unknown", 50_000),
        (Receipt("toll", "k", usage={"post read": 2}), "sent", 20_000),
        (Receipt("toll", "k"), "sent", 50_000),
        (ChannelError("Later.", retry_after=60, usage={"post read": 3}), "unknown", 30_000),
        (ChannelError("Later.", retry_after=60), "unknown", 0),
        (ChannelError("No answer."), "unknown", 50_000),
    ],
)
def test_a_look_up_is_booked(
    answer_many: Many,
    microblog: Account,
    network: toll.Toll,
    answer: Receipt | Lookup | ChannelError,
    state: str,
    cost: int,
) -> None:
    answer_many("One.")
    network.error, network.looked_up = ChannelError("No answer.", uncertain=True), answer
    send_all()
    look_up()
    assert states() == [state]
    assert spent(microblog) == POST + cost


def test_a_look_up_beyond_the_budget_is_made_later(
    answer_many: Many, microblog: Account, network: toll.Toll
) -> None:
    """Fails if look-ups are not reserved."""
    limit(microblog, usd_per_day=POST + 49_999)
    answer_many("One.")
    network.error = ChannelError("No answer.", uncertain=True)
    network.looked_up = Receipt("toll", "k", usage={"post read": 1})
    send_all()
    look_up()
    assert states() == ["unknown"]
    assert spent(microblog) == POST
    assert Delivery.objects.get().settle_after > timezone.now()  # type: ignore[operator]
    limit(microblog, usd_per_day=POST + 50_000)
    look_up()
    assert states() == ["sent"]


def look_up() -> None:
    outbox.settle(Delivery.objects.select_related("account").get())


@pytest.mark.parametrize(
    ("where", "when", "cost"),
    [
        ("responses.outbox:claim", "before", 0),
        ("responses.outbox:claim", "after", POST),
        ("tests.toll:Toll.send", "after", POST),
        ("crm.spending:settle", "after", POST),
    ],
)
def test_a_killed_sender_leaves_the_worst_case_booked(
    answer_many: Many, microblog: Account, network: toll.Toll, where: str, when: str, cost: int
) -> None:
    """Fails if the cost is booked only after the text was sent."""
    answer_many("One.")
    pk = Delivery.objects.get().pk
    assert killed_at(where, when, lambda: send(pk)) == signal.SIGKILL
    assert spent(microblog) == cost


def test_a_removal_is_not_held_back(
    answer_many: Many, microblog: Account, lead: User, network: toll.Toll
) -> None:
    """Fails if removals have the priority of other texts."""
    answer_many("One.")
    send_all()
    limit(microblog, usd_per_day=0)
    post = Delivery.objects.get()
    Delivery.objects.create(
        response=post.response, account=post.account, act="withdraw", amends=post, by=lead,
        why="A slip.", send_after=timezone.now(),
    )  # fmt: skip
    throttle.hold_back(timezone.now())
    send(Delivery.objects.get(act="withdraw").pk)
    assert states() == ["sent", "sent"]
    assert spent(microblog) == network.charged == POST + 10_000


def test_the_owner_is_told_once_that_texts_wait(answer_many: Many, microblog: Account) -> None:
    limit(microblog, usd_per_day=0)
    answer_many("One.", "Two.")
    send_all()
    for _ in range(2):
        throttle.hold_back(timezone.now())
    notice = Notice.objects.get(kind="budget")
    assert notice.user == microblog.owner
    assert notice.url.startswith(reverse("crm:account", args=[microblog.pk]))


def test_the_sending_limits_still_apply(answer_many: Many, microblog: Account) -> None:
    limit(microblog, per_hour=1, usd_per_day=10 * POST)
    answer_many("One.", "Two.")
    for _ in range(2):
        throttle.hold_back(timezone.now())
        send_all()
    assert states() == ["sent", "queued"]
