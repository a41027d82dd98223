"""Listening to Bluesky: every post is found once, whatever happens.

The tests use a simulated Bluesky server, the stand-in in `tests/standins`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrm.channels.base import (
    Batch,
    ChannelError,
    Credentials,
    FetchRequest,
    Json,
    Terms,
)
from scrm.channels.bluesky import read
from scrm.channels.bluesky.keys import POST
from scrm.channels.bluesky.listen import BlueskyListener
from scrm.channels.unreadable import UNREADABLE
from tests.channels.bluesky_fixtures import care, jo, listen, log_in, network, us
from tests.standins.bluesky import Bluesky, Person
from tests.standins.failing import failing

__all__ = ["care", "jo", "network", "us"]

MENTION = "Hello @skycare.test, my bag is lost."


def listen_on(us: Credentials, address: str, cursor: Json, fetches: int) -> tuple[set[str], Json]:
    """Fetch `fetches` times, each time from the cursor of the fetch before.

    Returns the keys of all found items, and the last cursor.
    """
    heard: set[str] = set()
    for _ in range(fetches):
        batch = listen(us, address, cursor)
        heard |= {item.key for item in batch.items}
        cursor = batch.cursor
    return heard, cursor


class TestMentions:
    def test_a_mention_with_all_its_facts(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        ann = network.person(
            "annabel", followersCount=4200, verification={"verifiedStatus": "valid"}
        )
        post = ann.post(MENTION, mention=care, langs=["en"])
        (item,) = listen(us, "mentions").items
        rkey = post["uri"].rpartition("/")[2]
        assert (item.scope, item.key, item.kind) == ("bluesky", post["uri"], "post")
        assert (item.text, item.language, item.visibility) == (MENTION, "en", "public")
        assert item.url == f"https://bsky.app/profile/{ann.did}/post/{rkey}"
        assert (item.thread_key, item.in_reply_to) == (post["uri"], "")
        assert item.mentions == (care.did,)
        assert (item.author.key, item.author.handle, item.author.name) == (
            ann.did, "annabel.test", "annabel",
        )  # fmt: skip
        assert (item.author.reach, item.author.verified, item.author.bio) == (
            4200, True, "I am annabel.",
        )  # fmt: skip
        assert item.occurred_at is not None

    def test_a_reply_belongs_to_the_thread_of_its_root(
        self, us: Credentials, care: Person, jo: Person
    ) -> None:
        first = care.post("Our news")
        answer = jo.post("Really?", to=first)
        deeper = jo.post("Tell me, @skycare.test", mention=care, to=answer)
        items = {item.key: item for item in listen(us, "mentions").items}
        assert items.keys() == {answer["uri"], deeper["uri"]}
        assert items[answer["uri"]].in_reply_to == items[answer["uri"]].thread_key == first["uri"]
        assert items[deeper["uri"]].thread_key == first["uri"]
        assert items[deeper["uri"]].in_reply_to == answer["uri"]
        assert items[answer["uri"]].kind == "comment"
        assert items[answer["uri"]].mentions == (care.did,)

    def test_a_quote_names_the_quoted_post(self, us: Credentials, care: Person, jo: Person) -> None:
        ours = care.post("Our news")
        embed = {"$type": "app.bsky.embed.record", "record": ours}
        jo.post("Look at this", embed=embed)
        (item,) = listen(us, "mentions").items
        assert item.quotes == ours["uri"]

    def test_pictures_are_attached_with_their_descriptions(
        self, us: Credentials, care: Person, jo: Person
    ) -> None:
        image = {"alt": "A broken bag", "image": {"ref": {"$link": "abc"}}}
        embed = {"$type": "app.bsky.embed.images", "images": [image]}
        jo.post(MENTION, mention=care, embed=embed)
        (item,) = listen(us, "mentions").items
        (picture,) = item.attachments
        assert (picture.content, picture.alt) == (b"\x89PNG picture", "A broken bag")
        assert (picture.name, picture.content_type) == ("picture-1.png", "image/png")

    def test_a_quiet_network_is_unchanged(self, us: Credentials, care: Person, jo: Person) -> None:
        jo.post(MENTION, mention=care)
        first = listen(us, "mentions")
        assert not first.unchanged
        assert listen(us, "mentions", first.cursor).unchanged

    def test_many_mentions_are_read_in_several_fetches(
        self, us: Credentials, care: Person, jo: Person
    ) -> None:
        posted = {jo.post(f"{number} {MENTION}", mention=care)["uri"] for number in range(350)}
        first = listen(us, "mentions")
        assert first.next_after == 0
        heard, cursor = listen_on(us, "mentions", first.cursor, 3)
        assert heard | {item.key for item in first.items} == posted
        assert listen(us, "mentions", cursor).next_after is None

    def test_a_mention_with_a_date_of_last_year_is_found(
        self, us: Credentials, care: Person, jo: Person
    ) -> None:
        """A mention with an old date is found even if newer mentions were fetched before.

        The network orders mentions by the date that the author states. Fails if the listener reads
        only the newest page.
        """
        start = datetime.now(UTC) - timedelta(days=100)
        for number in range(250):
            jo.post(MENTION, mention=care, at=start + timedelta(hours=number))
        _, cursor = listen_on(us, "mentions", {}, 4)
        late = jo.post(MENTION, mention=care, at=start + timedelta(hours=20, minutes=1))
        heard, _ = listen_on(us, "mentions", cursor, 6)
        assert heard == {late["uri"]}

    def test_the_cursor_stays_small_and_is_json(
        self, us: Credentials, care: Person, jo: Person
    ) -> None:
        for number in range(120):
            jo.post(f"{number} {MENTION}", mention=care)
        _, cursor = listen_on(us, "mentions", {}, 3)
        assert len(json.dumps(cursor)) < 12_000
        assert len(cursor["watched"]) == 50


@pytest.mark.slow
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_posts_deletions_and_kills_in_any_order_lose_nothing(
    network: Bluesky, data: st.DataObject
) -> None:
    """In any order of posts, deletions and killed fetches, all remaining posts are found.

    A killed fetch stores neither items nor cursor. Some posts have an older date than the posts
    before them.
    """
    number = len(network.people)
    ours, theirs = network.person(f"ours{number}"), network.person(f"theirs{number}")
    us = Credentials("bluesky", ours.did, "", _secrets(network, ours), {"pds": network.url})
    heard: set[str] = set()
    posted: list[dict[str, Any]] = []
    cursor: Json = {}
    now = datetime.now(UTC)
    for _ in range(data.draw(st.integers(1, 8))):
        for _ in range(data.draw(st.integers(0, 60))):
            age = data.draw(st.sampled_from([0, 0, 0, 1, 30]))
            at = now - timedelta(days=age) + timedelta(microseconds=len(posted))
            posted.append(theirs.post(f"Hi @{ours.handle}", mention=ours, at=at))
        one_less = data.draw(st.booleans())
        if one_less and posted:
            theirs.delete(posted.pop(data.draw(st.integers(0, len(posted) - 1))))
        batch = listen(us, "mentions", cursor)
        if data.draw(st.booleans()):
            heard |= {item.key for item in batch.items}
            cursor = batch.cursor
    heard |= listen_on(us, "mentions", cursor, 12)[0]
    assert {each["uri"] for each in posted} <= heard


def _secrets(network: Bluesky, person: Person) -> dict[str, str]:
    return {"access": network.session(person.did, "com.atproto.appPass")["accessJwt"]}


class TestSearch:
    def test_it_finds_posts_with_any_of_the_words_once(self, us: Credentials, jo: Person) -> None:
        found = {jo.post(f"I like {word}")["uri"] for word in ("skyward", "sky ward", "SKYWARD")}
        jo.post("I like trains")
        terms = Terms(any_of=("skyward", "sky ward", "like skyward"))
        batch = BlueskyListener().listen(FetchRequest("search:", {}, us, terms))
        keys = [item.key for item in batch.items]
        assert set(keys) == found
        assert len(keys) == len(found)

    def test_many_words_take_turns(self, us: Credentials, jo: Person) -> None:
        words = [f"word{number}" for number in range(20)]
        posted = {jo.post(f"about {word}")["uri"] for word in words}
        cursor: Json = {}
        heard: set[str] = set()
        for _ in range(3):
            request = FetchRequest("search:about", cursor, us, Terms(any_of=tuple(words)))
            batch = BlueskyListener().listen(request)
            cursor, heard = batch.cursor, heard | {item.key for item in batch.items}
        assert heard == posted

    def test_a_limit_bounds_what_is_read(self, us: Credentials, jo: Person) -> None:
        for number in range(30):
            jo.post(f"skyward {number}")
        request = FetchRequest("search:skyward", {}, us, max_items=10)
        batch = BlueskyListener().listen(request)
        assert len(batch.items) == 10
        assert batch.next_after == 0

    def test_a_source_that_does_not_exist_is_refused(self, us: Credentials) -> None:
        with pytest.raises(ChannelError, match="no source called “nonsense”") as caught:
            listen(us, "nonsense")
        assert caught.value.permanent


def test_our_own_posts_are_read_without_reposts(us: Credentials, care: Person, jo: Person) -> None:
    ours = care.post("Our news")
    jo.post("Other news")
    batch = listen(us, f"author:{care.did}")
    assert [(item.key, item.author.key) for item in batch.items] == [(ours["uri"], us.self_key)]


class TestChanges:
    def test_a_deleted_post_is_reported_once(
        self, us: Credentials, care: Person, jo: Person
    ) -> None:
        post = jo.post(MENTION, mention=care)
        cursor = listen(us, "mentions").cursor
        jo.delete(post)
        batch = listen(us, "mentions", cursor)
        assert [(each.key, each.kind) for each in batch.changes] == [(post["uri"], "deleted")]
        assert listen(us, "mentions", batch.cursor).changes == ()

    def test_an_edited_post_is_reported_with_its_new_text(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        post = jo.post(MENTION, mention=care)
        cursor = listen(us, "mentions").cursor
        value = network.records[post["uri"]]["value"] | {"text": "Found it, @skycare.test!"}
        network.store(jo.did, POST, post["uri"].rpartition("/")[2], value)
        (change,) = listen(us, "mentions", cursor).changes
        assert (change.key, change.kind, change.text) == (
            post["uri"], "edited", "Found it, @skycare.test!",
        )  # fmt: skip

    def test_a_post_of_somebody_who_blocked_us_is_not_deleted(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        jo.post(MENTION, mention=care)
        cursor = listen(us, "mentions").cursor
        block = {"$type": "app.bsky.graph.block", "subject": care.did, "createdAt": "2026"}
        network.store(jo.did, "app.bsky.graph.block", "3kaaaaaaaaaaa", block)
        assert listen(us, "mentions", cursor).changes == ()

    @pytest.mark.parametrize(
        ("status", "code"), [(503, ""), (429, "RateLimitExceeded"), (400, "InvalidRequest")]
    )
    def test_a_deletion_that_is_uncertain_is_reported_later(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person, status: int, code: str
    ) -> None:
        """Fails if a post is no longer watched after a look-up without a clear answer."""
        posts = [jo.post(MENTION, mention=care) for _ in range(3)]
        cursor = listen(us, "mentions").cursor
        for post in posts:
            jo.delete(post)
        network.fail("com.atproto.repo.getRecord", status, code, times=1)
        first = listen(us, "mentions", cursor)
        assert len(first.changes) == (2 if code == "InvalidRequest" else 0)
        second = listen(us, "mentions", first.cursor)
        assert {each.key for each in (*first.changes, *second.changes)} == {
            post["uri"] for post in posts
        }
        assert second.cursor["watched"] == []

    @pytest.mark.parametrize("raw", [b"{}", b'{"posts": null}', b'{"posts": [', b"<html>"])
    def test_an_answer_that_is_not_good_deletes_nothing(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person, raw: bytes
    ) -> None:
        jo.post(MENTION, mention=care)
        cursor = listen(us, "mentions").cursor
        network.tear("app.bsky.feed.getPosts", raw)
        batch = listen(us, "mentions", cursor)
        assert batch.changes == ()
        assert len(batch.cursor["watched"]) == 1


class TestMessages:
    def test_old_and_new_messages_are_read_once(
        self, us: Credentials, care: Person, jo: Person
    ) -> None:
        jo.write(care, "Where is my bag?")
        first = listen(us, "messages")
        (item,) = first.items
        assert (item.kind, item.visibility, item.text) == ("message", "private", "Where is my bag?")
        convo = item.thread_key.removeprefix("dm:")
        assert item.key.startswith(f"dm:{convo}:")
        assert (item.author.key, item.author.handle, item.author.reach) == (
            jo.did, "joanna.test", 7,
        )  # fmt: skip
        assert item.mentions == (care.did,)
        jo.write(care, "Hello?")
        heard, cursor = listen_on(us, "messages", first.cursor, 2)
        assert len(heard - {item.key}) == 1
        assert listen(us, "messages", cursor).unchanged

    def test_nothing_is_missed_while_many_conversations_are_read(
        self, network: Bluesky, us: Credentials, care: Person
    ) -> None:
        """All messages are found even if one arrives while the list of conversations is read.

        The new message moves its conversation to a page of the list that was already read. The
        network's log of messages contains the new message, but not the older ones. Fails if only
        the messages in the log are read, and not the whole conversations that the log names.
        """
        people = [network.person(f"person{number:03d}") for number in range(45)]
        for each in people:
            each.write(care, "first")
        batch = listen(us, "messages")
        heard = {item.key for item in batch.items}
        assert batch.next_after == 0
        people[0].write(care, "second")
        heard |= listen_on(us, "messages", batch.cursor, 5)[0]
        sent = {
            f"dm:{convo['id']}:{each['id']}"
            for convo in network.convos.values()
            for each in convo["messages"]
        }
        assert heard == sent

    def test_an_empty_account_reads_its_first_conversation(
        self, us: Credentials, care: Person, jo: Person
    ) -> None:
        cursor = listen(us, "messages").cursor
        jo.write(care, "Hello")
        assert len(listen(us, "messages", cursor).items) == 1

    def test_a_password_without_access_says_so(self, network: Bluesky, care: Person) -> None:
        with pytest.raises(ChannelError, match="no access to direct messages") as caught:
            listen(log_in(network, "skycare-app"), "messages")
        assert caught.value.permanent


def _key_or_reason(view: dict[str, Any]) -> str:
    try:
        return read.post(view, {}).key
    except UNREADABLE as error:
        return read.unreadable(view, error).reason


class TestTrouble:
    def test_an_entry_that_cannot_be_read_stops_no_other(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        good = jo.post(MENTION, mention=care)
        for text in (None, 5, ["x"]):
            bad = jo.post(MENTION, mention=care)
            network.records[bad["uri"]]["value"]["text"] = text
        batch = listen(us, "mentions")
        assert [item.key for item in batch.items] == [good["uri"]]
        assert len(batch.unreadable) == 3
        assert b"text" in batch.unreadable[0].raw
        assert listen(us, "mentions", batch.cursor).unchanged

    @pytest.mark.parametrize("error", [IndexError, OverflowError, RecursionError])
    def test_no_error_of_one_entry_stops_others(
        self,
        us: Credentials,
        care: Person,
        jo: Person,
        monkeypatch: pytest.MonkeyPatch,
        error: type[Exception],
    ) -> None:
        monkeypatch.setattr(read, "expanded", failing(read.expanded, "poison", error))
        good = jo.post(MENTION, mention=care)
        jo.post(f"{MENTION} poison", mention=care)
        batch = listen(us, "mentions")
        assert [item.key for item in batch.items] == [good["uri"]]
        assert len(batch.unreadable) == 1

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=3),
            lambda inner: st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from([
                    "uri", "cid", "record", "author", "did", "text", "reply", "root", "embed",
                    "images", "facets", "langs", "indexedAt", "verification", "reason", "post",
                ]),
                inner, max_size=5),
            max_leaves=20,
        )
    )  # fmt: skip
    def test_any_json_is_an_item_or_unreadable(self, view: Any) -> None:
        good = {
            "uri": "at://did:plc:a/app.bsky.feed.post/3k", "author": {"did": "did:plc:a"},
            "record": {"text": "x"},
        }  # fmt: skip
        mixed = good | (view if isinstance(view, dict) else {"record": view})
        found = _key_or_reason(mixed)
        assert found.startswith(("at://", "This entry of Bluesky cannot be read"))
        assert all(isinstance(url, str) for url, _ in read.pictures(mixed))

    def test_a_huge_text_is_read(self, us: Credentials, care: Person, jo: Person) -> None:
        jo.post(f"{MENTION} {'x' * 200_000}\x00\ud800", mention=care)
        (item,) = listen(us, "mentions").items
        assert len(item.text) > 200_000
        assert "\x00" not in item.text

    @pytest.mark.parametrize(
        ("status", "code", "words", "permanent"),
        [
            (401, "AuthenticationRequired", "Connect the account again", True),
            (400, "InvalidToken", "Connect the account again", True),
            (401, "AccountTakedown", "has been taken down", True),
            (403, "Forbidden", "refuses this: Forbidden went wrong", True),
            (500, "", "has a server error", False),
            (502, "UpstreamFailure", "has a server error", False),
        ],
    )
    def test_each_refusal_has_its_sentence(
        self, network: Bluesky, us: Credentials, status: int, code: str, words: str, permanent: bool
    ) -> None:
        network.fail("app.bsky.notification.listNotifications", status, code)
        with pytest.raises(ChannelError, match=words) as caught:
            listen(us, "mentions")
        assert (caught.value.permanent, caught.value.uncertain) == (permanent, False)

    def test_an_expired_session_is_tried_again_at_once(
        self, network: Bluesky, us: Credentials
    ) -> None:
        network.expire_access()
        with pytest.raises(ChannelError, match="renews it automatically") as caught:
            listen(us, "mentions")
        assert (caught.value.permanent, caught.value.retry_after) == (False, 1)

    @pytest.mark.parametrize("headers", [
        {"Retry_After": "120"},
        {"RateLimit_Reset": "1767225720", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"},
    ])  # fmt: skip
    def test_it_waits_as_long_as_the_network_asks(
        self, network: Bluesky, us: Credentials, headers: dict[str, Any]
    ) -> None:
        method = "app.bsky.notification.listNotifications"
        network.fail(method, 429, "RateLimitExceeded", **headers)
        with pytest.raises(ChannelError, match="less frequent") as caught:
            listen(us, "mentions")
        assert caught.value.retry_after == 120

    @pytest.mark.parametrize("raw", [b'{"notifications": [{', b"[]", b"null", b'{"a": 1}', b"<p>"])
    def test_a_torn_answer_is_an_error_and_loses_nothing(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person, raw: bytes
    ) -> None:
        jo.post(MENTION, mention=care)
        network.tear("app.bsky.notification.listNotifications", raw)
        with pytest.raises(ChannelError, match="returned something"):
            listen(us, "mentions")
        assert len(listen(us, "mentions").items) == 1

    def test_profiles_that_fail_do_not_stop_the_items(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        jo.post(MENTION, mention=care)
        network.fail("app.bsky.actor.getProfiles", 500)
        (item,) = listen(us, "mentions").items
        assert (item.author.handle, item.author.reach, item.author.verified) == (
            "joanna.test", None, None,
        )  # fmt: skip

    def test_no_secret_is_logged(
        self, us: Credentials, care: Person, jo: Person, caplog: pytest.LogCaptureFixture
    ) -> None:
        jo.post(MENTION, mention=care)
        with caplog.at_level("DEBUG"):
            batch: Batch = listen(us, "mentions")
        assert batch.items
        seen = f"{caplog.text} {us!r} {batch!r}"
        assert not [name for name, value in us.secrets.items() if name != "identifier"
                    and value in seen]  # fmt: skip


class TestDiscovery:
    def test_words_become_a_search(self, us: Credentials) -> None:
        (found,) = BlueskyListener().discover("lost bag", us)
        assert found.address == "search:lost bag"

    @pytest.mark.parametrize(
        "typed", ["@joanna.test", "joanna.test", "https://bsky.app/profile/joanna.test"]
    )
    def test_a_profile_becomes_its_posts(self, us: Credentials, jo: Person, typed: str) -> None:
        found = BlueskyListener().discover(typed, us)
        assert found[0].address == f"author:{jo.did}"

    def test_nothing_is_offered_without_an_account(self) -> None:
        assert BlueskyListener().discover("lost bag") == []
