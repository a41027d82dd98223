"""The page “Routing reasons” explains each item of a case, also those that joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from crm.ledger import Entry, record
from crm.models import Department, User
from listening.models import Topic
from listening.topic_hits import FoundTopic
from routing.intake import Arrival, take_in
from routing.item_reasons import item_reasons
from routing.models import Case, CaseEvent, RoutingRule
from routing.rules import Facts
from scrm.channels.base import Author
from tests.routing.hearing import MINUTE, NOW
from tests.routing.test_bystanders import hear, post

As = Callable[[User], Client]


@pytest.fixture
def say(service: Department, admin: User) -> Callable[..., Case]:
    """Return a function that lets Tom write a message; all messages are in one conversation."""
    rule = RoutingRule.objects.create(name="Influencers", owner=admin)
    leaf = {"field": "text", "op": "contains", "value": "bag"}
    rule.revise(
        conditions={"all": [leaf]}, department=None, by=admin, always=True, tags=("bags",),
        priority="",
    )  # fmt: skip
    rest = RoutingRule.objects.create(name="Rest", owner=admin, position=1)
    rest.revise(conditions={"all": []}, department=service, by=admin)

    def write(text: str, key: str, now: datetime | None = None) -> Case:
        now = now or timezone.now()
        entry = Entry(
            scope="x", key=key, author=Author("x", "tom", "@tom", name="Tom"), channel="x",
            kind="dm", visibility="private", text=text, thread_key="tom",
        )  # fmt: skip
        row = record([entry], now=now)[0]
        arrival = Arrival(
            interaction=row.interaction, conversation=row.conversation, profile=row.profile or 0,
            contact=None, said_at=now, facts=Facts(text=text, visibility="private"),
        )  # fmt: skip
        return Case.objects.get(pk=take_in([arrival], now=now)[row.interaction])

    return write


def test_each_item_has_its_rule_effects_and_reasons_newest_first(
    say: Callable[..., Case], agent: User
) -> None:
    """Fails if only the item that opened the case is explained."""
    say("Hello", "1")
    case = say("My bag is lost", "2")
    second, first = item_reasons(case, agent)
    assert first.sentence.startswith("It opened this case.")
    assert second.sentence.startswith("It continues a conversation of this case.")
    assert second.event.revision
    assert second.event.revision.rule.name == "Rest"
    tags = second.effects[0]
    assert (tags.label, tags.rule, tags.why) == ("Tags", "Influencers", "text contains “bag”")
    assert tags.value == "bags"
    department = next(each for each in second.effects if each.label == "Department")
    assert department.value == str(case.department)


def test_the_page_is_reachable_from_each_message(
    say: Callable[..., Case], agent: User, as_: As
) -> None:
    case = say("My bag is lost", "1")
    browser = as_(agent)
    page = browser.get(case.get_absolute_url()).content.decode()
    link = f"/cases/{case.pk}/why/#item-{case.last_inbound_id}"
    assert link in page
    page = browser.get(f"/cases/{case.pk}/why/").content.decode()
    assert f'id="item-{case.last_inbound_id}"' in page
    assert "What the matching rules ask for" in page
    # Only the list of effects: there is no other rule that could have decided.
    assert page.count('class="why-not"') == 1


def test_the_page_says_why_each_other_rule_did_not_decide(
    say: Callable[..., Case], agent: User, admin: User, service: Department, as_: As
) -> None:
    """Fails if the rules that did not decide are never shown."""
    first = RoutingRule.objects.create(name="Refunds first", owner=admin)
    leaf = {"field": "text", "op": "contains", "value": "refund"}
    first.revise(conditions={"all": [leaf]}, department=service, by=admin)
    case = say("My bag is lost", "1")
    (reason,) = item_reasons(case, agent)
    assert [name for name, _why in reason.why_not] == ["Refunds first"]
    page = as_(agent).get(f"/cases/{case.pk}/why/").content.decode()
    _before, _effects, listed = page.split('class="why-not"')
    listed = listed.split("</ul>")[0]
    name, why = reason.why_not[0]
    assert f"<b>{name}</b>" in listed
    assert "refund" in why
    assert escape(why) in listed


def test_what_joined_reopened_or_only_stands_below_is_explained_with_its_topics(
    service: Department, agent: User, admin: User, as_: As
) -> None:
    """Tom writes twice, Ann replies below his post, and Tom writes again after Done.

    Fails if the page explains only what opened the case or continued its conversation.
    """
    bags = Topic.objects.create(name="Bags", owner=admin)
    bags.revise(any_of=["bag"], all_of=[], none_of=[], by=admin)
    found = FoundTopic(bags.name, bags.pk, bags.current_id or 0, [])
    case = hear(post("tom-1", "tom", "You lost my bag"))[0]
    entry = replace(post("tom-2", "tom", "My bag!", at=NOW + MINUTE), thread_key="tom-2")
    assert hear(entry, now=NOW + MINUTE, topics=(found,)) == [case]
    reply = post("ann-1", "ann", "typical", answers="tom-1", at=NOW + 2 * MINUTE)
    assert hear(reply, now=NOW + 2 * MINUTE) == [case]
    case.refresh_from_db()
    case.finish(by=agent, seen=case.last_inbound_id, reasons="Other")
    again = replace(entry, key="tom-3", text="And now?", in_reply_to="tom-2")
    assert hear(again) == [case]
    reasons = {reason.event.kind: reason for reason in item_reasons(case, agent)}
    assert list(reasons) == ["reopened", "bystander", "joined", "routed"]
    sentences = {kind: reason.sentence for kind, reason in reasons.items()}
    assert len(set(sentences.values())) == 4
    joined = reasons["joined"]
    assert "within 60 minutes" in joined.sentence
    assert [revision.topic for revision in joined.topics] == [bags]
    page = as_(agent).get(f"/cases/{case.pk}/why/").content.decode()
    assert f'<a href="{bags.get_absolute_url()}">' in page
    for kind, sentence in sentences.items():
        assert escape(sentence) in page, kind


def test_a_department_that_was_only_offered_is_not_named_as_done(
    say: Callable[..., Case], agent: User, admin: User, sales: Department
) -> None:
    """Fails if the page says that the rule moved a case that the assignee kept."""
    say("Hello", "1").claim(by=agent)
    rule = RoutingRule.objects.create(name="Sales", owner=admin, position=0)
    leaf = {"field": "text", "op": "contains", "value": "buy"}
    rule.revise(conditions={"all": [leaf]}, department=sales, by=admin)
    case = say("I want to buy a bag", "2")
    joined, opened = item_reasons(case, agent)
    assert {each.label: each.value for each in joined.effects}["Department"] == str(sales)
    assert "offered, not applied" in joined.limits
    assert opened.limits == ""


def test_a_sensitive_topic_is_named_as_the_reason_for_urgent(
    service: Department, agent: User, admin: User, as_: As
) -> None:
    topic = Topic.objects.create(name="Threats", owner=admin, sensitivity="legal")
    topic.revise(any_of=["court"], all_of=[], none_of=[], by=admin)
    found = FoundTopic(topic.name, topic.pk, topic.current_id or 0, [], sensitivity="legal")
    case = hear(post("tom-1", "tom", "See you in court"), topics=(found,))[0]
    page = as_(agent).get(f"/cases/{case.pk}/why/").content.decode()
    assert "a sensitive topic (legal threat), which makes the case urgent" in page


def test_what_a_user_may_not_read_is_not_explained(
    say: Callable[..., Case], agent: User, outsider: User, service: Department
) -> None:
    case = say("My bag is lost", "1")
    Department.objects.filter(pk=service.pk).update(is_restricted=True)
    case.conversations.update(restricted_to=service)
    assert item_reasons(case, agent)
    assert item_reasons(case, outsider) == []


def test_the_page_takes_the_same_number_of_queries_for_any_number_of_items(
    say: Callable[..., Case], agent: User, as_: As, django_assert_num_queries: Any
) -> None:
    case = say("My bag", "0")
    browser, url = as_(agent), f"/cases/{case.pk}/why/"
    browser.get(url)
    with CaptureQueriesContext(connection) as one:
        browser.get(url)
    for number in range(1, 9):
        say("And my bag", str(number))
    with django_assert_num_queries(len(one)):
        browser.get(url)


OPENED = "It opened this case"


@pytest.mark.parametrize(
    ("kind", "rule", "why", "sentence"),
    [
        (
            "routed",
            1,
            "topic is Acme Inc.",
            f"{OPENED}, because a rule matched: topic is Acme Inc.",
        ),
        ("routed", 1, "This rule always matches.", f"{OPENED}. This rule always matches."),
        ("routed", None, "No rule matched.", f"{OPENED}. No rule matched."),
        ("heard", 1, "", "It continues a conversation of this case."),
        ("joined", 1, "They wrote again.", "It was added to this case. They wrote again."),
    ],
)
def test_a_reason_is_one_or_two_sentences(
    kind: str, rule: int | None, why: str, sentence: str
) -> None:
    assert CaseEvent(kind=kind, revision_id=rule, why=why).sentence == sentence


def test_the_case_page_explains_it_in_the_same_words(
    say: Callable[..., Case], agent: User, service: Department, admin: User, as_: As
) -> None:
    """Fails if the page shows a bare condition. A case of private messages has no public thread."""
    first = RoutingRule.objects.create(name="Bags first", owner=admin)
    leaf = {"field": "text", "op": "contains", "value": "bag"}
    first.revise(conditions={"all": [leaf]}, department=service, by=admin)
    page = as_(agent).get(say("My bag is lost", "1").get_absolute_url()).content.decode()
    assert "<p>It opened this case, because a rule matched: text contains “bag”</p>" in page
    assert "Full public thread" not in page
