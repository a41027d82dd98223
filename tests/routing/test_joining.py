"""Which open case of the same person a new item joins, and what joining changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from crm.models import Department, Notice, User
from listening.models import Match, Topic
from listening.topic_hits import FoundTopic
from responses.models import Draft
from routing.answering import count_as_answered
from routing.joining import FOLLOW_UP_WITHIN, NewItem, OpenCase, case_of_party
from routing.models import Case, CaseEvent, ResponseTarget, RoutingRule
from tests.routing.hearing import DAY, HOUR, MINUTE, NOW, arrival, hear, kinds, place

pytestmark = pytest.mark.django_db
RuleMaker = Callable[..., RoutingRule]
Kind = CaseEvent.Kind
SEATS, BAGS = 1, 2


@pytest.fixture(autouse=True)
def house(service: Department) -> Department:
    """The fallback department, without which no case could be created."""
    return service


@pytest.fixture
def make_rule(admin: User) -> RuleMaker:
    def make(word: str, department: Department, **facts: Any) -> RoutingRule:
        rule = RoutingRule.objects.create(name=word, owner=admin)
        condition = {"field": "text", "op": "contains", "value": word}
        rule.revise(conditions={"all": [condition]}, department=department, by=admin, **facts)
        return rule

    return make


# The decision, without the database


def item(
    at: datetime = NOW, *, department: int | None = None, only_there: bool = False, topic: int = 0
) -> NewItem:
    topics = frozenset({topic} - {0})
    return NewItem(at, department, only_there, topics, joins_within=DAY)


def living(
    at: datetime = NOW, *, answered: bool = True, department: int = 7, topic: int = 0, key: int = 0
) -> OpenCase:
    return OpenCase(key, department, at, answered, frozenset({topic} - {0}))


def test_a_second_message_within_an_hour_joins_the_case() -> None:
    """Fails if the limit is not exactly 60 minutes, which the reason states."""
    joined = case_of_party(item(NOW + 60 * MINUTE), [living()])
    assert joined
    assert joined.why == "The same person wrote again within 60 minutes."
    assert case_of_party(item(NOW + 61 * MINUTE), [living()]) is None


def test_a_message_joins_an_unanswered_case_without_a_shared_topic() -> None:
    assert case_of_party(item(NOW + 30 * DAY), [living(answered=False)])


def test_later_it_needs_a_shared_topic_within_the_time_of_the_channel() -> None:
    seats = [living(topic=SEATS)]
    assert case_of_party(item(NOW + DAY, topic=SEATS), seats)
    assert case_of_party(item(NOW + DAY + MINUTE, topic=SEATS), seats) is None
    assert case_of_party(item(NOW + DAY, topic=BAGS), seats) is None
    assert case_of_party(item(NOW + DAY), seats) is None


def test_a_shared_topic_does_not_join_across_departments() -> None:
    seats = [living(topic=SEATS, department=7)]
    assert case_of_party(item(NOW + DAY, topic=SEATS, department=8), seats) is None
    assert case_of_party(item(NOW + DAY, topic=SEATS, department=7), seats)


def test_what_only_another_department_may_read_never_joins() -> None:
    assert case_of_party(item(department=8, only_there=True), [living(department=7)]) is None
    assert case_of_party(item(department=7, only_there=True), [living(department=7)])


def test_of_two_cases_the_one_with_the_topic_is_taken_then_the_later_one() -> None:
    older, newer = living(NOW - MINUTE, topic=SEATS, key=1), living(NOW, topic=BAGS, key=2)
    about_seats = case_of_party(item(topic=SEATS), [older, newer])
    about_nothing = case_of_party(item(), [older, newer])
    assert about_seats
    assert about_nothing
    assert (about_seats.key, about_nothing.key) == (1, 2)


@given(
    st.timedeltas(timedelta(0), 60 * DAY),
    st.booleans(),
    st.sampled_from([0, SEATS, BAGS]),
    st.sampled_from([None, 7, 8]),
)
def test_a_joined_item_always_has_one_of_the_three_reasons(
    later: timedelta, answered: bool, topic: int, department: int | None
) -> None:
    case = living(answered=answered, topic=SEATS)
    joined = case_of_party(item(NOW + later, topic=topic, department=department), [case])
    shared = topic == SEATS and department in (None, 7) and later <= DAY
    assert bool(joined) == (later <= FOLLOW_UP_WITHIN or not answered or shared)


# Situations


def test_three_messages_of_a_new_person_in_four_minutes_are_one_case(
    service: Department, agent: User, make_rule: RuleMaker
) -> None:
    """Three posts in four minutes, the second one “anyone??”: one case, one assignee, due from the
    first.

    Fails if a post that shares no topic, or that another rule matches, opens a case of its own.
    """
    ResponseTarget.objects.create(department=service, priority="normal", first=120)
    make_rule("bag", service, assign="person", person=agent)
    said = ("My bag is gone", "anyone??", "Gate 12, flight SK 902")
    cases = [
        hear("stranger", text, thread=f"post {n}", now=NOW + n * 2 * MINUTE)
        for n, text in enumerate(said)
    ]
    assert len(set(cases)) == 1
    case = cases[-1]
    assert (case.assignee, case.due_at) == (agent, NOW + 2 * HOUR)
    assert kinds(case) == [Kind.ROUTED, Kind.JOINED, Kind.JOINED]
    assert case.conversations.count() == 3


def answered(case: Case, at: datetime = NOW) -> Case:
    """Let us answer the case, so that the next message is not a chaser."""
    count_as_answered(case, at=at, seen=case.last_inbound_id, answered_by=None)
    return case


def test_brand_topics_are_never_shared(admin: User, hit: Callable[..., Match]) -> None:
    """Two messages that only name us are not about the same matter.

    Fails if brand topics count as shared topics.
    """
    for name, is_brand in (("Skyward Air", True), ("Bags", False)):
        topic = Topic.objects.create(name=name, owner=admin, is_brand=is_brand)
        topic.revise(any_of=[name], all_of=[], none_of=[], by=admin)
        found = FoundTopic(name, topic.pk, topic.current_id or 0, [], is_brand)
        first = answered(hear(name, thread=f"{name} 1", topics=(found,)))
        assert first.last_inbound
        hit(first.last_inbound, topic, [])
        second = hear(name, thread=f"{name} 2", topics=(found,), now=NOW + 2 * HOUR)
        assert (second == first) is not is_brand


def test_an_answered_case_and_another_matter_two_hours_later_stay_apart(
    sales: Department, make_rule: RuleMaker
) -> None:
    make_rule("buy", sales)
    complaint = answered(hear(thread="one"))
    order = hear(text="I want to buy", thread="two", now=NOW + 2 * HOUR)
    assert order != complaint
    assert order.department == sales


def test_a_rule_for_another_department_takes_a_case_that_nobody_has(
    service: Department, sales: Department, make_rule: RuleMaker
) -> None:
    """A case that nobody has goes to the department of a rule that matches a later message.

    Fails if a joined item is not routed.
    """
    make_rule("buy", sales, priority="high", tags=("lead",))
    first = hear(thread="one")
    assert first.department == service
    joined = hear(text="I want to buy", thread="two", now=NOW + MINUTE)
    assert joined == first
    assert (joined.department, joined.priority, joined.tags) == (sales, "high", ["lead"])
    moved = joined.events.get(kind=Kind.TRANSFERRED)
    assert (moved.by, moved.data["from_"], moved.data["to"]) == (None, service.name, sales.name)


def test_a_rule_for_another_department_is_offered_while_somebody_has_the_case(
    service: Department, sales: Department, agent: User, make_rule: RuleMaker
) -> None:
    rule = make_rule("buy", sales, priority="high")
    hear(thread="one").claim(by=agent)
    joined = hear(text="I want to buy", thread="two", now=NOW + MINUTE)
    assert (joined.department, joined.assignee, joined.priority) == (service, agent, "high")
    event = joined.events.get(kind=Kind.JOINED)
    assert event.revision == rule.current
    assert event.data["offer"] == {"department": sales.pk, "person": None}
    assert event.facts["channel"] == "sandbox"
    notice = Notice.objects.get(user=agent, kind=Notice.Kind.JOINED)
    assert notice.about == f"case:{joined.pk}"


def test_a_rule_for_another_department_is_offered_while_somebody_writes_an_answer(
    service: Department, sales: Department, agent: User, make_rule: RuleMaker
) -> None:
    """Nobody has the case, but an agent types an answer: the case must not move away meanwhile.

    Fails if the case moves, because the agent can then neither save nor send the text.
    """
    make_rule("buy", sales)
    draft = Draft.objects.create(case=hear(thread="one"), author=agent, text="We are looking.")
    joined = hear(text="I want to buy", thread="two", now=NOW + MINUTE)
    assert (joined.department, joined.assignee) == (service, None)
    assert joined.events.get(kind=Kind.JOINED).data["offer"]["department"] == sales.pk
    Draft.objects.filter(pk=draft.pk).update(text="")
    moved = hear(text="I want to buy", thread="two", now=NOW + 2 * MINUTE)
    assert moved.department == sales


def test_a_rule_does_not_take_back_what_a_user_transferred(
    service: Department, sales: Department, agent: User, make_rule: RuleMaker
) -> None:
    make_rule("bag", service)
    case = hear(text="my bag")
    case.transfer(to=sales, by=agent, why="A question about fares.")
    again = hear(text="my bag, please", now=NOW + MINUTE)
    assert again.department == sales
    assert again.events.get(kind=Kind.HEARD).data["offer"]["department"] == service.pk


def test_a_priority_never_falls_by_a_message(make_rule: RuleMaker, service: Department) -> None:
    make_rule("urgent", service, priority="urgent")
    """Fails if a message that matches no rule makes an urgent case normal again."""
    hear(text="urgent: my bag")
    assert hear(text="and where is it?", now=NOW + MINUTE).priority == "urgent"


def test_a_chaser_of_the_second_question_joins_it_although_we_once_answered() -> None:
    """One answer in June, a new question on Monday that nobody answers, and a chaser by DM.

    Fails if “while nobody has answered” means that we never answered in the case.
    """
    case = answered(hear(thread="mail"))
    monday = NOW + 20 * DAY
    assert hear(text="Where is it?", thread="mail", now=monday) == case
    assert hear(text="anyone there??", thread="message", now=monday + 5 * HOUR) == case
    assert hear(text="hello??", thread="another", now=monday + 10 * DAY) == case


def test_a_chaser_does_not_carry_the_case_to_the_department_of_a_rule_for_everything(
    service: Department, sales: Department, admin: User, make_rule: RuleMaker
) -> None:
    """“My bill is wrong” goes to Sales. “hello??” matches only the rule for all of a channel.

    Fails if a rule that asks only where somebody wrote moves an existing case, or is offered.
    """
    make_rule("bill", sales)
    everything = RoutingRule.objects.create(name="All", owner=admin, position=9)
    anywhere = {"field": "channel", "op": "is", "value": "sandbox"}
    everything.revise(conditions={"all": [anywhere]}, department=service, by=admin)
    case = hear(text="My bill is wrong")
    again = hear(text="hello??", now=NOW + MINUTE)
    assert (again, again.department) == (case, sales)
    assert not again.events.filter(kind=Kind.TRANSFERRED).exists()
    assert "offer" not in again.events.get(kind=Kind.HEARD).data


def test_a_rule_for_a_topic_moves_a_case_only_if_the_new_message_has_the_topic(
    service: Department, sales: Department, admin: User
) -> None:
    """Fails if rules that ask for a topic never move a case, or if a brand topic is enough."""
    for name in ("Bills", "Skyward"):
        Topic.objects.create(name=name, owner=admin)
    rule = RoutingRule.objects.create(name="Topics", owner=admin)
    asked = {"field": "topics", "op": "has any", "value": ["Bills", "Skyward"]}
    rule.revise(conditions={"all": [asked]}, department=sales, by=admin)
    bills, brand = FoundTopic("Bills", 1, 1, []), FoundTopic("Skyward", 2, 2, [], True)
    case = hear()
    for topic, department in ((brand, service), (bills, sales)):
        said = arrival(text="hello", at=NOW + MINUTE, topics=(topic,))
        said = replace(said, facts=replace(said.facts, topics=frozenset({topic.name})))
        assert place(said, now=NOW + MINUTE) == [case]
        case.refresh_from_db()
        assert case.department == department


def test_between_two_open_cases_the_later_one_is_taken(
    sales: Department, make_rule: RuleMaker
) -> None:
    make_rule("buy", sales)
    answered(hear(thread="one"))
    second = hear(text="I want to buy", thread="two", now=NOW + 2 * HOUR)
    assert hear(thread="three", now=NOW + 2 * HOUR + MINUTE) == second


def test_the_page_offers_the_transfer_with_one_button(
    sales: Department, agent: User, make_rule: RuleMaker, as_: Callable[[User], Client]
) -> None:
    """The button on the case page transfers the case with the rule as the reason.

    Fails if a rule that matched a later message is not shown on the page.
    """
    make_rule("buy", sales)
    case = hear(thread="one")
    case.claim(by=agent)
    hear(text="I want to buy", thread="two", now=NOW + MINUTE)
    browser = as_(agent)
    page = browser.get(case.get_absolute_url()).content.decode()
    assert "Transfer to Sales" in page
    typed = {"department": sales.pk, "person": "", "why": "The rule “buy” matched."}
    assert browser.post(reverse("routing:transfer", args=[case.pk]), typed).status_code == 302
    case.refresh_from_db()
    assert case.department == sales
    assert "Transfer to Sales" not in browser.get(case.get_absolute_url()).content.decode()
