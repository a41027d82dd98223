"""What a message changes in the open case that it joins, and how long the channels let it join."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Department, Notice, User
from listening.models import Match, Topic
from listening.topic_hits import FoundTopic
from routing.answering import count_as_answered
from routing.intake_queries import topics_of
from routing.models import Case, CaseEvent, RoutingRule
from tests.pages import press
from tests.routing.hearing import DAY, HOUR, MINUTE, NOW, arrival, hear, place

pytestmark = pytest.mark.django_db
RuleMaker = Callable[..., RoutingRule]
Kind = CaseEvent.Kind


@pytest.fixture(autouse=True)
def house(service: Department) -> Department:
    return service


@pytest.fixture
def make_rule(admin: User, service: Department) -> RuleMaker:
    def make(word: str, **facts: Any) -> RoutingRule:
        rule = RoutingRule.objects.create(name=word, owner=admin)
        condition = {"field": "text", "op": "contains", "value": word}
        facts = {"department": service} | facts
        rule.revise(conditions={"all": [condition]}, by=admin, **facts)
        return rule

    return make


@pytest.fixture
def bags(admin: User) -> Topic:
    topic = Topic.objects.create(name="Bags", owner=admin)
    topic.revise(any_of=["bag"], all_of=[], none_of=[], by=admin)
    return topic


def found(topic: Topic) -> FoundTopic:
    return FoundTopic(topic.name, topic.pk, topic.current_id or 0, [], topic.is_brand)


def by(channel: str, *, after: timedelta, **facts: Any) -> Case:
    """Record and route one message of Anna on this channel, in a thread of its own."""
    said = arrival("anna", "My bag", at=NOW + after, thread=f"{channel} {after}", **facts)
    return place(replace(said, facts=replace(said.facts, channel=channel)), now=NOW + after)[0]


def answered(case: Case) -> Case:
    count_as_answered(case, at=NOW, seen=case.last_inbound_id, answered_by=None)
    return case


# The windows of the channels


@pytest.mark.parametrize(
    ("channel", "within"),
    [("sandbox.x", 24 * HOUR), ("mastodon", 24 * HOUR), ("email", 7 * DAY), ("manual", 7 * DAY)],
)
def test_a_shared_topic_joins_24_hours_online_and_7_days_by_mail(
    bags: Topic, hit: Callable[..., Match], channel: str, within: timedelta
) -> None:
    """Fails if a mail of the next day about the same bag opens a case of its own."""
    case = answered(by(channel, after=timedelta(0), topics=(found(bags),)))
    hit(case.last_inbound, bags, [])
    too_late = by(channel, after=within + MINUTE, topics=(found(bags),))
    Case.objects.exclude(pk=case.pk).update(status="done", done_at=NOW)
    assert too_late != case
    assert by(channel, after=within, topics=(found(bags),)) == case


@pytest.mark.parametrize(("channel", "days"), [("sandbox", 14), ("email", 30), ("manual", 30)])
def test_a_done_case_reopens_for_14_days_online_and_for_30_days_by_mail(
    channel: str, days: int
) -> None:
    """The message comes in the conversation of the case. Fails if mail has the window of chats."""
    for late in (timedelta(0), MINUTE):
        who = f"anna-{late}"
        case = hear(who)
        Case.objects.filter(pk=case.pk).update(status="done", done_at=NOW)
        said = arrival(who, "And now?", at=NOW + days * DAY + late)
        said = replace(said, facts=replace(said.facts, channel=channel))
        again = place(said, now=NOW + days * DAY + late)[0]
        assert (again == case) is not bool(late)
        assert again.continues == (case if late else None)


def test_the_page_of_a_case_names_the_earlier_case(agent: User, as_: Callable[..., Client]) -> None:
    case = hear()
    Case.objects.filter(pk=case.pk).update(status="done", done_at=NOW)
    again = hear(now=NOW + 15 * DAY)
    assert again.continues == case
    page = as_(agent).get(again.get_absolute_url()).content.decode()
    assert f"<dd>#{case.pk}</dd>" in page


# What joining changes


def test_the_event_of_a_joined_message_stores_its_topics(bags: Topic) -> None:
    """Fails if only the message that opened the case keeps its topics."""
    hear(thread="one")
    joined = hear(thread="two", now=NOW + MINUTE, topics=(found(bags),))
    stored = joined.events.get(kind=Kind.JOINED).facts["topics"]
    assert [(each["topic"], each["revision"]) for each in stored] == [(bags.pk, bags.current_id)]


def test_tags_are_united_and_a_priority_never_falls(make_rule: RuleMaker) -> None:
    """Fails if the rule of a later message replaces what the first one gave."""
    make_rule("urgent", priority="urgent", tags=("bags", "vip"))
    make_rule("refund", priority="low", tags=("money", "vip"))
    case = hear(text="urgent: my bag", thread="one")
    assert (case.priority, case.tags) == ("urgent", ["bags", "vip"])
    joined = hear(text="A refund, then", thread="two", now=NOW + MINUTE)
    assert joined == case
    assert (joined.priority, joined.tags) == ("urgent", ["bags", "vip", "money"])


def test_a_rule_that_names_a_person_gives_them_a_case_that_nobody_has(
    agent: User, make_rule: RuleMaker
) -> None:
    """Fails if the rule is applied only to a message that opens a case."""
    make_rule("bag", assign="person", person=agent)
    case = hear(thread="one")
    assert case.assignee is None
    joined = hear(text="My bag is gone", thread="two", now=NOW + MINUTE)
    assert (joined, joined.assignee) == (case, agent)
    assert "offer" not in joined.events.get(kind=Kind.JOINED).data


def test_a_rule_that_names_a_person_and_a_department_gives_a_case_that_nobody_has_to_both(
    outsider: User, sales: Department, make_rule: RuleMaker
) -> None:
    make_rule("buy", department=sales, assign="person", person=outsider)
    hear(thread="one")
    joined = hear(text="I want to buy", thread="two", now=NOW + MINUTE)
    assert (joined.department, joined.assignee) == (sales, outsider)


def test_a_rule_that_names_a_person_is_offered_while_somebody_has_the_case(
    agent: User, teammate: User, service: Department, make_rule: RuleMaker,
    as_: Callable[[User], Client],
) -> None:  # fmt: skip
    """One button on the page assigns the case. Fails if the rule takes the case away or is lost."""
    rule = make_rule("bag", assign="person", person=agent)
    hear(thread="one").claim(by=teammate)
    joined = hear(text="My bag is gone", thread="two", now=NOW + MINUTE)
    assert joined.assignee == teammate
    event = joined.events.get(kind=Kind.JOINED)
    assert event.data["offer"] == {"department": service.pk, "person": agent.pk}
    browser, page = as_(teammate), joined.get_absolute_url()
    offer = browser.get(page).context["offer"]
    assert (offer.person, offer.department, offer.rule) == (agent, None, rule.name)
    press(browser, page, reverse("routing:assign", args=[joined.pk]), person=agent.pk)
    joined.refresh_from_db()
    assert joined.assignee == agent
    assert browser.get(page).context["offer"] is None


def test_a_person_who_cannot_work_in_the_department_gets_nothing(
    outsider: User, agent: User, make_rule: RuleMaker
) -> None:
    make_rule("bag", assign="person", person=outsider)
    case = hear(thread="one")
    assert hear(text="bag", thread="two", now=NOW + MINUTE).assignee is None
    case.claim(by=agent)
    again = hear(text="bag", thread="three", now=NOW + 2 * MINUTE)
    assert "offer" not in again.events.latest("pk").data


def test_named_users_are_notified_if_they_may_see_the_case(
    agent: User, teammate: User, outsider: User, make_rule: RuleMaker
) -> None:
    """Fails if a rule notifies only leads, or somebody who may not work on the case."""
    make_rule("bag", notify=[agent.pk, outsider.pk])
    case = hear(text="My bag is gone")
    notice = Notice.objects.get(kind=Notice.Kind.RULE)
    assert (notice.user, notice.about) == (agent, case.as_subject.key)


def test_the_assignee_hears_of_a_joined_message(agent: User) -> None:
    hear(thread="one").claim(by=agent)
    case = hear(thread="two", now=NOW + MINUTE)
    assert Notice.objects.get(kind=Notice.Kind.JOINED).about == case.as_subject.key


def test_brand_topics_are_left_out_of_the_topics_of_a_case(
    admin: User, bags: Topic, hit: Callable[..., Match]
) -> None:
    """Intake also leaves them out of a message; each of the two must hold without the other."""
    brand = Topic.objects.create(name="Skyward", owner=admin, is_brand=True)
    brand.revise(any_of=["skyward"], all_of=[], none_of=[], by=admin)
    case = hear()
    for topic in (bags, brand):
        hit(case.last_inbound, topic, [])
    assert topics_of([case])[case.pk] == {bags.pk}
    said = arrival(topics=(found(bags), found(brand)))
    assert said.own_topics == {bags.pk}
