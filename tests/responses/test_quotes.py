"""A public message can be quoted instead of answered, where its network has quotes.

Also: what a network adds to a reply counts towards the limit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, User
from responses import outbox
from responses.compose import places_for
from responses.models import Delivery, Response, ResponseRule
from routing.models import Case
from scrm.channels.base import Author, ChannelError, Credentials, Item, Outgoing, Receipt
from scrm.channels.sandbox.channel import CHANNEL
from scrm.channels.text_rules import TextRules
from tests.responses.test_composer import form, url
from tests.responses.test_network_rules import REASON, Telegraph

As = Callable[[User], Client]


@pytest.fixture
def telegraph(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Telegraph:
    """Return a network with quotes that adds the recipient's name to a reply and counts it."""
    settings.UNDO_SECONDS = 0
    telegraph = Telegraph()

    def added(_credentials: Credentials, outgoing: Outgoing) -> int:
        return len(outgoing.handle) + 1 if outgoing.in_reply_to else 0

    channel = replace(
        CHANNEL,
        speaker=telegraph,
        quotes=True,
        text=TextRules(max_length=40, threads=True),
        added_length=added,
    )
    monkeypatch.setattr("crm.models.account.channel", lambda _kind: channel)
    return telegraph


def quote_of(case: Case, account: Account) -> str:
    return f"{account.pk}:{case.profile_id}:quote:public"


def test_the_composer_offers_to_quote_and_sends_a_quote(
    complaint: Case, telegraph: Telegraph, microblog: Account, agent: User, as_: As
) -> None:
    """Fails if the text is sent as a reply, or in the thread of the message."""
    page = as_(agent).get(url("composer", complaint), {"tab": "reply"}).content.decode()
    assert "Quote publicly as @SkywardAir the post of" in page
    place = quote_of(complaint, microblog)
    sent = as_(agent).post(url("reply", complaint), form(complaint, text="Thanks!", place=place))
    assert sent.status_code == 302
    response = Response.objects.get()
    assert (response.is_quote, response.visibility) == (True, "public")
    outbox.deliver(Delivery.objects.get())
    (outgoing,) = telegraph.sent
    key = complaint.last_inbound.key
    assert (outgoing.quote, outgoing.in_reply_to, outgoing.thread_key) == (key, "", "")
    delivery = Delivery.objects.get()
    assert delivery.interaction.conversation == complaint.last_inbound.conversation
    history = as_(agent).get(response.get_absolute_url()).content.decode()
    assert re.search(r">\s*Quote\s*<", history)


def test_a_reply_is_selected_at_first_and_quotes_are_offered_only_in_public(
    complaint: Case, telegraph: Telegraph, hear: Callable[..., Case], agent: User, as_: As
) -> None:
    hear("My booking is X7K2P9.", visibility="private", thread_key="dm")
    places = places_for(complaint)
    assert {place.visibility for place in places if place.quote} == {"public"}
    page = as_(agent).get(url("composer", complaint), {"tab": "reply"})
    (radio,) = (each for each in page.context["form"]["place"] if each.data["selected"])
    assert "quote" not in radio.data["value"]


def test_no_quote_is_offered_where_the_network_has_none(complaint: Case) -> None:
    assert not any(place.quote for place in places_for(complaint))


