"""Guarantee G1 (docs/guarantees.md): a response is sent at most once and is never silently lost.

The tests kill the sender before and after each step.
"""

from __future__ import annotations

import signal
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from crm.models import Account, Interaction, User
from listening.fetch import fetch_source
from listening.models import MentionChange, Source
from responses import check_sending, outbox
from responses.compose import Words, places_for, reply, state_publicly
from responses.models import Delivery, Feedback, Response
from responses.models.response import Refused
from routing.models import Case
from routing.models.status import Stale
from scrm import pipeline
from scrm.channels.base import ChannelError, Receipt
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post
from tests.killing import killed_at

pytestmark = pytest.mark.django_db(transaction=True)
MICROBLOG = "sandbox.microblog"

STEPS = [
    ("responses.outbox:claim", "before"),
    ("responses.outbox:claim", "after"),
    ("scrm.channels.sandbox.channel:publish", "before"),
    ("scrm.channels.sandbox.channel:publish", "after"),
    ("responses.outbox:mark_sent", "before"),
    ("responses.outbox:record", "after"),
    ("responses.outbox:adopt", "after"),
    ("responses.outbox:mark_sent", "after"),
]


@pytest.fixture(autouse=True)
def no_undo(settings: object) -> None:
    settings.UNDO_SECONDS = 0  # type: ignore[attr-defined]


@pytest.fixture
def mentions(microblog: Account, make_source: Callable[..., Source]) -> Source:
    community.reset()
    return make_source(kind="sandbox", address="mentions", account=microblog, stance="for us")


@pytest.fixture
def complaint(mentions: Source) -> Case:
    """Return the case that was opened by a customer's post."""
    community.post(MICROBLOG, "roncalder", "@SkywardAir you threw me off a flight")
    hear(mentions)
    return Case.objects.get()


@pytest.fixture
def answer(complaint: Case, agent: User) -> Callable[..., Delivery]:
    def write(text: str = "We are so sorry.", visibility: str = "public") -> Delivery:
        complaint.refresh_from_db()
        words = Words(uuid.uuid4(), text, visibility, seen=complaint.last_inbound_id)
        response = reply(complaint, words, place=places_for(complaint)[0], by=agent)
        return response.deliveries.get()

    return write


def hear(source: Source) -> None:
    """Fetch the source once, and process the items that were found."""
    source.fetch_now()
    assert fetch_source(source)
    pipeline.process()


def sweep(*, lapse: bool = True) -> None:
    """Do the work of the tick on deliveries four times.

    The work has three parts: give up on deliveries whose sender died, look up unknown deliveries,
    and send due deliveries. If `lapse` is True, the leases of all deliveries that are being sent
    lapse first.
    """
    if lapse:
        Delivery.objects.filter(state="sending").update(lease_until=timezone.now())
    for _ in range(4):
        now = timezone.now() + timedelta(seconds=1)
        Delivery.objects.give_up_on_the_dead(now)
        for delivery in Delivery.objects.to_settle(now):
            outbox.settle(delivery)
        for delivery in Delivery.objects.due(now):
            outbox.deliver(delivery)


def fresh(delivery: Delivery) -> Delivery:
    return Delivery.objects.select_related("account").get(pk=delivery.pk)


def posts(delivery: Delivery) -> int:
    """Return how many copies of the post exist on the network."""
    return Post.objects.filter(nonce=str(delivery.uuid)).count()


@pytest.mark.parametrize("idempotence", ["key", "lookup", "none"])
@pytest.mark.parametrize(("where", "when"), STEPS)
def test_it_survives_kill_9_at_every_step(
    answer: Callable[..., Delivery],
    microblog: Account,
    idempotence: str,
    where: str,
    when: str,
) -> None:
    """If the sender is killed at any step, the text is sent at most once.

    At the end, the delivery is sent. Only with the idempotence `none` it may be unknown, because
    that network can recognise no duplicates. With the idempotence `lookup`, the test fails if
    `settle()` queues the delivery again without a look-up, because then the text is sent twice.
    """
    microblog.config = {"idempotence": idempotence}
    microblog.save()
    delivery = answer()

    assert killed_at(where, when, lambda: outbox.deliver(fresh(delivery))) == signal.SIGKILL
    sweep()

    delivery.refresh_from_db()
    assert posts(delivery) <= 1
    assert delivery.state in {"sent", "unknown"}
    assert delivery.state == "sent" or idempotence == "none"
    if delivery.state == "sent":
        assert posts(delivery) == 1
        assert Interaction.objects.filter(scope=MICROBLOG, key=delivery.sent_key).count() == 1
        assert delivery.response.case.status == "waiting"  # type: ignore[union-attr]


