"""A real Bluesky network: mentions are answered, and posts are published and taken down.

A mention becomes a case. Each post is published once. If a process is killed, nothing is lost and
nothing is sent or recorded twice.
"""

from __future__ import annotations

import itertools
import signal
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Department, Interaction, User
from listening.fetch import fetch_source
from listening.models import Mention, Source
from responses import outbox
from responses.compose import Words, places_for, reply, state_publicly
from responses.corrections import newest, take_down
from responses.models import Delivery, Feedback, Response
from responses.models.delivery_state import DeliveryState
from routing.models import Case, Issue
from scrm import pipeline
from scrm.channels.base import Credentials, FetchRequest, Outgoing
from scrm.channels.bluesky.channel import CHANNEL
from scrm.channels.bluesky.session import renew
from scrm.net import http
from scrm.net.addresses import networks
from tests.killing import killed_at
from tests.real.bluesky import BlueskyNetwork, Person, Ref, eventually, installed, missing

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.real,
    pytest.mark.skipif(bool(missing()), reason=missing() or "it can run"),
]
As = Callable[[User], Client]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def network() -> Iterator[BlueskyNetwork]:
    if not installed():
        pytest.skip("npm could not install the network: make real shows why")
    with BlueskyNetwork() as servers:
        yield servers


@dataclass(frozen=True)
class Brand:
    """Our account on the network, its app password, and a customer."""

    us: Person
    password: str
    jo: Person

    def mention(self, text: str = "where is my bag?", at: datetime | None = None) -> Ref:
        """Let the customer mention us, and wait until the network lists the mention."""
        post = self.jo.post(f"Hello @{self.us.handle}, {text}", mention=self.us, at=at)
        self.await_notice(post)
        return post

    def await_notice(self, post: Ref) -> None:
        eventually(lambda: post["uri"] in {each["uri"] for each in self.us.notifications()})

    @property
    def texts(self) -> list[str]:
        """Return the texts of our posts, in the order of their dates."""
        posts = [each["value"] for each in self.us.records()]
        return [each["text"] for each in sorted(posts, key=lambda each: str(each["createdAt"]))]


@pytest.fixture(autouse=True)
def quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UNDO_SECONDS = 0
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32, ::1/128"))


@pytest.fixture
def brand(network: BlueskyNetwork, service: Department, admin: User, as_: As) -> Brand:
    """Our new account, which was connected on the page for accounts."""
    number = next(_numbers)
    us, jo = network.person(f"skycare{number}"), network.person(f"joanna{number}")
    made = Brand(us, us.app_password("scrm"), jo)
    answer = as_(admin).post(reverse("crm:connect", args=["bluesky"]), typed(made, admin))
    assert answer.status_code == 302, answer.content.decode()
    service.accounts.add(Account.objects.get())
    pipeline.tick()
    return made


def typed(brand: Brand, owner: User, **more: Any) -> dict[str, Any]:
    return {
        "handle": brand.us.handle, "password": brand.password, "server": brand.us.network.pds,
        "owner": owner.pk,
    } | more  # fmt: skip


def source() -> Source:
    return Source.objects.get(address="mentions")


def listen() -> None:
    """Fetch the mentions once, and process the new items."""
    Source.objects.update(lease_until=None)
    Mention.objects.update(lease_until=None)
    each = source()
    each.fetch_now()
    fetch = fetch_source(each)
    assert fetch
    assert not fetch.error, fetch.error
    pipeline.process()


def sweep() -> None:
    """Do the work of the tick on deliveries, as if every delivery were due now."""
    for _ in range(4):
        now = timezone.now()
        Delivery.objects.filter(state=DeliveryState.SENDING).update(lease_until=now - timedelta(1))
        Delivery.objects.filter(state=DeliveryState.QUEUED).update(send_after=now)
        Delivery.objects.give_up_on_the_dead(now)
        Delivery.objects.filter(state=DeliveryState.UNKNOWN).update(settle_after=now)
        for each in Delivery.objects.to_settle(now):
            outbox.settle(each)
        for each in Delivery.objects.due(timezone.now()):
            outbox.deliver(each)


