"""Replies of other people below the messages of a case are stacked and do not change the case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crm.ledger import Entry, Recorded, record
from crm.models import Contact, Conversation, Department, Interaction, Profile, User
from listening.topic_hits import FoundTopic
from responses.models import Gap, RecordCheck
from responses.record_check import run
from routing.answering import count_as_answered
from routing.intake import Arrival, take_in
from routing.joining import BystanderItem, asks_what_was_said, why_own_case
from routing.models import (
    BystanderReply,
    Case,
    CaseConversation,
    CaseEvent,
    ResponseTarget,
    RoutingRule,
)
from routing.models.status import Status
from routing.rules import SCHEMA, Facts
from routing.splitting import split_off_item
from routing.unanswered import unanswered
from routing.undo import restore, snapshot
from scrm.channels.base import Author
from scrm.conditions.language import parse
from tests.routing.hearing import DAY, HOUR, MINUTE, NOW

pytestmark = pytest.mark.django_db
NET = "sandbox.x"
Kind = CaseEvent.Kind


def post(key: str, who: str, text: str, *, answers: str = "", at: Any = NOW, **more: Any) -> Entry:
    return Entry(
        NET, key, Author(NET, who, handle=f"@{who}", name=who.title()), "sandbox.x", "post",
        "public", text, in_reply_to=answers, thread_key="tom-1", occurred_at=at, **more,
    )  # fmt: skip


def said(row: Recorded, entry: Entry, **facts: Any) -> Arrival:
    known = Facts(text=entry.text, channel=NET, visibility=entry.visibility, stance="about us")
    more = {name: facts.pop(name) for name in ("topics",) if name in facts}
    return Arrival(
        row.interaction, row.conversation, row.profile or 0, row.contact, entry.occurred_at or NOW,
        Facts(**{**{name: getattr(known, name) for name in Facts.__slots__}, **facts}), **more,
    )  # fmt: skip


def hear(*entries: Entry, now: datetime = NOW, **facts: Any) -> list[Case]:
    """Record and route these posts in one batch, and return the case of each."""
    rows = record(entries, now=now)
    arrivals = [said(row, entry, **facts) for row, entry in zip(rows, entries, strict=True)]
    placed = take_in(arrivals, now=now)
    return [Case.objects.get(pk=placed[row.interaction]) for row in rows]


@pytest.fixture
def tom(service: Department, agent: User) -> Case:
    """Tom's case: he complained in public, and we answered him in public."""
    case = hear(post("tom-1", "tom", "You lost my bag. Where is it?"))[0]
    row = record(
        [post("our-1", "tom", "Sorry, Tom.", answers="tom-1", direction="out", staff=agent.pk)],
        now=NOW + MINUTE,
    )[0]
    assert row.conversation == case.conversations.get().pk
    case.claim(by=agent)
    count_as_answered(case, at=NOW + MINUTE, seen=case.last_inbound_id, answered_by=row.interaction)
    case.refresh_from_db()
    return case


def state(case: Case) -> dict[str, Any]:
    return Case.objects.filter(pk=case.pk).values().get()


def test_sixty_bystanders_reply_under_our_public_answer_to_tom(tom: Case) -> None:
    """Sixty people reply to our answer to Tom: Tom's case does not move, and all sixty replies are
    stacked below it. Two of them ask us something: these two become cases.

    Fails if a reply to our answer joins the conversation of Tom, or opens a case in any event.
    """
    before = state(tom)
    crowd = [
        post(f"b{n}", f"bystander{n}", "😂 typical", answers="our-1", at=NOW + n * MINUTE)
        for n in range(58)
    ]
    questions = [
        post("q1", "ann", "And where is MY bag?", answers="our-1", at=NOW + HOUR),
        post("q2", "ben", "Do you pay for it?", answers="our-1", at=NOW + HOUR),
    ]
    cases = hear(*crowd, *questions)
    assert state(tom) == before
    assert set(cases[:58]) == {tom}
    assert tom.bystander_replies.count() == 58
    assert {case.profile.key for case in cases[58:]} == {"ann", "ben"}
    assert Case.objects.count() == 3
    for interaction in Interaction.objects.filter(direction="in"):
        links = CaseConversation.objects.filter(
            conversation=interaction.conversation_id, ended_at=None
        )
        assert links.count() + BystanderReply.objects.filter(interaction=interaction).count() == 1


def test_a_reply_to_a_bystander_is_a_bystander_reply(tom: Case) -> None:
    first = post("b1", "ann", "Same here", answers="our-1")
    assert hear(first, post("b2", "ben", "lol", answers="b1")) == [tom, tom]
    assert hear(post("b3", "cat", "yes", answers="b2", at=NOW + HOUR)) == [tom]


