"""From the click to the release of a response.

The rules check the response, a second user approves it, and an edit makes the approval void.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from crm.models import Membership, User
from responses import release
from responses.models import Delivery, Response, ResponseRule
from responses.models.response import Refused
from routing.models import Case
from routing.models.status import Stale

pytestmark = pytest.mark.django_db


def test_a_released_response_waits_for_the_undo_window(answer: Callable[..., Response]) -> None:
    delivery = answer().deliveries.get()
    assert delivery.send_after is not None
    left = delivery.send_after - timezone.now()
    assert timedelta(seconds=settings.UNDO_SECONDS - 2) < left
    assert left <= timedelta(seconds=settings.UNDO_SECONDS)
    assert not Delivery.objects.due(timezone.now()).exists()


def test_a_held_response_goes_nowhere_until_it_is_signed(held: Response, lead: User) -> None:
    assert held.state == "held"
    assert not Delivery.objects.due(timezone.now() + timedelta(minutes=1)).exists()

    release.approve(held, by=lead)

    assert held.state == "released"
    assert not held.approval_request.next_step
    assert Delivery.objects.due(timezone.now() + timedelta(minutes=1)).count() == 1


def test_nobody_signs_their_own_words(
    answer: Callable[..., Response],
    make_rule: Callable[..., ResponseRule],
    lead: User,
    service: object,
) -> None:
    """The author of a held response cannot approve it, but another team lead can."""
    second = User.objects.create_user("second@scrm.example", name="Second Lead")
    Membership.objects.create(user=second, department=service, role="lead")  # type: ignore[misc]
    make_rule("sorry")
    response = answer(by=lead)

    with pytest.raises(Refused, match="own text"):
        release.approve(response, by=lead)

    release.approve(response, by=second)
    assert response.state == "released"


def test_a_lone_team_lead_signs_their_own_and_it_is_recorded(
    answer: Callable[..., Response], make_rule: Callable[..., ResponseRule], lead: User
) -> None:
    make_rule("sorry")
    response = answer(by=lead)
    release.approve(response, by=lead)
    assert response.approvals.get().self_approved


def test_an_edit_voids_what_was_signed(held: Response, agent: User, lead: User) -> None:
    signed = held.content_hash
    release.send_back(held, by=lead, why="Too soft.")
    held.edit(text="We were wrong.", by=agent)

    assert held.state == "draft"
    assert held.content_hash != signed
    assert held.approval_request.next_step


def test_a_refused_text_is_not_stored(
    answer: Callable[..., Response], make_rule: Callable[..., ResponseRule], complaint: Case
) -> None:
    make_rule("guarantee", verdict="refuse", reason="We promise nothing.")
    with pytest.raises(Refused, match="We promise nothing"):
        answer("We guarantee a refund.")
    assert not Response.objects.exists()
    complaint.refresh_from_db()
    assert complaint.status == "new"


def test_rules_are_asked_again_when_it_is_signed(
    held: Response, make_rule: Callable[..., ResponseRule], lead: User
) -> None:
    make_rule("sorry", verdict="refuse", name="stricter since", reason="Not any more.")
    with pytest.raises(Refused, match="Not any more"):
        release.approve(held, by=lead)
    held.refresh_from_db()
    assert held.state == "held"


def test_a_second_signature_is_stale(held: Response, lead: User, supervisor: User) -> None:
    release.approve(held, by=lead)
    with pytest.raises(Stale):
        release.approve(held, by=supervisor)
    assert held.approvals.count() == 1


def test_what_is_sent_cannot_be_cancelled(answer: Callable[..., Response], agent: User) -> None:
    response = answer()
    Delivery.objects.update(state="sending")
    with pytest.raises(Stale, match="already being sent"):
        response.cancel(by=agent)
    assert response.deliveries.get().state == "sending"


def test_the_database_refuses_a_response_without_an_author(answer: Callable[..., Response]) -> None:
    response = answer()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE responses_response SET author_id = NULL")
    response.refresh_from_db()
    assert response.author is not None


def test_an_answer_to_something_that_has_changed_is_stale(
    complaint: Case, answer: Callable[..., Response], hear: Callable[..., Case], agent: User
) -> None:
    seen = complaint.last_inbound_id
    hear("And another thing!")
    with pytest.raises(Stale, match="new message"):
        complaint.finish(by=agent, seen=seen, reasons="No question")
    complaint.refresh_from_db()
    assert complaint.status != "done"


def test_answering_what_a_colleague_finished_opens_it_again(
    complaint: Case, answer: Callable[..., Response], agent: User
) -> None:
    """If a user replies in a case that a colleague has marked as done, the case is opened again.

    Otherwise the reply and the customer's answer to it would be in a closed case that no agent
    reads.
    """
    complaint.finish(by=agent, seen=complaint.last_inbound_id, reasons="No question")
    answer()
    complaint.refresh_from_db()
    assert complaint.status == "open"