def answer_to(case: Case, agent: User, text: str) -> Delivery:
    case.refresh_from_db()
    place = next(each for each in places_for(case) if each.visibility == "public")
    words = Words(uuid.uuid4(), text, "public", seen=case.last_inbound_id)
    return reply(case, words, place=place, by=agent).deliveries.get()


@pytest.fixture
def state(brand: Brand, service: Department, agent: User) -> Callable[[str], Response]:
    """Return a function that writes a post. The function `sweep` then publishes the post."""

    def say(text: str = "All bags are back.") -> Response:
        issue, _ = Issue.objects.get_or_create(name="Bags", defaults={"owner": agent})
        return state_publicly(
            Words(uuid.uuid4(), text, "public"),
            accounts=[Account.objects.get()], by=agent, department=service, issue=issue,
        )  # fmt: skip

    return say


class TestTheRound:
    def test_a_mention_is_answered_and_the_answer_is_heard(self, brand: Brand, agent: User) -> None:
        post = brand.mention()
        listen()
        case = Case.objects.get()
        mention = Interaction.objects.get()
        assert (case.profile.key, mention.key) == (brand.jo.did, post["uri"])
        assert mention.text == f"Hello @{brand.us.handle}, where is my bag?"
        assert mention.url.startswith(f"https://bsky.app/profile/{brand.jo.did}/post/")

        sending = answer_to(case, agent, f"Dear @{brand.jo.handle}, we found it. #bags")
        sweep()
        sending.refresh_from_db()
        assert sending.state == DeliveryState.SENT, sending.error
        (ours,) = brand.us.records()
        assert ours["value"]["reply"]["parent"] == post
        kinds = [each["features"][0]["$type"] for each in ours["value"]["facets"]]
        head = "app.bsky.richtext.facet"
        assert kinds == [f"{head}#mention", f"{head}#tag"]
        shown = eventually(lambda: brand.jo.view(ours["uri"]))
        assert shown["record"]["text"] == f"Dear @{brand.jo.handle}, we found it. #bags"

        ref = {"uri": ours["uri"], "cid": ours["cid"]}
        thanks = brand.jo.post("Thank you!", to=ref, root=post)
        brand.await_notice(thanks)
        listen()
        assert Case.objects.get().pk == case.pk
        assert Interaction.objects.filter(direction="in").count() == 2
        assert Feedback.objects.get().interaction.key == thanks["uri"]

    def test_a_post_is_published_once_and_taken_down(
        self, brand: Brand, state: Callable[[str], Response], lead: User
    ) -> None:
        said = state("All bags are back. https://skyward.invalid/bags")
        sweep()
        sweep()
        sending = said.deliveries.get()
        assert sending.state == DeliveryState.SENT, sending.error
        (post,) = brand.us.records()
        assert post["uri"] == sending.sent_key
        eventually(lambda: brand.jo.view(post["uri"]))
        answer = brand.jo.post("Mine is not.", to={"uri": post["uri"], "cid": post["cid"]})
        brand.await_notice(answer)
        listen()
        assert Feedback.objects.get(response=said).interaction.text == "Mine is not."

        take_down(said, why="One bag is missing.", over=newest(said).pk, by=lead)
        sweep()
        sweep()
        assert brand.us.records() == []
        assert said.deliveries.get(act="withdraw").state == DeliveryState.SENT
        eventually(lambda: brand.jo.view(post["uri"]) is None)

    def test_a_mention_that_is_deleted_is_reported(self, brand: Brand) -> None:
        post = brand.mention()
        us = Account.objects.get().credentials
        cursor = hear(us).cursor
        brand.jo.delete(post["uri"])
        eventually(lambda: brand.us.view(post["uri"]) is None)
        changes = hear(us, cursor).changes
        assert [(each.key, each.kind) for each in changes] == [(post["uri"], "deleted")]

    def test_a_mention_with_an_old_date_is_heard(self, brand: Brand) -> None:
        brand.mention()
        us = Account.objects.get().credentials
        cursor = hear(us).cursor
        late = brand.mention(at=datetime.now(UTC) - timedelta(days=400))
        assert [item.key for item in hear(us, cursor).items] == [late["uri"]]


