"""What the Mastodon channel reads: paging, lateness, edits, deletions, errors and hostile texts."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrm.channels.base import Batch, ChannelError, Credentials, FetchRequest, Item, Terms
from scrm.channels.mastodon import budget, listen, read
from scrm.channels.mastodon.channel import CHANNEL
from scrm.channels.mastodon.client import network_of
from scrm.channels.mastodon.listen import MastodonListener
from scrm.channels.mastodon.search import queries_of, translate
from scrm.net import http
from scrm.net.addresses import networks
from tests.standins.failing import failing
from tests.standins.mastodon import DOMAIN, PNG, TOKEN, Fault, MastodonServer


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))


@pytest.fixture
def net() -> Iterator[MastodonServer]:
    with MastodonServer() as server:
        yield server


def us(net: MastodonServer, **config: Any) -> Credentials:
    return Credentials(
        network_of(net.url), net.us["id"], f"@us@{DOMAIN}", {"token": TOKEN},
        {"api": net.url, "domain": DOMAIN} | config,
    )  # fmt: skip


class Reader:
    """Fetches a source again and again, with the cursor of the last fetch that was stored."""

    def __init__(self, net: MastodonServer, address: str = "mentions", **request: Any) -> None:
        self.net, self.address, self.request = net, address, request
        self.cursor: Any = {}
        self.items: list[Item] = []
        self.changes: list[tuple[str, str]] = []

    def ask(self) -> Batch:
        request = FetchRequest(self.address, self.cursor, us(self.net), **self.request)
        return MastodonListener().listen(request)

    def fetch(self) -> Batch:
        batch = self.ask()
        self.cursor = batch.cursor
        self.items += batch.items
        self.changes += [(change.kind, change.key) for change in batch.changes]
        return batch

    def fetch_all(self) -> None:
        while self.fetch().next_after == 0:
            pass

    @property
    def keys(self) -> list[str]:
        return [item.key for item in self.items]


class TestReading:
    def test_a_mention_is_an_item_with_its_author(self, net: MastodonServer) -> None:
        ann = net.account("ann@far.example")
        row = net.write(ann, "@us the <b> is late", spoiler_text="Trains & cats")
        reader = Reader(net)
        reader.fetch()
        (item,) = reader.items
        assert (item.scope, item.key, item.text) == (network_of(net.url), row["id"],
                                                     "@us the <b> is late")  # fmt: skip
        assert (item.title, item.kind, item.visibility) == ("Trains & cats", "post", "public")
        assert item.author.key == ann["id"]
        assert (item.author.handle, item.author.name) == ("ann@far.example", "Ann@Far.Example")
        assert (item.author.reach, item.author.bio) == (7, "I am ann@far.example")
        assert item.mentions == (net.us["id"],)
        assert item.thread_key == item.key
        assert item.occurred_at is not None
        assert item.occurred_at.tzinfo is not None

    def test_a_handle_of_our_server_gets_its_domain(self, net: MastodonServer) -> None:
        net.write(net.account("bob"), "@us hi")
        reader = Reader(net)
        reader.fetch()
        assert reader.items[0].author.handle == f"bob@{DOMAIN}"

    def test_a_direct_post_is_a_private_message(self, net: MastodonServer) -> None:
        bob = net.account("bob")
        net.write(bob, "@us my number is 5", visibility="direct")
        net.write(bob, "@us for followers", visibility="private")
        reader = Reader(net)
        reader.fetch()
        assert [(item.kind, item.visibility) for item in reader.items] == [
            ("message", "private"), ("post", "private"),
        ]  # fmt: skip

    def test_a_message_of_a_stranger_is_read_although_the_server_filters_it(
        self, net: MastodonServer
    ) -> None:
        """Mastodon leaves private mentions of people whom we do not follow out, unless asked."""
        friend, stranger = net.account("ann"), net.account("bob@far.example")
        net.follows.add(friend["id"])
        for person in (friend, stranger):
            net.write(person, "@us where is my bag?", visibility="direct")
        reader = Reader(net)
        reader.fetch()
        assert [item.author.key for item in reader.items] == [friend["id"], stranger["id"]]
        net.write(stranger, "@us hello?", visibility="direct")
        reader.fetch()
        assert len(reader.items) == 3

    def test_a_reply_belongs_to_the_root_of_its_thread(self, net: MastodonServer) -> None:
        ann = net.account("ann")
        root = net.write(net.us, "Our news")
        middle = net.write(ann, "Hm.", to=root["id"])
        net.write(ann, "@us why?", to=middle["id"])
        reader = Reader(net)
        reader.fetch()
        (item,) = reader.items
        assert (item.kind, item.in_reply_to, item.thread_key) == (
            "comment", middle["id"], root["id"],
        )  # fmt: skip

    def test_a_root_that_cannot_be_looked_up_loses_no_item(self, net: MastodonServer) -> None:
        ann = net.account("ann")
        middle = net.write(ann, "Hm.", to=net.write(net.us, "Our news")["id"])
        net.write(ann, "@us why?", to=middle["id"])
        net.faults.append(Fault("/context", 500, times=99))
        reader = Reader(net)
        reader.fetch()
        assert [item.thread_key for item in reader.items] == [middle["id"]]

    def test_a_quote_names_the_quoted_post(self, net: MastodonServer) -> None:
        ours = net.write(net.us, "Our news")
        quote = {"state": "accepted", "quoted_status": ours}
        net.notify("quote", net.write(net.account("ann"), "Look", quote=quote))
        pending = {"state": "rejected", "quoted_status": None}
        net.notify("quote", net.write(net.account("bob"), "Look", quote=pending))
        reader = Reader(net)
        reader.fetch()
        assert [item.quotes for item in reader.items] == [ours["id"], ""]

    def test_a_boost_shows_the_boosted_post(self, net: MastodonServer) -> None:
        ann = net.write(net.account("ann"), "A cat")
        boost = net.write(net.account("bob"), "", reblog=ann)
        reader = Reader(net, "home")
        reader.fetch()
        assert reader.keys == [ann["id"]], boost["id"]

    @pytest.mark.parametrize(
        ("address", "expected"),
        [("hashtag:cats", 1), ("local", 3), ("home", 3), ("list:7", 3)],
    )
    def test_each_kind_of_source(self, net: MastodonServer, address: str, expected: int) -> None:
        ann = net.account("ann")
        for text in ("a #cats", "b", "c"):
            net.write(ann, text)
        reader = Reader(net, address)
        reader.fetch()
        assert len(reader.items) == expected
        assert reader.fetch().unchanged

    @pytest.mark.parametrize(
        "address", ["hashtag:../../x", "hashtag:a b", "list:", "list:7/../8", "else", "home:x"]
    )
    def test_an_unknown_source_is_refused(self, net: MastodonServer, address: str) -> None:
        with pytest.raises(ChannelError, match="no source") as caught:
            Reader(net, address).fetch()
        assert caught.value.permanent
        assert net.asked == []

    def test_pictures_come_with_their_descriptions(
        self, net: MastodonServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def media(name: str, **facts: Any) -> dict[str, Any]:
            url = f"{net.url}/files/{name}.png"
            return {"id": "1", "type": "image", "url": url, "description": f"of {name}"} | facts

        files = [
            media("a"), media("gone", url=f"{net.url}/nothing"), media("film", type="video"),
            media("plain", url="http://far.example/x.png"), media("b"),
        ]  # fmt: skip
        asked: list[str] = []
        fetch = http.fetch

        def watched(url: str, **options: Any) -> http.Response:
            asked.append(url)
            return fetch(url, **options)

        monkeypatch.setattr(http, "fetch", watched)
        net.write(net.account("ann"), "@us see", media_attachments=files)
        reader = Reader(net)
        reader.fetch()
        found = [(file.name, file.content, file.alt) for file in reader.items[0].attachments]
        assert found == [("a.png", PNG, "of a"), ("b.png", PNG, "of b")]
        assert "http://far.example/x.png" not in asked, "a picture is never fetched without TLS"

    def test_discover_offers_lists_and_hashtags(self, net: MastodonServer) -> None:
        net.lists["7"] = {"id": "7", "title": "Press"}
        found = {one.address: one.title for one in MastodonListener().discover("#dogs", us(net))}
        assert next(iter(found)) == "hashtag:dogs"
        assert {"mentions", "home", "local", "list:7", "hashtag:cats"} <= found.keys()
        assert found["list:7"] == "List: Press"
        typed = MastodonListener().discover("red shoes", us(net))[0]
        assert typed.address == "search:red shoes"
        assert MastodonListener().discover("x") == []


class TestPaging:
    def test_all_posts_between_two_fetches_are_read(self, net: MastodonServer) -> None:
        ann = net.account("ann")
        net.write(ann, "@us 0")
        reader = Reader(net)
        reader.fetch()
        for number in range(1, 950):
            net.write(ann, f"@us {number}")
        fetches = 0
        while reader.fetch().next_after == 0:
            fetches += 1
        assert sorted(reader.keys, key=int) == [row["id"] for row in net.in_order()]
        assert fetches >= 2

    def test_a_first_fetch_reads_the_newest_page(self, net: MastodonServer) -> None:
        ann = net.account("ann")
        for number in range(100):
            net.write(ann, f"@us {number}")
        reader = Reader(net)
        assert reader.fetch().next_after is None
        assert reader.keys == [row["id"] for row in net.in_order()[-40:]]
        assert reader.fetch().unchanged

    def test_a_post_that_arrives_late_is_found(self, net: MastodonServer) -> None:
        """Fails without the overlap: its id is between those that were read before."""
        ann = net.account("ann")
        for number in range(50):
            net.write(ann, f"{number} #cats")
        reader = Reader(net, "hashtag:cats")
        reader.fetch()
        late = net.write(ann, "late #cats", late=5)
        reader.fetch()
        assert late["id"] in reader.keys

    def test_the_most_items_are_respected(self, net: MastodonServer) -> None:
        ann = net.account("ann")
        for number in range(30):
            net.write(ann, f"@us {number}")
        assert Reader(net, max_items=0).fetch().next_after is None
        assert net.asked == []
        reader = Reader(net, max_items=8)
        reader.fetch()
        reader.cursor = {"from": "0"}
        reader.items.clear()
        batch = reader.fetch()
        assert len(batch.items) == 8
        assert batch.next_after == 0
        reader.fetch_all()
        assert sorted(set(reader.keys), key=int) == [row["id"] for row in net.in_order()]

    def test_an_error_keeps_what_was_read_before(self, net: MastodonServer) -> None:
        ann = net.account("ann")
        net.write(ann, "@us 0")
        reader = Reader(net)
        reader.fetch()
        for number in range(100):
            net.write(ann, f"@us {number}")
        net.faults.append(Fault("notifications", 429, skip=1, headers={"Retry-After": "17"}))
        batch = reader.fetch()
        assert len(batch.items) == 39
        assert batch.next_after == 17
        reader.fetch_all()
        assert sorted(reader.keys, key=int) == [row["id"] for row in net.in_order()]

    def test_pictures_that_fill_the_budget_wait_for_the_next_fetch(
        self, net: MastodonServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(budget, "ALL_BYTES", 3 * len(PNG) - 5)
        picture = {"id": "1", "type": "image", "url": f"{net.url}/files/a.png"}
        ann = net.account("ann")
        for number in range(10):
            net.write(ann, f"@us {number}", media_attachments=[picture])
        reader = Reader(net)
        assert reader.fetch().next_after == 0
        assert len(reader.items) == 3
        reader.fetch_all()
        assert len(reader.keys) == len(set(reader.keys)) == 10
        assert all(item.attachments for item in reader.items)

    def test_a_post_that_arrives_while_a_fetch_waits_is_found(self, net: MastodonServer) -> None:
        """Fails if a continued fetch does not remember where the first one started."""
        ann = net.account("ann")
        net.hour = timedelta(minutes=20)
        for number in range(50):
            net.write(ann, f"{number} #cats")
        reader = Reader(net, "hashtag:cats")
        reader.fetch()
        for number in range(60):
            net.write(ann, f"{number} #cats")
        net.faults.append(Fault("timelines", 429, skip=1))
        reader.fetch()
        late = net.write(ann, "late #cats", late=5)
        net.hour = timedelta()  # the server has let us wait for twenty minutes
        for number in range(60):
            net.write(ann, f"{number} #cats")
        for _ in range(2):
            reader.fetch_all()
        assert late["id"] in reader.keys

    @pytest.mark.slow
    @settings(max_examples=12, deadline=None)
    @given(st.randoms(use_true_random=False), st.sampled_from(["hashtag:cats", "mentions"]))
    def test_random_posts_and_kills_lose_nothing(self, chance: random.Random, address: str) -> None:
        """New and late posts, small pages and killed fetches in any order.

        A killed fetch stores neither its items nor its cursor.
        """
        with MastodonServer() as net:
            ann = net.account("ann")
            net.write(ann, "@us first #cats")
            reader = Reader(net, address)
            reader.fetch()
            for _ in range(chance.randint(3, 8)):
                for _ in range(chance.choice([0, 1, 5, 60, 130])):
                    late = chance.choice([0, 0, 0, 8])
                    net.write(ann, "@us hello #cats", late=late)
                if chance.random() < 0.3:
                    reader.ask()  # killed
                if chance.random() < 0.3:
                    skip = chance.randint(0, 2)
                    net.faults.append(Fault("timelines", "torn", skip=skip))
                    net.faults.append(Fault("notifications", 503, skip=skip))
                with suppress(ChannelError):
                    reader.fetch()
                net.faults.clear()
            for _ in range(3):  # the last fetch may have continued an early one
                reader.fetch_all()
            assert set(reader.keys) == set(net.statuses)
            assert reader.fetch().changes == ()


class TestChanges:
    def test_an_edited_post_is_reported_once(self, net: MastodonServer) -> None:
        row = net.write(net.account("ann"), "@us good")
        reader = Reader(net)
        reader.fetch()
        net.edit(row, "@us bad")
        batch = reader.fetch()
        (change,) = batch.changes
        assert (change.kind, change.key, change.text) == ("edited", row["id"], "@us bad")
        assert batch.items == ()
        assert reader.fetch().unchanged

    def test_a_deleted_post_is_reported_once(self, net: MastodonServer) -> None:
        ann = net.account("ann")
        row, other = net.write(ann, "@us one"), net.write(ann, "@us two")
        reader = Reader(net)
        reader.fetch()
        net.remove(row["id"])
        reader.fetch()
        assert reader.changes == [("deleted", row["id"])]
        assert reader.fetch().unchanged, other["id"]

    def test_a_dismissed_notification_is_no_deletion(self, net: MastodonServer) -> None:
        """Fails if a missing row counts as deleted without a look-up."""
        row = net.write(net.account("ann"), "@us one")
        reader = Reader(net)
        reader.fetch()
        net.notifications.clear()
        assert reader.fetch().unchanged
        net.edit(row, "@us other")
        reader.fetch()
        net.remove(row["id"])
        reader.fetch()
        assert reader.changes == [("edited", row["id"]), ("deleted", row["id"])]

    def test_a_deletion_is_reported_once_for_two_notifications(self, net: MastodonServer) -> None:
        """Also if a notification stays without its post."""
        ann = net.account("ann")
        row = net.write(ann, "@us one")
        net.notify("quote", row)
        reader = Reader(net)
        reader.fetch()
        assert reader.keys == [row["id"]]
        del net.statuses[row["id"]]
        for one in net.notifications:
            one["status"] = None
        reader.fetch()
        reader.fetch()
        assert reader.changes == [("deleted", row["id"])]

    def test_an_old_server_is_asked_one_by_one(self, net: MastodonServer) -> None:
        net.has_bulk = False
        ann = net.account("ann")
        row = net.write(ann, "@us one")
        net.write(ann, "@us two")
        reader = Reader(net)
        reader.fetch()
        net.remove(row["id"])
        reader.fetch()
        assert reader.changes == [("deleted", row["id"])]
        assert f"GET /api/v1/statuses/{row['id']}" in net.asked

    def test_a_post_that_we_boosted_was_edited(self, net: MastodonServer) -> None:
        row = net.write(net.account("ann"), "A cat")
        reader = Reader(net)
        reader.fetch()
        net.edit(row, "A dog")
        net.notify("update", row)
        reader.fetch()
        assert reader.changes == [("edited", row["id"])]
        assert reader.items == []


class TestSearch:
    def test_each_alternative_of_a_topic_is_a_query(self) -> None:
        terms = Terms(("red shoes", "boots"), ("sale",), ("spam", 'a "b"'))
        assert queries_of("", terms) == ['"red shoes" sale', "boots sale"]
        assert queries_of(" any words ", None) == ["any words"]
        assert queries_of("", Terms(all_of=("x",))) == ["x"]

    def test_a_query_is_never_narrower_than_the_topic(self) -> None:
        """The server knows other forms of a word, so "-apple" would exclude posts with "apples"."""
        terms = Terms(("boots",), none_of=("apple",))
        assert "Posts with “apple” are read and left out" in " ".join(translate(terms).left_to_us)
        assert translate(terms).queries == ("boots",)
        assert "left out" not in " ".join(translate(Terms(("boots",))).left_to_us)
        signs = Terms(("from:me", "-5", "+1", 'a "b"', "well-known"))
        assert queries_of("", signs) == ['"from:me"', '"-5"', '"+1"', '"a b"', "well-known"]
        many = tuple(f"{number}{'x' * 90}" for number in range(9))
        (query,) = queries_of("", Terms(("boots",), many))
        assert query == " ".join(["boots", *many[:4]]), "no word is cut"

    def test_it_reads_new_results_only(self, net: MastodonServer) -> None:
        ann = net.account("ann")
        for number in range(60):
            net.write(ann, f"boots {number}")
        reader = Reader(net, "search:", terms=Terms(("boots", "shoes")))
        reader.fetch_all()
        assert len(reader.keys) == 40
        new = [net.write(ann, f"boots and shoes {number}")["id"] for number in range(300)]
        reader.items.clear()
        reader.fetch_all()
        assert set(new) <= set(reader.keys)
        assert reader.fetch().unchanged

    def test_a_search_without_results_reads_all_later_ones(self, net: MastodonServer) -> None:
        reader = Reader(net, "search:boots")
        reader.fetch()
        ann = net.account("ann")
        new = [net.write(ann, f"boots {number}")["id"] for number in range(90)]
        reader.fetch_all()
        assert sorted(reader.keys, key=int) == new

    def test_a_page_with_filtered_results_does_not_end_the_search(
        self, net: MastodonServer
    ) -> None:
        """Mastodon removes the statuses of muted people after it has cut the page."""
        ann, muted = net.account("ann"), net.account("bob")
        reader = Reader(net, "search:boots")
        net.write(ann, "boots")
        reader.fetch_all()
        new = [net.write(ann, f"boots {number}")["id"] for number in range(90)]
        net.hidden |= {net.write(muted, f"boots {number}")["id"] for number in range(10)}
        reader.fetch_all()
        assert sorted(reader.keys[1:], key=int) == new

    def test_an_empty_answer_keeps_the_place_of_the_search(self, net: MastodonServer) -> None:
        """Mastodon answers with an empty list if its search index fails."""
        ann = net.account("ann")
        reader = Reader(net, "search:boots")
        net.write(ann, "boots")
        reader.fetch_all()
        before = reader.cursor["queries"]
        net.faults.append(Fault("GET /api/v2/search", 200, body={"statuses": []}))
        assert reader.fetch().next_after is None
        assert reader.cursor["queries"] == before

    def test_an_empty_answer_in_an_unfinished_search_is_asked_again_later(
        self, net: MastodonServer
    ) -> None:
        ann = net.account("ann")
        reader = Reader(net, "search:boots")
        net.write(ann, "boots")
        reader.fetch_all()
        new = [net.write(ann, f"boots {number}")["id"] for number in range(300)]
        assert reader.fetch().next_after == 0
        net.faults.append(Fault("GET /api/v2/search", 200, body={"statuses": []}))
        assert reader.fetch().next_after is None, "an index that fails is not asked at once"
        reader.fetch_all()
        assert set(new) <= set(reader.keys)

    def test_a_server_without_search_finds_nothing(self, net: MastodonServer) -> None:
        net.has_search = False
        net.write(net.account("ann"), "boots")
        assert Reader(net, "search:boots").fetch().unchanged

    def test_a_search_without_words_is_refused(self, net: MastodonServer) -> None:
        with pytest.raises(ChannelError, match="no words"):
            Reader(net, "search: ").fetch()

    def test_many_alternatives_are_searched_in_turns(self, net: MastodonServer) -> None:
        ann = net.account("ann")
        words = tuple(f"word{number}x" for number in range(12))
        rows = [net.write(ann, f"a {word}")["id"] for word in words]
        reader = Reader(net, "search:", terms=Terms(words))
        reader.fetch_all()
        assert set(reader.keys) == set(rows)
        assert len(net.asked) >= 12


class TestRefusals:
    @pytest.mark.parametrize(
        ("fault", "words", "permanent", "wait"),
        [
            (Fault("", 401), "does not accept this login any more", True, None),
            (Fault("", 402), "refuses this: “Not now” (402)", True, None),
            (Fault("", 403), "does not allow this: “Not now” (403)", True, None),
            (Fault("", 404), "does not have it", True, None),
            (Fault("", 422), "refuses this: “Not now” (422)", True, None),
            (Fault("", 429), "less frequent", False, 240),
            (Fault("", 429, headers={"Retry-After": "30"}), "less frequent", False, 30),
            (Fault("", 429, headers={"X-RateLimit-Reset": "soon"}), "less frequent", False, None),
            (Fault("", 500), "server error (500)", False, None),
            (Fault("", 503, headers={"Retry-After": "9"}), "server error (503)", False, 9),
            (Fault("", 301, headers={"Location": "https://x.example/"}), "has moved", True, None),
            (Fault("", "torn"), "not an answer of Mastodon", False, None),
            (Fault("", "web page"), "not an answer of Mastodon", False, None),
            (Fault("", "closed"), "closed the connection", False, None),
            (Fault("", 200, body={"a": 1}), "not an answer of Mastodon", False, None),
        ],
    )  # fmt: skip
    def test_each_refusal_says_what_happened(
        self, net: MastodonServer, fault: Fault, words: str, permanent: bool, wait: float | None
    ) -> None:
        net.faults.append(fault)
        with pytest.raises(ChannelError) as caught:
            Reader(net).fetch()
        error = caught.value
        assert words in error.message
        assert error.permanent is permanent
        assert error.retry_after == (pytest.approx(wait, abs=5) if wait else None)
        assert not error.uncertain
        assert TOKEN not in error.message

    def test_a_server_that_is_down_is_asked_again_later(self, net: MastodonServer) -> None:
        gone = Credentials("x", "1", "", {"token": TOKEN}, {"api": "http://127.0.0.1:1"})
        with pytest.raises(ChannelError) as caught:
            MastodonListener().listen(FetchRequest("mentions", {}, gone))
        assert not caught.value.permanent

    @pytest.mark.parametrize(
        ("config", "secrets", "words"),
        [
            ({}, {"token": "x"}, "not connected"),
            ({"api": "https://x.example"}, {}, "not connected"),
            ({"api": "http://x.example"}, {"token": "x"}, "unencrypted"),
        ],
    )
    def test_an_account_that_cannot_be_used_says_why(
        self, config: dict[str, str], secrets: dict[str, str], words: str
    ) -> None:
        broken = Credentials("x", "1", "", secrets, config)
        with pytest.raises(ChannelError, match=words) as caught:
            MastodonListener().listen(FetchRequest("mentions", {}, broken))
        assert caught.value.permanent

    def test_no_token_is_logged(
        self, net: MastodonServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        net.write(net.account("ann"), "@us hello")
        Reader(net).fetch()
        net.faults.append(Fault("", 401))
        with pytest.raises(ChannelError):
            Reader(net).fetch()
        assert caplog.records
        assert TOKEN not in caplog.text
        assert TOKEN not in repr(us(net))

    def test_a_token_that_is_the_name_of_a_file_is_not_read(
        self, net: MastodonServer, tmp_path: Any
    ) -> None:
        """Fails if the token is an argument of Mastodon.py, which would send the file's content."""
        path = tmp_path / "secret"
        path.write_text(TOKEN)
        named = Credentials("x", "1", "", {"token": str(path)}, {"api": net.url})
        with pytest.raises(ChannelError, match="401"):
            MastodonListener().listen(FetchRequest("mentions", {}, named))


