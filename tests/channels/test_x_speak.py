"""Sending to X: a text is sent once, even if answers of X are lost.

A thread that was interrupted continues after its last sent part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scrm.channels.base import (
    ChannelError,
    Credentials,
    File,
    Lookup,
    Outgoing,
    Receipt,
    Visibility,
)
from scrm.channels.moderation import ModerationAction
from scrm.channels.reply_rule import Received
from scrm.channels.x.channel import CHANNEL
from scrm.channels.x.rules import XModerator, XThreadReader, may_reply
from scrm.channels.x.speak import XEditor, XSpeaker
from scrm.net import http
from scrm.net.addresses import networks
from tests.standins.x import XServer
from tests.standins.x_routes import PICTURE

HOUR = timedelta(hours=1)
TEXT = Outgoing("nonce-1", "Hello world", visibility="public")


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> Iterator[XServer]:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    with XServer() as server:
        yield server


@pytest.fixture
def us(x: XServer) -> Credentials:
    return x.account()


def send(us: Credentials, outgoing: Outgoing = TEXT, **facts: Any) -> Receipt:
    return XSpeaker().send(us, replace(outgoing, **facts))


def find(us: Credentials, outgoing: Outgoing = TEXT, *, ago: timedelta = HOUR, **facts: Any) -> Any:
    tried_at = datetime.now(UTC) - ago
    return XSpeaker().find(us, replace(outgoing, tried_at=tried_at, **facts))


def ours(x: XServer) -> list[str]:
    """Return the texts of our posts, oldest first."""
    posts = sorted(x.posts.values(), key=lambda post: int(post["id"]))
    return [post["text"] for post in posts if post["author_id"] == "100"]


class TestSending:
    def test_a_post(self, x: XServer, us: Credentials) -> None:
        receipt = send(us)
        assert ours(x) == ["Hello world"]
        assert x.posts[receipt.key]["author_id"] == "100"
        assert (receipt.scope, receipt.thread_key) == ("x", receipt.key)
        assert receipt.url == f"https://x.com/acme/status/{receipt.key}"
        assert receipt.usage == {"post": 1}

    def test_a_reply_to_somebody_who_mentioned_us(self, x: XServer, us: Credentials) -> None:
        question = x.post("200", "@acme how?")
        receipt = send(us, text="Like this", in_reply_to=question, thread_key=question)
        assert x.posts[receipt.key]["referenced_tweets"] == [{"type": "replied_to", "id": question}]
        assert (receipt.thread_key, receipt.usage) == (question, {"summoned reply": 1})

    def test_a_post_with_a_link_costs_more(self, x: XServer, us: Credentials) -> None:
        assert send(us, text="See https://acme.example").usage == {"post with a link": 1}
        assert send(us, text="See acme.com").usage == {"post with a link": 1}
        assert send(us, text="See nothing, info@acme.com").usage == {"post": 1}

    def test_a_direct_message(self, x: XServer, us: Credentials) -> None:
        receipt = send(us, visibility="private", destination="200", in_reply_to="dm:5")
        message = x.messages[-1]
        assert (message["text"], message["sender_id"]) == ("Hello world", "100")
        assert (receipt.key, receipt.thread_key) == (f"dm:{message['id']}", "dm:100-200")
        assert receipt.usage == {"DM sent": 1}

    @pytest.mark.parametrize("thread", ["dm:1582103724607971328", "dm:1-2-3", "1993"])
    def test_a_message_to_a_group_is_not_answered_to_one_person(
        self, x: XServer, us: Credentials, thread: str
    ) -> None:
        facts = {"destination": "200", "in_reply_to": "dm:5", "thread_key": thread}
        with pytest.raises(ChannelError, match="two people") as caught:
            send(us, visibility="private", **facts)
        assert (caught.value.permanent, caught.value.uncertain) == (True, False)
        assert x.requests == []

    def test_pictures_are_uploaded_with_their_descriptions(
        self, x: XServer, us: Credentials
    ) -> None:
        receipt = send(us, attachments=(File("cat.png", "image/png", PICTURE, "A cat"),))
        key = x.posts[receipt.key]["attachments"]["media_keys"][0]
        assert x.media[key]["alt_text"] == "A cat"
        assert x.media[key]["content"].encode("latin-1") == PICTURE

    @pytest.mark.parametrize(
        ("files", "words"),
        [
            ((File("a.pdf", "application/pdf", b"x"),), "no picture"),
            ((File("a.png", "image/png", b"x" * 6_000_000),), "larger than 5 MB"),
            ((File("a.png", "image/png", b"x"),) * 5, "4 pictures"),
        ],
    )
    def test_files_that_x_refuses_are_refused_before_sending(
        self, x: XServer, us: Credentials, files: tuple[File, ...], words: str
    ) -> None:
        with pytest.raises(ChannelError, match=words) as caught:
            send(us, attachments=files)
        assert caught.value.permanent
        assert x.requests == []

    def test_a_failed_upload_leaves_nothing_uncertain(self, x: XServer, us: Credentials) -> None:
        x.fault("/media/upload", status=503)
        with pytest.raises(ChannelError) as caught:
            send(us, attachments=(File("cat.png", "image/png", PICTURE),))
        assert not caught.value.uncertain
        assert ours(x) == []

    @pytest.mark.parametrize(
        "fault", [{"status": 503}, {"lost": True}, {"torn": True}, {"status": 201, "body": b"{}"}]
    )
    def test_without_a_clear_answer_a_send_is_uncertain(
        self, x: XServer, us: Credentials, fault: dict[str, Any]
    ) -> None:
        x.fault("/2/tweets", **fault)
        with pytest.raises(ChannelError) as caught:
            send(us)
        assert caught.value.uncertain

    @pytest.mark.parametrize(
        ("status", "detail", "words", "permanent"),
        [
            (401, "Unauthorized", "Connect the account again", True),
            (403, "You are not permitted to perform this action.", "does not permit", True),
            (403, "You are not allowed to create a Tweet with duplicate content.", "equals", True),
            (403, "Reply to this conversation is not allowed.", "limits who may reply", True),
            (403, "You cannot send Direct Messages to this user.", "direct messages", True),
            (402, "CreditsDepleted", "credit", False),
            (429, "Too Many Requests", "limit", False),
        ],
    )
    def test_a_refusal_is_explained_and_certain(
        self, x: XServer, us: Credentials, status: int, detail: str, words: str, permanent: bool
    ) -> None:
        x.fault("/2/tweets", status=status, body=json.dumps({"detail": detail}).encode())
        with pytest.raises(ChannelError, match=words) as caught:
            send(us)
        assert (caught.value.permanent, caught.value.uncertain) == (permanent, False)

    def test_x_refuses_a_reply_to_somebody_who_did_not_address_us(
        self, x: XServer, us: Credentials
    ) -> None:
        post = x.post("200", "I like phones")
        with pytest.raises(ChannelError, match="log it here"):
            send(us, in_reply_to=post)

    def test_nothing_is_sent_without_an_account(self, x: XServer) -> None:
        with pytest.raises(ChannelError, match="not connected"):
            XSpeaker().send(Credentials("x", "100"), TEXT)
        app = Credentials("x", "app-only", "", {"bearer_token": "b"}, {"api": x.url})
        with pytest.raises(ChannelError, match="can only search"):
            XSpeaker().send(app, TEXT)
        assert XSpeaker().idempotence(app) == "none"


class TestFinding:
    @pytest.mark.parametrize(
        "text",
        [
            "Hello world",
            "Fish & chips <tasty>",
            "Read https://acme.example/ and http://b.example/x?y=1&z=2",
            "  Two\nlines \u00e9 ",
        ],
    )
    @pytest.mark.parametrize("is_reply", [False, True])
    def test_a_text_whose_answer_was_lost_is_found(
        self, x: XServer, us: Credentials, text: str, is_reply: bool
    ) -> None:
        question = x.post("200", "@acme how?") if is_reply else ""
        x.fault("/2/tweets", method="POST", lost=True)
        with pytest.raises(ChannelError):
            send(us, text=text, in_reply_to=question)
        found = find(us, text=text, in_reply_to=question, ago=timedelta())
        assert found.key == max(x.posts, key=int)

    def test_a_message_whose_answer_was_lost_is_found(self, x: XServer, us: Credentials) -> None:
        facts: dict[str, Any] = {"visibility": "private", "destination": "200"}
        x.fault("/messages", lost=True)
        with pytest.raises(ChannelError):
            send(us, **facts)
        found = find(us, ago=timedelta(), **facts)
        assert (found.key, found.thread_key) == (f"dm:{x.messages[-1]['id']}", "dm:100-200")

    def test_an_older_equal_message_is_no_proof(self, x: XServer, us: Credentials) -> None:
        x.message("100", "200", "Hello world", ago=5 * HOUR)
        x.message("200", "100", "Hello world")
        facts: dict[str, Any] = {"visibility": "private", "destination": "200"}
        assert find(us, **facts) is Lookup.ABSENT
        assert XSpeaker().find(us, replace(TEXT, **facts)) is Lookup.CANNOT_TELL

    def test_a_text_that_was_not_sent_is_absent_after_five_minutes(
        self, x: XServer, us: Credentials
    ) -> None:
        x.post("100", "Hello worlds")
        x.post("200", "Hello world")
        question = x.post("200", "@acme?")
        x.post("100", "Hello world", reply_to=question)
        assert find(us) is Lookup.ABSENT
        with pytest.raises(ChannelError, match="looks again") as caught:
            find(us, ago=timedelta(minutes=4))
        assert not caught.value.permanent

    def test_without_the_time_of_the_attempt_nothing_is_surely_absent(
        self, us: Credentials
    ) -> None:
        assert XSpeaker().find(us, TEXT) is Lookup.CANNOT_TELL

    def test_a_timeline_that_is_too_long_to_read_proves_nothing(
        self, x: XServer, us: Credentials
    ) -> None:
        for number in range(501):
            x.post("100", f"News {number}")
        assert find(us) is Lookup.CANNOT_TELL
        assert x.count("GET", "/tweets") == 5, "as many pages as are booked"

    @pytest.mark.parametrize(
        ("fault", "read"), [({"status": 429}, 100), ({"status": 503}, 200), ({"torn": True}, 200)]
    )
    def test_a_look_up_that_breaks_off_states_what_was_read(
        self, x: XServer, us: Credentials, fault: dict[str, Any], read: int
    ) -> None:
        """An unclear error may have charged the page for which X was asked."""
        for number in range(201):
            x.post("100", f"News {number}")
        for call in (find, send):
            x.fault("/tweets", method="GET", after=1, **fault)
            with pytest.raises(ChannelError) as caught:
                call(us, parts=("First 1/2", "Second 2/2"))
            assert caught.value.usage == {"own read": read}

    def test_a_look_up_states_what_was_read(self, x: XServer, us: Credentials) -> None:
        x.post("100", "Hello world")
        x.message("100", "200", "Hello world")
        assert find(us).usage == {"own read": 1}
        assert find(us, visibility="private", destination="200").usage == {"DM received": 1}
        with pytest.raises(ChannelError) as caught:
            find(us, text="Other", ago=timedelta())
        assert caught.value.usage == {"own read": 1}

    def test_a_duplicate_is_looked_up_once(self, x: XServer, us: Credentials) -> None:
        x.fault("/2/tweets", method="POST", lost=True)
        with pytest.raises(ChannelError):
            send(us)
        assert send(us).usage == {"own read": 1, "post": 1}

    def test_a_second_send_after_a_lost_answer_posts_nothing_twice(
        self, x: XServer, us: Credentials
    ) -> None:
        """If X's answer to a send is lost, a second send publishes no second post.

        X refuses the second post as a duplicate. The speaker then finds the first post, and returns
        its receipt.
        """
        x.fault("/2/tweets", method="POST", lost=True)
        with pytest.raises(ChannelError):
            send(us)
        receipt = send(us)
        assert ours(x) == ["Hello world"]
        assert receipt.key in x.posts

    def test_a_look_up_posts_nothing(self, x: XServer, us: Credentials) -> None:
        find(us)
        find(us, visibility="private", destination="200")
        assert {request.method for request in x.requests} == {"GET"}


class TestThreads:
    PARTS = ("First 1/3", "Second 2/3", "Third 3/3")

    def chain(self, x: XServer, key: str) -> list[str]:
        """Return the text of a post, and the texts of the chain of answers that follows it."""
        texts = [x.posts[key]["text"]]
        for post in sorted(x.posts.values(), key=lambda post: int(post["id"])):
            if {"type": "replied_to", "id": key} in post.get("referenced_tweets", []):
                key = post["id"]
                texts.append(post["text"])
        return texts

    def test_each_part_answers_the_one_before(self, x: XServer, us: Credentials) -> None:
        receipt = send(us, parts=self.PARTS)
        assert self.chain(x, receipt.key) == list(self.PARTS)
        assert receipt.usage == {"own read": 0, "post": 3}
        assert receipt.thread_key == receipt.key

    @pytest.mark.parametrize("broken", [0, 1, 2])
    @pytest.mark.parametrize("fault", [{"lost": True}, {"status": 503}, {"status": 429}])
    @pytest.mark.parametrize("is_reply", [False, True])
    def test_a_thread_that_broke_off_is_continued(
        self, x: XServer, us: Credentials, broken: int, fault: dict[str, Any], is_reply: bool
    ) -> None:
        x.refuses_duplicates = False
        answered = x.post("200", "@acme tell us") if is_reply else ""
        facts: dict[str, Any] = {"parts": self.PARTS, "in_reply_to": answered}
        x.fault("/2/tweets", method="POST", after=broken, **fault)
        with pytest.raises(ChannelError) as caught:
            send(us, **facts)
        sure = broken == 2 and fault == {"lost": True}
        assert caught.value.uncertain == (fault != {"status": 429})
        if broken:
            assert f"{broken} of 3 parts" in caught.value.message
        # A part that may have been published is counted as published.
        counted = broken + caught.value.uncertain
        prices = {name: uses for name, uses in caught.value.usage.items() if name != "own read"}
        assert sum(prices.values()) == counted
        assert prices.get("summoned reply", 0) == min(counted, int(is_reply))
        # An answer that was lost after the last part leaves a complete thread.
        assert isinstance(find(us, **facts), Receipt) == sure
        receipt = send(us, **facts)
        assert len(ours(x)) == 3
        assert [text.removeprefix("@ann ") for text in self.chain(x, receipt.key)] == list(
            self.PARTS
        )
        assert isinstance(find(us, **facts), Receipt)

    def test_a_part_that_x_has_but_does_not_show_yet_is_waited_for(
        self, x: XServer, us: Credentials
    ) -> None:
        x.fault("/2/tweets", method="POST", after=1, status=429)
        with pytest.raises(ChannelError):
            send(us, parts=self.PARTS)
        x.late = set(x.posts)
        with pytest.raises(ChannelError, match="does not show it yet") as caught:
            send(us, parts=self.PARTS)
        assert (caught.value.permanent, caught.value.retry_after) == (False, 300)
        x.late = set()
        send(us, parts=self.PARTS)
        assert ours(x) == list(self.PARTS)

    def test_equal_parts_are_told_apart(self, x: XServer, us: Credentials) -> None:
        x.refuses_duplicates = False
        receipt = send(us, parts=("Ha", "Ha", "Ha"))
        assert self.chain(x, receipt.key) == ["Ha", "Ha", "Ha"]
        assert find(us, parts=("Ha", "Ha", "Ha")).key == receipt.key
        assert find(us, parts=("Ha", "Ha", "Ha", "Ha")) is Lookup.ABSENT

    def test_a_long_text_is_split_as_x_counts(self) -> None:
        parts = CHANNEL.text.split("日本 " * 150)
        assert len(parts) > 1
        assert all(CHANNEL.text.count(part) <= 280 for part in parts)


class TestEditing:
    def test_a_post_is_deleted_and_a_second_time_too(self, x: XServer, us: Credentials) -> None:
        receipt = send(us)
        for _ in range(2):
            XEditor().withdraw(us, receipt)
        assert ours(x) == []

    def test_a_post_cannot_be_edited(self, x: XServer, us: Credentials) -> None:
        with pytest.raises(ChannelError, match="does not let this app edit") as caught:
            XEditor().amend(us, send(us), TEXT)
        assert caught.value.permanent


class TestModeration:
    def test_a_post_is_liked_and_a_reply_hidden(self, x: XServer, us: Credentials) -> None:
        post = x.post("200", "@acme hi")
        act = XModerator().act
        done: tuple[ModerationAction, ...] = ("like", "like", "hide", "hide")
        for action in done:
            act(us, action, item_key=post, author_key="200")
        assert (x.likes, x.hidden) == ({("100", post)}, {post})
        undone: tuple[ModerationAction, ...] = ("unlike", "unlike", "unhide")
        for action in undone:
            act(us, action, item_key=post, author_key="200")
        assert (x.likes, x.hidden) == (set(), set())
        assert x.count("GET", "/2/users/me") == 0, "each request of ours is needed"

    def test_messages_and_blocks_are_not_offered(self, us: Credentials) -> None:
        assert XModerator().actions(us, "dm:5") == ()
        with pytest.raises(ChannelError, match="“block” is not possible"):
            XModerator().act(us, "block", item_key="5", author_key="200")


class TestReplyRule:
    PUBLIC = Received("public", None)

    @pytest.mark.parametrize(
        ("received", "access", "allowed"),
        [
            (PUBLIC, "self-serve", False),
            (PUBLIC, "enterprise", True),
            (replace(PUBLIC, mentions=("100",)), "self-serve", True),
            (replace(PUBLIC, mentions=("300",)), "self-serve", False),
            (replace(PUBLIC, quotes_us=True), "self-serve", True),
            (replace(PUBLIC, replies_to_us=True), "self-serve", True),
        ],
    )
    def test_a_public_reply(
        self, x: XServer, received: Received, access: str, allowed: bool
    ) -> None:
        permission = may_reply(x.account(access=access), received, "public")
        assert permission.allowed == allowed
        assert ("log it here" in permission.reason) == (not allowed)

    def test_a_message_answers_only_a_message(self, us: Credentials) -> None:
        private = Received("private", None, ("100",), thread_key="dm:100-200")
        assert may_reply(us, private, "private").allowed
        assert not may_reply(us, private, "public").allowed
        refused = may_reply(us, replace(self.PUBLIC, mentions=("100",)), "private")
        assert not refused.allowed
        assert "wrote us one first" in refused.reason

    @pytest.mark.parametrize("visibility", ["public", "private"])
    @pytest.mark.parametrize("thread", ["dm:1582103724607971328", "dm:1-2-3", "dm:a-200", "dm:-1"])
    def test_a_message_to_a_group_is_not_answered(
        self, us: Credentials, visibility: Visibility, thread: str
    ) -> None:
        refused = may_reply(us, Received("private", None, thread_key=thread), visibility)
        assert not refused.allowed
        assert "group" in refused.reason

    @pytest.mark.parametrize("visibility", ["public", "private"])
    @pytest.mark.parametrize("access", ["self-serve", "enterprise"])
    def test_a_post_of_a_protected_account_is_not_answered(
        self, x: XServer, visibility: Visibility, access: str
    ) -> None:
        post = Received("private", None, ("100",), replies_to_us=True, thread_key="1993")
        refused = may_reply(x.account(access=access), post, visibility)
        assert not refused.allowed
        assert "approved followers" in refused.reason


class TestThreadReading:
    def test_a_conversation_is_read_oldest_first(self, x: XServer, us: Credentials) -> None:
        root = x.post("200", "A question", ago=3 * HOUR)
        answers = [
            x.post("300", f"Answer {n}", reply_to=root, ago=2 * HOUR - n * timedelta(seconds=1))
            for n in range(25)
        ]
        x.post("300", "Another conversation")
        items = XThreadReader().thread(us, answers[3])
        assert [item.key for item in items] == [root, *answers]

    def test_the_limit_is_respected(self, x: XServer, us: Credentials) -> None:
        root = x.post("200", "A question")
        for number in range(40):
            x.post("300", f"Answer {number}", reply_to=root)
        assert len(XThreadReader().thread(us, root, max_items=25)) <= 25
        assert [i.key for i in XThreadReader().thread(us, root, max_items=10)] == [root]

    def test_what_was_read_before_a_refusal_is_charged(self, x: XServer, us: Credentials) -> None:
        root = x.post("200", "A question")
        x.fault("/2/tweets/search", status=429)
        with pytest.raises(ChannelError) as caught:
            XThreadReader().thread(us, root)
        assert caught.value.usage == {"post read": 1, "user read": 1}

    def test_a_deleted_post_is_explained(self, us: Credentials) -> None:
        with pytest.raises(ChannelError, match="deleted or is not visible"):
            XThreadReader().thread(us, "12345")


@pytest.mark.parametrize(
    ("outgoing", "most"),
    [
        (Outgoing("n", "Hi", visibility="public"), {"post": 1}),
        (Outgoing("n", "See https://a.example", visibility="public"), {"post with a link": 1}),
        (Outgoing("n", "See acme.com", visibility="public"), {"post with a link": 1}),
        (Outgoing("n", "a b", visibility="public", parts=("a 1/2", "b 2/2")), {"post": 2}),
        (Outgoing("n", "Hi", destination="7"), {"DM sent": 1}),
    ],
)
def test_the_most_that_sending_can_cost_is_known_before(
    outgoing: Outgoing, most: dict[str, int]
) -> None:
    """The estimate contains each post, and the price list has all of its operations."""
    assert CHANNEL.send_usage
    assert CHANNEL.prices
    usage = dict(CHANNEL.send_usage(outgoing))
    assert most.items() <= usage.items()
    assert usage == most | ({} if "DM sent" in most else {"own read": 500})
    assert CHANNEL.prices.cost(usage) > 0


@pytest.mark.parametrize("address", ["mentions", "quotes", "messages", "search:acme", "topic:5"])
def test_the_most_that_reading_an_item_can_cost_is_in_the_price_list(address: str) -> None:
    assert CHANNEL.prices
    cost = CHANNEL.cost_of_item(address)
    assert CHANNEL.prices.cost(cost.usage) > 0
    assert "user read" in cost.usage


@pytest.mark.parametrize("action", ["like", "unlike", "hide", "unhide"])
def test_moderation_has_a_price_and_a_lost_answer_is_uncertain(
    x: XServer, us: Credentials, action: ModerationAction
) -> None:
    """Fails if an action is not booked, or if a lost answer counts as a refusal, which is free."""
    assert CHANNEL.moderation_usage
    assert CHANNEL.prices
    assert CHANNEL.prices.cost(CHANNEL.moderation_usage(action)) > 0
    post = x.post("200", "@acme hello")
    x.fault(lost=True)
    with pytest.raises(ChannelError) as lost:
        XModerator().act(us, action, item_key=post, author_key="200")
    assert lost.value.uncertain
    x.fault(status=429)
    with pytest.raises(ChannelError) as refused:
        XModerator().act(us, action, item_key=post, author_key="200")
    assert not refused.value.uncertain