def hear(us: Credentials, cursor: Any = None, address: str = "mentions") -> Any:
    assert CHANNEL.listener
    return CHANNEL.listener.listen(FetchRequest(address, cursor or {}, us))


class TestOtherParts:
    def test_search_own_posts_threads_and_profiles(self, brand: Brand) -> None:
        word = f"bag{uuid.uuid4().hex[:8]}"
        post = brand.jo.post(f"About {word}")
        us = Account.objects.get().credentials
        items = eventually(lambda: hear(us, address=f"search:{word}").items)
        assert [item.key for item in items] == [post["uri"]]
        assert (items[0].author.key, items[0].author.reach) == (brand.jo.did, 0)
        ours = brand.us.post("We care", to=post)
        (mine,) = eventually(lambda: hear(us, address=f"author:{brand.us.did}").items)
        assert (mine.key, mine.in_reply_to) == (ours["uri"], post["uri"])
        reader = CHANNEL.threads
        assert reader
        thread = eventually(lambda: len(found := reader.thread(us, ours["uri"])) == 2 and found)
        assert [item.key for item in thread] == [post["uri"], ours["uri"]]

    def test_a_thread_is_one_conversation(self, brand: Brand) -> None:
        us = Account.objects.get().credentials
        parts = ("One", "Two", "Three")
        outgoing = Outgoing(str(uuid.uuid4()), " ".join(parts), visibility="public", parts=parts)
        assert CHANNEL.speaker
        receipt = CHANNEL.speaker.send(us, outgoing)
        assert CHANNEL.speaker.send(us, outgoing) == CHANNEL.speaker.find(us, outgoing) == receipt
        posts = {each["value"]["text"]: each for each in brand.us.records()}
        assert posts.keys() == set(parts)
        assert len(brand.us.records()) == 3
        assert posts["Three"]["value"]["reply"]["parent"]["uri"] == posts["Two"]["uri"]
        eventually(lambda: brand.jo.view(posts["Three"]["uri"]))
        assert CHANNEL.editor
        for left in (2, 1, 0):
            for _ in range(2):
                CHANNEL.editor.withdraw(us, replace(receipt, key=receipt.thread_posts[left]))
            assert len(brand.us.records()) == left

    def test_likes_hidden_replies_blocks_and_reports(self, brand: Brand) -> None:
        us, moderator = Account.objects.get().credentials, CHANNEL.moderator
        assert moderator
        ours = brand.us.post("We care")
        eventually(lambda: brand.jo.view(ours["uri"]))
        rude = brand.jo.post("Rude", to=ours)
        brand.await_notice(rude)

        def act(action: Any) -> None:
            for _ in range(2):
                moderator.act(us, action, item_key=rude["uri"], author_key=brand.jo.did)

        act("like")
        assert len(brand.us.records("app.bsky.feed.like")) == 1
        eventually(lambda: (brand.us.view(rude["uri"]) or {})["viewer"].get("like"))
        act("unlike")
        assert brand.us.records("app.bsky.feed.like") == []
        act("hide")
        (gate,) = brand.us.records("app.bsky.feed.threadgate")
        assert gate["value"]["hiddenReplies"] == [rude["uri"]]
        act("unhide")
        assert brand.us.records("app.bsky.feed.threadgate")[0]["value"]["hiddenReplies"] == []
        act("report")
        act("block")
        assert len(brand.us.records("app.bsky.graph.block")) == 1

    def test_a_session_is_renewed(self, brand: Brand) -> None:
        us = Account.objects.get().credentials
        fresh = renew(us)
        # Two access tokens of the same second are equal; refresh tokens contain a random value.
        assert fresh.secrets["refresh"] != us.secrets["refresh"]
        renewed = Credentials(us.network, us.self_key, us.address, fresh.secrets, us.config)
        assert hear(renewed).items == ()
        without = Credentials(
            us.network, us.self_key, us.address, {**us.secrets, "refresh": "lost"}, us.config
        )
        assert renew(without).secrets["access"]


