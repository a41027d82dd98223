"""What the Mastodon channel sends: once, to the right people, also if answers are lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scrm.channels.base import ChannelError, Credentials, File, Lookup, Outgoing, Receipt
from scrm.channels.mastodon import client, media, words
from scrm.channels.mastodon.added import added_length
from scrm.channels.mastodon.client import network_of
from scrm.channels.mastodon.edit import MastodonEditor
from scrm.channels.mastodon.moderate import MastodonModerator, MastodonThreads, reply_rule
from scrm.channels.mastodon.speak import MastodonSpeaker
from scrm.channels.moderation import ModerationAction
from scrm.channels.reply_rule import Received
from scrm.net import http
from scrm.net.addresses import networks
from tests.standins.mastodon import DOMAIN, PNG, TOKEN, Fault, MastodonServer

SPEAKER, EDITOR, MODERATOR = MastodonSpeaker(), MastodonEditor(), MastodonModerator()
LONG_AGO = datetime.now(UTC) - timedelta(minutes=6)
OUT = Outgoing("nonce-1", "We are open again.", visibility="public", tried_at=LONG_AGO)
PARTS = replace(OUT, parts=("One of three", "Two of three", "Three of three"))


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))


@pytest.fixture
def net() -> Iterator[MastodonServer]:
    with MastodonServer() as server:
        yield server


@pytest.fixture
def us(net: MastodonServer) -> Credentials:
    return Credentials(
        network_of(net.url), net.us["id"], f"@us@{DOMAIN}", {"token": TOKEN},
        {"api": net.url, "domain": DOMAIN},
    )  # fmt: skip


def ours(net: MastodonServer) -> list[dict[str, Any]]:
    return sorted(net.posts_of(net.us), key=lambda row: int(row["id"]))


def texts(net: MastodonServer) -> list[str]:
    return [row["text"] for row in ours(net)]


@pytest.mark.parametrize(
    ("facts", "added"),
    [
        ({}, 0),
        ({"handle": "ann@far.example"}, 0),
        ({"handle": "ann@far.example", "in_reply_to": "1"}, len("@ann ")),
        ({"handle": "ann@far.example", "in_reply_to": "1", "text": "Yes @ann@far.example!"}, 0),
        ({"handle": f"ann@{DOMAIN}", "in_reply_to": "1", "text": "Yes @ann!"}, 0),
        ({"handle": "ann@far.example", "in_reply_to": "1", "about": "Züge"}, len("@ann Züge")),
        ({"handle": "ann@far.example", "visibility": "private"}, len("@ann ")),
        ({"handle": "ann@far.example", "quote": "1", "about": "Trains"}, 0),
    ],
)
def test_what_is_added_to_a_text_is_known_before_it_is_sent(
    us: Credentials, facts: dict[str, Any], added: int
) -> None:
    """Fails if the composer allows a text that the server refuses, or the other way round."""
    assert added_length(us, replace(OUT, **facts)) == added


class TestSending:
    def test_a_public_post(self, net: MastodonServer, us: Credentials) -> None:
        receipt = SPEAKER.send(us, OUT)
        (row,) = ours(net)
        assert (row["text"], row["visibility"], row["spoiler_text"]) == (OUT.text, "public", "")
        assert receipt == Receipt(us.network, row["id"], row["id"], row["url"])
        assert SPEAKER.idempotence(us) == "key"

    @pytest.mark.parametrize("visibility", ["public", "unlisted"])
    def test_a_public_reply_is_as_public_as_the_post(
        self, net: MastodonServer, us: Credentials, visibility: str
    ) -> None:
        ann = net.account("ann@far.example")
        post = net.write(ann, "@us late?", visibility=visibility, spoiler_text="trains")
        receipt = SPEAKER.send(us, replace(OUT, in_reply_to=post["id"], thread_key="root"))
        (row,) = ours(net)
        assert row["text"] == f"@ann@far.example {OUT.text}"
        assert (row["visibility"], row["spoiler_text"]) == (visibility, "trains")
        assert (row["in_reply_to_id"], receipt.thread_key) == (post["id"], "root")

    def test_a_name_that_the_text_has_is_not_repeated(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        post = net.write(net.account("ann"), "@us late?")
        SPEAKER.send(us, replace(OUT, in_reply_to=post["id"], text=f"Yes, @Ann@{DOMAIN}."))
        assert texts(net) == [f"Yes, @Ann@{DOMAIN}."]

    def test_a_name_in_a_further_part_is_not_repeated(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        """Fails if the composer and the sender differ, because then a counted text is too long."""
        post = net.write(net.account("ann@far.example"), "@us late?")
        text, parts = "One. Sorry @ann@far.example!", ("One.", "Sorry @ann@far.example!")
        reply = replace(OUT, in_reply_to=post["id"], handle="ann@far.example", text=text)
        SPEAKER.send(us, replace(reply, parts=parts))
        assert texts(net) == list(parts)
        assert added_length(us, reply) == 0

    @pytest.mark.parametrize("visibility", ["private", "direct"])
    def test_a_public_reply_to_a_private_post_is_refused(
        self, net: MastodonServer, us: Credentials, visibility: str
    ) -> None:
        post = net.write(net.account("ann"), "@us secret", visibility=visibility)
        with pytest.raises(ChannelError, match="not public") as caught:
            SPEAKER.send(us, replace(OUT, in_reply_to=post["id"]))
        assert caught.value.permanent
        assert ours(net) == []

    def test_a_direct_message_mentions_its_recipient(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        """Fails if the stored handle is used, which may name another person by now."""
        ann = net.account("ann@far.example")
        private = replace(OUT, visibility="private", handle="old@far.example")
        SPEAKER.send(us, replace(private, destination=ann["id"]))
        (row,) = ours(net)
        assert (row["text"], row["visibility"]) == (f"@ann@far.example {OUT.text}", "direct")

    def test_a_private_reply_to_a_public_post(self, net: MastodonServer, us: Credentials) -> None:
        ann, bob = net.account("ann"), net.account("bob")
        post = net.write(ann, "@us late?")
        private = replace(OUT, in_reply_to=post["id"], visibility="private")
        SPEAKER.send(us, replace(private, destination=ann["id"]))
        SPEAKER.send(us, replace(private, destination=bob["id"], nonce="2"))
        assert [(row["text"].split()[0], row["visibility"]) for row in ours(net)] == [
            ("@ann", "direct"), ("@bob", "direct"),
        ]  # fmt: skip

    def test_a_direct_message_that_reaches_nobody_is_removed(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        ann = net.account("ann")
        net.named = lambda text: []  # type: ignore[method-assign]
        with pytest.raises(ChannelError, match="could not find the recipient") as caught:
            SPEAKER.send(us, replace(OUT, visibility="private", destination=ann["id"]))
        assert caught.value.permanent
        assert ours(net) == []

    def test_a_direct_message_needs_a_recipient(self, net: MastodonServer, us: Credentials) -> None:
        with pytest.raises(ChannelError, match="no recipient"):
            SPEAKER.send(us, replace(OUT, visibility="private"))
        assert ours(net) == []

    def test_a_reply_to_a_deleted_post_says_so(self, net: MastodonServer, us: Credentials) -> None:
        with pytest.raises(ChannelError, match="nothing left to reply to") as caught:
            SPEAKER.send(us, replace(OUT, in_reply_to="12"))
        assert caught.value.permanent
        with pytest.raises(ChannelError, match="not known on Mastodon"):
            SPEAKER.send(us, replace(OUT, in_reply_to="../12"))

    def test_a_text_that_is_too_long_is_refused(self, net: MastodonServer, us: Credentials) -> None:
        with pytest.raises(ChannelError, match=r"has 501 characters, but .* Remove 1\.") as caught:
            SPEAKER.send(us, replace(OUT, text="x" * 501))
        assert (caught.value.permanent, caught.value.uncertain) == (True, False)
        net.max_characters = 400  # less than we know
        with pytest.raises(ChannelError, match="character limit of 400 exceeded") as caught:
            SPEAKER.send(us, replace(OUT, text="x" * 401))
        assert (caught.value.permanent, caught.value.uncertain) == (True, False)

    @pytest.mark.parametrize(("warning", "room"), [("", 495), ("trains", 489)])
    def test_the_name_and_the_content_warning_count(
        self, net: MastodonServer, us: Credentials, warning: str, room: int
    ) -> None:
        """Both are added to the text that the composer has counted."""
        post = net.write(net.account("ann@far.example"), "@us late?", spoiler_text=warning)
        link = f"https://x.example/{'a' * 300} "
        text = link + "x" * (room - 24)
        for excess in (1, 5):
            long = replace(OUT, in_reply_to=post["id"], text=text + "x" * excess)
            with pytest.raises(ChannelError) as caught:
                SPEAKER.send(us, long)
            assert f"has {500 + excess} characters with the recipient" in caught.value.message
            assert f"Remove {excess}." in caught.value.message
            assert ("content warning" in caught.value.message) is bool(warning)
            assert caught.value.permanent
        assert "POST /api/v1/statuses" not in net.asked
        SPEAKER.send(us, replace(OUT, in_reply_to=post["id"], text=text))
        assert len(ours(net)) == 1

    def test_the_limit_of_the_server_counts(self, net: MastodonServer, us: Credentials) -> None:
        net.max_characters = 2_000
        wide = replace(us, config={**us.config, "max_length": 2_000})
        SPEAKER.send(wide, replace(OUT, text="x" * 2_000))
        with pytest.raises(ChannelError, match="only 2000 are allowed"):
            SPEAKER.send(wide, replace(OUT, text="x" * 2_001))
        assert len(ours(net)) == 1


class TestOnce:
    def test_the_same_nonce_posts_once(self, net: MastodonServer, us: Credentials) -> None:
        assert SPEAKER.send(us, OUT) == SPEAKER.send(us, OUT)
        assert len(ours(net)) == 1

    @pytest.mark.parametrize("what", ["lost", "cut", "closed", 500, 502, 504, "torn", "web page"])
    def test_a_lost_answer_is_uncertain_and_repeating_is_safe(
        self, net: MastodonServer, us: Credentials, what: Any
    ) -> None:
        net.faults.append(Fault("POST /api/v1/statuses", what))
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, OUT)
        assert caught.value.uncertain
        found = SPEAKER.find(us, OUT)
        is_there = what in ("lost", "cut")
        assert isinstance(found, Receipt) if is_there else found is Lookup.ABSENT
        receipt = SPEAKER.send(us, OUT)
        assert texts(net) == [OUT.text]
        assert receipt.key == ours(net)[0]["id"]

    @pytest.mark.parametrize("what", ["slow", "drip"])
    def test_a_request_ends_at_the_time_limit_of_the_channel(
        self, net: MastodonServer, us: Credentials, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        """Fails if the longer limit of all connections is used instead."""
        monkeypatch.setattr(client, "SECONDS", 0.5)
        net.faults.append(Fault("POST /api/v1/statuses", what))
        started = time.monotonic()
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, OUT)
        assert time.monotonic() - started < 2
        assert caught.value.uncertain

    @pytest.mark.parametrize("status", [401, 403, 422, 429])
    def test_a_refusal_is_certain(self, net: MastodonServer, us: Credentials, status: int) -> None:
        net.faults.append(Fault("POST /api/v1/statuses", status))
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, OUT)
        assert not caught.value.uncertain
        assert caught.value.permanent is (status != 429)
        assert SPEAKER.find(us, OUT) is Lookup.ABSENT

    @pytest.mark.parametrize("where", ["GET /api/v1/statuses", "POST /api/v2/media"])
    def test_an_error_before_posting_is_certain(
        self, net: MastodonServer, us: Credentials, where: str
    ) -> None:
        post = net.write(net.account("ann"), "@us late?")
        files = (File("a.png", "image/png", PNG),)
        net.faults.append(Fault(where, 500))
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, replace(OUT, in_reply_to=post["id"], attachments=files))
        assert not caught.value.uncertain
        assert ours(net) == []

    def test_an_answer_with_a_broken_rate_limit_header_is_uncertain(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        """Mastodon.py reports a broken header of an accepted post as a reached rate limit."""
        broken = {"X-RateLimit-Reset": "yesterday or so"}
        net.faults.append(Fault("POST /api/v1/statuses", 200, headers=broken, body={"id": "1"}))
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, OUT)
        assert caught.value.uncertain

    def test_a_server_that_cannot_be_reached_got_nothing(self) -> None:
        gone = Credentials("x", "1", "", {"token": TOKEN}, {"api": "http://127.0.0.1:1"})
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(gone, OUT)
        assert not caught.value.uncertain
        assert not caught.value.permanent


class TestFinding:
    def test_a_reply_is_found_by_its_text(self, net: MastodonServer, us: Credentials) -> None:
        ann = net.account("ann@far.example")
        post = net.write(ann, "@us late?")
        text = "See https://x.example/a?b=1&c=2\n\n@bob@far.example <3  & more"
        reply = replace(OUT, text=text, in_reply_to=post["id"])
        assert SPEAKER.find(us, reply) is Lookup.ABSENT
        receipt = SPEAKER.send(us, reply)
        net.keys.clear()
        assert SPEAKER.find(us, reply) == receipt
        assert SPEAKER.find(us, replace(reply, text="Other")) is Lookup.ABSENT
        assert SPEAKER.find(us, replace(reply, in_reply_to="")) is Lookup.ABSENT

    def test_messages_with_one_text_to_two_people_are_told_apart(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        ann, bob = net.account("ann"), net.account("bob")
        private = replace(OUT, visibility="private", destination=ann["id"])
        SPEAKER.send(us, private)
        assert isinstance(SPEAKER.find(us, private), Receipt)
        assert SPEAKER.find(us, replace(private, destination=bob["id"])) is Lookup.ABSENT
        assert SPEAKER.find(us, OUT) is Lookup.ABSENT

    def test_an_older_post_with_the_same_text_may_be_another_one(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        net.hour = timedelta(hours=3)
        net.write(net.us, OUT.text)
        assert SPEAKER.find(us, OUT) is Lookup.CANNOT_TELL
        net.hour = timedelta()
        net.write(net.us, OUT.text)
        assert SPEAKER.find(us, OUT) is Lookup.CANNOT_TELL

    def test_too_many_posts_to_search_cannot_tell(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        for number in range(130):
            net.write(net.us, f"News {number}")
        assert SPEAKER.find(us, OUT) is Lookup.CANNOT_TELL

    def test_posts_of_last_week_are_not_searched(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        net.hour = timedelta(days=7)
        for number in range(130):
            net.write(net.us, OUT.text if number == 129 else f"News {number}")
        assert SPEAKER.find(us, OUT) is Lookup.ABSENT

    @pytest.mark.parametrize("outgoing", [OUT, PARTS])
    def test_a_post_that_is_still_on_its_way_is_not_absent(
        self, net: MastodonServer, us: Credentials, outgoing: Outgoing
    ) -> None:
        """A post that the server stores after our attempt has failed must not be sent again."""
        net.faults.append(Fault("POST /api/v1/statuses", "late", skip=len(outgoing.parts[1:])))
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, outgoing)
        assert caught.value.uncertain
        fresh = replace(outgoing, tried_at=datetime.now(UTC))
        with pytest.raises(ChannelError, match="still be on its way") as early:
            SPEAKER.find(us, fresh)
        assert (early.value.retry_after, early.value.permanent) == (300, False)
        assert SPEAKER.find(us, replace(outgoing, tried_at=None)) is Lookup.CANNOT_TELL
        time.sleep(0.8)
        assert isinstance(SPEAKER.find(us, fresh), Receipt)


class TestThreads:
    def test_each_part_answers_the_one_before(self, net: MastodonServer, us: Credentials) -> None:
        receipt = SPEAKER.send(us, PARTS)
        rows = ours(net)
        assert texts(net) == list(PARTS.parts)
        assert [row["in_reply_to_id"] for row in rows] == [None, rows[0]["id"], rows[1]["id"]]
        assert receipt.key == rows[0]["id"]
        assert [sent["key"] for sent in net.sent] == ["nonce-1", "nonce-1-1", "nonce-1-2"]

    @pytest.mark.parametrize("skip", [0, 1, 2])
    @pytest.mark.parametrize("what", ["lost", 429, 500])
    @pytest.mark.parametrize("forgets", [True, False])
    def test_it_is_continued_after_a_failure(
        self, net: MastodonServer, us: Credentials, skip: int, what: Any, forgets: bool
    ) -> None:
        """Also after an hour, when the server has forgotten the idempotency keys."""
        net.faults.append(Fault("POST /api/v1/statuses", what, skip=skip))
        with pytest.raises(ChannelError) as caught:
            SPEAKER.send(us, PARTS)
        assert caught.value.uncertain is (what != 429)
        assert (f"{skip} of 3 posts" in caught.value.message) is (skip > 0)
        if forgets:
            net.keys.clear()
        found = SPEAKER.find(us, PARTS)
        if what == "lost" and skip == 2:
            assert isinstance(found, Receipt)
        else:
            assert found is Lookup.ABSENT
        receipt = SPEAKER.send(us, PARTS)
        assert texts(net) == list(PARTS.parts)
        assert SPEAKER.find(us, PARTS) == receipt

    def test_a_part_that_is_too_long_is_refused_before_any_part_is_sent(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        """Each part of a private thread gets the name of the recipient."""
        parts = ("One", "x" * 495, "y" * 497)
        private = replace(PARTS, parts=parts, visibility="private")
        files = (File("a.png", "image/png", PNG),)
        private = replace(private, destination=net.account("ann")["id"], attachments=files)
        with pytest.raises(ChannelError, match=r"Part 3 of 3 has 502 .* Remove 2\.") as caught:
            SPEAKER.send(us, private)
        assert caught.value.permanent
        assert (ours(net), net.media) == ([], {})
        SPEAKER.send(us, replace(PARTS, parts=parts))
        assert len(ours(net)) == 3

    def test_every_part_of_a_private_thread_reaches_the_recipient(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        ann = net.account("ann")
        SPEAKER.send(us, replace(PARTS, visibility="private", destination=ann["id"]))
        assert texts(net) == [f"@ann {text}" for text in PARTS.parts]
        assert {row["visibility"] for row in ours(net)} == {"direct"}


class TestFiles:
    def test_pictures_are_sent_with_their_descriptions(
        self, net: MastodonServer, us: Credentials, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(media, "_PAUSE", 0.01)
        net.processing_polls = 3
        files = (File("a.png", "image/png", PNG, "A cat"), File("b.png", "image/png", PNG))
        SPEAKER.send(us, replace(PARTS, attachments=files))
        first, *others = ours(net)
        assert [(one["description"], one["size"], one["mime"], one["name"])
                for one in first["media_attachments"]] == [
            ("A cat", len(PNG), "image/png", "a.png"), ("", len(PNG), "image/png", "b.png"),
        ]  # fmt: skip
        assert [row["media_attachments"] for row in others] == [[], []]

    def test_a_file_that_is_never_ready_is_tried_again_later(
        self, net: MastodonServer, us: Credentials, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(media, "_PAUSE", 0.01)
        net.processing_polls = 99
        with pytest.raises(ChannelError, match="still processing") as caught:
            SPEAKER.send(us, replace(OUT, attachments=(File("a.png", "image/png", PNG),)))
        assert (caught.value.permanent, caught.value.uncertain) == (False, False)
        assert caught.value.retry_after == 30
        assert ours(net) == []

    def test_too_many_files_are_refused(self, net: MastodonServer, us: Credentials) -> None:
        files = (File("a.png", "image/png", PNG),) * 5
        with pytest.raises(ChannelError, match="accepts 4 files"):
            SPEAKER.send(us, replace(OUT, attachments=files))
        assert net.asked == []


class TestEditing:
    def test_a_correction_keeps_names_warning_and_pictures(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        post = net.write(net.account("ann@far.example"), "@us late?", spoiler_text="trains")
        files = (File("a.png", "image/png", PNG),)
        reply = replace(OUT, in_reply_to=post["id"], attachments=files)
        receipt = SPEAKER.send(us, reply)
        for _ in range(2):
            assert EDITOR.amend(us, receipt, replace(reply, text="We are closed.")) == receipt
        (row,) = ours(net)
        assert (row["text"], row["spoiler_text"]) == ("@ann@far.example We are closed.", "trains")
        assert len(row["media_attachments"]) == 1

    def test_a_thread_is_corrected_part_by_part(self, net: MastodonServer, us: Credentials) -> None:
        receipt = SPEAKER.send(us, PARTS)
        net.write(net.account("ann"), "Why?", to=receipt.key)
        EDITOR.amend(us, receipt, replace(PARTS, parts=("1", "2", "3")))
        assert texts(net) == ["1", "2", "3"]
        with pytest.raises(ChannelError, match="has 3 posts"):
            EDITOR.amend(us, receipt, replace(PARTS, parts=("1", "2", "3", "4")))

    def test_a_post_is_removed_and_a_second_time_too(
        self, net: MastodonServer, us: Credentials
    ) -> None:
        receipt = SPEAKER.send(us, OUT)
        answer = net.write(net.account("ann"), "Why?", to=receipt.key)
        for _ in range(2):
            EDITOR.withdraw(us, receipt)
        assert list(net.statuses) == [answer["id"]]

    def test_a_deleted_post_cannot_be_corrected(self, net: MastodonServer, us: Credentials) -> None:
        receipt = SPEAKER.send(us, OUT)
        net.remove(receipt.key)
        with pytest.raises(ChannelError, match="was deleted") as caught:
            EDITOR.amend(us, receipt, OUT)
        assert caught.value.permanent


class TestModerating:
    def test_each_action(self, net: MastodonServer, us: Credentials) -> None:
        ann = net.account("ann")
        post = net.write(ann, "@us spam")
        actions = MODERATOR.actions(us, post["id"])
        assert actions == ("like", "unlike", "block", "report")

        def act(action: ModerationAction) -> None:
            MODERATOR.act(us, action, item_key=post["id"], author_key=ann["id"], reason="Spam")

        act("like")
        act("like")
        assert net.liked == {post["id"]}
        act("unlike")
        act("unlike")
        assert net.liked == set()
        act("block")
        act("block")
        assert net.blocked == {ann["id"]}
        act("report")
        assert net.reports == [{"account": ann["id"], "comment": "Spam", "statuses": [post["id"]]}]
        net.remove(post["id"])
        act("unlike")
        with pytest.raises(ChannelError, match="does not have it"):
            act("like")
        with pytest.raises(ChannelError, match="no action"):
            act("hide")


class TestWholeThread:
    def test_public_posts_are_read_oldest_first(self, net: MastodonServer, us: Credentials) -> None:
        ann = net.account("ann")
        root = net.write(net.us, "News")
        first = net.write(ann, "Why?", to=root["id"])
        net.write(ann, "Secret", to=first["id"], visibility="direct")
        net.write(ann, "Broken", to=first["id"], content=None)
        last = net.write(net.us, "So", to=first["id"], visibility="unlisted")
        items = MastodonThreads().thread(us, first["id"])
        assert [item.key for item in items] == [root["id"], first["id"], last["id"]]
        assert {item.thread_key for item in items} == {root["id"]}

    def test_a_long_thread_is_cut_near_the_item(self, net: MastodonServer, us: Credentials) -> None:
        row = net.write(net.us, "0")
        keys = [row["id"]]
        for number in range(1, 40):
            keys.append(net.write(net.us, str(number), to=keys[-1])["id"])
        items = MastodonThreads().thread(us, keys[30], max_items=10)
        assert [item.key for item in items] == keys[25:35]


class TestRules:
    @pytest.mark.parametrize(
        ("received", "reply", "allowed", "reason"),
        [
            ("public", "public", True, ""),
            ("public", "private", True, "Everybody whose @name is in the text"),
            ("private", "private", True, "Everybody whose @name is in the text"),
            ("private", "public", False, "not public"),
        ],
    )
    def test_replies(
        self, us: Credentials, received: Any, reply: Any, allowed: bool, reason: str
    ) -> None:
        rule = reply_rule(us, Received(received, None), reply)
        assert rule.allowed is allowed
        assert reason in rule.reason
        assert bool(rule.reason) is bool(reason)


TEXTS = st.lists(
    st.sampled_from(
        [*"@@@.-_=/: \n&<>'", "@support@example.org", "@ann", "@b.c@x-y.example", "example.org",
         "Hello", "ä", "https://x.example/@ann@far.example?a=1", "1"]
    ), max_size=12,
).map("".join)  # fmt: skip
"""Texts of mentions, and of what may stand before, between and behind them."""


class TestWords:
    @settings(max_examples=500)
    @given(TEXTS)
    @example("Please write to @support@example.org.")
    @example("@a@b.example@c.example")
    @example("@support@example.org.@ann@far.example")
    @example("@support@example.org. Hello")
    def test_a_text_is_the_same_as_what_the_server_makes_of_it(self, text: str) -> None:
        """Fails if a published text is not recognised, which would then be sent again."""
        html = MastodonServer().html(text)
        assert words.is_same(html, text)
        assert words.is_same(html, words.addressed(text, "eve@far.example", domain=DOMAIN))

    def test_texts_that_differ_at_a_mention_are_told_apart(self) -> None:
        assert not words.is_same("<p>Ask @support.</p>", "Ask @support@example.org!")
        assert not words.is_same("<p>Ask @support.</p>", "Ask @supper@example.org.")

    @pytest.mark.parametrize(
        ("text", "acct", "expected"),
        [
            ("Hi", "ann", "@ann Hi"),
            ("Hi @ann.", "ann", "Hi @ann."),
            ("Hi @ann@x.example", "ann", "Hi @ann@x.example"),
            ("Hi @ann@y.example", "ann", "@ann Hi @ann@y.example"),
            ("Hi @anna", "ann", "@ann Hi @anna"),
            ("mail@ann", "ann", "@ann mail@ann"),
            ("Hi @ANN@y.example!", "ann@y.example", "Hi @ANN@y.example!"),
            ("Hi", "", "Hi"),
        ],
    )
    def test_a_name_is_added_unless_it_is_there(self, text: str, acct: str, expected: str) -> None:
        assert words.addressed(text, acct, domain="x.example") == expected

    def test_a_post_is_compared_as_mastodon_shows_it(self) -> None:
        html = (
            '<p><span class="h-card"><a href="https://y/@ann">@<span>ann</span></a></span> See '
            '<a href="https://x.example/long"><span class="invisible">https://</span>'
            '<span class="ellipsis">x.example/lo</span><span class="invisible">ng</span></a>'
            "<br />now</p><p>Bye &amp; @<span>bob</span></p>"
        )
        assert words.is_same(html, "See https://x.example/long\nnow\n\nBye & @bob@z.example")
        assert words.is_same(html, "@ann@y.example See https://x.example/long now Bye & @bob")
        assert not words.is_same(html, "See https://x.example/long\nnow\n\nBye & @eve")
