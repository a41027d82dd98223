"""Listening to X: no post is lost or recorded twice, and paid requests are counted.

This is true for lists with several pages, killed fetches, limits, and posts that appear late.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrm.channels.base import Batch, ChannelError, Credentials, FetchRequest, Item, Terms
from scrm.channels.x import client, read
from scrm.channels.x.channel import CHANNEL
from scrm.channels.x.listen import XListener
from scrm.net import http
from scrm.net.addresses import networks
from tests.standins.failing import failing
from tests.standins.x import APP_TOKEN, OUR_TOKEN, XServer
from tests.standins.x_routes import PICTURE

MINUTE = timedelta(minutes=1)


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> Iterator[XServer]:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    with XServer() as server:
        yield server


@pytest.fixture
def us(x: XServer) -> Credentials:
    return x.account()


def fetch(us: Credentials, address: str = "mentions", cursor: Any = None, **facts: Any) -> Batch:
    # A cursor is stored as JSON between two fetches.
    cursor = json.loads(json.dumps(cursor or {}))
    return XListener().listen(FetchRequest(address, cursor, us, **facts))


def begun(us: Credentials, address: str = "mentions") -> dict[str, Any]:
    """Return the cursor of a first fetch that found nothing."""
    return dict(fetch(us, address).cursor)


class TestMentions:
    def test_a_mention_becomes_an_item_with_its_author(self, x: XServer, us: Credentials) -> None:
        question = x.post("200", "Hello @acme & friends, see https://news.example/a?b=1&copy=2 ok")
        item = fetch(us).items[0]
        assert (item.scope, item.key, item.thread_key) == ("x", question, question)
        assert item.text == "Hello @acme & friends, see https://news.example/a?b=1&copy=2 ok"
        assert (item.author.key, item.author.handle, item.author.reach) == ("200", "ann", 200)
        assert (item.url, item.mentions) == (f"https://x.com/ann/status/{question}", ("100",))
        assert item.visibility == "public"
        assert item.language == "en"

    def test_x_is_asked_which_accounts_are_protected(self, x: XServer, us: Credentials) -> None:
        x.users["200"]["protected"] = True
        x.post("200", "@acme only for my followers")
        assert fetch(us).items[0].visibility == "private"
        assert "protected" in x.requests[0].query["user.fields"].split(",")

    def test_a_reply_names_the_post_and_the_conversation(self, x: XServer, us: Credentials) -> None:
        ours = x.post("100", "News")
        answer = x.post("200", "@acme thanks", reply_to=ours)
        item = next(item for item in fetch(us).items if item.key == answer)
        assert (item.in_reply_to, item.thread_key) == (ours, ours)

    def test_what_is_paid_for_is_counted_once(self, x: XServer, us: Credentials) -> None:
        for text in ("@acme one", "@acme two", "@acme three"):
            x.post("200", text, ago=5 * MINUTE)
        assert fetch(us).usage == {"own read": 3, "user read": 1}
        assert CHANNEL.prices is not None
        assert CHANNEL.prices.cost({"own read": 3, "user read": 1}) == 13_000

    def test_a_quiet_account_is_unchanged_and_costs_nothing(
        self, x: XServer, us: Credentials
    ) -> None:
        x.post("200", "@acme hello", ago=5 * MINUTE)
        batch = fetch(us, cursor=fetch(us).cursor)
        assert (batch.items, batch.unchanged, batch.usage) == ((), True, {})

    def test_a_long_list_is_read_over_several_fetches(self, x: XServer, us: Credentials) -> None:
        """A list that is too long for one fetch is read to its end in several fetches.

        Fails if `floor`, the lower limit in the cursor, is raised before the list was read to its
        end.
        """
        cursor = begun(us)
        posts = {x.post("200", f"@acme {number}") for number in range(700)}
        x.skew = 5 * MINUTE
        batch = fetch(us, cursor=cursor)
        assert (len(batch.items), batch.next_after) == (500, 0)
        later = x.post("200", "@acme meanwhile")
        heard = {item.key for item in batch.items}
        for _ in range(3):
            batch = fetch(us, cursor=batch.cursor)
            heard |= {item.key for item in batch.items}
        assert heard == posts | {later}
        assert batch.next_after is None

    def test_the_limit_of_a_fetch_is_respected(self, x: XServer, us: Credentials) -> None:
        cursor = begun(us)
        for number in range(40):
            x.post("200", f"@acme {number}", ago=2 * MINUTE)
        x.posts = dict(sorted(x.posts.items()))
        cursor["floor"] = str(int(min(x.posts)) - 1)
        batch = fetch(us, cursor=cursor, max_items=12)
        assert len(batch.items) == 12
        assert batch.next_after == 0
        assert sum(int(r.query["max_results"]) for r in x.requests[1:]) <= 12

    def test_a_limit_below_the_smallest_page_is_explained(
        self, x: XServer, us: Credentials
    ) -> None:
        with pytest.raises(ChannelError, match="at least 5 mentions at a time, but only 4"):
            fetch(us, max_items=4)
        with pytest.raises(ChannelError, match="at least 10 posts at a time, but only 9"):
            fetch(us, "search:acme", max_items=9)
        assert x.requests == []

    def test_a_post_that_appears_late_is_found(self, x: XServer, us: Credentials) -> None:
        """A post that appears later than a post with a higher id is found.

        Fails if `floor`, the lower limit in the cursor, is immediately set to the newest id. The
        next fetch then leaves out late posts with a lower id.
        """
        cursor = begun(us)
        late = x.post("200", "@acme late")
        x.late.add(late)
        x.post("200", "@acme early")
        batch = fetch(us, cursor=cursor)
        assert late not in {item.key for item in batch.items}
        x.late.clear()
        assert late in {item.key for item in fetch(us, cursor=batch.cursor).items}

    @pytest.mark.parametrize("hours", [-30, 30])
    def test_a_wrong_clock_of_ours_loses_nothing(
        self, x: XServer, us: Credentials, hours: int
    ) -> None:
        x.skew = timedelta(hours=hours)
        cursor = begun(us)
        posts = {x.post("200", f"@acme {number}") for number in range(3)}
        assert {item.key for item in fetch(us, cursor=cursor).items} == posts

    def test_an_error_on_a_later_page_keeps_what_was_paid_for(
        self, x: XServer, us: Credentials
    ) -> None:
        cursor = begun(us)
        posts = {x.post("200", f"@acme {number}") for number in range(250)}
        x.skew = 5 * MINUTE  # otherwise the last minute would be read again in any case
        x.fault("/mentions", status=429, after=2, headers={"x-rate-limit-remaining": "0"})
        batch = fetch(us, cursor=cursor)
        assert len(batch.items) == 200
        assert batch.next_after is not None
        assert 890 <= batch.next_after <= 900
        rest = fetch(us, cursor=batch.cursor)
        assert {item.key for item in (*batch.items, *rest.items)} == posts

    def test_an_entry_that_cannot_be_read_stops_no_other(self, x: XServer, us: Credentials) -> None:
        good = x.post("200", "@acme good")
        x.post("200", "@acme broken", ago=MINUTE, conversation_id=7, entities={
            "mentions": [{"id": "100"}], "urls": []})  # fmt: skip
        bad = x.post("200", "@acme torn", ago=2 * MINUTE)
        x.posts[bad]["text"] = None
        batch = fetch(us)
        assert good in {item.key for item in batch.items}
        assert len(batch.items) == 2
        assert len(batch.unreadable) == 1
        assert bad.encode() in batch.unreadable[0].raw

    @pytest.mark.parametrize("error", [IndexError, AttributeError, ZeroDivisionError])
    def test_no_error_of_one_entry_stops_others(
        self,
        x: XServer,
        us: Credentials,
        monkeypatch: pytest.MonkeyPatch,
        error: type[Exception],
    ) -> None:
        monkeypatch.setattr(read, "expanded", failing(read.expanded, "poison", error))
        good = x.post("200", "@acme good")
        x.post("200", "@acme poison", ago=MINUTE)
        batch = fetch(us)
        assert [item.key for item in batch.items] == [good]
        assert len(batch.unreadable) == 1

    def test_a_picture_is_attached_with_its_description(self, x: XServer, us: Credentials) -> None:
        for key, url in (("3_1", f"{x.url}/media/1.png"), ("3_2", f"{x.url}/nothing.png")):
            x.media[key] = {"media_key": key, "type": "photo", "url": url, "alt_text": "A cat"}
        x.post("200", "@acme look", media=["3_1", "3_2"])
        files = fetch(us).items[0].attachments
        assert [(f.name, f.content_type, f.content, f.alt) for f in files] == [
            ("1.png", "image/png", PICTURE, "A cat")
        ]

    @pytest.mark.slow
    @given(st.lists(st.sampled_from(["post", "fetch", "kill", "small", "error"]), max_size=25))
    @settings(max_examples=15)
    def test_posts_pages_and_kills_in_any_order_lose_and_double_nothing(
        self, steps: list[str]
    ) -> None:
        """In any order of posts, fetches, errors and kills, each post is found exactly once.

        A killed fetch stores neither its batch nor its cursor, because both are stored together.
        """
        with XServer() as x, pytest.MonkeyPatch.context() as patch:
            patch.setattr(http, "allow", networks("127.0.0.1/32"))
            us = x.account()
            cursor, posts = begun(us), set[str]()
            heard: list[Item] = []
            for number, step in enumerate([*steps, *["fetch"] * 8]):
                # Posts of the last minute would be read again in any case.
                x.skew += 2 * MINUTE
                if step == "post":
                    posts |= {x.post("200", f"@acme {number} {i}") for i in range(70)}
                    continue
                if step == "error":
                    x.fault("/mentions", status=503, after=1)
                limit = 130 if step == "small" else None
                try:
                    batch = fetch(us, cursor=cursor, max_items=limit)
                except ChannelError:
                    continue
                if step != "kill":
                    cursor, heard = dict(batch.cursor), [*heard, *batch.items]
            assert sorted(item.key for item in heard) == sorted(posts)


class TestEditsAndDeletions:
    def test_an_edited_post_keeps_its_first_key(self, x: XServer, us: Credentials) -> None:
        first = x.post("200", "@acme helo", ago=5 * MINUTE)
        cursor = fetch(us).cursor
        second = x.post("200", "@acme hello", edits=first)
        batch = fetch(us, cursor=cursor)
        change = batch.changes[0]
        assert (change.key, change.kind, change.text) == (first, "edited", "@acme hello")
        assert [item.key for item in batch.items] == [first]
        assert batch.items[0].url.endswith(second)

    def test_a_deleted_post_is_reported_when_it_is_time(self, x: XServer, us: Credentials) -> None:
        gone = x.post("200", "@acme one", ago=5 * MINUTE)
        kept = x.post("200", "@acme two", ago=5 * MINUTE)
        cursor = fetch(us).cursor
        del x.posts[gone]
        assert fetch(us, cursor=cursor).changes == ()
        assert x.count("GET", "/2/tweets") == 0, "the look-up is paid for"
        x.skew = timedelta(hours=13)
        batch = fetch(us, cursor=cursor)
        assert [(change.key, change.kind) for change in batch.changes] == [(gone, "deleted")]
        assert batch.usage == {"post read": 1}
        assert list(batch.cursor["heard"]) == [kept]
        assert fetch(us, cursor=batch.cursor).usage == {}

    @pytest.mark.parametrize(
        ("fault", "usage"),
        [
            ({"status": 429}, {}),
            ({"status": 503}, {"post read": 1}),
            ({"lost": True}, {"post read": 1}),
        ],
    )
    def test_a_failed_look_up_of_deletions_counts_what_it_may_cost(
        self, x: XServer, us: Credentials, fault: dict[str, Any], usage: dict[str, int]
    ) -> None:
        x.post("200", "@acme one", ago=5 * MINUTE)
        cursor = fetch(us).cursor
        x.skew = timedelta(hours=13)
        x.fault("/2/tweets", **fault)
        assert fetch(us, cursor=cursor).usage == usage

    @pytest.mark.parametrize(
        ("fault", "lost"), [({"status": 429}, 0), ({"status": 503}, 50), ({"lost": True}, 50)]
    )
    def test_a_failed_page_counts_what_it_may_cost(
        self, x: XServer, us: Credentials, fault: dict[str, Any], lost: int
    ) -> None:
        """The first page is kept. The second may be charged although its answer did not arrive."""
        cursor = begun(us)
        for number in range(150):
            x.post("200", f"@acme {number}")
        x.skew = 5 * MINUTE
        x.fault("/mentions", after=1, **fault)
        batch = fetch(us, cursor=cursor, max_items=150)
        assert len(batch.items) == 100
        assert batch.usage == {"own read": 100 + lost, "user read": 1 + lost}

    def test_an_edited_post_is_looked_up_by_its_newest_id(
        self, x: XServer, us: Credentials
    ) -> None:
        first = x.post("200", "@acme helo", ago=5 * MINUTE)
        x.post("200", "@acme hello", edits=first, ago=4 * MINUTE)
        cursor = fetch(us).cursor
        x.skew = timedelta(hours=13)
        assert fetch(us, cursor=cursor).changes == ()

    def test_the_look_up_stays_within_the_limit(self, x: XServer, us: Credentials) -> None:
        for number in range(30):
            x.post("200", f"@acme {number}", ago=5 * MINUTE)
        cursor = fetch(us).cursor
        x.skew = timedelta(hours=13)
        fetch(us, cursor=cursor, max_items=7)
        assert len(x.requests[-1].query["ids"].split(",")) == 7


class TestSearchAndQuotes:
    def test_the_words_of_a_topic_are_searched(self, x: XServer, us: Credentials) -> None:
        found = x.post("200", "The new Phone of acme")
        x.post("300", "A phone of acme, used")
        x.post("300", "Something else")
        terms = Terms(any_of=("phone", "tablet"), all_of=("acme",), none_of=("used",))
        batch = fetch(us, "search:", terms=terms)
        assert [item.key for item in batch.items] == [found]
        assert batch.usage == {"post read": 1, "user read": 1}

    def test_a_typed_query_is_sent_as_typed(self, x: XServer, us: Credentials) -> None:
        found = x.post("200", "acme is great")
        assert [item.key for item in fetch(us, "search:acme (great OR fine)").items] == [found]

    def test_words_that_are_too_long_for_one_search_are_explained(
        self, x: XServer, us: Credentials
    ) -> None:
        terms = Terms(any_of=tuple(f"word{number}" for number in range(200)))
        with pytest.raises(ChannelError, match="Split it into several topics") as caught:
            fetch(us, "search:", terms=terms)
        assert caught.value.permanent

    def test_a_search_that_rested_for_weeks_goes_on(self, x: XServer, us: Credentials) -> None:
        """A search continues after it was not fetched for weeks.

        Its cursor contains ids of posts that are more than seven days old. X refuses a request with
        such an id.
        """
        x.post("200", "acme then", ago=timedelta(days=30))
        cursor = begun(us, "search:acme")
        cursor["floor"] = x.snowflake(timedelta(days=20))
        now = x.post("200", "acme now")
        assert [item.key for item in fetch(us, "search:acme", cursor).items] == [now]
        cursor |= {"top": x.snowflake(timedelta(days=9)), "until": x.snowflake(timedelta(days=10))}
        assert [item.key for item in fetch(us, "search:acme", cursor).items] == [now]

    def test_an_app_may_only_search(self, x: XServer) -> None:
        app = Credentials("x", "app-only", "", {"bearer_token": APP_TOKEN}, {"api": x.url})
        found = x.post("200", "acme")
        assert [item.key for item in fetch(app, "search:acme").items] == [found]
        with pytest.raises(ChannelError, match="can only search"):
            fetch(app, "mentions")

    def test_quotes_of_our_posts_are_found(self, x: XServer, us: Credentials) -> None:
        ours, other = x.post("100", "Our news"), x.post("300", "Other news")
        quote = x.post("200", "Look at this", quote=ours)
        x.post("200", "And at that", quote=other)
        x.post("200", f"Only a link https://x.com/acme/status/{ours}")
        items = fetch(us, "quotes").items
        assert [(item.key, item.quotes) for item in items] == [(quote, ours)]

    def test_accounts_can_be_searched_before_a_source_exists(self, us: Credentials) -> None:
        found = XListener().discover("search: acme phone", us)
        assert [f.address for f in found] == ["search:acme phone", "mentions", "quotes", "messages"]
        assert XListener().discover("search:acme") == []

    def test_an_unknown_address_is_refused(self, us: Credentials) -> None:
        with pytest.raises(ChannelError, match="nothing at “timeline”"):
            fetch(us, "timeline")


class TestMessages:
    def test_a_message_is_private(self, x: XServer, us: Credentials) -> None:
        number = x.message("200", "100", "Hi <there>")
        x.message("200", "300", "Not for us")
        batch = fetch(us, "messages")
        item = batch.items[0]
        assert len(batch.items) == 1
        assert (item.key, item.thread_key) == (f"dm:{number}", "dm:100-200")
        assert (item.visibility, item.kind, item.text) == ("private", "message", "Hi <there>")
        assert (item.author.key, item.mentions) == ("200", ("100",))
        assert batch.usage == {"DM received": 1, "user read": 1}

    def test_our_own_message_is_heard_too(self, x: XServer, us: Credentials) -> None:
        x.message("100", "200", "Hello")
        item = fetch(us, "messages").items[0]
        assert (item.author.key, item.mentions) == ("100", ("200",))

    @pytest.mark.parametrize("limit", [None, 7])
    def test_many_messages_are_read_over_several_fetches(
        self, x: XServer, us: Credentials, limit: int | None
    ) -> None:
        cursor = begun(us, "messages")
        sent = {f"dm:{x.message('200', '100', str(number))}" for number in range(60)}
        heard: set[str] = set()
        for _ in range(12):
            batch = fetch(us, "messages", cursor, max_items=limit)
            cursor, heard = dict(batch.cursor), heard | {item.key for item in batch.items}
        assert heard == sent

    def test_an_expired_page_token_is_no_end(self, x: XServer, us: Credentials) -> None:
        cursor = begun(us, "messages")
        sent = {f"dm:{x.message('200', '100', str(number))}" for number in range(20)}
        batch = fetch(us, "messages", cursor, max_items=8)
        assert batch.cursor["token"]
        x.fault("/dm_events", status=400)
        rest = fetch(us, "messages", batch.cursor)
        assert {item.key for item in (*batch.items, *rest.items)} == sent


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "permanent", "words"),
        [
            (401, True, "Connect the account again"),
            (403, True, "does not allow this"),
            (404, True, "does not have it"),
            (500, False, "server error"),
            (503, False, "server error"),
        ],
    )
    def test_each_status_has_its_sentence(
        self, x: XServer, us: Credentials, status: int, permanent: bool, words: str
    ) -> None:
        x.fault(status=status)
        with pytest.raises(ChannelError, match=words) as caught:
            fetch(us)
        assert (caught.value.permanent, caught.value.uncertain) == (permanent, False)

    def test_a_request_limit_waits_until_its_reset(self, x: XServer, us: Credentials) -> None:
        x.skew = timedelta(hours=-5)
        reset = str(int(x.now.timestamp()) + 120)
        x.fault(status=429, headers={"x-rate-limit-remaining": "0", "x-rate-limit-reset": reset})
        with pytest.raises(ChannelError, match="request limit") as caught:
            fetch(us)
        assert caught.value.retry_after == pytest.approx(120, abs=3)

    def test_used_up_credit_pauses_and_says_until_when(self, x: XServer, us: Credentials) -> None:
        body = {"title": "CreditsDepleted", "detail": "Your account has no credits."}
        x.fault(status=402, body=json.dumps(body).encode())
        with pytest.raises(ChannelError, match=r"used up \(402\).* until \d\d:\d\d UTC") as caught:
            fetch(us)
        assert caught.value.retry_after == pytest.approx(6 * 3600)
        assert not caught.value.permanent

    @pytest.mark.parametrize("fault", [{"torn": True}, {"lost": True}])
    def test_a_broken_answer_is_an_error_and_no_end_of_the_list(
        self, x: XServer, us: Credentials, fault: dict[str, Any]
    ) -> None:
        x.fault(**fault)
        with pytest.raises(ChannelError) as caught:
            fetch(us)
        assert not caught.value.permanent

    @pytest.mark.parametrize("body", [b"[]", b"{", b"null", b"<html>", b"[" * 100_000])
    def test_an_answer_that_is_no_object_is_an_error(
        self, x: XServer, us: Credentials, body: bytes
    ) -> None:
        x.fault(status=200, body=body)
        with pytest.raises(ChannelError, match="cannot be read"):
            fetch(us)

    def test_a_token_goes_only_to_https_or_this_machine(self, us: Credentials) -> None:
        for api in (
            "http://api.x.com",
            "ftp://127.0.0.1",
            "https://",
            "http://127.0.0.1.evil.example",
        ):
            account = Credentials("x", "100", "@acme", us.secrets, {**us.config, "api": api})
            with pytest.raises(ChannelError, match="https"):
                fetch(account)

    def test_no_token_is_logged_or_shown(
        self, x: XServer, us: Credentials, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name in ("", *client._TALKATIVE):
            caplog.set_level(logging.DEBUG, logger=name)
        x.keys["api-key", "100-user-token"] = ("100", "api-secret", "user-secret")
        keys = {"api_key": "api-key", "api_key_secret": "api-secret",
                "access_token": "100-user-token", "access_token_secret": "user-secret"}  # fmt: skip
        signed = Credentials("x", "100", "@acme", keys, {"api": x.url})
        x.post("200", "@acme hello")
        assert len(fetch(signed).items) == len(fetch(us).items) == 1
        x.fault(status=500)
        with pytest.raises(ChannelError) as caught:
            fetch(us)
        shown = caplog.text + repr(us) + repr(signed) + repr(caught.value)
        for secret in (OUR_TOKEN, *keys.values()):
            assert secret not in shown