class TestKilled:
    PUBLISH = [
        ("responses.outbox:claim", "after"),
        ("scrm.channels.bluesky.speak:record", "after"),
        ("scrm.channels.bluesky.speak:create", "before"),
        ("scrm.channels.bluesky.speak:create", "after"),
        ("responses.outbox:record", "after"),
        ("responses.outbox:mark_sent", "before"),
        ("responses.outbox:mark_sent", "after"),
    ]
    FETCH = [
        ("scrm.channels.bluesky.listen:sweep", "after"),
        ("scrm.channels.bluesky.listen:_read", "after"),
        ("listening.fetch:_store", "after"),
        ("listening.models:Source.record_success", "after"),
        ("listening.fetch:_keep", "after"),
    ]

    @pytest.mark.parametrize(("where", "when"), PUBLISH)
    def test_while_it_publishes(
        self, brand: Brand, state: Callable[[str], Response], where: str, when: str
    ) -> None:
        sending = state("All bags are back.").deliveries.get()
        assert killed_at(where, when, lambda: pipeline.deliver(sending.pk)) == signal.SIGKILL
        sweep()
        sending.refresh_from_db()
        assert sending.state == DeliveryState.SENT, sending.error
        assert brand.texts == ["All bags are back."]
        assert Interaction.objects.count() == 1

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_while_it_answers(self, brand: Brand, agent: User, when: str) -> None:
        brand.mention()
        listen()
        sending = answer_to(Case.objects.get(), agent, "Dear Jo.")
        where = "scrm.channels.bluesky.speak:create"
        assert killed_at(where, when, lambda: pipeline.deliver(sending.pk)) == signal.SIGKILL
        sweep()
        sending.refresh_from_db()
        assert sending.state == DeliveryState.SENT, sending.error
        assert brand.texts == ["Dear Jo."]

    @pytest.mark.parametrize(("where", "when"), FETCH)
    def test_while_it_fetches(self, brand: Brand, where: str, when: str) -> None:
        posts = {brand.mention(f"bag {number} is lost.")["uri"] for number in range(3)}
        each = source()
        each.fetch_now()
        assert killed_at(where, when, lambda: fetch_source(each)) == signal.SIGKILL
        listen()
        assert set(Mention.objects.values_list("key", flat=True)) == posts
        assert Interaction.objects.count() == Mention.objects.count() == 3


class TestTrouble:
    def test_the_network_is_down_while_we_publish(
        self, brand: Brand, state: Callable[[str], Response], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scrm.channels.bluesky.client.SECONDS", 1.0)
        sending = state("All bags are back.").deliveries.get()
        brand.us.network.pause()
        try:
            outbox.deliver(sending)
        finally:
            brand.us.network.resume()
        sending.refresh_from_db()
        assert sending.state == DeliveryState.QUEUED
        assert "too slow" in sending.error
        sweep()
        assert brand.texts == ["All bags are back."]

    def test_an_app_password_that_was_revoked(self, brand: Brand, admin: User, as_: As) -> None:
        brand.us.revoke("scrm")
        answer = as_(admin).post(
            reverse("crm:reconnect", args=[Account.objects.get().pk]), typed(brand, admin)
        )
        assert "does not know this handle with this app password" in answer.content.decode()
        account = Account.objects.get()
        without = {**account.secrets, "refresh": "lost"}
        us = account.credentials
        broken = Credentials(us.network, us.self_key, us.address, without, us.config)
        with pytest.raises(Exception, match="Connect the account again"):
            renew(broken)

    def test_a_mention_that_is_gone_cannot_be_answered(self, brand: Brand, agent: User) -> None:
        post = brand.mention()
        listen()
        brand.jo.delete(post["uri"])
        eventually(lambda: brand.us.view(post["uri"]) is None)
        sending = answer_to(Case.objects.get(), agent, "Dear Jo.")
        sweep()
        sending.refresh_from_db()
        assert sending.state == DeliveryState.FAILED
        assert "The post was deleted" in sending.error
        assert brand.us.records() == []