class TestHostile:
    @pytest.mark.parametrize(
        "facts",
        [
            {"content": None}, {"account": None}, {"id": None}, {"id": "../x"}, {"id": True},
            {"account": {"id": "a/b"}}, {"account": []}, {"content": {"a": 1}, "account": "x"},
        ],
    )  # fmt: skip
    def test_a_row_that_cannot_be_read_stops_no_other(
        self, net: MastodonServer, facts: dict[str, Any]
    ) -> None:
        ann = net.account("ann")
        first, last = net.write(ann, "@us a"), net.write(ann, "@us c")
        rows = [
            {"id": str(number), "type": "mention", "status": status}
            for number, status in enumerate((first, first | {"id": "77"} | facts, last), 1)
        ]
        net.faults.append(Fault("notifications", 200, times=2, body=rows))
        reader = Reader(net)
        batch = reader.fetch()
        assert reader.keys == [first["id"], last["id"]]
        assert len(batch.unreadable) == 1
        assert batch.unreadable[0].reason.startswith("This answer of 127.0.0.1")
        assert reader.fetch().unreadable == (), "reported once"

    def test_raw_text_in_a_content_warning_is_read(self, net: MastodonServer) -> None:
        net.write(net.account("ann"), "@us a", spoiler_text="<xmp></b></b></xmp> hidden")
        reader = Reader(net)
        assert reader.fetch().unreadable == ()
        assert reader.items[0].title.split() == ["</b></b>", "hidden"]

    @pytest.mark.parametrize("error", [IndexError, OverflowError, RecursionError])
    def test_no_error_of_one_status_stops_others(
        self, net: MastodonServer, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        ann = net.account("ann")
        early = net.write(ann, "@us early")
        reader = Reader(net)
        reader.fetch()
        monkeypatch.setattr(read, "plain", failing(read.plain, "poison", error))
        net.write(ann, "@us poison")
        net.edit(early, "@us poison")
        last = net.write(ann, "@us last")
        del net.notifications[0]  # the edited status is looked up
        batch = reader.fetch()
        assert [item.key for item in batch.items] == [last["id"]]
        assert len(batch.unreadable) == 1
        monkeypatch.undo()
        monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
        reader.fetch()
        assert ("edited", early["id"]) in reader.changes, "looked up again"

    @pytest.mark.parametrize("row", [None, 7, "x", [], {"id": "1", "type": "mention"}, {}])
    def test_a_row_of_another_type_stops_no_other(self, net: MastodonServer, row: Any) -> None:
        good = net.write(net.account("ann"), "a #cats")
        net.faults.append(Fault("timelines", 200, times=3, body=[row, good]))
        reader = Reader(net, "hashtag:cats")
        for _ in range(3):
            reader.fetch()
        assert reader.keys == [good["id"]]

    def test_wrong_types_of_other_fields_lose_no_item(self, net: MastodonServer) -> None:
        wrong: dict[str, Any] = {
            "created_at": ["x"], "mentions": {"a": 1}, "media_attachments": "x", "quote": 5,
            "in_reply_to_id": {"x": 1}, "language": 4, "spoiler_text": None, "url": 5,
            "edited_at": {}, "reblog": "x", "visibility": 3,
        }  # fmt: skip
        row = net.write(net.account("ann", followers_count="many", note=7), "a #cats", **wrong)
        row["visibility"] = "public"
        reader = Reader(net, "hashtag:cats")
        batch = reader.fetch()
        assert [item.text for item in reader.items] == ["a #cats"], batch.unreadable
        assert reader.items[0].author.reach is None

    def test_ids_may_be_numbers(self, net: MastodonServer) -> None:
        row = net.write(net.account("ann"), "a #cats")
        number = row["id"]
        net.faults.append(Fault("timelines", 200, body=[row | {"id": int(number)}]))
        reader = Reader(net, "hashtag:cats")
        reader.fetch()
        assert reader.fetch().unchanged
        assert reader.keys == [number]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "text", ["<" * 200_000, "@" * 200_000, "<p>" * 60_000, "a\x00\ud800b", "&" * 200_000]
    )
    def test_huge_and_odd_texts_are_read(self, net: MastodonServer, text: str) -> None:
        net.write(net.account("ann", note=text, display_name=text), "@us x", content=text)
        reader = Reader(net)
        batch = reader.fetch()
        assert len(reader.items) == 1, batch.unreadable
        assert "\x00" not in reader.items[0].text

    def test_a_script_never_survives(self, net: MastodonServer) -> None:
        html = "<p>Hi<script>alert(1)</script><a href='javascript:x' onclick=y>z</a></p>"
        net.write(net.account("ann", url="javascript:x"), "@us x", content=html, url="javascript:x")
        reader = Reader(net)
        reader.fetch()
        (item,) = reader.items
        assert item.text == "Hiz"
        assert "script" not in item.html
        assert (item.url, item.author.url) == ("", "")


def test_the_limits_are_those_of_mastodon() -> None:
    assert CHANNEL.text.max_length == 500
    assert (CHANNEL.text.link_length, CHANNEL.text.threads) == (23, True)
    assert listen.PAGE == 40
