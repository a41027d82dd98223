"""When a reply is approved, other held replies to the same person are sent back."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Account, Contact, Profile, User
from responses.compose import Place, Words, places_for, reply, state_publicly
from responses.models import Response, ResponseRule
from responses.recipients import compete
from routing.models import Case

As = Callable[[User], Client]


@pytest.fixture(autouse=True)
def everything_is_held(make_rule: Callable[..., ResponseRule]) -> ResponseRule:
    return make_rule("sorry")


@pytest.fixture
def statement(complaint: Case, microblog: Account, agent: User) -> Response:
    """Return a held statement that belongs to the case of the complaint."""
    words = Words(uuid.uuid4(), "We are sorry, all of you.", "public", seen=None)
    return state_publicly(
        words, accounts=[microblog], by=agent, department=complaint.department, case=complaint
    )


def approve(client: Client, response: Response) -> None:
    signed = {"shown": response.content_hash, "instead": "1"}
    client.post(reverse("responses:approve", args=[response.pk]), signed)
    response.refresh_from_db()
    assert response.state == "released"


def test_a_held_statement_stays_held_when_a_reply_on_its_case_is_approved(
    answer: Callable[..., Response], statement: Response, lead: User, as_: As
) -> None:
    """If a reply is approved, a held statement of the same case stays held.

    Fails if every held response of the case counts as competing with the approved reply.
    """
    held, client = answer(), as_(lead)
    assert "instead" not in client.get(reverse("responses:approvals")).content.decode()
    approve(client, held)
    statement.refresh_from_db()
    assert (statement.state, statement.approvals.count()) == ("held", 0)


def test_a_held_reply_stays_held_when_a_statement_on_its_case_is_approved(
    answer: Callable[..., Response], statement: Response, lead: User, as_: As
) -> None:
    held = answer()
    approve(as_(lead), statement)
    held.refresh_from_db()
    assert held.state == "held"


def test_another_reply_to_the_same_person_is_sent_back(
    answer: Callable[..., Response], statement: Response, lead: User, as_: As
) -> None:
    first, second, client = answer(), answer("So sorry, again."), as_(lead)
    page = client.get(reverse("responses:approvals")).content.decode()
    assert "send the other reply to this person back to its author" in page
    approve(client, first)
    second.refresh_from_db()
    assert (second.state, second.approvals.get().approved) == ("draft", False)
    assert second.approvals.get().reason.startswith("Another reply to this person was approved:")


def test_two_profiles_of_one_contact_are_one_person(
    complaint: Case, microblog: Account, answer: Callable[..., Response], agent: User
) -> None:
    """Two held replies to two profiles of the same contact compete, so that only one is sent.

    A reply to another person does not compete. Fails if profiles are compared instead of contacts.
    """
    ron = Contact.objects.create(name="Ron Calder")
    second = Profile.objects.create(network=microblog.network, key="ron2", handle="@ron2")
    bystander = Profile.objects.create(network=microblog.network, key="eve", handle="@eve")
    for profile in (complaint.profile, second):
        profile.link_to(ron, by=agent, evidence="Says so.")
    first = answer()
    place = next(each for each in places_for(complaint) if each.profile == second)

    def write(place: Place) -> Response:
        words = Words(uuid.uuid4(), "Sorry.", "private", seen=complaint.last_inbound_id)
        return reply(complaint, words, place=place, by=agent)

    assert compete(first, write(place))
    assert not compete(first, write(Place(microblog, bystander, None, "private")))
