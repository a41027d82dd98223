"""Quotes of posts of others on X, Bluesky and Mastodon: what is sent, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scrm.channels.base import ChannelError, Credentials, File, Lookup, Outgoing, Receipt
from scrm.channels.bluesky.speak import BlueskySpeaker
from scrm.channels.mastodon.client import network_of
from scrm.channels.mastodon.quote import without_quoted_link
from scrm.channels.mastodon.speak import MastodonSpeaker
from scrm.channels.x.speak import XSpeaker
from scrm.net import http
from scrm.net.addresses import networks
from tests.channels.bluesky_fixtures import care, jo, network, us
from tests.standins.bluesky import Bluesky, Person
from tests.standins.mastodon import DOMAIN, PNG, TOKEN, MastodonServer
from tests.standins.x import XServer

__all__ = ["care", "jo", "network", "us"]

LONG_AGO = datetime.now(UTC) - timedelta(minutes=20)
OUT = Outgoing(
    "db7feb8e-17aa-4000-8000-000000000000", "Thank you!", visibility="public", tried_at=LONG_AGO
)
PICTURE = File("bag.png", "image/png", PNG, "A bag")


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))


class TestX:
    @pytest.fixture
    def x(self) -> Iterator[XServer]:
        with XServer() as server:
            yield server

    def test_a_quote_is_found_again_by_the_post_that_it_quotes(self, x: XServer) -> None:
        """Fails if the address that X adds to the text is compared with our text."""
        first, second = x.post("200", "@acme great"), x.post("300", "@acme too")
        sent = XSpeaker().send(x.account(), replace(OUT, quote=first))
        assert x.posts[sent.key]["referenced_tweets"] == [{"type": "quoted", "id": first}]
        assert sent.usage == {"post": 1}
        found = XSpeaker().find(x.account(), replace(OUT, quote=first))
        assert isinstance(found, Receipt)
        assert found.key == sent.key
        other = XSpeaker().find(x.account(), replace(OUT, quote=second))
        assert other is Lookup.ABSENT

    def test_who_never_addressed_us_cannot_be_quoted(self, x: XServer) -> None:
        post = x.post("200", "Acme is fine")
        with pytest.raises(ChannelError, match="reply to and quote only people") as error:
            XSpeaker().send(x.account(), replace(OUT, quote=post))
        assert error.value.permanent

    def test_a_direct_message_is_not_quoted(self, x: XServer) -> None:
        with pytest.raises(ChannelError, match="only be answered privately"):
            XSpeaker().send(x.account(), replace(OUT, quote="dm:1"))
        assert x.count("POST", "/2/tweets") == 0


class TestBluesky:
    @pytest.mark.parametrize("pictures", [(), (PICTURE,)])
    def test_the_post_is_embedded(
        self,
        network: Bluesky,
        us: Credentials,
        care: Person,
        jo: Person,
        pictures: tuple[File, ...],
    ) -> None:
        uri = jo.post("We love @skycare")["uri"]
        out = replace(OUT, quote=uri, attachments=pictures)
        assert BlueskySpeaker().send(us, out) == BlueskySpeaker().find(us, out)
        (post,) = network.posts_of(care)
        embed = post["embed"]
        if pictures:
            assert embed["$type"] == "app.bsky.embed.recordWithMedia"
            assert embed["media"]["images"][0]["alt"] == "A bag"
            embed = embed["record"]
        quoted = {"uri": uri, "cid": network.records[uri]["cid"]}
        assert embed == {"$type": "app.bsky.embed.record", "record": quoted}
        assert "reply" not in post

    def test_an_author_who_allows_no_quotes_is_not_quoted(
        self, network: Bluesky, us: Credentials, care: Person, jo: Person
    ) -> None:
        uri = jo.post("Quote me not")["uri"]
        network.no_quotes.add(uri)
        with pytest.raises(ChannelError, match="does not allow quotes") as error:
            BlueskySpeaker().send(us, replace(OUT, quote=uri))
        assert error.value.permanent
        assert network.posts_of(care) == []

    def test_a_deleted_post_is_not_quoted(self, us: Credentials, jo: Person) -> None:
        gone = f"at://{jo.did}/app.bsky.feed.post/3kgone"
        with pytest.raises(ChannelError, match="nothing to quote"):
            BlueskySpeaker().send(us, replace(OUT, quote=gone))


class TestMastodon:
    @pytest.fixture
    def net(self) -> Iterator[MastodonServer]:
        with MastodonServer() as server:
            yield server

    @pytest.fixture
    def ours(self, net: MastodonServer) -> Credentials:
        return Credentials(
            network_of(net.url), net.us["id"], f"@us@{DOMAIN}", {"token": TOKEN},
            {"api": net.url, "domain": DOMAIN},
        )  # fmt: skip

    @pytest.mark.parametrize("state", ["automatic", "manual"])
    def test_the_post_is_quoted_and_found_again(
        self, net: MastodonServer, ours: Credentials, state: str
    ) -> None:
        """Fails if the link that the server puts before the text is compared with our text."""
        approval = {"current_user": state}
        post = net.write(net.account("ann"), "@us great", quote_approval=approval)
        out = replace(OUT, quote=post["id"])
        sent = MastodonSpeaker().send(ours, out)
        row = net.statuses[sent.key]
        assert row["quote"]["quoted_status"]["id"] == post["id"]
        assert (row["text"], row["in_reply_to_id"]) == ("Thank you!", None)
        assert MastodonSpeaker().find(ours, out) == sent
        other = net.write(net.account("bob"), "@us too")
        assert MastodonSpeaker().find(ours, replace(OUT, quote=other["id"])) is Lookup.ABSENT

    @pytest.mark.parametrize(
        ("approval", "reason"),
        [
            ({"current_user": "denied"}, "does not allow us to quote"),
            ({"current_user": "unknown"}, "does not allow us to quote"),
            ({}, "does not allow us to quote"),
            (None, "4.5 or later"),
        ],
    )
    def test_the_policy_of_the_author_is_respected(
        self,
        net: MastodonServer,
        ours: Credentials,
        approval: dict[str, str] | None,
        reason: str,
    ) -> None:
        post = net.write(net.account("ann"), "@us great", quote_approval=approval)
        with pytest.raises(ChannelError, match=reason) as error:
            MastodonSpeaker().send(ours, replace(OUT, quote=post["id"]))
        assert error.value.permanent
        assert net.posts_of(net.us) == []

    def test_a_private_post_and_a_picture_are_refused(
        self, net: MastodonServer, ours: Credentials
    ) -> None:
        secret = net.write(net.account("ann"), "@us psst", visibility="private")
        with pytest.raises(ChannelError, match="not public"):
            MastodonSpeaker().send(ours, replace(OUT, quote=secret["id"]))
        post = net.write(net.account("bob"), "@us great")
        with pytest.raises(ChannelError, match="not allow pictures in a quote"):
            MastodonSpeaker().send(ours, replace(OUT, quote=post["id"], attachments=(PICTURE,)))
        assert net.posts_of(net.us) == []

    @pytest.mark.parametrize("hostile", ['<p class="quote-inline">', "<a ", "<a >"])
    def test_removing_the_link_takes_linear_time(self, hostile: str) -> None:
        start = time.process_time()
        without_quoted_link('<p class="quote-inline"><a href="x">' * 5_000 + hostile * 20_000)
        assert time.process_time() - start < 1.0