def test_the_reply_rule_of_the_network_is_asked_for_quotes_too(
    complaint: Case,
    telegraph: Telegraph,
    microblog: Account,
    agent: User,
    as_: As,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strict = replace(microblog.channel, reply_rule=telegraph.rule)
    monkeypatch.setattr("crm.models.account.channel", lambda _kind: strict)
    place = quote_of(complaint, microblog)
    page = as_(agent).post(url("reply", complaint), form(complaint, text="Hi", place=place))
    assert page.status_code == 422
    assert REASON in page.content.decode()
    assert not Response.objects.exists()


def test_a_held_quote_is_shown_as_a_quote_and_can_become_a_reply(
    complaint: Case,
    telegraph: Telegraph,
    microblog: Account,
    make_rule: Callable[..., ResponseRule],
    agent: User,
    lead: User,
    as_: As,
) -> None:
    """Fails if an approval of a quote is valid for a reply, or if the change is not stored."""
    make_rule("refund")
    place = quote_of(complaint, microblog)
    as_(agent).post(url("reply", complaint), form(complaint, text="A refund!", place=place))
    response = Response.objects.get()
    assert response.state == "held"
    page = as_(lead).get(reverse("responses:approvals")).content.decode()
    assert re.search(r">\s*Quotes\s*<", page)
    before = response.content_hash
    typed = {
        "shown": before, "seen": complaint.last_inbound_id, "text": "A refund!", "subject": "",
        "place": place.replace("quote:", ""), "then": "keep",
    }  # fmt: skip
    edited = as_(agent).post(reverse("responses:edit", args=[response.pk]), typed)
    assert edited.status_code == 302, edited.content.decode()
    response.refresh_from_db()
    assert not response.is_quote
    assert response.content_hash != before
    assert Delivery.objects.get(response=response).outgoing.in_reply_to


def test_an_undone_quote_is_a_quote_again_in_the_composer(
    complaint: Case, telegraph: Telegraph, microblog: Account, agent: User, as_: As
) -> None:
    """Fails if the draft names the place of a reply."""
    place = quote_of(complaint, microblog)
    as_(agent).post(url("reply", complaint), form(complaint, text="Thanks!", place=place))
    as_(agent).post(reverse("responses:cancel", args=[Response.objects.get().pk]))
    page = as_(agent).get(url("composer", complaint), {"tab": "reply"})
    assert page.context["form"]["text"].value() == "Thanks!"
    assert page.context["form"]["place"].value() == place


def test_a_released_quote_cannot_become_a_reply_in_the_database(
    complaint: Case, telegraph: Telegraph, microblog: Account, agent: User, as_: As
) -> None:
    place = quote_of(complaint, microblog)
    as_(agent).post(url("reply", complaint), form(complaint, text="Thanks!", place=place))
    with pytest.raises(DatabaseError), transaction.atomic():
        Response.objects.update(is_quote=False)


@pytest.mark.parametrize(
    ("quoted", "text", "state"),
    [
        ("", "Thanks!", "unknown"),
        ("other", "Thanks!", "unknown"),
        ("it", "No thanks!", "unknown"),
        ("it", "Thanks! https://x.com/ron/status/other", "unknown"),
        ("it", "Thanks!", "sent"),
        ("it", "Thanks! https://x.com/ron/status/it", "sent"),
    ],
)
def test_only_a_quote_of_the_same_post_proves_that_a_quote_was_sent(
    complaint: Case,
    telegraph: Telegraph,
    microblog: Account,
    agent: User,
    as_: As,
    monkeypatch: pytest.MonkeyPatch,
    quoted: str,
    text: str,
    state: str,
) -> None:
    place, key = quote_of(complaint, microblog), complaint.last_inbound.key
    as_(agent).post(url("reply", complaint), form(complaint, text="Thanks!", place=place))
    lose_answers(telegraph, monkeypatch)
    outbox.deliver(Delivery.objects.get())
    assert Delivery.objects.get().state == "unknown"
    post = own_post(microblog, text.replace("/it", f"/{key}"), quotes=quoted.replace("it", key))
    outbox.heard_ourselves([(post, microblog.pk)], now=timezone.now())
    assert Delivery.objects.get().state == state


@pytest.mark.parametrize(("quoted", "state"), [("other", "unknown"), ("77", "sent")])
def test_a_quote_proves_no_plain_reply_unless_its_text_has_the_link(
    complaint: Case,
    telegraph: Telegraph,
    microblog: Account,
    agent: User,
    as_: As,
    monkeypatch: pytest.MonkeyPatch,
    quoted: str,
    state: str,
) -> None:
    place = quote_of(complaint, microblog).replace("quote:", "")
    text = "See https://x.com/us/77"
    as_(agent).post(url("reply", complaint), form(complaint, text=text, place=place))
    lose_answers(telegraph, monkeypatch)
    outbox.deliver(Delivery.objects.get())
    post = own_post(microblog, text, quotes=quoted)
    post = replace(post, in_reply_to=complaint.last_inbound.key)
    outbox.heard_ourselves([(post, microblog.pk)], now=timezone.now())
    assert Delivery.objects.get().state == state


def lose_answers(telegraph: Telegraph, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> Receipt:
        raise ChannelError("The telegraph did not answer.", uncertain=True)

    monkeypatch.setattr(telegraph, "send", lost)


def own_post(account: Account, text: str, *, quotes: str) -> Item:
    us = Author(account.network, account.self_key)
    return Item(account.network, "post-1", us, text, visibility="public", quotes=quotes)


def test_what_the_network_adds_to_a_reply_counts(
    complaint: Case, telegraph: Telegraph, microblog: Account, agent: User, as_: As
) -> None:
    """Fails if only the typed text is counted: the network would refuse the reply later."""
    added = len(complaint.profile.handle) + 1
    text = "x" * (40 - added + 1)
    public = f"{microblog.pk}:{complaint.profile_id}:public"
    refused = as_(agent).post(url("reply", complaint), form(complaint, text=text, place=public))
    assert refused.status_code == 422
    assert "1 character is too many" in refused.content.decode()
    typed = form(complaint, text=text, place=public, draft_kind="reply", draft_version=0)
    draft = as_(agent).post(url("draft", complaint), typed)
    assert "1 character is too many" in draft.content.decode()
    place = quote_of(complaint, microblog)
    quoted = as_(agent).post(url("reply", complaint), form(complaint, text=text, place=place))
    assert quoted.status_code == 302, "nothing is added to a quote"
    as_(agent).post(
        url("reply", complaint),
        form(complaint, text=f"{'x' * 15} {'y' * 15} {'z' * 15}", place=public, as_thread="on"),
    )
    reply = Delivery.objects.order_by("pk").last()
    assert reply is not None
    assert all(len(part) + added <= 40 for part in reply.outgoing.parts)
    assert len(reply.outgoing.parts) == 3


@pytest.mark.parametrize(("length", "unit"), [(0, "s"), (1, ""), (2, "s")])
def test_the_counter_of_the_composer_has_a_singular(
    complaint: Case, agent: User, as_: As, length: int, unit: str
) -> None:
    typed = form(complaint, text="x" * length, place="")
    page = as_(agent).post(url("reply", complaint), typed).content.decode()
    assert f"<span data-count>{length}</span>" in page
    hidden = dict(re.findall(r'data-of="(\w+)"( hidden)?', page))
    assert bool(hidden["1"]) == (unit == "s")
    assert bool(hidden["other"]) == (unit == "")
