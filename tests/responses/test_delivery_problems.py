from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm.models import User
from responses.models import Delivery, Response
from responses.views import lookup
from routing.models import Case, Issue
from routing.unanswered import unanswered

As = Callable[[User], Client]
VERBS = ["check", "mark_sent", "send_again", "send_late", "dismiss_problem"]
PAGE = "/delivery-problems/"


@pytest.fixture
def sending(answer: Callable[..., Response]) -> Callable[..., Delivery]:
    """Return a function that creates a reply whose delivery is in the given state."""

    def bring(state: str, **facts: Any) -> Delivery:
        Delivery.objects.filter(response=answer()).update(state=state, **facts)
        return Delivery.objects.get()

    return bring


def url(name: str, delivery: Delivery | Response) -> str:
    return reverse(f"responses:{name}", args=[delivery.pk])


def test_a_failed_sending_is_listed_with_its_reason_in_words(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    sending("failed", error="The network said: text too rude.")
    page = as_(agent).get(PAGE).content.decode()
    assert "text too rude" in page
    assert "We are so sorry." in page


def test_what_waits_its_turn_is_not_listed(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    sending("queued")
    assert "We are so sorry." not in as_(agent).get(PAGE).content.decode()


def test_what_others_could_not_say_is_no_work_of_mine(
    stated: Response, agent: User, outsider: User, admin: User, as_: As
) -> None:
    """A user who may only read a response does not see its delivery problems.

    Fails if the page lists each delivery that the user may read.
    """
    sending = stated.deliveries.get()
    Delivery.objects.filter(pk=sending.pk).update(state="failed")
    assert Response.objects.visible_to(outsider).filter(pk=stated.pk).exists()
    pages = [as_(who).get(PAGE).content.decode() for who in (agent, outsider, admin)]
    assert [f'id="sending-{sending.pk}"' in page for page in pages] == [True, False, True]


def test_check_asks_the_network_now(sending: Callable[..., Delivery], agent: User, as_: As) -> None:
    unknown = sending("unknown")
    as_(agent).post(url("check", unknown))
    assert list(Delivery.objects.to_settle(timezone.now())) == [unknown]


def test_check_leaves_a_failed_sending_alone(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    as_(agent).post(url("check", sending("failed")))
    assert Delivery.objects.get().settle_after is None


def test_a_human_who_saw_it_there_marks_it_as_sent(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    unknown, browser = sending("unknown"), as_(agent)
    browser.post(url("mark_sent", unknown), {"url": "https://there.example/1"})
    unknown.refresh_from_db()
    assert (unknown.state, unknown.url) == ("sent", "https://there.example/1")
    assert unknown.interaction.text == "We are so sorry."
    assert browser.post(url("mark_sent", unknown), {}).status_code == 409


def test_what_has_no_address_there_is_marked_as_sent_by_hand(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    unknown = sending("unknown")
    as_(agent).post(url("mark_sent", unknown), {"url": ""})
    unknown.refresh_from_db()
    assert unknown.sent_key == f"by-hand:{unknown.uuid}"


def test_the_id_that_a_human_knows_is_kept_so_that_answers_find_it(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    unknown = sending("unknown")
    there = "https://there.example/1"
    as_(agent).post(url("mark_sent", unknown), {"url": there, "key": "post-77"})
    unknown.refresh_from_db()
    assert (unknown.scope, unknown.sent_key) == ("sandbox.microblog", "post-77")
    assert unknown.url == there


def test_a_wrong_address_is_an_error_at_the_field_with_what_was_typed(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    page = as_(agent).post(url("mark_sent", sending("unknown")), {"url": "not an address"})
    assert page.status_code == 422
    assert "not an address" in page.content.decode()
    assert Delivery.objects.get().state == "unknown"


def test_what_is_on_its_way_is_not_marked_by_hand(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    """A user cannot mark a delivery as sent while a worker is sending it.

    Fails if `take_in_hand` accepts such a delivery.
    """
    assert as_(agent).post(url("mark_sent", sending("sending")), {}).status_code == 409
    assert Delivery.objects.get().state == "sending"


def test_sending_again_shows_the_old_one_first_and_happens_once(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    """The page for sending again shows the old delivery, and a second click is refused.

    Fails if `to_check` returns deliveries that a user has already resolved, because then the second
    click causes an error.
    """
    old, browser = sending("unknown", error="No answer came."), as_(agent)
    page = browser.get(url("send_again", old)).content.decode()
    assert "No answer came." in page
    assert "the recipient gets the text twice" in page
    assert Delivery.objects.count() == 1
    assert browser.post(url("send_again", old)).status_code == 302
    assert browser.post(url("send_again", old)).status_code == 409
    assert Delivery.objects.get(replaces=old).state == "queued"


def test_what_is_overdue_leaves_late_when_a_human_says_so(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    overdue = sending("queued", send_after=timezone.now() - timedelta(hours=2))
    browser = as_(agent)
    assert "Overdue" in browser.get(PAGE).content.decode()
    assert browser.post(url("send_late", overdue)).status_code == 302
    assert list(Delivery.objects.due(timezone.now())) == [overdue]
    assert browser.post(url("send_late", overdue)).status_code == 409


def test_a_dismissed_problem_leaves_the_list_and_stays_in_the_record(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    """A dismissed delivery is no longer listed as a delivery problem, but is still in the history.

    Fails if `to_check` returns deliveries that a user has dismissed.
    """
    browser = as_(agent)
    browser.post(url("dismiss_problem", sending("failed")))
    assert "We are so sorry." not in browser.get(PAGE).content.decode()
    assert "We are so sorry." in browser.get(reverse("responses:history")).content.decode()


def test_readers_may_look_but_not_act(
    sending: Callable[..., Delivery], reader: User, as_: As
) -> None:
    unknown, browser = sending("unknown"), as_(reader)
    page = browser.get(PAGE).content.decode()
    assert "We are so sorry." in page
    assert ">Dismiss<" not in page
    for name in VERBS:
        assert browser.post(url(name, unknown)).status_code == 403


@pytest.mark.parametrize("name", VERBS)
def test_another_department_gets_404(
    sending: Callable[..., Delivery], outsider: User, as_: As, name: str
) -> None:
    assert as_(outsider).post(url(name, sending("unknown"))).status_code == 404


def test_a_statement_without_a_case_is_for_leads(
    sending: Callable[..., Delivery], agent: User, lead: User, as_: As
) -> None:
    delivery = sending("failed")
    issue = Issue.objects.create(name="Seat policy", owner=lead)
    Response.objects.filter(pk=delivery.response_id).update(case=None, issue=issue)
    assert as_(agent).post(url("dismiss_problem", delivery)).status_code == 403
    assert as_(lead).post(url("dismiss_problem", delivery)).status_code == 302


@pytest.mark.parametrize(
    ("verb", "state", "facts"),
    [
        ("mark_sent", "unknown", {}),
        ("send_again", "failed", {}),
        ("send_late", "queued", {"send_after": timezone.now() - timedelta(hours=2)}),
        ("dismiss_problem", "failed", {}),
    ],
)
def test_one_click_is_one_line_in_the_history_of_the_case(
    sending: Callable[..., Delivery], agent: User, as_: As, verb: str, state: str, facts: Any
) -> None:
    """Each action on a delivery problem adds exactly one event to the history of the case.

    Fails if both the Django view and the function that it calls record the event.
    """
    delivery = sending(state, **facts)
    lines = delivery.response.case.events.filter(kind="answered")
    before = lines.count()
    as_(agent).post(url(verb, delivery))
    assert lines.count() == before + 1


def test_a_dismissed_problem_is_not_dismissed_again(
    sending: Callable[..., Delivery], agent: User, as_: As
) -> None:
    """A user cannot dismiss the same delivery a second time.

    Fails if `to_check` returns deliveries that a user has dismissed.
    """
    failed, browser = sending("failed"), as_(agent)
    assert browser.post(url("dismiss_problem", failed)).status_code == 302
    assert browser.post(url("dismiss_problem", failed)).status_code == 409


def test_the_address_of_other_words_is_refused_at_the_field(
    sending: Callable[..., Delivery], hear: Callable[..., Case], agent: User, as_: As
) -> None:
    """A user cannot mark a delivery as sent with the URL of another message.

    Fails if the code does not search the ledger for the URL.
    """
    taken = "https://there.example/theirs"
    hear("Me too", key=taken)
    page = as_(agent).post(url("mark_sent", sending("unknown")), {"url": taken})
    assert page.status_code == 422
    assert "already belongs to another interaction" in page.content.decode()
    assert taken in page.content.decode()
    assert Delivery.objects.get().state == "unknown"


@pytest.mark.parametrize("who", ["agent", "lead", "supervisor", "reader"])
def test_the_page_asks_as_little_for_thirteen_as_for_three(
    answer_many: Callable[..., list[Response]],
    who: str,
    request: pytest.FixtureRequest,
    as_: As,
) -> None:
    """The page with thirteen rows makes as many SQL queries as the page with three.

    Fails if the rights of the user are queried for each row.
    """
    browser, asked = as_(request.getfixturevalue(who)), []
    for more in (3, 10):
        answer_many(more)
        Delivery.objects.update(state="failed")
        with CaptureQueriesContext(connection) as queries:
            browser.get(PAGE)
        asked.append(len(queries))
    assert asked[0] == asked[1]


def test_the_list_ends_after_a_hundred_and_says_how_many_wait(
    answer_many: Callable[..., list[Response]],
    agent: User,
    as_: As,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookup, "MAX_ROWS", 2)
    answer_many(3)
    Delivery.objects.update(state="failed")
    first, second, third = Delivery.objects.order_by("send_after")
    page = as_(agent).get(PAGE).content.decode()
    assert page.index(url("dismiss_problem", first)) < page.index(url("dismiss_problem", second))
    assert url("dismiss_problem", third) not in page
    assert "… and 1 more" in page


def test_dismissing_a_failed_answer_makes_its_message_unanswered(
    sending: Callable[..., Delivery], complaint: Case, agent: User, as_: As
) -> None:
    """Fails on the old behaviour: the case stayed done, although nothing was sent."""
    delivery = sending("failed", error="Refused.")
    complaint.finish(by=agent, seen=complaint.last_inbound_id, is_answered=True)
    as_(agent).post(url("dismiss_problem", delivery))
    complaint.refresh_from_db()
    assert complaint.status == "open"
    assert unanswered([complaint.pk]).exists()


def test_a_cancelled_answer_leaves_no_message_answered_after_the_case_came_back(
    sending: Callable[..., Delivery], complaint: Case, agent: User, as_: As
) -> None:
    """Fails on the old behaviour: only a case that was still closed was looked at."""
    delivery = sending("queued")
    complaint.finish(by=agent, seen=complaint.last_inbound_id, is_answered=True)
    Case.objects.filter(pk=complaint.pk).update(status="open", done_at=None)
    as_(agent).post(url("cancel", delivery.response))
    assert unanswered([complaint.pk]).exists()
