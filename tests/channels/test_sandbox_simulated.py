"""The simulated networks follow the rules of the real networks and reach only the sandbox."""

from __future__ import annotations

import pytest

from scrm.channels.base import Batch, ChannelError, Credentials, FetchRequest, Outgoing, Receipt
from scrm.channels.registry import SIMULATED_KINDS, channel
from scrm.channels.reply_rule import Received
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post
from scrm.channels.sandbox.networks import BLUESKY, FEED, FORM, MASTODON, X

pytestmark = pytest.mark.django_db(transaction=True)

REAL = {"x": "x", "mastodon": "mastodon", "bluesky": "bluesky", "mail": "email",
        "blog": "wordpress", "form": "webhook", "feed": "feed"}  # fmt: skip
US = Credentials(X, "skywardair", address="@SkywardAir")


def hear(kind: str, address: str, us: Credentials | None = US, **facts: object) -> Batch:
    listener = channel(kind).listener
    assert listener
    return listener.listen(FetchRequest(address, credentials=us, **facts))  # type: ignore[arg-type]


def send(kind: str, outgoing: Outgoing) -> Receipt:
    speaker = channel(kind).speaker
    assert speaker
    return speaker.send(Credentials(kind, "skywardair"), outgoing)


@pytest.mark.parametrize("kind", SIMULATED_KINDS)
def test_it_has_the_look_and_the_limits_of_the_real_network(kind: str) -> None:
    """Fails if a simulated network has text rules of its own."""
    simulated, real = channel(kind), channel(REAL[kind.removeprefix("sandbox.")])
    assert simulated.label == f"{real.label} (simulated)"
    assert simulated.icon == real.icon != ""
    assert simulated.text == real.text
    assert (simulated.titles, simulated.visibilities) == (real.titles, real.visibilities)
    assert simulated.prices == real.prices
    assert (simulated.speaker is None) == (real.speaker is None)
    assert simulated.connector is None


@pytest.mark.parametrize(("kind", "most"), [(X, 280), (BLUESKY, 300), (MASTODON, 500)])
def test_a_text_that_is_too_long_is_refused_unless_it_is_a_thread(kind: str, most: int) -> None:
    text = "word " * (most // 5 + 1)
    with pytest.raises(ChannelError, match="the limit is") as refused:
        send(kind, Outgoing("n-1", text, visibility="public"))
    assert refused.value.permanent
    parts = channel(kind).text.split(text)
    receipt = send(kind, Outgoing("n-2", text, visibility="public", parts=parts))
    first, second = Post.objects.order_by("seq")
    assert (first.text, second.text) == parts
    assert receipt.thread_posts == (first.key, second.key)
    assert (second.parent_key, second.thread_key) == (first.key, first.key)
    assert [first.nonce, second.nonce] == ["n-2", "n-2"]


def test_on_x_we_may_reply_only_to_those_who_mention_or_answer_us() -> None:
    rule = channel(X).reply_rule
    assert rule
    named = community.post(X, "gracembeki", "hello @SkywardAir")
    community.post(X, "gracembeki", "I flew Skyward")
    told, about = hear(X, "search:skyward").items
    assert told.key == named
    for item, allowed in ((told, True), (about, False)):
        received = Received("public", None, mentions=item.mentions)
        assert rule(US, received, "public").allowed == allowed
    assert rule(US, Received("public", None, replies_to_us=True), "public").allowed
    assert not rule(US, Received("public", None), "private").allowed


def test_the_simulated_x_charges_for_new_posts_only() -> None:
    for n in range(3):
        community.post(X, "gracembeki", f"skyward {n}")
    first = hear(X, "search:skyward", max_items=2)
    assert (len(first.items), first.usage) == (2, {"post read": 2})
    again = hear(X, "search:skyward", cursor=first.cursor)
    assert again.usage == {"post read": 1}
    assert hear(MASTODON, "search", Credentials(MASTODON, "us")).usage == {}


def test_forms_and_the_feed_are_found_without_an_account() -> None:
    community.post(FORM, "misaki_s", "My name is wrong.", to=community.US[FORM], title="Booking")
    community.post(FEED, "aisle_seat_al", "A column.", title="Seats")
    (form,), (entry,) = hear(FORM, "forms", None).items, hear(FEED, "entries", None).items
    assert (form.kind, form.visibility, form.author.key) == (
        "form", "private", "misaki.sato@yado.example",
    )  # fmt: skip
    assert (entry.kind, entry.visibility, entry.title) == ("post", "public", "Seats")


@pytest.mark.parametrize("kind", [X, BLUESKY])
def test_x_and_bluesky_do_not_let_us_edit(kind: str) -> None:
    speaker, editor = channel(kind).speaker, channel(kind).editor
    assert speaker
    assert editor
    us = Credentials(kind, "skywardair")
    receipt = speaker.send(us, Outgoing("n", "first", visibility="public"))
    with pytest.raises(ChannelError) as refused:
        editor.amend(us, receipt, Outgoing("m", "second", visibility="public"))
    assert refused.value.permanent
    assert Post.objects.get(key=receipt.key).text == "first"


def test_the_address_of_a_post_leads_to_its_key() -> None:
    key_of = channel(X).key_of
    assert key_of
    assert key_of(US, f"https://sandbox.example/x/{'a' * 32}") == "a" * 32
    assert key_of(US, f"https://sandbox.example/mastodon/{'a' * 32}") == ""
    assert key_of(US, "https://x.com/skywardair/status/1") == ""
