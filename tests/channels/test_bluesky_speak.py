"""Sending to Bluesky: nothing is published twice, even if answers of the network are lost.

The tests use a simulated Bluesky server, the stand-in in `tests/standins`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrm.channels.base import ChannelError, Credentials, File, Lookup, Outgoing, Receipt
from scrm.channels.bluesky.card import card
from scrm.channels.bluesky.channel import CHANNEL
from scrm.channels.bluesky.moderate import BlueskyModerator
from scrm.channels.bluesky.speak import BlueskyEditor, BlueskySpeaker
from scrm.channels.bluesky.threads import BlueskyThreads
from tests.channels.bluesky_fixtures import care, jo, listen, log_in, network, us
from tests.standins.bluesky import Bluesky, Person

__all__ = ["care", "jo", "network", "us"]

CREATE = "com.atproto.repo.createRecord"
SEND = "chat.bsky.convo.sendMessage"
OUT = Outgoing("db7feb8e-17aa-4000-8000-000000000000", "We are sorry.", visibility="public")
NOW, LONG_AGO = timedelta(0), timedelta(minutes=6)
THREAD = replace(OUT, text="One Two Three", parts=("One", "Two", "Three"))
SPEAKER, MODERATOR = BlueskySpeaker(), BlueskyModerator()


def keep_sending(us: Credentials, outgoing: Outgoing) -> Receipt:
    """Try to send the text until there is a receipt.

    After an error that leaves the result uncertain, the text is first looked up on the network.
    """
    for _ in range(12):
        try:
            return SPEAKER.send(us, outgoing)
        except ChannelError as error:
            if error.uncertain and isinstance(found := SPEAKER.find(us, outgoing), Receipt):
                return found
    raise AssertionError("never sent")


def find(us: Credentials, outgoing: Outgoing, ago: timedelta) -> Receipt | Lookup:
    """Look the text up as if the last attempt to send it was `ago`."""
    return SPEAKER.find(us, replace(outgoing, tried_at=datetime.now(UTC) - ago))


class TestPosts:
    def test_a_post_and_its_receipt(self, network: Bluesky, us: Credentials, care: Person) -> None:
        receipt = SPEAKER.send(us, OUT)
        (post,) = network.posts_of(care)
        assert (post["text"], "reply" in post) == ("We are sorry.", False)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", post["createdAt"])
        assert receipt.scope == "bluesky"
        assert receipt.key == receipt.thread_key
        assert receipt.key in network.records
        rkey = receipt.key.rpartition("/")[2]
        assert receipt.url == f"https://bsky.app/profile/{care.did}/post/{rkey}"

    def test_a_second_send_publishes_nothing(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        assert SPEAKER.send(us, OUT) == SPEAKER.send(us, OUT) == SPEAKER.find(us, OUT)
        assert len(network.posts_of(care)) == 1

    def test_two_attempts_at_once_publish_one_post(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        """Two attempts to send the same text at the same moment publish one post.

        Both attempts may look for the post before one of them creates the post. The server then
        refuses the second post, because it has the same key.
        """
        network.be_slow("com.atproto.repo.getRecord", 0.3)
        receipts: list[Receipt] = []
        sends = [
            threading.Thread(target=lambda: receipts.append(SPEAKER.send(us, OUT)))
            for _ in range(2)
        ]
        for each in sends:
            each.start()
        for each in sends:
            each.join()
        assert len(network.posts_of(care)) == 1
        assert receipts[0] == receipts[1]

    def test_a_lost_answer_leads_to_the_receipt(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        network.lose_answer(CREATE)
        assert SPEAKER.send(us, OUT) == SPEAKER.find(us, OUT)
        assert len(network.posts_of(care)) == 1

    def test_a_lost_answer_that_cannot_be_looked_up_is_uncertain(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        network.lose_answer(CREATE)
        network.be_slow("com.atproto.repo.getRecord", 0.01)
        network.fail("com.atproto.repo.getRecord", 503)
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, OUT)
        assert caught.value.uncertain
        assert isinstance(SPEAKER.find(us, OUT), Receipt)
        assert len(network.posts_of(care)) == 1

    def test_a_look_up_that_fails_before_the_post_is_not_uncertain(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        network.fail("com.atproto.repo.getRecord", 503)
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, OUT)
        assert not caught.value.uncertain
        assert network.posts_of(care) == []

    @pytest.mark.parametrize(
        ("status", "code", "permanent", "uncertain"),
        [
            (500, "InternalServerError", False, True), (502, "UpstreamFailure", False, True),
            (429, "RateLimitExceeded", False, False), (400, "InvalidRequest", True, False),
            (400, "ExpiredToken", False, False), (401, "AuthenticationRequired", True, False),
            (413, "PayloadTooLarge", True, False),
        ],
    )  # fmt: skip
    def test_each_refusal_is_classed(
        self, network: Bluesky, us: Credentials, care: Person, status: int, code: str,
        permanent: bool, uncertain: bool,
    ) -> None:  # fmt: skip
        network.fail(CREATE, status, code)
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, OUT)
        assert (caught.value.permanent, caught.value.uncertain) == (permanent, uncertain)
        assert network.posts_of(care) == []
        assert SPEAKER.find(us, OUT) is Lookup.ABSENT

    def test_a_torn_answer_leads_to_the_receipt(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        SPEAKER.send(us, OUT)
        stored = dict(network.records)
        network.records.clear()
        network.tear(CREATE, b'{"uri": "at:/')
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, OUT)
        assert caught.value.uncertain
        network.records.update(stored)
        assert isinstance(SPEAKER.find(us, OUT), Receipt)

    def test_a_text_that_is_too_long_is_refused_before_anything_is_sent(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        long = replace(THREAD, parts=("One", "x" * 301))
        with pytest.raises(ChannelError, match="301 characters"):
            SPEAKER.send(us, long)
        assert network.posts_of(care) == []

    def test_marks_are_sent_with_the_text(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        text = "Ünd @joanna.test, #bags @nobody.test"
        SPEAKER.send(us, replace(OUT, text=text))
        (post,) = network.posts_of(care)
        raw = text.encode()
        shown = [
            raw[mark["index"]["byteStart"] : mark["index"]["byteEnd"]] for mark in post["facets"]
        ]
        assert shown == [b"@joanna.test", b"#bags"]
        assert post["facets"][0]["features"][0]["did"] == jo.did


class TestReplies:
    def test_a_reply_names_its_parent_and_the_first_post(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        first = jo.post("My bag is lost")
        second = jo.post("Really", to=first)
        receipt = SPEAKER.send(us, replace(OUT, in_reply_to=second["uri"]))
        (post,) = network.posts_of(care)
        assert post["reply"] == {"root": first, "parent": second}
        assert receipt.thread_key == first["uri"]
        found = SPEAKER.find(us, replace(OUT, in_reply_to=second["uri"]))
        assert found == receipt

    def test_a_post_that_is_gone_cannot_be_answered(self, us: Credentials, jo: Person) -> None:
        post = jo.post("My bag is lost")
        jo.delete(post)
        with pytest.raises(ChannelError, match="The post was deleted") as caught:
            SPEAKER.send(us, replace(OUT, in_reply_to=post["uri"]))
        assert caught.value.permanent

    def test_a_message_is_not_answered_publicly(self, us: Credentials) -> None:
        with pytest.raises(ChannelError, match="cannot be answered publicly"):
            SPEAKER.send(us, replace(OUT, in_reply_to="dm:a:b"))


class TestThreads:
    def test_each_part_answers_the_one_before(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        receipt = SPEAKER.send(us, THREAD)
        one, two, three = network.posts_of(care)
        assert [each["text"] for each in (one, two, three)] == ["One", "Two", "Three"]
        assert two["reply"]["parent"]["uri"] == two["reply"]["root"]["uri"] == receipt.key
        assert three["reply"]["root"]["uri"] == receipt.key
        assert three["reply"]["parent"]["uri"] not in (receipt.key, "")
        assert receipt == SPEAKER.find(us, THREAD) == SPEAKER.send(us, THREAD)
        assert len(network.posts_of(care)) == 3

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(faults=st.lists(st.sampled_from(["lost", 500, 429, "fine"]), max_size=7))
    def test_a_thread_is_completed_after_any_faults(
        self, network: Bluesky, faults: list[str | int]
    ) -> None:
        person = network.person(f"p{len(network.people)}")
        token = network.session(person.did, "com.atproto.appPass")["accessJwt"]
        us = Credentials("bluesky", person.did, "", {"access": token}, {"pds": network.url})
        network.faults.clear()
        for each in faults:
            if each == "lost":
                network.lose_answer(CREATE)
            elif each != "fine":
                network.fail(CREATE, int(each))
        receipt = keep_sending(us, THREAD)
        posts = network.posts_of(person)
        assert [each["text"] for each in posts] == ["One", "Two", "Three"]
        assert receipt.key == posts[1]["reply"]["parent"]["uri"]

    def test_an_error_says_how_much_of_the_thread_is_published(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        network.fail(CREATE, 400, "InvalidRequest")
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, THREAD)
        assert "are published" not in caught.value.message
        network.allow(CREATE, times=2)
        network.fail(CREATE, 400, "InvalidRequest")
        with pytest.raises(ChannelError, match="2 of 3 parts of the thread are") as caught:
            SPEAKER.send(us, THREAD)
        assert (caught.value.permanent, caught.value.uncertain) == (True, False)
        assert len(network.posts_of(care)) == 2
        network.fail(CREATE, 429, "RateLimitExceeded", retry_after="9")
        with pytest.raises(ChannelError, match="2 of 3 parts of the thread are") as caught:
            SPEAKER.send(us, THREAD)
        assert (caught.value.permanent, caught.value.retry_after) == (False, 9)

    def test_half_a_thread_is_absent_and_is_continued(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        SPEAKER.send(us, THREAD)
        last = list(network.records)[-1]
        del network.records[last]
        assert SPEAKER.find(us, THREAD) is Lookup.ABSENT
        SPEAKER.send(us, THREAD)
        assert [each["text"] for each in network.posts_of(care)] == ["One", "Two", "Three"]


class TestPictures:
    def test_pictures_are_sent_with_their_descriptions(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        files = (File("bag.png", "image/png", b"png", "A bag"),)
        SPEAKER.send(us, replace(THREAD, attachments=files))
        posts = network.posts_of(care)
        (image,) = posts[0]["embed"]["images"]
        assert (image["alt"], image["image"]["mimeType"]) == ("A bag", "image/png")
        assert "embed" not in posts[1]
        assert network.blobs == [b"png"]

    @pytest.mark.parametrize(
        ("files", "words"),
        [
            ((File("a.png", "image/png", b"x"),) * 5, "accepts 4 pictures"),
            ((File("a.png", "image/png", b"x" * 1_000_001),), "a.png is larger than 1 MB"),
            ((File("a.pdf", "application/pdf", b"x"),), "a.pdf is none"),
        ],
    )
    def test_pictures_that_do_not_fit_are_refused(
        self, network: Bluesky, us: Credentials, care: Person, files: tuple[File, ...], words: str
    ) -> None:
        with pytest.raises(ChannelError, match=words) as caught:
            SPEAKER.send(us, replace(OUT, attachments=files))
        assert caught.value.permanent
        assert network.posts_of(care) == []

    def test_a_failed_upload_is_not_uncertain(self, network: Bluesky, us: Credentials) -> None:
        network.lose_answer("com.atproto.repo.uploadBlob")
        files = (File("a.png", "image/png", b"x"),)
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, replace(OUT, attachments=files))
        assert not caught.value.uncertain


class TestCards:
    @pytest.fixture
    def page(self, network: Bluesky) -> Iterator[Callable[..., str]]:
        """Return a function that serves a web page and returns the URL of the page."""
        content: dict[str, Any] = {"body": b"", "type": "text/html", "status": 200}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(content["status"])
                self.send_header("Content-Type", content["type"])
                self.end_headers()
                self.wfile.write(content["body"])

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

        def serve(body: bytes, **facts: Any) -> str:
            content.update(body=body, **facts)
            return f"http://127.0.0.1:{server.server_port}/news"

        yield serve
        server.shutdown()
        server.server_close()

    def test_the_first_link_gets_a_card(
        self, network: Bluesky, us: Credentials, care: Person, page: Callable[..., str]
    ) -> None:
        url = page(
            b"<title>Old</title><meta property='og:title' content='Our &amp; news'>"
            b'<meta name="description" content="All <b>of</b> it">'
        )
        SPEAKER.send(us, replace(OUT, text=f"See {url}."))
        (post,) = network.posts_of(care)
        external = post["embed"]["external"]
        assert (external["uri"], external["title"]) == (url, "Our & news")

    @pytest.mark.parametrize(
        ("body", "facts"),
        [
            (b"<title>Gone</title>", {"status": 404}), (b"<p>no title", {}),
            (b"%PDF", {"type": "application/pdf"}), (b"<title>" + b"x" * 3_000_000, {}),
        ],
    )  # fmt: skip
    def test_a_page_that_fails_leaves_the_post_without_a_card(
        self, network: Bluesky, us: Credentials, care: Person, page: Callable[..., str],
        body: bytes, facts: dict[str, Any],
    ) -> None:  # fmt: skip
        SPEAKER.send(us, replace(OUT, text=f"See {page(body, **facts)}"))
        (post,) = network.posts_of(care)
        assert "embed" not in post
        assert len(post["facets"]) == 1

    def test_a_page_in_an_unknown_encoding_is_read(self, page: Callable[..., str]) -> None:
        found = card(page(b"<title>\xe4 title</title>", type="text/html; charset=nonsense"))
        assert found
        assert "title" in found["external"]["title"]


class TestMessages:
    def test_an_answer_goes_to_its_conversation(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        jo.write(care, "Where is my bag?")
        (item,) = listen(us, "messages").items
        out = replace(OUT, visibility="private", destination=jo.did, thread_key=item.thread_key,
                      in_reply_to=item.key)  # fmt: skip
        receipt = SPEAKER.send(us, out)
        (convo,) = network.convos.values()
        assert [each["text"] for each in convo["messages"]] == ["Where is my bag?", OUT.text]
        assert receipt.thread_key == item.thread_key
        assert receipt.key in {each.key for each in listen(us, "messages").items}

    def test_a_lost_answer_is_looked_up_behind_the_answered_message(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        """A reply whose confirmation was lost is searched only after the message that it answers.

        The same text before that message is an older message of ours, and does not prove that the
        reply was sent. Fails if `find` searches all messages of the conversation.
        """
        care.write(jo, OUT.text)
        jo.write(care, "Where is my bag?")
        items = {item.text: item for item in listen(us, "messages").items}
        asked = items["Where is my bag?"]
        out = replace(OUT, visibility="private", destination=jo.did, thread_key=asked.thread_key,
                      in_reply_to=asked.key)  # fmt: skip
        assert find(us, out, LONG_AGO) is Lookup.ABSENT
        network.lose_answer(SEND)
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, out)
        assert caught.value.uncertain
        found = SPEAKER.find(us, out)
        assert isinstance(found, Receipt)
        (convo,) = network.convos.values()
        assert found.key.endswith(convo["messages"][-1]["id"])

    def test_a_message_that_is_still_on_its_way_is_not_absent(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        """A message that the network stores after our attempt has failed must not be sent again."""
        jo.write(care, "Where is my bag?")
        (asked,) = listen(us, "messages").items
        out = replace(OUT, visibility="private", destination=jo.did, thread_key=asked.thread_key,
                      in_reply_to=asked.key)  # fmt: skip
        network.lose_answer(SEND, later=0.5)
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, out)
        assert caught.value.uncertain
        with pytest.raises(ChannelError, match="still be on its way") as early:
            find(us, out, NOW)
        assert (early.value.retry_after, early.value.permanent) == (300, False)
        assert SPEAKER.find(us, out) is Lookup.CANNOT_TELL, "the time of the attempt is unknown"
        time.sleep(0.8)
        assert isinstance(find(us, out, NOW), Receipt)

    def test_an_equal_text_that_answers_nothing_is_left_to_a_user(
        self, us: Credentials, care: Person, jo: Person
    ) -> None:
        out = replace(OUT, visibility="private", destination=jo.did)
        assert find(us, out, LONG_AGO) is Lookup.ABSENT
        with pytest.raises(ChannelError, match="still be on its way"):
            find(us, out, NOW)
        assert SPEAKER.find(us, out) is Lookup.CANNOT_TELL
        care.write(jo, OUT.text)
        assert SPEAKER.find(us, out) is Lookup.CANNOT_TELL

    def test_a_recipient_who_refuses_messages(
        self, network: Bluesky, us: Credentials, jo: Person
    ) -> None:
        jo.refuses_messages = True
        with pytest.raises(ChannelError, match="disabled incoming messages") as caught:
            SPEAKER.send(us, replace(OUT, visibility="private", destination=jo.did))
        assert (caught.value.permanent, caught.value.uncertain) == (True, False)

    def test_only_accounts_with_messages_need_a_look_up(
        self, network: Bluesky, us: Credentials
    ) -> None:
        assert SPEAKER.idempotence(us) == "lookup"
        assert SPEAKER.idempotence(log_in(network, "skycare-app")) == "key"


class TestEditing:
    def test_a_post_cannot_be_changed(self, us: Credentials) -> None:
        with pytest.raises(ChannelError, match="Delete the post and publish it again") as caught:
            BlueskyEditor().amend(us, SPEAKER.send(us, OUT), replace(OUT, text="New"))
        assert caught.value.permanent

    def test_a_takedown_can_be_repeated(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        other = SPEAKER.send(us, replace(OUT, nonce="another", text="Stays"))
        receipt = SPEAKER.send(us, OUT)
        network.lose_answer("com.atproto.repo.deleteRecord")
        with pytest.raises(ChannelError):
            BlueskyEditor().withdraw(us, receipt)
        BlueskyEditor().withdraw(us, receipt)
        BlueskyEditor().withdraw(us, receipt)
        assert [each["text"] for each in network.posts_of(care)] == ["Stays"]
        assert other.key in network.records

    @pytest.mark.parametrize(
        "key", ["at://did:plc:other/app.bsky.feed.post/3kaaaaaaaaaaa", "dm:a:b"]
    )
    def test_what_is_not_our_post_stays(self, us: Credentials, key: str) -> None:
        with pytest.raises(ChannelError) as caught:
            BlueskyEditor().withdraw(us, Receipt("bluesky", key))
        assert caught.value.permanent


class TestModeration:
    def act(self, us: Credentials, action: Any, post: dict[str, Any], jo: Person) -> None:
        for _ in range(2):
            MODERATOR.act(us, action, item_key=post["uri"], author_key=jo.did, reason="Spam")

    def of(self, network: Bluesky, collection: str) -> list[dict[str, Any]]:
        return [each["value"] for uri, each in network.records.items() if f"/{collection}/" in uri]

    def test_like_and_unlike(self, network: Bluesky, us: Credentials, jo: Person) -> None:
        post = jo.post("Thank you")
        self.act(us, "like", post, jo)
        (like,) = self.of(network, "app.bsky.feed.like")
        assert like["subject"] == post
        self.act(us, "unlike", post, jo)
        assert self.of(network, "app.bsky.feed.like") == []

    def test_a_like_of_another_program_counts(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        post = jo.post("Thank you")
        value = {"$type": "app.bsky.feed.like", "subject": post, "createdAt": "2026"}
        network.store(care.did, "app.bsky.feed.like", "3kbbbbbbbbbbb", value)
        self.act(us, "like", post, jo)
        assert len(self.of(network, "app.bsky.feed.like")) == 1
        self.act(us, "unlike", post, jo)
        assert self.of(network, "app.bsky.feed.like") == []

    def test_hide_and_unhide_keep_the_other_hidden_replies(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        ours = care.post("Our news")
        rude, worse = jo.post("Rude", to=ours), jo.post("Worse", to=ours)
        self.act(us, "hide", rude, jo)
        self.act(us, "hide", worse, jo)
        (gate,) = self.of(network, "app.bsky.feed.threadgate")
        assert (gate["post"], gate["hiddenReplies"]) == (ours["uri"], [rude["uri"], worse["uri"]])
        self.act(us, "unhide", rude, jo)
        (gate,) = self.of(network, "app.bsky.feed.threadgate")
        assert gate["hiddenReplies"] == [worse["uri"]]

    def test_only_our_threads_have_hidden_replies(self, us: Credentials, jo: Person) -> None:
        with pytest.raises(ChannelError, match="Only replies in our own threads"):
            self.act(us, "hide", jo.post("Rude"), jo)

    def test_block_and_report(self, network: Bluesky, us: Credentials, jo: Person) -> None:
        post = jo.post("Spam")
        MODERATOR.act(us, "report", item_key=post["uri"], author_key=jo.did, reason="Spam")
        self.act(us, "block", post, jo)
        assert [(each["subject"]["uri"], each["reason"]) for each in network.reports] == [
            (post["uri"], "Spam")
        ]
        (block,) = self.of(network, "app.bsky.graph.block")
        assert block["subject"] == jo.did

    def test_the_actions_depend_on_the_item(self, us: Credentials, care: Person) -> None:
        assert MODERATOR.actions(us, "dm:a:b") == ("block",)
        ours = MODERATOR.actions(us, f"at://{care.did}/app.bsky.feed.post/3k")
        assert "block" not in ours
        assert "hide" in MODERATOR.actions(us, "at://did:plc:x/app.bsky.feed.post/3k")


class TestThread:
    def test_the_whole_thread_is_read_oldest_first(
        self, us: Credentials, care: Person, jo: Person
    ) -> None:
        first = jo.post("One")
        second = care.post("Two", to=first)
        third = jo.post("Three", to=second)
        jo.post("Elsewhere")
        for each in (first, second, third):
            items = BlueskyThreads().thread(us, each["uri"])
            assert [item.text for item in items] == ["One", "Two", "Three"]
        assert len(BlueskyThreads().thread(us, third["uri"], max_items=2)) == 2

    def test_a_thread_whose_first_post_is_gone(
        self, us: Credentials, care: Person, jo: Person
    ) -> None:
        first = jo.post("One")
        second = care.post("Two", to=first)
        jo.delete(first)
        assert [item.text for item in BlueskyThreads().thread(us, second["uri"])] == ["Two"]
        assert BlueskyThreads().thread(us, first["uri"]) == ()


def test_the_channel_states_its_limits() -> None:
    assert (CHANNEL.kind, CHANNEL.label, CHANNEL.titles) == ("bluesky", "Bluesky", False)
    assert (CHANNEL.text.max_length, CHANNEL.text.unit, CHANNEL.text.threads) == (
        300, "graphemes", True,
    )  # fmt: skip
