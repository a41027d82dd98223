"""The simulated people of the sandbox.

Their posts vary, can be repeated exactly with the same random seed, and are limited in number.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from zlib import crc32

import pytest

from scrm.channels.base import Batch, Credentials, FetchRequest, Outgoing
from scrm.channels.sandbox import community
from scrm.channels.sandbox.channel import SandboxListener, SandboxSpeaker
from scrm.channels.sandbox.models import Post
from scrm.channels.sandbox.networks import BLOG, FACTS, MAIL, MICROBLOG, X
from scrm.channels.sandbox.people import PEOPLE

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
US = Credentials(MICROBLOG, "skywardair", address="@SkywardAir")
SPEAKER = SandboxSpeaker()
LISTENER = SandboxListener()


def hear(address: str, credentials: Credentials | None = US, seq: int = 0) -> Batch:
    return LISTENER.listen(FetchRequest(address, {"seq": seq}, credentials))


def public(nonce: str, text: str = "We are looking into it.", in_reply_to: str = "") -> Outgoing:
    return Outgoing(nonce, text, in_reply_to=in_reply_to, visibility="public")


def said_in(steps: int, seed: int) -> list[tuple[str, str, str, str]]:
    rng = Random(seed)
    for minute in range(steps):
        community.step(NOON + timedelta(minutes=minute), rng)
    rows = Post.objects.order_by("seq")
    return [(post.key, post.author_key, post.parent_key, post.text) for post in rows]


def test_one_seed_is_one_story_and_another_is_another() -> None:
    first = said_in(20, seed=1)
    community.reset()
    assert said_in(20, seed=1) == first
    community.reset()
    assert said_in(20, seed=2) != first


def test_an_hour_does_not_look_like_a_loop_and_does_not_explode() -> None:
    said = said_in(60, seed=3)
    assert 60 <= len(said) <= 60 * community.MAX_PER_STEP
    assert len({text for *_, text in said}) >= 60
    assert max(Counter(text for *_, text in said).values()) <= 4
    assert len({author for _, author, *_ in said}) >= 15
    networks = set(Post.objects.values_list("network", "visibility"))
    assert {network for network, _ in networks} == set(FACTS) - {MICROBLOG, BLOG}
    assert {(X, "public"), (X, "private"), (MAIL, "private")} <= networks
    assert set(Post.objects.filter(network=MAIL).values_list("to_key", flat=True)) == {
        community.US[MAIL]
    }


def answered_back(answer: str, minutes: int, rng: Random) -> str:
    """Let simulated people act for `minutes` minutes, until one of them answers our post.

    Returns the key of their answer to the post `answer`, or "" if nobody answers it.
    """
    for minute in range(2, minutes):
        community.step(NOON + timedelta(minutes=minute), rng)
        said = Post.objects.filter(parent_key=answer, nonce="").first()
        if said:
            return said.key
    return ""


def a_key_that_draws(an_answer: bool, number: int) -> str:
    keys = (f"answer-{number}-{attempt}" for attempt in range(100))
    return next(key for key in keys if bool(crc32(key.encode()) % 4) == an_answer)


@pytest.mark.parametrize(("network", "private"), [(MICROBLOG, ""), (MICROBLOG, "p"), (MAIL, "p")])
def test_whoever_is_answered_answers_back_but_not_for_ever(network: str, private: str) -> None:
    us, rng = community.US[network], Random(4)
    theirs = community.post(network, "amara_flies", "Why?", to=private and us, at=NOON)
    told = Post.objects.get(key=theirs).author_key
    for number in range(community.MAX_ANSWERS + 1):
        ours = community.post(
            network,
            us,
            "Because.",
            in_reply_to=theirs,
            to=private and told,
            at=NOON,
            key=a_key_that_draws(True, number),
            nonce=f"n-{number}",
        )
        theirs = answered_back(ours, 40, rng)
        if number < community.MAX_ANSWERS:
            back = Post.objects.get(key=theirs)
            assert (back.author_key, back.to_key) == (told, us)
            assert back.visibility == ("private" if private else "public")
    assert theirs == ""


def test_some_never_answer_back_and_nobody_does_at_once() -> None:
    def answer(number: int, drawing: bool) -> str:
        theirs = community.post(MICROBLOG, PEOPLE[number].key, "Why?", at=NOON)
        key = a_key_that_draws(drawing, number)
        return community.post(
            MICROBLOG, "skywardair", "So.", in_reply_to=theirs, at=NOON, key=key, nonce=key
        )

    silent = answer(1, drawing=False)
    asked = answer(2, drawing=True)
    for second in range(50):
        community.step(NOON + timedelta(seconds=second), Random(second))
    assert not Post.objects.filter(parent_key__in=[silent, asked], nonce="").exists()
    assert answered_back(asked, 40, Random(1)) != ""
    assert answered_back(silent, 40, Random(1)) == ""


def test_readers_comment_on_our_newest_statement_up_to_a_point() -> None:
    statement = community.post(
        BLOG, "skyward-blog", "What happened.", title="Seat policy", at=NOON, nonce="n-1"
    )
    said_in(100, seed=5)
    comments = Post.objects.filter(network=BLOG, parent_key=statement)
    assert comments.count() == community.MAX_COMMENTS


def test_people_have_distinct_keys_and_addresses() -> None:
    keys = [person.key for person in PEOPLE] + [person.mail for person in PEOPLE if person.mail]
    assert len(set(keys)) == len(keys)
    assert keys == [key.lower() for key in keys]
    assert len(PEOPLE) >= 18
    assert {12, 1_600_000} <= {person.reach for person in PEOPLE}


def test_reset_empties_everything_and_no_cursor_runs_ahead() -> None:
    community.post(MICROBLOG, "gracembeki", "before")
    before = hear("search").cursor["seq"]
    community.fail(MICROBLOG, "down")
    community.reset()
    assert not Post.objects.exists()
    assert hear("search", seq=before).cursor["seq"] == before
    SPEAKER.send(US, public("n-1"))
    assert Post.objects.get().seq > before