@pytest.mark.parametrize("idempotence", ["key", "lookup", "none"])
def test_a_lost_answer_is_looked_up_and_never_simply_sent_again(
    answer: Callable[..., Delivery], microblog: Account, idempotence: str
) -> None:
    microblog.config = {"idempotence": idempotence}
    microblog.save()
    delivery = answer()
    community.fail(MICROBLOG, "answer lost")

    outbox.deliver(delivery)
    sweep()

    delivery.refresh_from_db()
    assert posts(delivery) == 1
    assert delivery.state == ("unknown" if idempotence == "none" else "sent")


def test_a_network_that_is_down_is_tried_again_later(answer: Callable[..., Delivery]) -> None:
    delivery = answer()
    community.fail(MICROBLOG, "down")

    outbox.deliver(delivery)
    delivery.refresh_from_db()
    assert (delivery.state, posts(delivery)) == ("queued", 0)
    assert delivery.send_after is not None
    assert delivery.send_after > timezone.now()
    assert "sandbox" in delivery.error.lower()

    Delivery.objects.update(send_after=timezone.now())
    outbox.deliver(delivery)
    assert (delivery.state, posts(delivery)) == ("sent", 1)


def test_a_refusal_fails_for_a_human_to_see(answer: Callable[..., Delivery]) -> None:
    delivery = answer()
    community.fail(MICROBLOG, "refused")

    outbox.deliver(delivery)

    assert (delivery.state, posts(delivery)) == ("failed", 0)
    assert list(Delivery.objects.to_check(timezone.now())) == [delivery]


