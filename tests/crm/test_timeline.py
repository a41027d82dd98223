"""The timeline of a contact: what it contains, and that a long history does not make it slow."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from crm.models import Account, Contact, Conversation, Department, Interaction, Profile, User
from crm.timeline import timeline
from responses.models import Delivery, Response
from routing.models import Case, CaseConversation, Decision, Issue

Say = Callable[..., Interaction]


@pytest.fixture
def ron(db: None) -> Profile:
    return Profile.objects.create(network="sandbox.microblog", key="7", name="Ron Calder")


@pytest.fixture
def director(ron: Profile, agent: User) -> Contact:
    contact = Contact.objects.create(name="R. Calder")
    ron.link_to(contact, by=agent, evidence="Said so on the phone")
    return contact


@pytest.fixture
def say(ron: Profile, noon: datetime) -> Say:
    def said(text: str, *, profile: Profile | None = ron, minute: int = 0, **facts: Any) -> Any:
        talk = Conversation.objects.create(network="x", key=text, visibility="public")
        told = {"direction": "in", "channel": "sandbox", "kind": "post", "visibility": "public"}
        return Interaction.objects.create(
            scope="x", key=text, conversation=talk, profile=profile, text=text,
            occurred_at=noon + timedelta(minutes=minute), **told | facts,
        )  # fmt: skip

    return said


@pytest.fixture
def publish(say: Say, service: Department, admin: User, microblog: Account) -> Callable[..., Any]:
    """Return a function that publishes a text about a case or an issue.

    The text is a reply if a recipient is given, and otherwise a post.
    """

    def published(
        text: str, *, minute: int = 0, to: Profile | None = None, **about: Any
    ) -> Interaction:
        said = say(text, profile=to, direction="out", minute=minute)
        decision = Decision.objects.create(outcome="micro" if to else "macro", by=admin, **about)
        response = Response.objects.create(
            decision=decision, department=service, author=admin, visibility="public", text=text,
            audience="one" if to else "many", state="released", **about,
        )  # fmt: skip
        Delivery.objects.create(
            response=response, account=microblog, state="sent", sent_at=timezone.now(),
            interaction=said, destination=text,
        )  # fmt: skip
        return said

    return published


def texts(contact: Contact, user: User, **wanted: Any) -> list[str]:
    activities, _older = timeline(Profile.objects.of_contact(contact), user=user, **wanted)
    return [activity.interaction.text for activity in activities]


def test_it_joins_all_profiles_newest_first(director: Contact, say: Say, agent: User) -> None:
    mail = Profile.objects.create(network="email", key="ron@calder.example")
    mail.link_to(director, by=agent, evidence="His signature")
    say("third", minute=3)
    say("first", minute=1)
    say("second", profile=mail, minute=2)
    say("somebody else's", profile=Profile.objects.create(network="x", key="8"))
    assert texts(director, agent) == ["third", "second", "first"]


def test_what_we_said_to_many_is_on_it_once_where_it_answers_their_case_or_issue(
    director: Contact, ron: Profile, say: Say, publish: Any, service: Department, admin: User
) -> None:
    issue = Issue.objects.create(name="Seat policy", owner=admin)
    case = Case.objects.create(profile=ron, department=service, issue=issue)
    Case.objects.create(profile=ron, department=service, issue=issue)
    other = Case.objects.create(
        profile=Profile.objects.create(network="x", key="8"), department=service
    )
    say("theirs", minute=1)
    publish("about the case", case=case, minute=2)
    publish("about the issue", issue=issue, minute=3)
    publish("about somebody else", case=other, minute=4)
    assert texts(director, admin) == ["about the issue", "about the case", "theirs"]


def test_a_reply_to_somebody_else_about_the_same_issue_is_not_on_it(
    director: Contact, ron: Profile, publish: Any, service: Department, admin: User
) -> None:
    """The timeline of a contact shows posts about the contact's issue, but no replies to others.

    Fails if the timeline shows every reply about the issue.
    """
    issue = Issue.objects.create(name="Seat policy", owner=admin)
    amara = Profile.objects.create(network="x", key="8")
    Case.objects.create(profile=ron, department=service, issue=issue)
    hers = Case.objects.create(profile=amara, department=service, issue=issue)
    publish("to all", issue=issue)
    publish("to her", to=amara, case=hers, issue=issue)
    assert texts(director, admin) == ["to all"]


def test_pages_neither_lose_nor_double_what_was_said_at_the_same_moment(
    director: Contact, say: Say, publish: Any, ron: Profile, service: Department, agent: User
) -> None:
    case = Case.objects.create(profile=ron, department=service)
    for number in range(8):
        say(f"theirs {number}", minute=number // 4)
        publish(f"ours {number}", case=case, minute=number // 4)
    seen: list[str] = []
    older = 0
    while True:
        profiles = Profile.objects.of_contact(director)
        activities, older = timeline(profiles, user=agent, before=str(older), most=3)
        seen += [activity.interaction.text for activity in activities]
        if not older:
            break
    assert seen == texts(director, agent)
    assert len(set(seen)) == len(seen) == 16


def test_a_long_history_is_read_from_its_newest_end_alone(
    director: Contact, ron: Profile, say: Say, agent: User
) -> None:
    """Only the newest part of a long history is read from the database.

    Fails if a single query joins the two parts of the timeline with OR, because PostgreSQL then
    reads all interactions.
    """
    talk = say("the first of many").conversation
    Interaction.objects.bulk_create(
        Interaction(
            scope="x", key=f"n{number}", conversation=talk, profile=ron, direction="in",
            channel="sandbox", kind="post", visibility="public",
        )
        for number in range(3_000)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE crm_interaction")
    profiles = Profile.objects.of_contact(director)
    plan = Interaction.objects.on_timeline_of(profiles=profiles, most=51).explain(analyze=True)
    assert "Seq Scan on crm_interaction" not in plan
    read = re.findall(r"using interaction_profile .* rows=([\d.]+) loops", plan)
    assert read
    assert max(map(float, read)) <= 52, plan


def restricted(say: Say, department: Department, profile: Profile) -> None:
    talk = say("My lawyer says", minute=1).conversation
    case = Case.objects.create(profile=profile, department=department)
    CaseConversation.objects.create(case=case, conversation=talk)
    Conversation.objects.filter(pk=talk.pk).update(restricted_to=department)


def test_a_restricted_conversation_is_readable_by_its_department_alone(
    director: Contact, ron: Profile, say: Say, agent: User, outsider: User, sales: Department,
    supervisor: User,
) -> None:  # fmt: skip
    """A user outside the department sees that a restricted conversation exists, but not its text.

    Fails if the timeline shows all interactions as readable.
    """
    restricted(say, sales, ron)
    say("Hello")
    profiles = Profile.objects.of_contact(director)
    for user, readable in ((agent, False), (outsider, True), (supervisor, True)):
        closed, opened = timeline(profiles, user=user)[0]
        assert (closed.readable, opened.readable) == (readable, True)
        assert closed.department == "Sales"
        assert bool(closed.case) == readable
