"""Reading posts from recorded answers of X and from hostile answers.

For each refusal by X, the tests check the waiting time and the error message.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scrm.channels.base import ChannelError
from scrm.channels.x.client import Answer, XClient
from scrm.channels.x.errors import refusal, server_time
from scrm.channels.x.listen import _Read
from scrm.channels.x.read import expanded, read_message, read_post, snowflake_at, snowflake_time
from scrm.channels.x.timeline import comparable
from scrm.net import http
from scrm.net.addresses import networks

BESIDE = Path(__file__).parents[2].parent / "shared" / "data"
CASSETTES = Path(os.environ.get("SCRM_SHARED_DATA") or BESIDE) / "x" / "cassettes"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
POST = {
    "id": "1993000000000000001", "author_id": "200", "text": "Hello @acme", "lang": "en",
    "created_at": "2026-11-24T10:00:00.000Z", "conversation_id": "1993000000000000000",
    "edit_history_tweet_ids": ["1993000000000000001"],
    "entities": {"mentions": [{"id": "100", "username": "acme"}], "urls": []},
    "referenced_tweets": [{"type": "replied_to", "id": "1993000000000000000"}],
    "in_reply_to_user_id": "100", "attachments": {"media_keys": ["3_1"]},
}  # fmt: skip
MESSAGE = {
    "id": "1993000000000000002", "event_type": "MessageCreate", "text": "Hi", "sender_id": "200",
    "dm_conversation_id": "100-200", "created_at": "2026-11-24T10:00:00.000Z",
}  # fmt: skip
USERS = {"200": {"id": "200", "username": "ann", "name": "Ann", "verified": True,
                 "public_metrics": {"followers_count": 5}, "location": "Bern &amp; Basel",
                 "description": "I write", "entities": {}}}  # fmt: skip

USED: dict[str, Callable[[XClient, Any], Answer]] = {
    r"GET /2/users/me": lambda x, _: x.get_me(),
    r"GET /2/users/\d+/mentions": lambda x, _: x.get_users_mentions(783214),
    r"GET /2/users/\d+/tweets": lambda x, _: x.get_users_tweets(783214),
    r"GET /2/tweets": lambda x, _: x.get_tweets([1293593516040269825, 1293595870563381249]),
    r"GET /2/tweets/\d+": lambda x, _: x.get_tweet(1293593516040269825),
    r"GET /2/tweets/\d+/quote_tweets": lambda x, _: x.get_quote_tweets(1293593516040269825),
    r"GET /2/tweets/search/recent": lambda x, _: x.search_recent_tweets("Tweepy"),
    r"GET /2/dm_events": lambda x, _: x.get_direct_message_events(),
    r"GET /2/dm_conversations/with/\d+/dm_events": lambda x, _: x.get_direct_message_events(
        participant_id=750362064426721281
    ),
    r"POST /2/tweets": lambda x, body: x.create_tweet(text=body["text"]),
    r"DELETE /2/tweets/\d+": lambda x, _: x.delete_tweet(1456012973835788293),
    r"PUT /2/tweets/\d+/hidden": lambda x, body: (
        x.hide_reply if body["hidden"] else x.unhide_reply
    )(1344794616005066752),
    r"POST /2/users/\d+/likes": lambda x, body: x.like(body["tweet_id"]),
    r"DELETE /2/users/\d+/likes/\d+": lambda x, _: x.unlike(1293593516040269825),
    r"POST /2/dm_conversations/with/\d+/messages": lambda x, body: x.create_direct_message(
        participant_id=750362064426721281, text=body["text"]
    ),
}
"""The requests that scrm uses, each with the call of tweepy that makes it."""


@cache
def exchanges() -> tuple[Any, ...]:
    """Return the recorded pairs of request and response that scrm uses, of version 2 of the API."""
    return tuple(_exchanges())


def _exchanges() -> Iterator[Any]:
    for path in sorted(CASSETTES.glob("*.yaml")):
        for number, exchange in enumerate(
            yaml.load(path.read_text(), yaml.CSafeLoader)["interactions"]
        ):
            asked = exchange["request"]
            route = f"{asked['method']} {re.sub(r'https://[^/]+|[?].*', '', asked['uri'])}"
            for pattern, call in USED.items():
                if re.fullmatch(pattern, route):
                    yield pytest.param(exchange, call, route, id=f"{path.stem}-{number}")


class Replay:
    """A server that returns one recorded response, byte for byte, and records the request."""

    def __init__(self, exchange: Any) -> None:
        replay, answer = self, exchange["response"]
        content = answer["body"]["string"] or b""
        self.content = content.encode() if isinstance(content, str) else content
        left_out = {"content-length", "transfer-encoding", "connection"}
        if self.content[:2] != b"\x1f\x8b":  # some recordings contain the decompressed body
            left_out.add("content-encoding")

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                pass

            def answer(self) -> None:
                replay.route = f"{self.command} {self.path.partition('?')[0]}"
                self.send_response_only(answer["status"]["code"])
                for name, values in answer["headers"].items():
                    if name.lower() not in left_out:
                        self.send_header(name, values[0])
                self.end_headers()
                self.wfile.write(replay.content)

            do_GET = do_POST = do_PUT = do_DELETE = answer

        self.route = ""
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.handle_request, daemon=True).start()


@pytest.mark.skipif(not CASSETTES.exists(), reason="the recorded answers are not here")
class TestRecordedAnswers:
    @pytest.mark.parametrize(("exchange", "call", "route"), exchanges())
    def test_a_recorded_answer_is_understood(
        self, exchange: Any, call: Any, route: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
        replay = Replay(exchange)
        body = exchange["request"]["body"]
        body = json.loads(body) if isinstance(body, str) else body
        client = XClient({"access_token": "t"}, api=replay.url, user_id="1072250532645998596")
        answer = call(client, body)
        replay.server.server_close()
        assert replay.route.split("/")[:3] == route.split("/")[:3]
        zipped = replay.content[:2] == b"\x1f\x8b"
        raw = json.loads(gzip.decompress(replay.content) if zipped else replay.content)
        assert answer.body == raw
        self.check_items(answer, raw)
        self.check_limit(exchange, answer)

    def check_items(self, answer: Answer, raw: Any) -> None:
        # The recorded requests did not ask for the author, which is always asked for by scrm.
        rows = raw["data"] if isinstance(raw.get("data"), list) else []
        is_message = any("event_type" in row for row in rows)
        facts = {"sender_id": "1", "dm_conversation_id": "1-2"} if is_message else {"author_id": 1}
        asked = Answer({**raw, "data": [row | facts for row in rows]}, answer.moment)
        read = _Read.all([asked], read_message if is_message else read_post)
        assert read.unreadable == ()
        assert {key.removeprefix("dm:") for key in read.posts} == {row["id"] for row in rows}
        for post in read.posts.values():
            assert post.item.occurred_at is not None
            assert abs(post.item.occurred_at.year - 2021) <= 1
            assert post.item.text

    def check_limit(self, exchange: Any, answer: Answer) -> None:
        recorded = exchange["response"]["headers"].items()
        headers = {name.lower(): values[0] for name, values in recorded}
        assert 2021 <= answer.moment.year <= 2024
        used_up = headers | {"x-rate-limit-remaining": "0"}
        error = refusal(429, used_up, None, changes=False, now=answer.moment)
        assert error.retry_after is not None
        reset = int(headers.get("x-rate-limit-reset", 0)) - answer.moment.timestamp()
        assert error.retry_after == (max(1, reset) if reset > -9e8 else 900)

    def test_all_recorded_kinds_of_requests_are_replayed(self) -> None:
        replayed = {param.values[2] for param in exchanges()}
        missing = [p for p in USED if not any(re.fullmatch(p, route) for route in replayed)]
        assert missing == []
        assert len(exchanges()) > 20


class TestReading:
    def test_a_complete_post(self) -> None:
        media = {"3_1": {"type": "photo", "url": "https://pbs.example/1.jpg", "alt_text": "A cat"}}
        post = read_post(POST, USERS, media)
        item = post.item
        assert (item.in_reply_to, item.thread_key) == ("1993000000000000000",) * 2
        assert (item.author.place, item.author.verified) == ("Bern & Basel", True)
        assert post.pictures == (("https://pbs.example/1.jpg", "A cat"),)
        assert post.change is None

    def test_a_long_post_is_read_in_full(self) -> None:
        urls = [{"url": "https://t.co/x1", "expanded_url": "https://a.example/"}]
        note = {"text": "Long " * 200 + "https://t.co/x1", "entities": {"urls": urls}}
        item = read_post({**POST, "note_tweet": note}, USERS, {}).item
        assert item.text == "Long " * 200 + "https://a.example/"

    def test_the_link_of_an_attached_picture_is_left_out(self) -> None:
        urls = [{"url": "https://t.co/p1", "expanded_url": "https://x.com/a/status/1/photo/1",
                 "media_key": "3_1"}]  # fmt: skip
        assert expanded("Look https://t.co/p1", {"urls": urls}) == "Look"

    @pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "", 7, None])
    def test_a_link_to_something_else_stays_short(self, link: Any) -> None:
        entities = {"urls": [{"url": "https://t.co/x1", "expanded_url": link}]}
        assert expanded("See https://t.co/x1", entities) == "See https://t.co/x1"

    @pytest.mark.parametrize(
        ("protected", "visibility"),
        [(True, "private"), (False, "public"), (None, "public"), ("true", "public")],
    )
    def test_a_post_of_a_protected_account_is_private(
        self, protected: Any, visibility: str
    ) -> None:
        users = {"200": {**USERS["200"], "protected": protected}}
        assert read_post(POST, users, {}).item.visibility == visibility

    def test_ids_may_be_numbers_or_strings(self) -> None:
        numbers = {**POST, "id": 1993000000000000001, "author_id": 200,
                   "edit_history_tweet_ids": [1993000000000000001]}  # fmt: skip
        assert read_post(numbers, USERS, {}).item.key == POST["id"]

    def test_an_unknown_author_is_kept_by_their_key(self) -> None:
        item = read_post(POST, {}, {}).item
        assert (item.author.key, item.author.handle, item.author.reach) == ("200", "", None)
        assert item.url == f"https://x.com/i/status/{POST['id']}"

    @pytest.mark.parametrize("number", [True, -1, 1.5, "", "1e3", "٣", "9" * 30, [1], {}, None])
    def test_what_is_no_id_makes_an_entry_unreadable(self, number: Any) -> None:
        with pytest.raises(ValueError, match="is not an id"):
            read_post({**POST, "id": number}, USERS, {})

    def test_an_id_contains_its_time(self) -> None:
        moment = datetime(2026, 11, 24, 10, tzinfo=UTC)
        assert snowflake_time(str(snowflake_at(moment))) == moment
        assert snowflake_time("20") is None

    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=5,
    )

    @given(st.dictionaries(st.sampled_from([*POST, "note_tweet", "data"]), json_values),
           st.sampled_from(["200", 200]) | json_values, json_values)  # fmt: skip
    @settings(max_examples=150)
    def test_hostile_json_never_stops_the_others(
        self, changed: dict[str, Any], author: Any, user: Any
    ) -> None:
        """An entry with hostile JSON does not prevent the reading of the other entries.

        Fails if a value of a wrong type raises an exception that the listener does not catch.
        """
        rows = [POST, {**POST, "id": "5", "author_id": author, **changed}, user]
        includes = {"users": [user, {"id": "200", **changed}], "media": [user]}
        answer = Answer({"data": rows, "includes": includes, "meta": user, "errors": user}, NOW)
        read = _Read.all([answer], read_post)
        assert POST["id"] in read.posts
        assert len(read.posts) + len(read.unreadable) <= 3
        _Read.all([Answer({"data": [{**MESSAGE, **changed}]}, NOW)], read_message)
        assert isinstance(answer.next_token, str)
        assert isinstance(answer.errors, list)

    def test_a_huge_text_is_read_in_linear_time(self) -> None:
        began = time.process_time()
        for part in ("https://t.co/", "&amp;", "@a ", "a/ ", "\ud800", "&" * 3, "/"):
            text = part * (200_000 // len(part))
            item = read_post({**POST, "text": text}, USERS, {}).item
            comparable(item.text)
        assert time.process_time() - began < 5


class TestRefusals:
    @pytest.mark.parametrize(
        ("headers", "wait"),
        [
            ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "+90"}, 90),
            ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "-90"}, 1),
            ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "+999999999"}, 86_400),
            ({"x-rate-limit-remaining": "7", "x-rate-limit-reset": "+90",
              "x-user-limit-24hour-remaining": "0", "x-user-limit-24hour-reset": "+7000"}, 7000),
            ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "+90",
              "x-app-limit-24hour-remaining": "0", "x-app-limit-24hour-reset": "+7000"}, 7000),
            ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "+90",
              "x-user-limit-24hour-remaining": "50", "x-user-limit-24hour-reset": "+7000"}, 90),
            ({"x-rate-limit-reset": "soon"}, 900),
            ({"retry-after": "30"}, 30),
            ({}, 900),
        ],
    )  # fmt: skip
    def test_a_request_limit_waits(self, headers: dict[str, str], wait: float) -> None:
        now = int(NOW.timestamp())
        sent = {
            name: str(now + int(value)) if value[:1] in "+-" else value
            for name, value in headers.items()
        }
        error = refusal(429, sent, None, changes=True, now=NOW)
        assert (error.retry_after, error.permanent, error.uncertain) == (wait, False, False)

    @pytest.mark.parametrize(
        ("detail", "until", "shown"),
        [
            ("CreditsDepleted", datetime(2026, 11, 30, 18, tzinfo=UTC), "18:00 UTC on 30 November"),
            ("The daily spend limit is reached", datetime(2026, 12, 1, tzinfo=UTC), "1 December"),
            ("Spend cap of this billing cycle", datetime(2026, 12, 1, tzinfo=UTC), "1 December"),
        ],
    )
    def test_used_up_credit(self, detail: str, until: datetime, shown: str) -> None:
        error = refusal(402, {}, {"detail": detail}, changes=True, now=NOW)
        assert error.retry_after == (until - NOW).total_seconds()
        assert shown in error.message
        assert (error.permanent, error.uncertain) == (False, False)

    def test_the_month_ends_after_december_too(self) -> None:
        now = datetime(2026, 12, 31, 23, tzinfo=UTC)
        error = refusal(402, {}, {"detail": "monthly"}, changes=False, now=now)
        assert error.retry_after == 3600

    @pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2026 12:00:00 GMT"])
    def test_a_date_that_cannot_be_read_is_ignored(self, date: str) -> None:
        assert server_time({"date": date}, NOW) == NOW

    @given(TestReading.json_values, st.integers(300, 599))
    def test_any_body_makes_one_error_of_bounded_length(self, body: Any, status: int) -> None:
        for content in (body, {"detail": body, "errors": body}, {"errors": [{"message": body}]}):
            error = refusal(status, {}, content, changes=True, now=NOW)
            assert isinstance(error, ChannelError)
            assert len(error.message) < 600
            assert "\n" not in error.message
