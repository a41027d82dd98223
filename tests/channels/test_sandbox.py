"""The sandbox fails in the same ways as a real network.

Otherwise tests that use the sandbox would prove nothing about real networks.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction

from scrm.channels.base import (
    Batch,
    ChannelError,
    Credentials,
    FetchRequest,
    Item,
    Lookup,
    Outgoing,
)
from scrm.channels.registry import channel
from scrm.channels.sandbox import community
from scrm.channels.sandbox.channel import SandboxListener, SandboxSpeaker
from scrm.channels.sandbox.models import Fault, Post
from scrm.channels.sandbox.networks import BLOG, MAIL, MICROBLOG
from scrm.channels.sandbox.remote import Mode

pytestmark = pytest.mark.django_db(transaction=True)

US = Credentials(MICROBLOG, "skywardair", address="@SkywardAir")
OUR_MAIL = Credentials(MAIL, "care@skyward.example")
OUR_BLOG = Credentials(BLOG, "skyward-blog")
SPEAKER = SandboxSpeaker()
LISTENER = SandboxListener()


def hear(address: str, credentials: Credentials | None = US, seq: int = 0) -> Batch:
    return LISTENER.listen(FetchRequest(address, {"seq": seq}, credentials))


def heard(address: str, credentials: Credentials | None = US) -> dict[str, Item]:
    return {item.key: item for item in hear(address, credentials).items}


def of_class(credentials: Credentials, idempotence: str) -> Credentials:
    return Credentials(
        credentials.network,
        credentials.self_key,
        credentials.address,
        config={"idempotence": idempotence},
    )


def public(nonce: str, text: str = "We are looking into it.", in_reply_to: str = "") -> Outgoing:
    return Outgoing(nonce, text, in_reply_to=in_reply_to, visibility="public")


def test_the_registry_knows_it_with_both_halves() -> None:
    sandbox = channel("sandbox")
    assert (sandbox.kind, sandbox.label) == ("sandbox", "Sandbox")
    assert isinstance(sandbox.listener, SandboxListener)
    assert isinstance(sandbox.speaker, SandboxSpeaker)


# Sending: the three ways in which a network handles a repeated send


def test_each_network_says_what_its_repeats_do() -> None:
    assert SPEAKER.idempotence(OUR_MAIL) == "key"
    assert SPEAKER.idempotence(US) == "lookup"
    assert SPEAKER.idempotence(OUR_BLOG) == "lookup"
    assert SPEAKER.idempotence(of_class(US, "none")) == "none"


@pytest.mark.parametrize("again", [1, 3])
def test_by_key_a_repeat_gets_the_first_receipt_and_posts_nothing(again: int) -> None:
    outgoing = Outgoing("n-1", "Your bag is found.", "Your bag", "amara.okafor@post.example")
    first = SPEAKER.send(OUR_MAIL, outgoing)
    assert {SPEAKER.send(OUR_MAIL, outgoing) for _ in range(again)} == {first}
    assert Post.objects.filter(network=MAIL).count() == 1


def test_by_key_a_lost_answer_is_got_by_sending_again() -> None:
    outgoing = Outgoing("n-1", "Your bag is found.", "Your bag", "amara.okafor@post.example")
    community.fail(MAIL, "answer lost")
    with pytest.raises(ChannelError) as lost:
        SPEAKER.send(OUR_MAIL, outgoing)
    assert lost.value.uncertain
    assert not lost.value.permanent
    receipt = SPEAKER.send(OUR_MAIL, outgoing)
    assert [post.key for post in Post.objects.all()] == [receipt.key]


def test_by_key_even_parallel_sends_are_one_post() -> None:
    outgoing = Outgoing("n-1", "Your bag is found.", "Your bag", "amara.okafor@post.example")
    with ThreadPoolExecutor(8) as threads:
        sent = [threads.submit(SPEAKER.send, OUR_MAIL, outgoing) for _ in range(16)]
    assert len({each.result() for each in sent}) == 1
    assert Post.objects.count() == 1


def test_by_lookup_a_repeat_would_post_twice_and_find_prevents_it() -> None:
    assert SPEAKER.find(US, public("n-1")) is Lookup.ABSENT
    community.fail(MICROBLOG, "answer lost")
    with pytest.raises(ChannelError):
        SPEAKER.send(US, public("n-1"))
    found = SPEAKER.find(US, public("n-1"))
    assert not isinstance(found, Lookup)
    assert found.key == Post.objects.get().key
    assert SPEAKER.find(US, public("n-2")) is Lookup.ABSENT
    SPEAKER.send(US, public("n-1"))
    assert Post.objects.filter(nonce="n-1").count() == 2


def test_without_idempotence_nobody_can_tell() -> None:
    blind = of_class(US, "none")
    community.fail(MICROBLOG, "answer lost")
    with pytest.raises(ChannelError):
        SPEAKER.send(blind, public("n-1"))
    assert SPEAKER.find(blind, public("n-1")) is Lookup.CANNOT_TELL
    SPEAKER.send(blind, public("n-1"))
    assert Post.objects.filter(nonce="n-1").count() == 2


# Sending: faults


@pytest.mark.parametrize(("mode", "permanent"), [("down", False), ("refused", True)])
def test_what_is_down_or_refuses_stores_nothing(mode: Mode, permanent: bool) -> None:
    community.fail(MICROBLOG, mode, times=2)
    for _ in range(2):
        with pytest.raises(ChannelError) as said:
            SPEAKER.send(US, public("n-1"))
        assert (said.value.permanent, said.value.uncertain) == (permanent, False)
    assert not Post.objects.exists()
    SPEAKER.send(US, public("n-1"))
    assert Post.objects.count() == 1


def test_slow_is_slow_and_then_works() -> None:
    community.fail(MICROBLOG, "slow", seconds=0.2)
    began = time.monotonic()
    SPEAKER.send(US, public("n-1"))
    assert time.monotonic() - began >= 0.2
    assert Post.objects.count() == 1


def test_a_fault_strikes_only_its_network_and_its_kind_of_call() -> None:
    community.fail(MAIL, "down")
    community.fail(MICROBLOG, "down", call="find")
    SPEAKER.send(US, public("n-1"))
    hear("search")
    with pytest.raises(ChannelError):
        SPEAKER.find(US, public("n-1"))


def test_an_unreachable_network_certainly_did_not_act(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "HOST", "/nowhere")
    with pytest.raises(ChannelError) as unreachable:
        SPEAKER.send(US, public("n-1"))
    assert not unreachable.value.uncertain
    assert not unreachable.value.permanent


def test_a_network_that_hangs_up_may_have_acted() -> None:
    community.fail(MICROBLOG, "slow", seconds=0.5)
    with ThreadPoolExecutor(1) as threads:
        sending = threads.submit(SPEAKER.send, US, public("n-1"))
        deadline = time.monotonic() + 5
        while Fault.objects.filter(remaining__gt=0).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND query LIKE '%UPDATE sandbox_fault%'"
            )
        with pytest.raises(ChannelError) as hung_up:
            sending.result()
    assert hung_up.value.uncertain
    SPEAKER.send(US, public("n-1"))


def test_a_rollback_on_our_side_does_not_undo_a_post() -> None:
    with transaction.atomic():
        SPEAKER.send(US, public("n-1"))
        transaction.set_rollback(True)
    assert Post.objects.get().nonce == "n-1"


def test_what_others_say_is_heard_from_inside_a_long_transaction() -> None:
    with transaction.atomic():
        Post.objects.exists()
        key = community.post(MICROBLOG, "gracembeki", "Hello")
        assert key in heard("search")


def test_no_connection_stays_open() -> None:
    def open_connections() -> int:
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            count: int = cursor.fetchone()[0]
            return count

    before = open_connections()
    for number in range(5):
        SPEAKER.send(US, public(f"n-{number}"))
    deadline = time.monotonic() + 5
    while open_connections() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert open_connections() <= before


# Sending: where a post goes


def test_a_public_reply_stands_in_the_thread_of_what_it_answers() -> None:
    root = community.post(MICROBLOG, "roncalder", "Thrown off for my size. @SkywardAir")
    echo = community.post(MICROBLOG, "gracembeki", "Outrageous", in_reply_to=root)
    receipt = SPEAKER.send(US, public("n-1", in_reply_to=echo))
    ours = heard("search")[receipt.key]
    assert (ours.thread_key, ours.in_reply_to, ours.visibility) == (root, echo, "public")
    assert receipt.thread_key == root
    assert receipt.url.startswith("https://sandbox.example/")
    assert ours.url == receipt.url
    assert receipt.scope == MICROBLOG


def test_private_messages_of_two_people_are_one_thread_even_if_they_answer_a_public_post() -> None:
    root = community.post(MICROBLOG, "roncalder", "Thrown off for my size. @SkywardAir")
    sent = SPEAKER.send(US, Outgoing("n-1", "May we call?", destination="roncalder"))
    moved = SPEAKER.send(US, Outgoing("n-2", "Really", destination="roncalder", in_reply_to=root))
    back = community.post(MICROBLOG, "roncalder", "You may not", in_reply_to=sent.key)
    items = heard("mentions")
    threads = {items[key].thread_key for key in (sent.key, moved.key, back)}
    assert len(threads) == 1
    assert root not in threads
    assert items[back].kind == "message"
    assert items[back].visibility == "private"
    assert items[moved.key].in_reply_to == root


def test_private_messages_never_appear_in_a_search() -> None:
    message = community.post(MICROBLOG, "gracembeki", "my secret booking", to="skywardair")
    answer = Outgoing("n-1", "your secret seat", destination="gracembeki", in_reply_to=message)
    SPEAKER.send(US, answer)
    for address in ("search", "search:secret"):
        assert heard(address) == {}
        assert heard(address, None) == {}
    assert len(heard("mentions")) == 2


@pytest.mark.parametrize(
    ("credentials", "outgoing"),
    [
        (US, public("n-1", "x" * 501)),
        (US, public("n-1", in_reply_to="gone")),
        (US, Outgoing("n-1", "to nobody")),
        (OUR_MAIL, Outgoing("n-1", "to nobody", "Hello")),
        (OUR_MAIL, Outgoing("n-1", "no address", "Hello", destination="roncalder")),
        (OUR_BLOG, Outgoing("n-1", "psst", destination="roncalder")),
        (Credentials(MAIL, "us"), Outgoing("n-1", "Hi", destination="ron@calderfilms.example")),
    ],
)
def test_the_network_refuses_for_good(credentials: Credentials, outgoing: Outgoing) -> None:
    with pytest.raises(ChannelError) as refused:
        SPEAKER.send(credentials, outgoing)
    assert refused.value.permanent
    assert not refused.value.uncertain
    assert not Post.objects.exists()


def test_a_private_message_is_never_answered_in_public() -> None:
    message = community.post(MICROBLOG, "gracembeki", "my booking", to="skywardair")
    with pytest.raises(ChannelError):
        SPEAKER.send(US, public("n-1", in_reply_to=message))


def test_five_hundred_characters_are_taken() -> None:
    SPEAKER.send(US, public("n-1", "é" * 500))
    assert Post.objects.count() == 1


def test_text_that_cannot_be_stored_is_cleaned_over_there() -> None:
    SPEAKER.send(US, public("n-1", "a\x00b\ud800c"))
    assert Post.objects.get().text == "abc"


def test_mail_keeps_its_subject_its_thread_and_lower_case_keys() -> None:
    first = community.post(
        MAIL, "Ron@CalderFilms.example", "Shame.", to="Care@Skyward.example", title="My seats"
    )
    receipt = SPEAKER.send(
        OUR_MAIL,
        Outgoing("n-1", "Sorry.", destination="RON@calderfilms.example", in_reply_to=first),
    )
    items = heard("inbox", OUR_MAIL)
    assert items[first].author.key == "ron@calderfilms.example"
    assert items[first].author.name == "Ron Calder"
    assert items[receipt.key].thread_key == first
    assert items[receipt.key].title == "Re: My seats"
    assert {item.visibility for item in items.values()} == {"private"}


def test_mail_between_others_is_not_ours_to_hear() -> None:
    community.post(MAIL, "amara_flies", "lunch?", to="grace@mbeki.example", title="Lunch")
    assert heard("inbox", OUR_MAIL) == {}


def test_on_the_blog_a_statement_is_a_post_and_readers_comment_on_it() -> None:
    statement = Outgoing("n-1", "What happened.", "Our seat policy", visibility="public")
    receipt = SPEAKER.send(OUR_BLOG, statement)
    comment = community.post(BLOG, "gracembeki", "Good.", in_reply_to=receipt.key)
    items = heard("comments", OUR_BLOG)
    assert items[receipt.key].kind == "post"
    assert items[receipt.key].title == "Our seat policy"
    assert items[comment].kind == "comment"
    assert items[comment].thread_key == receipt.key