def test_a_speaker_that_breaks_leaves_the_sending_unknown(
    answer: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = answer()
    speaker = delivery.account.channel.speaker
    monkeypatch.setattr(type(speaker), "send", lambda *_: 1 / 0)

    outbox.deliver(delivery)

    assert delivery.state == "unknown"
    assert posts(delivery) == 0


@pytest.fixture
def published(answer: Callable[..., Delivery]) -> Delivery:
    """Return a delivery that was sent."""
    delivery = answer()
    outbox.deliver(delivery)
    return fresh(delivery)


def test_a_post_of_an_earlier_delivery_proves_no_second_one(
    published: Delivery, answer: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the network names the post of an earlier delivery, nothing new was published.

    The later delivery fails with this reason, and the earlier delivery stays as it is. Fails if
    `mark_sent` accepts a receipt that belongs to another delivery.
    """
    again = answer()
    speaker = type(published.account.channel.speaker)
    monkeypatch.setattr(speaker, "send", lambda *_: published.receipt)

    outbox.deliver(again)

    again.refresh_from_db()
    assert (again.state, again.sent_key, again.interaction) == ("failed", "", None)
    assert "already published as" in again.error
    assert "nothing new was published" in again.error
    assert list(Delivery.objects.to_check(timezone.now())) == [again]
    assert Interaction.objects.filter(direction="out").count() == 1
    assert fresh(published).state == "sent"


def test_a_found_post_of_an_earlier_delivery_leaves_an_unknown_one_unknown(
    published: Delivery, answer: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown delivery may have been published beside the earlier one: a user decides."""
    again = answer()
    assert outbox.claim(again, now=timezone.now())
    again.doubt("It took too long.", now=timezone.now())
    speaker = type(published.account.channel.speaker)
    monkeypatch.setattr(speaker, "find", lambda *_: published.receipt)

    outbox.settle(again)

    again.refresh_from_db()
    assert (again.state, again.settle_after, again.interaction) == ("unknown", None, None)
    assert list(Delivery.objects.to_check(timezone.now())) == [again]


def test_a_late_sender_with_a_post_of_an_earlier_delivery_leaves_a_lapsed_one_unknown(
    published: Delivery, answer: Callable[..., Delivery]
) -> None:
    again = answer()
    assert outbox.claim(again, now=timezone.now())
    Delivery.objects.give_up_on_the_dead(timezone.now() + timedelta(days=1))
    outbox.mark_sent(again, published.receipt, now=timezone.now())
    assert fresh(again).state == "unknown"


def test_the_same_receipt_twice_changes_nothing(published: Delivery) -> None:
    assert not outbox.mark_sent(published, published.receipt, now=timezone.now())
    assert fresh(published).state == "sent"


def test_ten_senders_at_once_send_one(answer: Callable[..., Delivery]) -> None:
    """If ten senders try to send a delivery at the same moment, it is sent once.

    Fails if `claim()` also claims deliveries that are not queued.
    """
    delivery = answer()

    def send() -> None:
        try:
            outbox.deliver(fresh(delivery))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    delivery.refresh_from_db()
    assert (delivery.state, posts(delivery), delivery.attempts) == ("sent", 1, 1)


def test_a_sender_that_wakes_after_its_lease_changes_nothing(
    answer: Callable[..., Delivery],
) -> None:
    delivery = answer()
    assert outbox.claim(delivery, now=timezone.now())
    late = Delivery.objects.get(pk=delivery.pk)
    sweep()  # the lease lapsed, the look-up found no post, and another sender published the text

    late.fail("I woke up late")

    late.refresh_from_db()
    assert (late.state, posts(late)) == ("sent", 1)


def test_an_answer_may_be_heard_before_the_send_is_committed(
    answer: Callable[..., Delivery],
    mentions: Source,
    complaint: Case,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer can be fetched after the network has our text and before the send is committed.

    When the send is committed, the answer becomes feedback, and the case is open.
    """
    delivery = answer()
    late: list[tuple[Delivery, Receipt]] = []
    with monkeypatch.context() as between:
        between.setattr(outbox, "mark_sent", lambda d, receipt, now: late.append((d, receipt)))
        outbox.deliver(delivery)
    key = Post.objects.get(nonce=str(delivery.uuid)).key
    community.post(MICROBLOG, "roncalder", "who said you could?", in_reply_to=key)
    with monkeypatch.context() as deaf:  # our own post is not fetched in time
        deaf.setattr(outbox, "heard_ourselves", lambda *_, **__: None)
        hear(mentions)
    assert not Feedback.objects.exists()

    outbox.mark_sent(*late[0], now=timezone.now())

    feedback = Feedback.objects.get()
    assert feedback.interaction.text == "who said you could?"
    assert feedback.delivery == delivery
    complaint.refresh_from_db()
    assert complaint.status == "open"
    assert Case.objects.count() == 1


def test_our_own_post_coming_by_settles_an_unknown_sending(
    answer: Callable[..., Delivery], mentions: Source, microblog: Account
) -> None:
    microblog.config = {"idempotence": "none"}
    microblog.save()
    delivery = answer()
    community.fail(MICROBLOG, "answer lost")
    outbox.deliver(delivery)
    sweep()
    delivery.refresh_from_db()
    assert delivery.state == "unknown"

    hear(mentions)

    delivery.refresh_from_db()
    assert delivery.state == "sent"
    assert Interaction.objects.filter(direction="out").count() == 1
    assert Case.objects.count() == 1


@pytest.fixture
def state(complaint: Case, agent: User) -> Callable[[Account], Delivery]:
    """Return a function that creates a statement with an unknown delivery on the given account."""

    def write(account: Account) -> Delivery:
        words = Words(uuid.uuid4(), "All is late.", "public", seen=complaint.last_inbound_id)
        facts: dict[str, Any] = {"by": agent, "department": complaint.department}
        said = state_publicly(words, accounts=[account], case=complaint, **facts)
        delivery = said.deliveries.select_related("account").get()
        assert outbox.claim(delivery, now=timezone.now())
        delivery.doubt("It took too long.", now=timezone.now())
        return delivery

    return write


def test_our_own_post_proves_no_second_sending_of_the_same_words(
    mentions: Source, microblog: Account, state: Callable[[Account], Delivery]
) -> None:
    """A fetched post of ours proves only one of two deliveries with the same text.

    The other delivery stays unknown. Fails if a post that already proves one delivery is also used
    as proof of another delivery.
    """
    lost, said = state(microblog), state(microblog)
    key = community.post(MICROBLOG, "skywardair", said.words, nonce=str(said.uuid))
    outbox.mark_sent(said, Receipt(MICROBLOG, key), now=timezone.now())
    hear(mentions)
    assert fresh(lost).state == "unknown"


@pytest.mark.parametrize("address", ["", "https://there.example/1"])
def test_what_a_human_has_seen_there_proves_no_second_sending_of_the_same_words(
    mentions: Source,
    microblog: Account,
    state: Callable[[Account], Delivery],
    agent: User,
    address: str,
) -> None:
    """If a user confirmed a delivery, its post does not prove another delivery with the same text.

    The user confirmed the delivery without the key of its post. When this post is fetched later, it
    must not confirm the other delivery, which is unknown. Fails if the post is compared only with
    unknown deliveries.
    """
    lost, seen = state(microblog), state(microblog)
    outbox.confirm_sent(seen, by=agent, url=address)
    community.post(MICROBLOG, "skywardair", seen.words, nonce=str(seen.uuid))
    hear(mentions)
    assert fresh(lost).state == "unknown"


def test_the_posts_of_two_accounts_prove_each_its_own(
    mentions: Source,
    microblog: Account,
    make_source: Callable[..., Source],
    state: Callable[[Account], Delivery],
    admin: User,
) -> None:
    """If two accounts publish the same text, each fetched post proves only its own delivery.

    Fails if a post can prove a delivery of another account. In that case, both deliveries fit each
    post, and neither delivery is confirmed.
    """
    keys = {"network": MICROBLOG, "self_key": "skywardcares"}
    second = Account.objects.create(kind="sandbox", name="Cares", owner=admin, **keys)
    heard = make_source(kind="sandbox", address="mentions", account=second, stance="for us")
    both = state(microblog), state(second)
    for said in both:
        community.post(MICROBLOG, said.account.self_key, said.words, nonce=str(said.uuid))
    assert fetch_source(heard)
    hear(mentions)
    assert [fresh(said).state for said in both] == ["sent", "sent"]


def test_our_own_post_heard_after_the_send_changes_nothing(
    answer: Callable[..., Delivery], mentions: Source, complaint: Case
) -> None:
    outbox.deliver(answer())
    hear(mentions)

    complaint.refresh_from_db()
    assert complaint.status == "waiting"
    assert Interaction.objects.filter(direction="out").count() == 1


def test_what_should_have_left_long_ago_waits_for_a_human(
    answer: Callable[..., Delivery], agent: User
) -> None:
    delivery = answer()
    Delivery.objects.update(send_after=timezone.now() - timedelta(minutes=16))

    sweep()
    delivery.refresh_from_db()
    assert (delivery.state, posts(delivery)) == ("queued", 0)
    assert list(Delivery.objects.to_check(timezone.now())) == [delivery]

    check_sending.send_late(delivery, by=agent)
    sweep()
    delivery.refresh_from_db()
    assert (delivery.state, posts(delivery)) == ("sent", 1)


def test_a_paused_account_sends_nothing(
    answer: Callable[..., Delivery], microblog: Account
) -> None:
    delivery = answer()
    microblog.paused_at = timezone.now()
    microblog.save()

    outbox.deliver(delivery)

    delivery.refresh_from_db()
    assert (delivery.state, posts(delivery)) == ("queued", 0)


def test_cancelled_in_the_undo_window_never_leaves(
    answer: Callable[..., Delivery], agent: User
) -> None:
    delivery = answer()
    delivery.response.cancel(by=agent)

    sweep()

    delivery.refresh_from_db()
    assert (delivery.state, posts(delivery)) == ("cancelled", 0)
    assert Response.objects.get().state == "cancelled"


def test_send_again_is_a_new_sending_and_only_one(
    answer: Callable[..., Delivery], agent: User
) -> None:
    """A user can send a failed delivery again only once, and this creates a new delivery.

    Fails if `take_in_hand` accepts a delivery that a user has already resolved.
    """
    delivery = answer()
    community.fail(MICROBLOG, "refused")
    outbox.deliver(delivery)

    again = check_sending.send_again(delivery, by=agent)
    with pytest.raises(Exception, match="already resolved"):
        check_sending.send_again(delivery, by=agent)
    outbox.deliver(again)

    assert (again.state, again.replaces) == ("sent", delivery)
    assert not Delivery.objects.to_check(timezone.now()).exists()


def test_a_channel_that_cannot_speak_fails_in_words(
    answer: Callable[..., Delivery], microblog: Account
) -> None:
    delivery = answer()
    microblog.kind = "manual"
    microblog.save()
    delivery.refresh_from_db()

    outbox.deliver(delivery)

    assert delivery.state == "failed"
    assert "cannot send" in delivery.error


def test_errors_carry_what_the_outbox_must_decide() -> None:
    error = ChannelError("Busy.", retry_after=7)
    assert (error.message, error.retry_after, error.permanent, error.uncertain) == (
        "Busy.",
        7,
        False,
        False,
    )


# Workers ignore deliveries that a user has resolved


@pytest.fixture
def unknown(answer: Callable[..., Delivery], monkeypatch: pytest.MonkeyPatch) -> Delivery:
    """Return an unknown delivery whose text did not reach the network.

    The call raised an exception before it reached the network, and the look-up failed as well.
    """
    delivery = answer()
    with monkeypatch.context() as broken:
        broken.setattr(type(delivery.account.channel.speaker), "send", lambda *_: 1 / 0)
        outbox.deliver(delivery)
    community.fail(MICROBLOG, "down", call="find")
    outbox.settle(delivery)
    delivery.refresh_from_db()
    assert delivery.state == "unknown"
    return delivery


def later() -> None:
    """Make the next look-up of all deliveries due, and do the work of the tick on deliveries."""
    Delivery.objects.exclude(settle_after=None).update(settle_after=timezone.now())
    sweep()


def test_what_was_sent_again_does_not_leave_a_second_time(unknown: Delivery, agent: User) -> None:
    """If a user sends an unknown delivery again, a worker does not also send the old delivery.

    Fails if `_settle` ignores that a user has resolved the delivery, or if `take_in_hand` does not
    record the user. If `due` ignores the decision of the user too, the text is sent twice.
    """
    running = fresh(unknown)
    again = check_sending.send_again(unknown, by=agent)
    running.back_to_queue(after=0, error="Absent, says a look-up from before.", now=timezone.now())
    later()

    again.refresh_from_db()
    unknown.refresh_from_db()
    assert (again.state, unknown.state) == ("sent", "unknown")
    assert Post.objects.exclude(nonce="").count() == 1


def test_a_dismissed_delivery_stays_dismissed(unknown: Delivery, agent: User) -> None:
    """If a user dismissed a delivery, it is never sent.

    Fails if `take_in_hand` does not record the user, or if `to_check` ignores the decision of the
    user. `_settle`, `due` and `to_settle` each check this decision too, so the delivery is sent
    only if all three checks are removed.
    """
    check_sending.dismiss(unknown, by=agent)
    later()
    assert posts(unknown) == 0
    assert not Delivery.objects.to_check(timezone.now()).exists()
    assert unknown.response.events.get(why__startswith="Dismissed").by == agent


def test_a_delivery_in_progress_cannot_be_dismissed(
    answer: Callable[..., Delivery], agent: User
) -> None:
    """A user cannot dismiss a delivery that still waits to be sent.

    Fails if `take_in_hand` accepts such a delivery.
    """
    delivery = answer()
    with pytest.raises(Stale):
        check_sending.dismiss(delivery, by=agent)
    sweep()
    delivery.refresh_from_db()
    assert delivery.state == "sent"


def test_somebody_elses_words_are_no_proof_of_ours(unknown: Delivery, agent: User) -> None:
    """A user cannot confirm our delivery with the address of another person's post.

    Fails if the code does not search the ledger for the address.
    """
    theirs = Post.objects.get(nonce="")
    with pytest.raises(Refused, match="another interaction"):
        outbox.confirm_sent(unknown, by=agent, url=theirs.key)
    outbox.confirm_sent(unknown, by=agent, url="https://sandbox.example/ours")
    unknown.refresh_from_db()
    assert unknown.state == "sent"


def test_what_they_write_while_our_answer_waits_is_not_hidden_by_it(
    answer: Callable[..., Delivery], mentions: Source, complaint: Case
) -> None:
    """If the customer writes while our reply is queued, the case is still open after the send.

    The argument `seen` of `Case.wait` must be the newest message that the author of the reply saw.
    Fails if it is the customer's newest message, because then this message is not shown as new.
    """
    delivery = answer()
    community.post(MICROBLOG, "roncalder", "@SkywardAir and another thing, urgent!")
    hear(mentions)
    sweep()
    delivery.refresh_from_db()
    complaint.refresh_from_db()
    assert delivery.state == "sent"
    assert complaint.status in {"new", "open"}
    assert complaint.first_response_at is not None


def test_an_early_answer_that_was_mere_talk_is_looked_at_again(
    answer: Callable[..., Delivery],
    mentions: Source,
    microblog: Account,
    make_source: Callable[..., Source],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer was found before our send was committed. It is processed again after the commit.

    A search found the answer, and the answer matched no topic. Our own post was not recorded yet,
    so the answer opened no case. Fails if `adopt` does not have the mention processed again.
    """
    talk = make_source(kind="sandbox", address="search:dare", account=microblog, name="Talk")
    delivery = answer()
    late: list[Any] = []
    with monkeypatch.context() as between:
        between.setattr(outbox, "mark_sent", lambda d, receipt, now: late.append(receipt))
        outbox.deliver(delivery)
        community.post(MICROBLOG, "tilda", "how dare you", in_reply_to=late[0].key)
        between.setattr(outbox, "heard_ourselves", lambda *_, **__: None)
        hear(talk)
    assert not Interaction.objects.filter(text="how dare you").exists()

    outbox.mark_sent(delivery, late[0], now=timezone.now())
    pipeline.process()

    assert Feedback.objects.get().interaction.text == "how dare you"


def test_what_they_wrote_before_we_did_is_no_feedback(
    answer: Callable[..., Delivery], mentions: Source, complaint: Case
) -> None:
    """A message that was written before our reply is not feedback to this reply.

    A message in a private thread does not name the message that it answers, so only the order of
    the messages counts. Fails if all deliveries of the thread count as earlier than the message.
    """
    community.post(MICROBLOG, "roncalder", "privately, then", to="skywardair")
    hear(mentions)
    place = next(each for each in places_for(complaint) if each.visibility == "private")
    complaint.refresh_from_db()
    words = Words(uuid.uuid4(), "Gladly.", "private", seen=complaint.last_inbound_id)
    owner = complaint.department.owner
    early = community.post(
        MICROBLOG, "roncalder", "are you there?", to="skywardair", at=timezone.now()
    )
    outbox.deliver(reply(complaint, words, place=place, by=owner).deliveries.get())
    hear(mentions)
    assert not Feedback.objects.filter(interaction__key=early).exists()
    community.post(MICROBLOG, "roncalder", "thank you", to="skywardair")
    hear(mentions)
    assert Feedback.objects.get().interaction.text == "thank you"


def test_a_reply_to_a_deleted_post_is_not_sent_and_says_why(
    answer: Callable[..., Delivery],
) -> None:
    """If the post that we answer is deleted while our reply waits, the delivery fails.

    Nothing is sent, and the delivery shows the reason.
    """
    delivery = answer()
    heard = delivery.response.in_reply_to
    assert heard
    MentionChange.objects.create(
        mention=heard.mention, fetch=heard.mention.fetch, kind="deleted", content_hash="deleted"
    )
    before = Post.objects.count()
    outbox.deliver(delivery)
    delivery.refresh_from_db()
    assert delivery.state == "failed"
    assert "The message that you answer was deleted at the source" in delivery.error
    assert Post.objects.count() == before
