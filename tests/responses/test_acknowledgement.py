"""A booking number in a private message, then publicly “still waiting!”.

The composer is private, and beside the private answer a public acknowledgement is offered.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, User
from responses import check_sending, outbox
from responses.models import Delivery, Draft, Response, ResponseRule
from responses.recipients import compete
from routing.models import Case, Decision
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post

As = Callable[[User], Client]
ACKNOWLEDGED = "We have answered you by message."


@pytest.fixture(autouse=True)
def nothing_is_left_there(db: None, settings: Any) -> Iterator[None]:
    settings.UNDO_SECONDS = 0
    yield
    community.reset()


@pytest.fixture
def asked_twice(hear: Callable[..., Case]) -> Case:
    """Return the case of a person who wrote privately first and then in public."""
    network, us, they = "sandbox.microblog", "skywardair", "@roncalder"
    message = community.post(network, they, "My booking is X7K2P9.", to=us)
    case = hear("My booking is X7K2P9.", visibility="private", thread_key="dm", key=message)
    assert hear("Still waiting!", key=community.post(network, they, "Still waiting!")) == case
    case.refresh_from_db()
    return case


def form_of(browser: Client, case: Case) -> Any:
    url = reverse("responses:composer", args=[case.pk])
    return browser.get(url, {"tab": "reply"}).context["form"]


def send(browser: Client, case: Case, **typed: Any) -> Any:
    """Submit the composer as the page shows it, with these changes."""
    form = form_of(browser, case)
    names = ("form", "seen", "place", "acknowledgement")
    fields = {name: str(form[name].value() or "") for name in names if name in form.fields}
    fields |= {"text": "Your refund is on its way.", "acknowledge": "on"} | typed
    return browser.post(reverse("responses:reply", args=[case.pk]), fields)


def both() -> tuple[Response, Response]:
    reply = Response.objects.get(acknowledges=None)
    return reply, reply.acknowledgements.get()


def deliver() -> list[str]:
    """Send everything that is due, and return the visibilities of our posts in their order."""
    for _ in range(2):
        for delivery in Delivery.objects.due(timezone.now()).order_by("-pk"):
            outbox.deliver(delivery)
    ours = Post.objects.filter(author_key="skywardair").order_by("seq")
    return [post.visibility for post in ours]


def test_the_composer_is_private_and_offers_a_public_acknowledgement(
    asked_twice: Case, agent: User, as_: As
) -> None:
    form = form_of(as_(agent), asked_twice)
    assert form["place"].value().endswith(":private")
    assert form["acknowledgement"].value() == ACKNOWLEDGED
    assert not form["acknowledge"].value()


def test_with_one_tick_the_public_text_follows_the_private_answer(
    asked_twice: Case, agent: User, as_: As
) -> None:
    """Fails if the acknowledgement is sent first, or if it is not under the public message."""
    assert send(as_(agent), asked_twice).status_code == 302
    reply, public = both()
    assert (reply.visibility, public.visibility) == ("private", "public")
    assert (public.text, public.in_reply_to.text) == (ACKNOWLEDGED, "Still waiting!")
    assert reply.decision == public.decision
    assert Decision.objects.count() == 1
    assert [row.response for row in Delivery.objects.due(timezone.now())] == [reply]
    assert deliver() == ["private", "public"]
    asked_twice.refresh_from_db()
    assert asked_twice.status == "waiting"


def test_without_the_tick_nothing_is_said_in_public(
    asked_twice: Case, agent: User, as_: As
) -> None:
    send(as_(agent), asked_twice, acknowledge="")
    assert Response.objects.get().visibility == "private"


def test_a_double_click_sends_both_texts_once(asked_twice: Case, agent: User, as_: As) -> None:
    browser, form = as_(agent), str(uuid.uuid4())
    for _ in range(2):
        assert send(browser, asked_twice, form=form).status_code == 302
    both()
    assert deliver() == ["private", "public"]


def test_while_the_private_answer_is_held_the_acknowledgement_waits_and_is_not_overdue(
    asked_twice: Case,
    make_rule: Callable[..., ResponseRule],
    agent: User,
    lead: User,
    as_: As,
    settings: Any,
) -> None:
    """Fails if the public says that we have answered although the answer waits for approval."""
    make_rule("refund")
    send(as_(agent), asked_twice)
    reply, public = both()
    assert (reply.state, public.state) == ("held", "released")
    assert not compete(reply, public)
    assert deliver() == []
    long_ago = timezone.now() - timedelta(seconds=settings.STALE_SEND_SECONDS + 60)
    public.deliveries.update(send_after=long_ago)
    assert not Delivery.objects.to_check(timezone.now()).exists()
    url = reverse("responses:approve", args=[reply.pk])
    as_(lead).post(url, {"shown": reply.content_hash, "instead": "1"})
    assert deliver() == ["private", "public"]


def test_a_rule_for_public_texts_refuses_at_the_field_and_nothing_is_stored(
    asked_twice: Case, make_rule: Callable[..., ResponseRule], agent: User, as_: As
) -> None:
    make_rule("X7K2P9", "refuse")
    page = send(as_(agent), asked_twice, acknowledgement="X7K2P9 is solved.")
    assert page.status_code == 422
    assert "acknowledgement" in page.context["form"].errors
    assert not Response.objects.exists()


@pytest.mark.parametrize("text", ["", "x" * 501])
def test_an_empty_or_too_long_public_text_is_an_error_at_its_field(
    asked_twice: Case, agent: User, as_: As, text: str
) -> None:
    page = send(as_(agent), asked_twice, acknowledgement=text)
    assert "acknowledgement" in page.context["form"].errors
    assert not Response.objects.exists()


def test_undo_stops_both_and_keeps_both_texts(asked_twice: Case, agent: User, as_: As) -> None:
    browser = as_(agent)
    send(browser, asked_twice, acknowledgement="Please see our message.")
    reply, public = both()
    browser.post(reverse("responses:cancel", args=[reply.pk]))
    for row in (reply, public):
        row.refresh_from_db()
        assert row.state == "cancelled"
    assert deliver() == []
    assert Draft.objects.get().fields["acknowledgement"] == "Please see our message."
    form = form_of(browser, asked_twice)
    assert (form["acknowledge"].value(), form["acknowledgement"].value()) == (
        "on", "Please see our message.",
    )  # fmt: skip


def test_if_the_private_answer_fails_the_public_text_is_not_sent(
    asked_twice: Case, agent: User, as_: As
) -> None:
    send(as_(agent), asked_twice)
    reply, public = both()
    reply.deliveries.update(state="failed")
    assert deliver() == []
    check_sending.dismiss(reply.deliveries.get(), by=agent)
    assert public.deliveries.get().state == "cancelled"


def test_dismissing_the_failed_private_answer_cancels_a_held_acknowledgement(
    asked_twice: Case, make_rule: Callable[..., ResponseRule], agent: User, lead: User, as_: As
) -> None:
    """Fails if only its delivery is cancelled: it would stay on the page of approvals."""
    make_rule("by message")
    send(as_(agent), asked_twice)
    reply, public = both()
    assert (reply.state, public.state) == ("released", "held")
    reply.deliveries.update(state="failed")
    check_sending.dismiss(reply.deliveries.get(), by=agent)
    public.refresh_from_db()
    assert (public.state, public.deliveries.get().state) == ("cancelled", "cancelled")
    page = as_(lead).get(reverse("responses:approvals")).content.decode()
    assert ACKNOWLEDGED not in page


def test_the_acknowledgement_comes_from_the_account_of_the_private_answer(
    asked_twice: Case, microblog: Account, second_account: Account, agent: User, as_: As
) -> None:
    """Fails if it comes from the first account by name: the person finds no message there."""
    for account in (second_account, microblog):
        place = f"{account.pk}:{asked_twice.profile_id}:private"
        sent = send(as_(agent), asked_twice, place=place, form=str(uuid.uuid4()))
        assert sent.status_code == 302
        public = Response.objects.exclude(acknowledges=None).latest("pk")
        assert public.deliveries.get().account == account


def test_an_edited_answer_that_becomes_public_is_not_acknowledged(
    asked_twice: Case, agent: User, as_: As
) -> None:
    """Fails if the public reads “We have answered you by message” under our public answer."""
    browser = as_(agent)
    send(browser, asked_twice)
    reply, public = both()
    url = reverse("responses:edit", args=[reply.pk])
    form = browser.get(url).context["form"]
    fields = {name: form[name].value() or "" for name in form.fields if name != "uploads"}
    fields |= {"place": fields["place"].replace("private", "public"), "publicly": "on"}
    assert browser.post(url, fields | {"then": "send"}).status_code == 302
    public.refresh_from_db()
    assert public.state == "cancelled"
    assert deliver() == ["public"]


def test_an_edited_private_answer_keeps_its_acknowledgement(
    asked_twice: Case, agent: User, as_: As
) -> None:
    """Fails if the edit, which stops the first version, stops the acknowledgement too."""
    browser = as_(agent)
    send(browser, asked_twice)
    reply, public = both()
    page = browser.get(reverse("responses:edit", args=[reply.pk]))
    form = page.context["form"]
    fields = {name: form[name].value() or "" for name in form.fields if name != "uploads"}
    fields |= {"text": "Your refund arrives on Friday.", "then": "send"}
    edited = browser.post(reverse("responses:edit", args=[reply.pk]), fields)
    assert edited.status_code == 302, edited.content.decode()
    public.refresh_from_db()
    assert public.acknowledges != reply
    assert deliver() == ["private", "public"]


def test_a_person_who_wrote_only_privately_is_not_acknowledged_in_public(
    hear: Callable[..., Case], microblog: Account, agent: User, as_: As
) -> None:
    case = hear("My booking is X7K2P9.", visibility="private", thread_key="dm")
    assert "acknowledge" not in form_of(as_(agent), case).fields