def test_a_topic_makes_the_reply_a_case_but_a_brand_topic_does_not(tom: Case) -> None:
    brand, bags = FoundTopic("Skyward", 1, 1, [], True), FoundTopic("Bags", 2, 2, [])
    assert hear(post("b1", "ann", "@skyward lol", answers="our-1"), topics=(brand,)) == [tom]
    assert hear(post("b2", "ben", "mine too", answers="our-1"), topics=(bags,)) != [tom]


def test_a_rule_about_the_text_makes_it_a_case_but_a_rule_for_everything_does_not(
    tom: Case, admin: User, service: Department
) -> None:
    for name, field, op, value in (
        ("Everything public", "visibility", "is", "public"),
        ("Lawyers", "text", "contains", "lawyer"),
    ):
        rule = RoutingRule.objects.create(name=name, owner=admin, position=len(name))
        condition = {"field": field, "op": op, "value": value}
        rule.revise(conditions={"all": [condition]}, department=service, by=admin)
    assert hear(post("b1", "ann", "haha", answers="our-1")) == [tom]
    RoutingRule.objects.filter(name="Everything public").update(is_active=False)
    assert hear(post("b2", "ben", "Get a lawyer", answers="our-1")) != [tom]


def test_tom_himself_still_moves_his_case(tom: Case) -> None:
    assert hear(post("tom-2", "tom", "Thanks, but when?", answers="our-1", at=NOW + HOUR)) == [tom]
    tom.refresh_from_db()
    assert (tom.status, tom.last_inbound_at) == (Status.OPEN, NOW + HOUR)


@pytest.mark.parametrize("state", ["done", "waits for Tom since eight days"])
def test_tom_answers_us_from_his_second_profile_and_is_no_bystander(
    tom: Case, agent: User, state: str
) -> None:
    """A second profile writes in another conversation. It is still Tom, whatever his case does.

    Fails if Tom is stacked below his own case, because the case was not among those that were
    locked.
    """
    contact = Contact.objects.create(name="Tom", owner=agent)
    tom.profile.link_to(contact, by=agent, evidence="He said so.")
    work, _new = Profile.objects.get_or_create(network=NET, key="tom-at-work")
    work.link_to(contact, by=agent, evidence="He said so.")
    if state == "done":
        tom.finish(by=agent, seen=tom.last_inbound_id)
    later = NOW + 8 * DAY
    again = post("t2", "tom-at-work", "Still no bag.", answers="our-1", at=later)
    assert hear(again, now=later) == [tom]
    tom.refresh_from_db()
    assert tom.status == Status.OPEN
    assert [item.text for item in unanswered([tom.pk])] == ["Still no bag."]


def test_a_message_below_another_case_joins_the_open_case_of_its_author(
    tom: Case,
) -> None:
    """Fails if “still waiting here too!!” is stacked below Tom, and Ann's case does not move."""
    own = hear(replace(post("a1", "ann", "Where is my refund?"), thread_key="ann-1"))[0]
    chaser = post("a2", "ann", "still waiting here too!!", answers="our-1", at=NOW + 3 * HOUR)
    assert hear(chaser, now=NOW + 3 * HOUR) == [own]
    assert not tom.bystander_replies.exists()
    own.refresh_from_db()
    assert own.last_inbound_at == NOW + 3 * HOUR


def test_a_laughing_bystander_does_not_block_the_undo_of_a_transfer(
    tom: Case, agent: User, sales: Department
) -> None:
    """Fails if a stacked reply, or a new message, counts as work of the new department."""
    before = snapshot(tom)
    tom.transfer(to=sales, by=agent, why="A question about fares.")
    after = snapshot(tom)
    hear(post("b1", "ann", "😂", answers="our-1"))
    restore(tom, before, after=after, by=agent)
    tom.refresh_from_db()
    assert tom.department.name != sales.name


def test_a_bystander_below_a_done_case_opens_nothing(tom: Case, agent: User) -> None:
    tom.finish(by=agent, seen=tom.last_inbound_id, reasons="Other")
    before = state(tom)
    assert hear(post("b1", "ann", "At last", answers="our-1", at=NOW + DAY)) == [tom]
    assert state(tom) == before


def test_somebody_else_in_a_private_thread_is_no_bystander(service: Department) -> None:
    """Everybody in a private thread wrote to us, for example the wife who got a copy of the mail.

    We answered Tom, and then his wife asks. Fails if her mail is stacked, or if it needs no answer
    and is never due because she is not the party of the case.
    """
    ResponseTarget.objects.create(department=service, priority="normal", first=60, next=60)
    mails = [
        Entry("m", key, Author("m", who), "email", "mail", "private", "Hello", thread_key="t")
        for key, who in (("1", "tom"), ("2", "wife"))
    ]
    rows = []
    for n, mail in enumerate(mails):
        rows += record([mail], now=NOW + n * HOUR)
        arrival = replace(said(rows[-1], mail), said_at=NOW + n * HOUR)
        take_in([arrival], now=NOW + n * HOUR)
        case = Case.objects.get()
        if mail.key == "1":
            count_as_answered(case, at=NOW, seen=case.last_inbound_id, answered_by=None)
    assert not BystanderReply.objects.exists()
    assert [item.pk for item in unanswered([case.pk])] == [rows[1].interaction]
    assert (case.status, case.due_at) == (Status.OPEN, NOW + 2 * HOUR)


