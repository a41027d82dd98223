"""A post that was published as a thread is taken down: every post of it, the last one first."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Account, Department, User
from responses import outbox
from responses.compose import Words, state_publicly
from responses.corrections import newest
from responses.models import Delivery, Response
from responses.models.delivery_state import DeliveryState
from responses.post_changes import removal_usage
from routing.models import Issue
from scrm.channels.base import ChannelError, Credentials, Lookup, Outgoing, Receipt
from scrm.channels.channel import Channel
from scrm.channels.sandbox.channel import CHANNEL
from scrm.channels.text_rules import TextRules
from tests.responses.test_corrections import sweep

As = Callable[[User], Client]
LONG = "We found your bag in Leeds. It is on its way. The courier calls before noon."


class Wall:
    """A fake network with 40 characters per post.

    online: the posts by their keys. asked: the keys whose removal was asked for, in order.
    refused: the keys that the network does not remove now, with the error.
    """

    def __init__(self) -> None:
        self.online: dict[str, str] = {}
        self.asked: list[str] = []
        self.refused: dict[str, ChannelError] = {}
        self.loses_answers = False

    def idempotence(self, _credentials: Credentials) -> str:
        return "lookup"

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        texts = outgoing.parts or (outgoing.text,)
        keys = tuple(f"{outgoing.nonce}-{position}" for position in range(len(texts)))
        self.online |= dict(zip(keys, texts, strict=True))
        if self.loses_answers:
            raise ChannelError("No answer.", uncertain=True)
        posts = keys if len(keys) > 1 else ()
        return Receipt(credentials.network, keys[0], thread_posts=posts)

    def find(self, _credentials: Credentials, _outgoing: Outgoing) -> Lookup:
        return Lookup.CANNOT_TELL

    def amend(self, _credentials: Credentials, _receipt: Receipt, _outgoing: Outgoing) -> Receipt:
        raise NotImplementedError

    def withdraw(self, _credentials: Credentials, receipt: Receipt) -> None:
        self.asked.append(receipt.key[-1])
        if error := self.refused.get(receipt.key[-1]):
            raise error
        self.online.pop(receipt.key, None)

    def refuse(self, position: int, **facts: Any) -> None:
        self.refused[str(position)] = ChannelError("Try later.", **facts)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Wall:
    settings.UNDO_SECONDS = 0
    wall = Wall()
    channel: Channel = replace(
        CHANNEL,
        speaker=wall,  # type: ignore[arg-type]
        editor=wall,
        text=TextRules(max_length=40, threads=True),
        removal_usage=lambda _outgoing: {"delete": 1},
    )
    monkeypatch.setattr("crm.models.account.channel", lambda _kind: channel)
    return wall


@pytest.fixture
def queued(
    wall: Wall, microblog: Account, service: Department, agent: User, seats: Issue
) -> Response:
    """Return a post that is published next as a thread of three posts."""
    words = Words(uuid.uuid4(), LONG, "public", as_thread=True)
    return state_publicly(words, accounts=[microblog], by=agent, department=service, issue=seats)


@pytest.fixture
def thread(queued: Response, wall: Wall) -> Response:
    """Return a post that was published as a thread of three posts."""
    sweep()
    assert len(wall.online) == 3
    return queued


def take_down(browser: Client, said: Response) -> None:
    url = reverse("responses:take_down", args=[said.pk])
    assert browser.post(url, {"why": "A slip.", "seen": newest(said).pk}).status_code == 302


def removal(said: Response) -> Delivery:
    return said.deliveries.filter(act="withdraw").latest("pk")


def test_all_posts_of_a_thread_are_taken_down_the_last_one_first(
    thread: Response, wall: Wall, lead: User, as_: As
) -> None:
    """Fails if only the post of the receipt is removed."""
    take_down(as_(lead), thread)
    sweep()
    assert wall.online == {}
    assert wall.asked == ["2", "1", "0"]
    assert removal(thread).state == DeliveryState.SENT
    assert "Taken down" in as_(lead).get(thread.get_absolute_url()).content.decode()


@pytest.mark.parametrize("permanent", [True, False])
def test_if_one_post_is_not_removed_the_page_says_which_are_online_and_a_retry_removes_only_those(
    thread: Response, wall: Wall, lead: User, as_: As, permanent: bool
) -> None:
    """Fails if a retry asks the network again to remove what it has removed."""
    wall.refuse(1, permanent=permanent)
    browser = as_(lead)
    take_down(browser, thread)
    outbox.deliver(removal(thread))
    left = "Posts 1, 2 of the 3 posts of the thread are still online. Try later."
    pages = [thread.get_absolute_url()]
    pages += [reverse("responses:delivery_problems")] if permanent else []
    for page in pages:
        assert left in browser.get(page).content.decode()
    assert sorted(wall.online.values()) == sorted(thread.deliveries.first().outgoing.parts[:2])

    wall.refused, wall.asked = {}, []
    if permanent:
        again = reverse("responses:send_again", args=[removal(thread).pk])
        assert "Take down again?" in browser.get(again).content.decode()
        assert browser.post(again).status_code == 302
    sweep()
    assert (wall.online, wall.asked) == ({}, ["1", "0"])
    assert removal(thread).state == DeliveryState.SENT


def test_a_lost_answer_to_a_removal_is_asked_again(
    thread: Response, wall: Wall, lead: User, as_: As
) -> None:
    wall.refuse(2, uncertain=True)
    take_down(as_(lead), thread)
    outbox.deliver(removal(thread))
    assert removal(thread).state == DeliveryState.UNKNOWN
    wall.refused = {}
    sweep()
    assert wall.online == {}


def test_removing_a_thread_costs_each_post_that_is_online(
    thread: Response, wall: Wall, lead: User, as_: As
) -> None:
    post = thread.deliveries.get()
    assert removal_usage(post) == {"delete": 3}
    wall.refuse(1, permanent=True)
    take_down(as_(lead), thread)
    outbox.deliver(removal(thread))
    assert removal_usage(post) == {"delete": 2}


def test_of_a_thread_that_was_marked_as_sent_by_hand_the_other_posts_are_named(
    queued: Response, wall: Wall, lead: User, as_: As
) -> None:
    """Only the link to the first post is known then, so the page must not say “taken down”."""
    wall.loses_answers = True
    outbox.deliver(queued.deliveries.get())
    outbox.confirm_sent(queued.deliveries.get(), by=lead, url="https://wall.example/1")
    take_down(as_(lead), queued)
    outbox.deliver(removal(queued))
    assert removal(queued).state == DeliveryState.FAILED
    page = as_(lead).get(queued.get_absolute_url()).content.decode()
    assert "The first of 3 posts of the thread was removed." in page
