"""Approvals of held responses.

The tests cover approvals in several steps, deadlines, members who may only draft, competing
replies, and the review of responses after they were sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Department, Membership, Notice, User
from responses import release
from responses.models import ApprovalRequest, Response, ResponseRule
from responses.models.response import Refused
from routing.models import Case
from routing.models.status import Stale
from scrm.pipeline import tick
from tests.together import at_once

As = Callable[[User], Client]
Answer = Callable[..., Response]
MakeRule = Callable[..., ResponseRule]
TO_APPROVE = Notice.Kind.TO_APPROVE


@pytest.fixture
def second_lead(service: Department) -> User:
    user = User.objects.create_user("second@scrm.example", name="Second Lead")
    Membership.objects.create(user=user, department=service, role="lead")
    return user


@pytest.fixture
def drafter(service: Department) -> User:
    user = User.objects.create_user("drew@scrm.example", name="Drew Drafter")
    Membership.objects.create(user=user, department=service, role="drafter")
    return user


def asked(response: Response) -> set[User]:
    """Return the users who were asked to approve this response."""
    url = f"{reverse('responses:approvals')}#response-{response.pk}"
    told = Notice.objects.filter(kind=TO_APPROVE, url=url)
    return {notice.user for notice in told.select_related("user")}


# Steps


def test_two_signatures_are_given_in_turn_by_two_people(
    answer: Answer, make_rule: MakeRule, lead: User, supervisor: User, admin: User
) -> None:
    make_rule("sorry", steps="lead supervisor")
    response = answer()
    assert response.approval_request.next_step == "lead"
    release.approve(response, by=lead)
    assert (response.state, response.approval_request.next_step) == ("held", "supervisor")
    with pytest.raises(Refused, match="You approved it"):
        release.approve(response, by=lead)
    release.approve(response, by=supervisor)
    assert (response.state, not response.approval_request.next_step) == ("released", True)
    assert [each.step for each in response.approvals.order_by("pk")] == ["lead", "supervisor"]


def test_a_supervisor_who_signs_for_the_lead_does_not_sign_twice(
    answer: Answer, make_rule: MakeRule, supervisor: User, admin: User
) -> None:
    """If a response needs two approvals, the same user cannot give both.

    Fails if the code does not exclude the users who have already approved.
    """
    make_rule("sorry", steps="lead supervisor")
    response = answer()
    release.approve(response, by=supervisor)
    with pytest.raises(Refused):
        release.approve(response, by=supervisor)
    assert response.state == "held"
    release.approve(response, by=admin)
    assert response.state == "released"


def test_a_step_of_a_supervisor_is_not_a_leads(
    answer: Answer, make_rule: MakeRule, lead: User, supervisor: User, as_: As
) -> None:
    make_rule("sorry", steps="supervisor")
    response = answer()
    assert asked(response) == {supervisor, User.objects.get(role="admin")}
    page = as_(lead).get(reverse("responses:approvals")).content.decode()
    assert "It waits for approval by a supervisor." in page
    assert "Approve and send" not in page
    url = reverse("responses:approve", args=[response.pk])
    assert as_(lead).post(url, {"shown": response.content_hash}).status_code == 422
    response.refresh_from_db()
    assert (response.state, response.approvals.count()) == ("held", 0)


def test_an_edit_between_two_signatures_voids_the_first(
    answer: Answer, make_rule: MakeRule, lead: User, second_lead: User, supervisor: User
) -> None:
    """If a response is edited after the first of two approvals, the first approval is needed again.

    Fails if the hash of the content is not compared, because then the first approval still counts.
    """
    make_rule("sorry", steps="lead supervisor")
    response = answer()
    release.approve(response, by=lead)
    response.edit(text="So very sorry.", by=response.author)
    release.send(response, by=response.author)
    assert (response.state, response.approval_request.next_step) == ("held", "lead")


def test_what_was_sent_back_begins_anew(
    answer: Answer, make_rule: MakeRule, lead: User, supervisor: User
) -> None:
    make_rule("sorry", steps="lead supervisor")
    response = answer()
    release.approve(response, by=lead)
    release.send_back(response, by=supervisor, why="Not yet.")
    release.send(response, by=response.author)
    assert response.approval_request.next_step == "lead"
    assert not response.approval_request.signatures


# Deadlines


def test_leads_are_asked_first_and_those_above_when_time_is_up(
    answer: Answer, make_rule: MakeRule, lead: User, supervisor: User, admin: User
) -> None:
    make_rule("sorry", within=4)
    response = answer()
    assert asked(response) == {lead}
    now = timezone.now()
    assert not Response.objects.undecided(now + timedelta(hours=3)).exists()
    ApprovalRequest.objects.filter(response=response).update(decide_by=now - timedelta(minutes=1))
    tick()
    tick()
    assert asked(response) == {lead, supervisor, admin}
    assert Notice.objects.filter(kind=TO_APPROVE).count() == 3
    response.refresh_from_db()
    assert response.approval_request.escalated_at is not None


def test_where_the_only_lead_left_those_above_are_asked_at_once(
    answer: Answer, make_rule: MakeRule, lead: User, supervisor: User, admin: User
) -> None:
    lead.is_active = False
    lead.save()
    make_rule("sorry")
    response = answer()
    assert asked(response) == {supervisor, admin}
    release.approve(response, by=supervisor)
    assert response.state == "released"


def test_what_was_decided_is_not_escalated(
    answer: Answer, make_rule: MakeRule, lead: User, supervisor: User
) -> None:
    make_rule("sorry", within=1)
    response = answer()
    release.approve(response, by=lead)
    ApprovalRequest.objects.filter(response=response).update(decide_by=timezone.now())
    tick()
    assert asked(response) == {lead}


@pytest.mark.django_db(transaction=True)
def test_two_ticks_at_once_escalate_once(
    answer: Answer, make_rule: MakeRule, supervisor: User, lead: User
) -> None:
    """If a response is escalated several times at the same moment, the supervisor gets one notice.

    Fails if `escalate` does not lock the response.
    """
    make_rule("sorry", within=1)
    response = answer()
    now = timezone.now() + timedelta(hours=2)
    at_once(*[lambda: release.escalate(response, now=now)] * 4)
    assert Notice.objects.filter(kind=TO_APPROVE, user=supervisor).count() == 1


# Members who only draft


def test_what_a_drafter_writes_waits_for_a_lead(
    answer: Answer, drafter: User, lead: User, complaint: Case, as_: As
) -> None:
    """A reply by a member who may only draft is held until a team lead approves it.

    Fails without the built-in rule for such members, because then the reply is sent unapproved.
    """
    response = answer(by=drafter)
    assert response.state == "held"
    page = as_(lead).get(reverse("responses:approvals")).content.decode()
    assert "You write drafts. A team lead sends them." in page
    release.approve(response, by=lead)
    assert response.state == "released"


def test_a_drafter_works_on_cases_like_others(drafter: User, complaint: Case, as_: As) -> None:
    assert complaint in Case.objects.workable_by(drafter)
    page = as_(drafter).get(reverse("responses:composer", args=[complaint.pk]))
    assert "Your reply" in page.content.decode()


# Competing replies


def test_approving_one_answer_sends_its_rivals_back(
    answer: Answer, make_rule: MakeRule, lead: User, teammate: User, as_: As
) -> None:
    make_rule("sorry")
    one, other = answer("So sorry."), answer("We are sorry, too.", by=teammate)
    page = as_(lead).get(reverse("responses:approvals")).content.decode()
    assert "send the other reply to this person back to its author" in page
    as_(lead).post(
        reverse("responses:approve", args=[one.pk]), {"shown": one.content_hash, "instead": "1"}
    )
    for each in (one, other):
        each.refresh_from_db()
    assert (one.state, other.state) == ("released", "draft")
    told = Notice.objects.get(user=teammate, kind=Notice.Kind.SENT_BACK)
    assert "Another reply to this person was approved: “So sorry.”" in told.text


def test_rivals_stay_where_that_is_wished(
    answer: Answer, make_rule: MakeRule, lead: User, teammate: User, as_: As
) -> None:
    make_rule("sorry")
    one, other = answer("So sorry."), answer("We are sorry, too.", by=teammate)
    as_(lead).post(reverse("responses:approve", args=[one.pk]), {"shown": one.content_hash})
    other.refresh_from_db()
    assert other.state == "held"


# Later review


def test_what_goes_out_unsigned_is_read_afterwards(
    answer: Answer, make_rule: MakeRule, lead: User, agent: User, as_: As
) -> None:
    make_rule("sorry", "review")
    response = answer()
    assert (response.state, response.to_review) == ("released", True)
    browser, url = as_(lead), reverse("responses:review", args=[response.pk])
    assert "Sent, review pending" in browser.get("/approvals/").content.decode()
    assert as_(agent).post(url).status_code == 403
    assert browser.post(url).status_code == 302
    response.refresh_from_db()
    assert response.reviewed_by == lead
    assert "Sent, review pending" not in browser.get("/approvals/").content.decode()
    with pytest.raises(Stale):
        release.review(response, by=lead)


def test_a_missing_wording_is_said_and_nothing_is_stored(
    make_rule: MakeRule, answer: Answer
) -> None:
    make_rule("sorry", "require", wording="Care team", reason="Sign as the care team.")
    with pytest.raises(Refused, match="Add: “Care team”"):
        answer()
    assert not Response.objects.exists()
    assert answer("So sorry. Your care team").state == "released"