def test_the_number_of_statements_does_not_depend_on_the_crowd(tom: Case) -> None:
    counts = []
    for size in (5, 50):
        crowd = [post(f"{size}-{n}", f"{size}-{n}", "lol", answers="our-1") for n in range(size)]
        rows = record(crowd, now=NOW)
        arrivals = [said(row, entry) for row, entry in zip(rows, crowd, strict=True)]
        with CaptureQueriesContext(connection) as statements:
            take_in(arrivals, now=NOW)
        counts.append(len(statements))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("item", "asks"),
    [
        (BystanderItem("lol", is_to_us=True, has_topic=False), False),
        (BystanderItem("Where is it?", is_to_us=True, has_topic=False), True),
        (BystanderItem("どこ\uff1f", is_to_us=True, has_topic=False), True),
        (BystanderItem("@tom where is it?", is_to_us=False, has_topic=False), False),
        (BystanderItem("lol", is_to_us=False, has_topic=True), True),
        (BystanderItem("lol", is_to_us=False, has_topic=False, rule="Lawyers"), True),
    ],
)
def test_what_gives_a_bystander_a_case(item: BystanderItem, asks: bool) -> None:
    assert bool(why_own_case(item)) is asks


@pytest.mark.parametrize(
    ("field", "op", "value", "asks"),
    [
        ("text", "contains", "lawyer", True),
        ("reach", "at least", 10_000, True),
        ("stance", "is", "for us", False),
        ("topics", "has any", ["Brand"], False),
    ],
)
def test_which_rules_ask_what_was_said(field: str, op: str, value: Any, asks: bool) -> None:
    leaf = {"field": field, "op": op, "value": value}
    channel = {"field": "channel", "op": "is", "value": "x"}
    condition = parse({"all": [channel, {"any": [leaf]}]}, SCHEMA)
    assert asks_what_was_said(condition) is asks


# The page


def test_the_case_page_shows_one_stack_with_the_number_of_replies(
    tom: Case, as_: Callable[[User], Client], agent: User
) -> None:
    for n in range(60):
        hear(post(f"b{n}", f"bystander{n}", f"lol {n}", answers="our-1", at=NOW + n * MINUTE))
    page = as_(agent).get(tom.get_absolute_url()).content.decode()
    assert "60 replies from others" in page
    assert page.count('class="stack"') == 1
    assert "lol 59" in page
    assert "lol 3<" not in page


def test_a_stacked_reply_with_a_case_of_its_own_names_it(
    tom: Case, as_: Callable[[User], Client], agent: User, service: Department
) -> None:
    """Ann laughs, and three weeks later she asks. Only what she asks waits for an answer.

    Fails if her case is due from the reply that was stacked.
    """
    ResponseTarget.objects.create(department=service, priority="normal", first=60)
    hear(post("b1", "ann", "lol", answers="our-1"))
    later = NOW + 21 * DAY
    own = hear(post("b2", "ann", "And my bag?", answers="our-1", at=later), now=later)[0]
    assert own != tom
    assert own.due_at == later + HOUR
    assert [item.text for item in unanswered([own.pk])] == ["And my bag?"]
    page = as_(agent).get(tom.get_absolute_url()).content.decode()
    assert "1 reply from another person" in page
    assert f"case #{own.pk}" in page


def test_the_text_of_a_restricted_reply_is_not_shown(
    tom: Case, as_: Callable[[User], Client], agent: User, admin: User
) -> None:
    hear(post("b1", "ann", "a secret", answers="our-1"))
    legal = Department.objects.create(name="Legal", owner=admin, is_restricted=True)
    mine = Conversation.objects.filter(interactions__key="b1")
    mine.update(restricted_to=legal)
    assert "a secret" not in as_(agent).get(tom.get_absolute_url()).content.decode()


def test_the_record_check_finds_no_gap_in_a_stack_or_a_split(tom: Case, agent: User) -> None:
    """Fails if the check looks for a case of each conversation, although bystanders have none."""
    hear(post("b1", "ann", "lol", answers="our-1"), post("tom-2", "tom", "Well?", answers="our-1"))
    split_off_item(tom, Interaction.objects.get(key="tom-2"), by=agent)
    run.check_record(RecordCheck.objects.create())
    gaps = Gap.objects.open().filter(check_key__in=["in_case", "routed", "case"])
    assert [gap.words for gap in gaps] == []
