"""The outcome of a response: proposed by scrm, judged by a user, or "no answer"."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Interaction, User
from responses import outbox
from responses.by_hand import log_by_hand
from responses.compose import Words
from responses.models import Delivery, Feedback, Response
from responses.results.feedback import SILENT_AFTER, Answered, fall_silent, link
from routing.models import Case, Issue
from scrm import pipeline
from scrm.channels.base import Receipt

As = Callable[[User], Client]
NETWORK = "sandbox.microblog"
HISTORY = "/responses/"
SILENT = '<span class="chip silent">no answer in 7 days</span>'
HTMX = {"HX-Request": "true"}


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


@pytest.fixture
def sent(answer: Callable[..., Response]) -> Response:
    """Return a reply to one person that has just been sent."""
    response = answer()
    outbox.mark_sent(response.deliveries.get(), Receipt(NETWORK, "ours"), now=timezone.now())
    return response


def answered(response: Response, interaction: Interaction) -> None:
    delivery = response.deliveries.get()
    where = Answered(
        delivery.pk, response.pk, response.department_id, response.case_id, None, False,
        timezone.now(),
    )  # fmt: skip
    link({interaction.pk: where}, now=timezone.now())


# A proposed outcome is not a judgement


def test_an_answer_comes_with_a_proposal_and_no_outcome(comment: Callable[..., Feedback]) -> None:
    feedback = comment("Shame on you.")
    assert (feedback.proposed, feedback.outcome, feedback.judged_by) == ("angry", "", None)
    assert feedback.proposed_why == "contains “shame on you”"


def test_no_outcome_without_a_human(comment: Callable[..., Feedback]) -> None:
    feedback = comment("Shame on you.")
    with pytest.raises(IntegrityError, match="judged_by_a_human"), transaction.atomic():
        Feedback.objects.filter(pk=feedback.pk).update(outcome="angry")
    feedback.refresh_from_db()
    assert feedback.outcome == ""


def test_the_page_tells_the_proposed_from_the_judged(
    stated: Response, comment: Callable[..., Feedback], supervisor: User, as_: As
) -> None:
    comment("Shame on you.")
    comment("Never again.", "angry")
    page = html(as_(supervisor).get(stated.get_absolute_url()))
    assert "1 angry<" in page
    assert "1 angry?<" in page
    assert "1 not judged yet" in page
    assert "Angry?</button>" in page
    assert "contains “shame on you”" in page


@pytest.mark.parametrize("said", ["angry", "neutral"])
def test_one_click_confirms_or_corrects(
    stated: Response, comment: Callable[..., Feedback], supervisor: User, as_: As, said: str
) -> None:
    feedback, browser = comment("Shame on you."), as_(supervisor)
    row = browser.post(
        reverse("responses:judge", args=[feedback.pk]), {"outcome": said}, headers=HTMX
    )
    assert f'aria-pressed="true">{said.title()}</button>' in html(row)
    assert "?</button>" not in html(row)
    feedback.refresh_from_db()
    assert (feedback.outcome, feedback.judged_by) == (said, supervisor)
    assert feedback.proposed == "angry"


def test_readers_see_a_proposal_as_such(
    stated: Response, comment: Callable[..., Feedback], reader: User, as_: As
) -> None:
    comment("Thank you!")
    assert "Thanks? · proposed" in html(as_(reader).get(stated.get_absolute_url()))


ASKED = [
    ("thanks", ["Good of you."]),
    ("angry", ["Bad."]),
    ("none", ["Shame on you.", "Thank you!", "And my bag?"]),
    ("maybe-angry", ["Shame on you."]),
    ("maybe-thanks", ["Thank you!"]),
    ("maybe-neutral", []),
    ("nonsense", ["Good of you.", "Bad.", "Shame on you.", "Thank you!", "And my bag?"]),
]


@pytest.mark.parametrize("where", ["issue", "response"])
@pytest.mark.parametrize(("asked", "shown"), ASKED)
def test_each_sum_opens_exactly_its_rows(
    seats: Issue, stated: Response, comment: Callable[..., Feedback], supervisor: User, as_: As,
    where: str, asked: str, shown: list[str],
) -> None:  # fmt: skip
    for text, outcome in (("Good of you.", "thanks"), ("Bad.", "angry"), ("Shame on you.", ""),
                          ("Thank you!", ""), ("And my bag?", "")):  # fmt: skip
        comment(text, outcome)
    place = reverse("responses:issue_said", args=[seats.pk])
    page = as_(supervisor).get(
        place if where == "issue" else stated.get_absolute_url(), {"outcome": asked}
    )
    found = [each.feedback.interaction.text for each in page.context["echoes"]]
    assert sorted(found) == sorted(shown)
    if asked != "nonsense":
        assert page.context["tally"].count(asked) == len(shown)


# No answer


def test_a_sending_waits_a_week_for_an_answer(sent: Response) -> None:
    delivery, now = sent.deliveries.get(), timezone.now()
    assert delivery.answer_due_at
    assert delivery.answer_due_at - delivery.sent_at == SILENT_AFTER
    assert fall_silent(now=now + timedelta(days=6)) == 0
    assert fall_silent(now=now + timedelta(days=8)) == 1
    assert fall_silent(now=now + timedelta(days=9)) == 0
    delivery.refresh_from_db()
    assert (delivery.silent_at, delivery.answer_due_at) == (now + timedelta(days=8), None)


def test_the_tick_finds_who_stayed_silent(sent: Response) -> None:
    Delivery.objects.update(answer_due_at=timezone.now() - timedelta(minutes=1))
    pipeline.tick()
    assert sent.deliveries.get().silent_at


def test_who_answered_in_time_is_not_silent(sent: Response, thanks: Any) -> None:
    answered(sent, thanks("Thank you."))
    assert sent.deliveries.get().answer_due_at is None
    assert fall_silent(now=timezone.now() + timedelta(days=8)) == 0


def test_an_answer_that_comes_after_all_takes_the_silence_back(
    sent: Response, thanks: Any, agent: User, as_: As
) -> None:
    """If an answer arrives after the deadline, the response no longer counts as unanswered.

    Fails without `_clear_answer_deadline`.
    """
    fall_silent(now=timezone.now() + timedelta(days=8))
    assert SILENT in html(as_(agent).get(HISTORY))
    answered(sent, thanks("Thank you, late as it is."))
    assert sent.deliveries.get().silent_at is None
    page = html(as_(agent).get(HISTORY))
    assert SILENT not in page
    assert "1 thanks?" in page


def test_an_orphan_that_is_adopted_breaks_no_promise(
    answer: Callable[..., Response], hear: Callable[..., Case]
) -> None:
    """An answer becomes feedback even if it arrives before our delivery is marked as sent.

    The response then has an answer. Therefore it is not marked as unanswered after the deadline.
    """
    response = answer()
    hear("Thank you.", in_reply_to="ours")
    outbox.mark_sent(response.deliveries.get(), Receipt(NETWORK, "ours"), now=timezone.now())
    assert Feedback.objects.get().proposed == "thanks"
    assert fall_silent(now=timezone.now() + timedelta(days=8)) == 0


def test_where_nothing_can_be_heard_nobody_is_silent(
    complaint: Case, agent: User, admin: User
) -> None:
    phone = Account.objects.create(kind="manual", network="phone", name="Phone", owner=admin)
    words = Words(uuid.uuid4(), "We called.", "private")
    log_by_hand(complaint, words, account=phone, by=agent)
    assert fall_silent(now=timezone.now() + timedelta(days=99)) == 0


def test_the_number_of_silent_ones_on_an_issue_opens_them(
    seats: Issue, stated: Response, sent: Response, complaint: Case, agent: User, as_: As
) -> None:
    complaint.group(seats, by=agent)
    fall_silent(now=timezone.now() + timedelta(days=8))
    browser = as_(agent)
    page = browser.get(reverse("responses:issue_said", args=[seats.pk]))
    assert "2 without an answer in 7 days" in html(page)
    rows = browser.get(page.context["all_silent"]).context["responses"]
    assert {row.pk for row in rows} == {stated.pk, sent.pk}


def test_a_response_that_drew_one_answer_is_not_silent_elsewhere(
    stated: Response, comment: Callable[..., Feedback], agent: User, as_: As
) -> None:
    comment("Hm.")
    Delivery.objects.update(silent_at=timezone.now())
    assert as_(agent).get(HISTORY, {"outcome": "silent"}).context["responses"] == []
