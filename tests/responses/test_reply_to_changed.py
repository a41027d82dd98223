"""A customer deletes the post while our reply waits: what the pages offer, and what they keep."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crm.models import Account, Interaction, User
from listening.models import Fetch, Mention, MentionChange, Source
from responses import outbox
from responses.models import Delivery, Draft, Response, ResponseRule
from responses.views.reply_to_changed import UNREACHABLE
from routing.models import Case, Decision
from scrm.channels.sandbox import community
from scrm.channels.sandbox.models import Post

As = Callable[[User], Client]
LINE = "The message that this reply answers was deleted."


@pytest.fixture(autouse=True)
def nothing_is_left_there(db: None, settings: Any) -> Iterator[None]:
    settings.UNDO_SECONDS = 0
    yield
    community.reset()


@pytest.fixture
def delete(make_source: Callable[..., Source]) -> Callable[[Interaction], None]:
    """Return a function that stores that the author has deleted a message."""
    fetch = Fetch.objects.create(source=make_source())

    def delete(message: Interaction) -> None:
        assert message.profile
        mention = Mention.objects.create(
            scope=message.scope, key=message.key, fetch=fetch, author_network=message.scope,
            author_key=message.profile.key, kind="post", visibility="public", interaction=message,
        )  # fmt: skip
        MentionChange.objects.create(
            mention=mention, fetch=fetch, kind="deleted", content_hash="deleted"
        )

    return delete


def test_the_list_says_that_the_last_message_was_deleted(
    complaint: Case, delete: Callable[..., None], agent: User, as_: As
) -> None:
    delete(complaint.last_inbound)
    page = as_(agent).get(reverse("routing:inbox")).content.decode()
    assert "deleted at the source" in page
    assert "edited at the source" not in page


@pytest.fixture
def waiting(answer: Callable[..., Response], delete: Callable[..., None]) -> Response:
    """Return a released public reply whose message was deleted before it was sent."""
    response = answer("We are so sorry.")
    assert response.in_reply_to
    delete(response.in_reply_to)
    return response


def case_page(browser: Client, response: Response) -> str:
    url = reverse("responses:case_responses", args=[response.case_id])
    return browser.get(url, headers={"HX-Request": "true"}).content.decode()


def press(browser: Client, response: Response, label: str) -> None:
    """Press this button at the reply in the case."""
    page = case_page(browser, response)
    form = next(form for form in re.findall(r"<form.*?</form>", page, re.S) if label in form)
    action = re.search(r'action="([^"]*)"', form)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    assert action
    assert browser.post(action[1], fields).status_code == 302


def test_the_reply_is_not_sent_and_both_ways_on_are_offered(
    waiting: Response, agent: User, as_: As
) -> None:
    outbox.deliver(waiting.deliveries.get())
    assert not Post.objects.exists()
    browser = as_(agent)
    for page in (
        case_page(browser, waiting),
        browser.get(waiting.get_absolute_url()).content.decode(),
        browser.get(reverse("responses:delivery_problems")).content.decode(),
    ):
        assert LINE in page
        assert "Message privately" in page
        assert "Close as deleted at the source" in page


def test_while_the_message_stands_nothing_is_offered(
    answer: Callable[..., Response], agent: User, as_: As
) -> None:
    assert LINE not in case_page(as_(agent), answer())


@pytest.mark.parametrize("tried", [False, True])
def test_message_privately_moves_the_text_to_the_private_composer_and_it_can_be_sent(
    waiting: Response, agent: User, as_: As, tried: bool
) -> None:
    """Fails if the private message counts as an answer to the deleted post: it would be stopped."""
    if tried:
        outbox.deliver(waiting.deliveries.get())
    browser, case = as_(agent), waiting.case
    press(browser, waiting, "Message privately")
    waiting.refresh_from_db()
    assert waiting.state == "cancelled"
    composer = browser.get(reverse("responses:composer", args=[case.pk]))
    form = composer.context["form"]
    assert form["text"].value() == "We are so sorry."
    assert form["place"].value().endswith(":private")
    sent = {name: form[name].value() or "" for name in ("form", "seen", "text", "place")}
    assert browser.post(reverse("responses:reply", args=[case.pk]), sent).status_code == 302
    message = Response.objects.latest("pk")
    outbox.deliver(message.deliveries.get())
    outbox.deliver(waiting.deliveries.get())
    assert [(post.text, post.visibility) for post in Post.objects.all()] == [
        ("We are so sorry.", "private")
    ]


@pytest.mark.parametrize("tried", [False, True])
def test_close_as_deleted_records_the_decision_and_cancels_the_reply(
    waiting: Response, agent: User, as_: As, tried: bool
) -> None:
    if tried:
        outbox.deliver(waiting.deliveries.get())
    press(as_(agent), waiting, "Close as deleted at the source")
    case = Case.objects.get(pk=waiting.case_id)
    decision = Decision.objects.latest("pk")
    assert (case.status, decision.outcome, decision.by) == ("done", "none", agent)
    assert decision.why == "Deleted at the source"
    outbox.deliver(waiting.deliveries.get())
    waiting.refresh_from_db()
    assert (waiting.state, Post.objects.count()) == ("cancelled", 0)
    problems = as_(agent).get(reverse("responses:delivery_problems")).content.decode()
    assert waiting.text not in problems


def test_a_new_message_is_read_before_the_case_is_closed(
    waiting: Response, hear: Callable[..., Case], agent: User, as_: As
) -> None:
    seen = waiting.case.last_inbound_id
    hear("Are you there?")
    url = reverse("responses:close_as_deleted", args=[waiting.pk])
    as_(agent).post(url, {"seen": seen})
    waiting.refresh_from_db()
    assert waiting.state == "released"
    assert not Decision.objects.filter(outcome="none").exists()


def test_without_a_private_place_a_message_says_so_and_nothing_changes(
    waiting: Response, microblog: Account, agent: User, as_: As
) -> None:
    microblog.config = {"visibilities": ["public"]}
    microblog.save()
    browser = as_(agent)
    press(browser, waiting, "Message privately")
    assert str(UNREACHABLE) in browser.get(waiting.get_absolute_url()).content.decode()
    waiting.refresh_from_db()
    assert waiting.state == "released"


def test_a_private_text_that_a_rule_refuses_is_not_moved(
    waiting: Response, make_rule: Callable[..., ResponseRule], agent: User, as_: As
) -> None:
    conditions = {"all": [{"field": "visibility", "op": "is", "value": "private"}]}
    make_rule("sorry", "refuse", conditions=conditions)
    press(as_(agent), waiting, "Message privately")
    waiting.refresh_from_db()
    assert waiting.state == "released"
    assert not Draft.objects.exists()


def test_the_page_of_problems_asks_as_little_for_many_deleted_messages_as_for_one(
    answer_many: Callable[..., list[Response]],
    delete: Callable[..., None],
    agent: User,
    as_: As,
) -> None:
    """Fails if the private place is computed for each row."""
    browser, asked = as_(agent), []
    page = reverse("responses:delivery_problems")
    browser.get(page)
    for more in (1, 3):
        for response in answer_many(more):
            assert response.in_reply_to
            delete(response.in_reply_to)
        Delivery.objects.update(state="failed")
        with CaptureQueriesContext(connection) as queries:
            assert LINE in browser.get(page).content.decode()
        asked.append(len(queries))
    assert asked[0] == asked[1]


def test_a_person_who_deleted_the_last_private_message_can_be_answered_privately(
    hear: Callable[..., Case], delete: Callable[..., None], agent: User, as_: As
) -> None:
    """Fails if the private reply answers the deleted message: it would be refused."""
    case = hear("My booking is X7K2P9.", visibility="private", thread_key="dm")
    delete(case.last_inbound)
    composer = reverse("responses:composer", args=[case.pk])
    form = as_(agent).get(composer, {"tab": "reply"}).context["form"]
    sent = {name: form[name].value() or "" for name in ("form", "seen", "place")}
    assert sent["place"].endswith(":private")
    sent["text"] = "We take care of it."
    assert as_(agent).post(reverse("responses:reply", args=[case.pk]), sent).status_code == 302
    outbox.deliver(Response.objects.get().deliveries.get())
    assert [(post.text, post.visibility) for post in Post.objects.all()] == [
        ("We take care of it.", "private")
    ]


def test_a_text_that_the_author_has_begun_is_not_overwritten(
    waiting: Response, agent: User, as_: As
) -> None:
    draft = {"case": waiting.case, "kind": "reply", "by": agent, "seen": 0}
    Draft.keep(**draft, text="Another text.")
    press(as_(agent), waiting, "Message privately")
    waiting.refresh_from_db()
    assert waiting.state == "released"
    assert Draft.objects.get().text == "Another text."


def test_who_approves_reads_it_and_cannot_send_the_reply(
    held: Response, delete: Callable[..., None], lead: User, as_: As
) -> None:
    assert held.in_reply_to
    delete(held.in_reply_to)
    browser = as_(lead)
    page = browser.get(reverse("responses:approvals")).content.decode()
    assert LINE in page
    assert "Approve and send" not in page
    url = reverse("responses:approve", args=[held.pk])
    refused = browser.post(url, {"shown": held.content_hash})
    assert refused.status_code == 422
    assert "Nothing was sent." in refused.content.decode()
    held.refresh_from_db()
    assert held.state == "held"


def test_only_who_works_on_the_case_can_press_the_buttons(
    waiting: Response, reader: User, outsider: User, as_: As
) -> None:
    for name in ("message_privately", "close_as_deleted"):
        url = reverse(f"responses:{name}", args=[waiting.pk])
        assert as_(outsider).post(url).status_code == 404
        assert as_(reader).post(url).status_code == 403
    waiting.refresh_from_db()
    assert waiting.state == "released"
