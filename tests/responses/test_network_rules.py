"""The composer shows the rules of a network before a user types a text.

The rules are the maximum length of a text, whether the network permits threads, and to whom we may
reply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Account, Interaction, User
from listening.models import Fetch, Mention, Source
from responses import outbox
from responses.models import Delivery, Response
from responses.results.feedback import Heard, answered
from routing.models import Case
from scrm.channels.base import Credentials, Idempotence, Lookup, Outgoing, Receipt
from scrm.channels.channel import Channel
from scrm.channels.reply_rule import Permission, Received
from scrm.channels.sandbox.channel import CHANNEL
from scrm.channels.text_rules import TextRules
from tests.responses.test_composer import form, url
from tests.together import at_once

As = Callable[[User], Client]
REASON = "This network lets us answer only people who mentioned us."


class Telegraph:
    """A fake network that allows 40 characters per post.

    In public, we may answer only people who mentioned us, replied to us or quoted us. Private
    messages are allowed until a fixed time.
    """

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.threads: set[str] = set()

    def idempotence(self, credentials: Credentials) -> Idempotence:
        return "lookup"

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        self.sent.append(outgoing)
        return Receipt(credentials.network, f"t{len(self.sent)}")

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Lookup:
        return Lookup.CANNOT_TELL

    def rule(self, credentials: Credentials, received: Received, visibility: str) -> Permission:
        self.threads.add(received.thread_key)
        known = credentials.self_key in received.mentions or received.replies_to_us
        if visibility == "private":
            return Permission(until=datetime(2026, 12, 1, 9, tzinfo=UTC))
        return Permission() if known or received.quotes_us else Permission(False, REASON)

    def key_of(self, credentials: Credentials, address: str) -> str:
        site, _slash, key = address.rpartition("/")
        return key if site == "https://telegraph.example" else ""


@pytest.fixture
def telegraph(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Telegraph:
    settings.UNDO_SECONDS = 0
    telegraph = Telegraph()
    channel: Channel = replace(
        CHANNEL,
        speaker=telegraph,
        text=TextRules(max_length=40, threads=True),
        reply_rule=telegraph.rule,
        key_of=telegraph.key_of,
    )
    monkeypatch.setattr("crm.models.account.channel", lambda _kind: channel)
    return telegraph


@pytest.fixture
def found(
    complaint: Case, make_source: Callable[..., Source], telegraph: Telegraph
) -> Callable[..., Case]:
    """Return a function that creates a mention for the complaint, as if a fetch had found it.

    The keyword arguments set fields of the mention. The function returns the case.
    """

    def mention(**facts: Any) -> Case:
        message = complaint.last_inbound
        fetch = Fetch.objects.create(source=make_source())
        Mention.objects.create(
            scope=message.scope, key=message.key, fetch=fetch, author_network=message.scope,
            author_key="@roncalder", kind="post", visibility="public", interaction=message, **facts,
        )  # fmt: skip
        return complaint

    return mention


LINK = "https://telegraph.example/777"
LONG = "We found your bag in Leeds. It is on its way. The courier calls before noon."


def send(agent: User, as_: As, case: Case, **typed: Any) -> Any:
    return as_(agent).post(url("reply", case), form(case, **typed))


def test_a_text_that_is_too_long_offers_a_thread(
    found: Callable[..., Case], microblog: Account, agent: User, as_: As
) -> None:
    case = found(mentioned=[microblog.self_key])
    page = send(agent, as_, case, text=LONG)
    assert page.status_code == 422
    assert "36 characters are too many: the limit of @SkywardAir is 40." in page.content.decode()
    assert "send it as a thread of 3 posts" in page.content.decode()
    assert not Response.objects.exists()


def test_a_thread_is_one_delivery_with_all_its_posts(
    found: Callable[..., Case], telegraph: Telegraph, microblog: Account, agent: User, as_: As
) -> None:
    case = found(mentioned=[microblog.self_key])
    assert send(agent, as_, case, text=LONG, as_thread="on").status_code == 302
    outbox.deliver(Delivery.objects.get())
    assert [outgoing.parts for outgoing in telegraph.sent] == [
        (
            "We found your bag in Leeds. 1/3",
            "It is on its way. 2/3",
            "The courier calls before noon. 3/3",
        )
    ]
    assert Delivery.objects.get().state == "sent"


def test_a_text_that_fits_is_no_thread_even_if_threads_are_allowed(
    found: Callable[..., Case], telegraph: Telegraph, microblog: Account, agent: User, as_: As
) -> None:
    case = found(mentioned=[microblog.self_key])
    send(agent, as_, case, text="On its way.", as_thread="on")
    outbox.deliver(Delivery.objects.get())
    assert [(outgoing.text, outgoing.parts) for outgoing in telegraph.sent] == [("On its way.", ())]


def test_a_private_text_is_never_a_thread(
    found: Callable[..., Case], microblog: Account, agent: User, as_: As
) -> None:
    """Networks refuse a private thread for good, so the author must learn it from the form.

    Fails if the form measures a private text like a public one.
    """
    case = found()
    place = f"{microblog.pk}:{case.profile.pk}:private"
    page = send(agent, as_, case, text=LONG, as_thread="on", place=place)
    assert page.status_code == 422
    assert page.context["form"].errors["text"] == [
        "36 characters are too many: the limit of @SkywardAir is 40."
    ]
    assert not Response.objects.exists()


@pytest.mark.parametrize(("visibility", "number"), [("public", 3), ("private", 0)])
def test_a_thread_that_became_private_has_no_parts(
    found: Callable[..., Case], microblog: Account, agent: User, as_: As,
    visibility: str, number: int,
) -> None:  # fmt: skip
    """The recipient of a held text can change from public to private.

    Fails if `outgoing` looks only at the ticked box.
    """
    case = found(mentioned=[microblog.self_key])
    send(agent, as_, case, text=LONG, as_thread="on")
    delivery = Delivery.objects.select_related("response").get()
    delivery.response.visibility = visibility
    assert len(delivery.outgoing.parts) == number


def test_the_composer_says_before_anyone_types_that_the_author_cannot_be_answered(
    found: Callable[..., Case], agent: User, as_: As
) -> None:
    page = as_(agent).get(url("composer", found())).content.decode()
    assert REASON in page
    assert "Log a response given elsewhere" in page
    assert "(the network does not allow it)" in page


def test_the_rule_is_told_the_thread_of_the_message(
    found: Callable[..., Case], telegraph: Telegraph, agent: User, as_: As
) -> None:
    as_(agent).get(url("composer", found(thread_key="dm:1-2")))
    assert telegraph.threads == {"dm:1-2"}


def test_a_reply_that_the_network_does_not_allow_is_refused_at_the_place(
    found: Callable[..., Case], agent: User, as_: As
) -> None:
    page = send(agent, as_, found(), text="Sorry.")
    assert page.status_code == 422
    assert page.context["form"].errors["place"] == [REASON]
    assert not Response.objects.exists()


def test_a_place_that_is_not_allowed_is_not_selected(
    found: Callable[..., Case], agent: User, as_: As
) -> None:
    page = as_(agent).get(url("composer", found()))
    assert page.context["form"].initial["place"].endswith(":private")


def test_the_label_says_until_when_a_private_reply_is_possible(
    found: Callable[..., Case], hear: Callable[..., Case], agent: User, as_: As
) -> None:
    hear("this is between us", visibility="private", thread_key="dm")
    page = as_(agent).get(url("composer", found())).content.decode()
    assert "(possible until 1 Dec" in page


@pytest.mark.parametrize("fact", ["in_reply_to", "quotes"])
def test_a_person_who_answered_or_quoted_us_can_be_answered(
    found: Callable[..., Case], complaint: Case, microblog: Account, agent: User, as_: As, fact: str
) -> None:
    Interaction.objects.create(
        scope=microblog.network, key="our-post", direction="out", channel="sandbox",
        conversation=complaint.last_inbound.conversation, kind="statement", visibility="public",
    )  # fmt: skip
    page = as_(agent).get(url("composer", found(**{fact: "our-post"}))).content.decode()
    assert REASON not in page
    assert "Reply publicly as @SkywardAir to @roncalder" in page


def log(agent: User, as_: As, case: Case, **typed: Any) -> Any:
    return as_(agent).post(url("by_hand", case), form(case, how="network", **typed))


def test_an_answer_to_a_post_that_was_logged_by_hand_is_found(
    found: Callable[..., Case], hear: Callable[..., Case], microblog: Account, agent: User, as_: As
) -> None:
    """The network does not let us reply, so the agent posts there and logs the post with its link.

    When the person answers that post, the answer is linked to the logged reply.
    """
    case = found()
    assert log(agent, as_, case, text="Sorry!", link=LINK).status_code == 302
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.scope, delivery.sent_key) == ("sent", microblog.network, "777")
    assert (delivery.response.visibility, delivery.account) == ("public", microblog)
    conversation = delivery.interaction.conversation_id
    heard = Heard(0, conversation, microblog.network, "777", "public", timezone.now())
    assert answered([heard])[0].delivery == delivery.pk


@pytest.mark.parametrize(
    ("link", "error"),
    [
        ("", "Enter the link to the post that you published there."),
        ("https://elsewhere.example/777", "Enter the link to the post that you published there."),
        ("javascript:alert(1)", "Enter a valid URL."),
    ],
)
def test_a_post_is_logged_only_with_its_link(
    found: Callable[..., Case], agent: User, as_: As, link: str, error: str
) -> None:
    page = log(agent, as_, found(), text="Sorry!", link=link)
    assert page.status_code == 422
    assert page.context["form"].errors["link"] == [error]
    assert not Response.objects.exists()


def test_a_double_click_logs_a_post_once(found: Callable[..., Case], agent: User, as_: As) -> None:
    """Fails if the form refuses the post that its own first submission has recorded."""
    case = found()
    typed = form(case, how="network", text="Sorry!", link=LINK)
    answers = [as_(agent).post(url("by_hand", case), typed).status_code for _click in range(2)]
    assert answers == [302, 302]
    assert Response.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_log_a_post_once(
    found: Callable[..., Case], agent: User, as_: As
) -> None:
    case = found()
    typed, client = form(case, how="network", text="Sorry!", link=LINK), as_(agent)

    def click() -> int:
        other = Client()
        other.cookies = client.cookies
        return other.post(url("by_hand", case), typed).status_code

    assert at_once(click, click) == [302, 302]
    assert Response.objects.count() == 1


def test_a_post_that_is_already_recorded_is_not_logged_again(
    found: Callable[..., Case], agent: User, as_: As
) -> None:
    case = found()
    log(agent, as_, case, text="Sorry!", link=LINK)
    page = log(agent, as_, case, text="Sorry again!", link=LINK)
    assert page.context["form"].errors["link"] == [
        "This post is already recorded. Nothing was saved."
    ]
    assert Response.objects.count() == 1
