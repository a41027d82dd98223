"""Before a delivery is sent, the login of its account is renewed if it expires soon."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from crm.models import Account, Notice, User
from responses import outbox
from responses.compose import Words, places_for, reply
from responses.models import Delivery
from routing.models import Case
from scrm.channels.base import ChannelError, Lookup
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post
from tests.crm import pigeon
from tests.crm.pigeon import Gate

pytestmark = pytest.mark.django_db(transaction=True)
MICROBLOG = "sandbox.microblog"


@pytest.fixture
def gate(pigeon_post: Gate, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """The accounts of the sandbox have tickets of the pigeon post, which expire."""
    monkeypatch.setattr(Account, "renew", property(lambda _account: pigeon.renew))
    return pigeon_post


@pytest.fixture
def delivery(
    gate: Gate, microblog: Account, hear: Callable[..., Case], agent: User, settings: object
) -> Delivery:
    """A reply that is due, from an account whose login has expired."""
    settings.UNDO_SECONDS = 0  # type: ignore[attr-defined]
    key = community.post(MICROBLOG, "roncalder", "@SkywardAir and me")
    case = hear("@SkywardAir and me", key=key)
    words = Words(uuid.uuid4(), "We are sorry.", "public", seen=case.last_inbound_id)
    response = reply(case, words, place=places_for(case)[0], by=agent)
    ago = timezone.now() - timedelta(hours=1)
    Account.objects.update(secrets={"ticket": "t"}, secrets_expire_at=ago)
    return response.deliveries.get()


def deliver(delivery: Delivery) -> Delivery:
    outbox.deliver(Delivery.objects.select_related("account").get(pk=delivery.pk))
    delivery.refresh_from_db()
    return delivery


def sent(delivery: Delivery) -> int:
    return Post.objects.filter(nonce=str(delivery.uuid)).count()


def test_an_expired_login_is_renewed_before_the_text_is_sent(
    delivery: Delivery, microblog: Account
) -> None:
    assert deliver(delivery).state == "sent"
    microblog.refresh_from_db()
    assert microblog.secrets == {"ticket": "t+"}


def test_a_failed_renewal_uses_no_attempt_and_leaves_the_delivery_queued(
    delivery: Delivery, gate: Gate
) -> None:
    """The delivery waits for the next renewal and never becomes unknown.

    Fails if the login is renewed after the claim.
    """

    def fail() -> None:
        gate.spent.clear()
        raise ChannelError("The gate did not answer.", uncertain=True)

    gate.meanwhile = fail
    before = delivery.send_after
    assert deliver(delivery).state == "queued"
    assert (delivery.attempts, delivery.attempt_id, delivery.send_after) == (0, None, before)
    assert "The gate did not answer." in delivery.error
    # Until the lease lapses, the delivery is not due, so that it does not occupy the queue.
    assert not Delivery.objects.due(timezone.now()).exists()
    assert not outbox.claim(delivery, now=timezone.now())
    later = timezone.now() + timedelta(seconds=61)
    assert Delivery.objects.due(later).exists()
    # If it waits too long, a user decides, as for every delivery that is overdue.
    assert Delivery.objects.overdue(later + timedelta(minutes=15)).exists()
    gate.meanwhile = pigeon.nothing
    Account.objects.update(renewal_lease_until=timezone.now())
    assert deliver(delivery).state == "sent"
    assert (sent(delivery), delivery.attempts, delivery.error) == (1, 1, "")


def test_while_another_worker_renews_the_delivery_waits(delivery: Delivery) -> None:
    Account.objects.update(renewal_lease_until=timezone.now() + timedelta(seconds=30))
    assert deliver(delivery).state == "queued"
    assert delivery.attempts == 0
    Account.objects.update(renewal_lease_until=None)
    assert deliver(delivery).state == "sent"


def test_if_the_login_has_ended_the_delivery_fails_with_the_reason(
    delivery: Delivery, gate: Gate, admin: User, agent: User
) -> None:
    gate.spent.add("t")
    assert deliver(delivery).state == "failed"
    assert delivery.attempts == sent(delivery) == 0
    assert "Reconnect the account" in delivery.error
    kinds = dict(Notice.objects.values_list("user", "kind"))
    assert kinds == {admin.pk: Notice.Kind.RECONNECT, agent.pk: Notice.Kind.FAILED}


def test_a_delivery_that_is_not_due_renews_nothing(
    delivery: Delivery, gate: Gate, microblog: Account
) -> None:
    Account.objects.update(paused_at=timezone.now())
    assert deliver(delivery).state == "queued"
    assert gate.renewals == 0


@pytest.mark.parametrize("spent", [False, True])
def test_a_look_up_renews_too_and_a_failure_leaves_the_delivery_unknown(
    delivery: Delivery, gate: Gate, spent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    Delivery.objects.update(state="unknown", settle_after=timezone.now(), attempts=1)
    speaker = type(delivery.account.channel.speaker)
    monkeypatch.setattr(speaker, "find", lambda *_: Lookup.ABSENT)
    if spent:
        gate.spent.add("t")
    delivery.refresh_from_db()
    outbox.settle(delivery)
    delivery.refresh_from_db()
    assert delivery.state == ("unknown" if spent else "queued")
    assert gate.renewals == 1
