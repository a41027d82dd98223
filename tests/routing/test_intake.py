"""Intake: which case a new item goes into, and why.

An item goes into the case of its conversation, into another open case of the same party, or into a
new case.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from crm.models import Conversation, Department, Interaction, Notice, Profile, User
from routing.answering import count_as_answered
from routing.intake import Hint, take_in
from routing.models import Case, CaseConversation, CaseEvent, Issue, ResponseTarget, RoutingRule
from routing.models.status import LIVING, Stale, Status
from routing.undo import restore, snapshot
from tests.routing.hearing import DAY, NOW, arrival, arrivals, contact, hear, kinds, place

pytestmark = pytest.mark.django_db

Kind = CaseEvent.Kind
RuleMaker = Callable[..., RoutingRule]


@pytest.fixture(autouse=True)
def house(service: Department) -> Department:
    """The fallback department, without which the tests in this file could not create a case."""
    return service


@pytest.fixture
def legal(admin: User) -> Department:
    return Department.objects.create(name="Legal", owner=admin, is_restricted=True)


@pytest.fixture
def make_rule(admin: User) -> RuleMaker:
    def make(word: str, department: Department, **facts: Any) -> RoutingRule:
        rule = RoutingRule.objects.create(name=word, owner=admin)
        condition = {"field": "text", "op": "contains", "value": word}
        rule.revise(conditions={"all": [condition]}, department=department, by=admin, **facts)
        return rule

    return make


# The case of the conversation itself


def test_a_strangers_first_words_open_a_case(service: Department) -> None:
    case = hear()
    assert (case.department, case.status, case.assignee) == (service, Status.NEW, None)
    assert case.profile.key == "anna"
    assert case.last_inbound_at == case.opened_at == NOW
    assert list(case.conversations) == [Interaction.objects.get().conversation]


def test_what_follows_in_the_conversation_stays_in_its_case() -> None:
    first, second = hear(), hear(text="are you there?", now=NOW + DAY)
    assert first == second
    assert kinds(second) == [Kind.ROUTED, Kind.HEARD]
    assert second.last_inbound == Interaction.objects.get(text="are you there?")
    assert second.last_inbound_at == NOW + DAY
    assert second.status == Status.NEW


@pytest.mark.parametrize("status", [Status.WAITING, Status.SNOOZED])
def test_a_message_wakes_what_waits_or_sleeps(status: Status) -> None:
    case = hear()
    Case.objects.update(status=status, snoozed_until=NOW + 9 * DAY)
    again = hear(now=NOW + DAY)
    assert again == case
    assert (again.status, again.snoozed_until) == (Status.OPEN, None)
    assert kinds(again)[-1] == Kind.REOPENED


def test_a_message_leaves_what_is_being_worked_on_alone(agent: User) -> None:
    case = hear()
    case.claim(by=agent)
    again = hear(now=NOW + DAY)
    assert (again.status, again.assignee) == (Status.OPEN, agent)


@pytest.mark.parametrize("days", [0, 13, 14])
def test_within_two_weeks_a_reply_reopens_what_was_done(days: int, agent: User) -> None:
    case = hear()
    case.finish(by=agent, seen=case.last_inbound_id, reasons="No question", now=NOW)
    again = hear(now=NOW + days * DAY)
    assert again == case
    assert (again.status, again.done_at) == (Status.OPEN, None)
    assert again.events.get(kind=Kind.REOPENED).why == "New message; the status was done."


def test_later_it_makes_a_new_case_that_names_the_old(agent: User) -> None:
    """A message more than 14 days after a case was done opens a new case that names the old one.

    Fails if the done case is reopened even after more than 14 days.
    """
    old = hear()
    old.finish(by=agent, seen=old.last_inbound_id, reasons="No question", now=NOW)
    late = NOW + 14 * DAY + timedelta(seconds=1)
    new, same = place(arrival(at=late), arrival(at=late), now=late)
    assert (new.continues, new.status, same) == (old, Status.NEW, new)
    old.refresh_from_db()
    assert old.status == Status.DONE
    links = CaseConversation.objects.order_by("pk").values_list("case", "ended_at")
    assert list(links) == [(old.pk, late), (new.pk, None)]


# After noise


@pytest.fixture
def noise(agent: User) -> Case:
    case = hear()
    case.set_aside(by=agent, why="An advertisement.")
    return case


def current_links() -> list[tuple[int, str]]:
    links = CaseConversation.objects.filter(ended_at=None).order_by("pk")
    return list(links.values_list("case", "conversation__key"))


def test_a_message_after_noise_is_new_work(noise: Case, sales: Department, make_rule: Any) -> None:
    """A message in the conversation of a noise case opens a new case, which names the noise case.

    The new case is routed like any other case. Fails if the message stays in the noise case, where
    no agent would see it.
    """
    make_rule("buy", sales, priority="high")
    fresh = hear(text="I want to buy", now=NOW + DAY)
    assert (fresh.continues, fresh.status, fresh.was_set_aside) == (noise, Status.NEW, True)
    assert (fresh.department, fresh.priority) == (sales, "high")
    assert kinds(fresh) == [Kind.ROUTED]
    noise.refresh_from_db()
    assert (noise.status, noise.last_inbound_at) == (Status.NOISE, NOW)
    assert [case for case, _key in current_links()] == [fresh.pk]
    assert hear(text="hello?", now=NOW + 2 * DAY) == fresh


def test_several_messages_of_one_batch_after_noise_are_one_case(noise: Case) -> None:
    cases = place(*(arrival(at=NOW + DAY) for _ in range(3)), now=NOW + DAY)
    assert len(set(cases)) == 1
    assert kinds(cases[0]) == [Kind.ROUTED, Kind.HEARD, Kind.HEARD]


def test_two_conversations_of_one_noise_case_go_on_in_one_case(agent: User) -> None:
    """If two conversations of one noise case continue, both go into the same new case.

    This holds for messages in one batch and in different batches. Fails if each conversation gets a
    new case.
    """
    old, *_same = [hear(thread=thread) for thread in ("one", "two", "three")]
    old.set_aside(by=agent)
    both = place(*(arrival(thread=thread, at=NOW) for thread in ("one", "two")))
    third = hear(thread="three")
    assert both[0] == both[1] == third != old
    assert {case for case, _key in current_links()} == {third.pk}


def test_noise_again_is_new_work_again(noise: Case, agent: User) -> None:
    second = hear()
    second.set_aside(by=agent)
    third = hear()
    assert (third.continues, third.was_set_aside) == (second, True)


def test_what_is_logged_into_a_noise_case_is_new_work_too(noise: Case) -> None:
    """A call that is logged in a noise case opens a new case.

    Fails if the call stays in the noise case.
    """
    call = hear(thread="a call", case=noise.pk)
    assert (call.continues, call.status) == (noise, Status.NEW)


def test_noise_is_not_taken_back_while_a_newer_case_has_its_conversation(agent: User) -> None:
    """A noise case cannot be restored by undo or reopened while a newer case has its conversation.

    Otherwise the conversation would belong to two cases. Fails if the undo or the reopening is not
    refused. Fails also if the reopening is not refused after the newer case was closed, because the
    reopened case then has no conversation.
    """
    case = hear()
    before = snapshot(case)
    case.set_aside(by=agent)
    after = snapshot(case)
    fresh = hear(now=NOW + DAY)
    refusals: list[Callable[[], object]] = [
        lambda: restore(case, before, after=after, by=agent),
        lambda: case.reopen(by=agent, why="not noise"),
    ]
    for refused in refusals:
        with pytest.raises(Stale, match=f"opened case #{fresh.pk}"):
            refused()
    case.refresh_from_db()
    assert (case.status, len(current_links())) == (Status.NOISE, 1)
    for close in (
        lambda: fresh.finish(by=agent, seen=fresh.last_inbound_id, reasons="No question"),
        lambda: fresh.set_aside(by=agent),
    ):
        if Case.objects.get(pk=fresh.pk).is_closed:
            fresh.reopen(by=agent, why="")
        close()
        with pytest.raises(Stale, match=f"opened case #{fresh.pk}"):
            case.reopen(by=agent, why="not noise")


def test_noise_is_taken_back_while_nobody_wrote(noise: Case, agent: User) -> None:
    noise.reopen(by=agent, why="not noise")
    assert (hear(now=NOW + DAY), noise.status) == (noise, Status.OPEN)


DEEDS: dict[str, Callable[[Case, User], object]] = {
    "set aside": lambda case, by: case.set_aside(by=by),
    "finish": lambda case, by: case.finish(
        by=by, seen=case.last_inbound_id, reasons="No question", now=NOW
    ),
    "reopen": lambda case, by: case.reopen(by=by, why=""),
    "answer": lambda case, by: count_as_answered(
        case, at=NOW + DAY, seen=case.last_inbound_id, answered_by=None
    ),
}


@pytest.mark.slow
class WhateverIsDoneToCases(TestCase):
    @settings(max_examples=100)
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("hear"), st.sampled_from(["one", "two"])),
                st.tuples(st.sampled_from([*DEEDS, "undo"]), st.integers(0, 2)),
            ),
            min_size=6,
            max_size=16,
        )
    )
    def test_no_message_vanishes_and_no_open_case_is_empty(
        self, steps: list[tuple[str, Any]]
    ) -> None:
        """After any sequence of actions, no message is lost and every open case has a message.

        The actions mark cases as noise, finish cases, reopen cases, and undo these actions.
        """
        agent = User.objects.create_user("agent@scrm.example", role="admin")
        deeds: list[tuple[Case, dict[str, Any], dict[str, Any]]] = []
        for day, (what, which) in enumerate(steps):
            if what == "hear":
                case = hear(thread=which, now=NOW + day * timedelta(hours=1))
                assert case.status in LIVING
                continue
            cases = list(Case.objects.order_by("pk"))
            if not cases or (what == "undo" and not deeds):
                continue
            with suppress(Stale):
                if what == "undo":
                    done, before, after = deeds.pop()
                    restore(done, before, after=after, by=agent)
                else:
                    case = cases[which % len(cases)]
                    before = snapshot(case)
                    DEEDS[what](case, agent)
                    deeds.append((case, before, snapshot(case)))
            for case in Case.objects.living():
                assert case.conversations.exists()


# Late items


def test_a_late_older_message_does_not_turn_the_clock_back() -> None:
    case = hear()
    again = place(arrival(at=NOW - DAY), now=NOW)[0]
    assert again == case
    assert again.last_inbound_at == NOW


# The case of the same person


def test_a_second_exchange_joins_the_one_open_case() -> None:
    """The film director's post, mail and call are in one case.

    Fails if a new conversation does not join the open case of the same person.
    """
    contact("anna-tweets", "anna-mails", "anna-calls")
    cases = [hear(who, now=NOW + timedelta(hours=n)) for n, who in enumerate(
        ["anna-tweets", "anna-mails", "anna-calls"])]  # fmt: skip
    assert cases[0] == cases[1] == cases[2]
    assert cases[2].conversations.count() == 3
    assert kinds(cases[2]) == [Kind.ROUTED, Kind.JOINED, Kind.JOINED]


def test_without_a_link_two_profiles_are_two_strangers() -> None:
    assert hear("anna-tweets") != hear("anna-mails")


def test_a_link_that_was_undone_joins_nothing(agent: User) -> None:
    contact("anna-tweets", "anna-mails")
    first = hear("anna-tweets")
    Profile.objects.get(key="anna-mails").unlink(by=agent)
    assert hear("anna-mails") != first


def test_one_strangers_two_exchanges_are_one_case() -> None:
    assert hear(thread="one") == hear(thread="two")


def test_what_is_closed_is_not_joined_from_elsewhere(agent: User) -> None:
    first = hear(thread="one")
    first.finish(by=agent, seen=first.last_inbound_id, reasons="No question", now=NOW)
    assert hear(thread="two") != first


def test_joining_wakes_what_waits() -> None:
    hear(thread="one")
    Case.objects.update(status=Status.WAITING)
    assert hear(thread="two").status == Status.OPEN


def test_a_human_may_say_where_it_belongs() -> None:
    annas, bens = hear("anna"), hear("ben")
    call = hear("carol", case=annas.pk)
    assert call == annas != bens
    assert annas.conversations.count() == 2


# Batches


def test_ten_posts_of_one_stranger_in_one_batch_are_one_case() -> None:
    """Ten posts of an unknown person in one batch open one case.

    Fails if `by_party` contains a new case only after the case was written to the database.
    """
    cases = place(*(arrival(thread=str(n), at=NOW - n * timedelta(minutes=1)) for n in range(10)))
    assert len(set(cases)) == 1
    assert cases[0].conversations.count() == 10
    assert cases[0].last_inbound_at == NOW
    assert kinds(cases[0]) == [Kind.ROUTED] + [Kind.JOINED] * 9


def test_a_batch_is_taken_in_the_order_in_which_things_were_said() -> None:
    late, early = arrival(text="second", at=NOW), arrival(text="first", at=NOW - DAY)
    case = place(late, early)[0]
    first = case.events.order_by("pk").first()
    assert first
    assert first.interaction == Interaction.objects.get(text="first")
    assert case.last_inbound == Interaction.objects.get(text="second")


def test_nothing_is_nothing() -> None:
    assert take_in([], now=NOW) == {}


def test_statements_do_not_depend_on_the_number_of_arrivals() -> None:
    """The number of SQL statements does not depend on the number of items.

    Fails if each person is looked up separately.
    """
    counts = []
    for size in (10, 100, 500):
        crowd = arrivals(*((f"{size}-{n // 2}", "hello") for n in range(size)))
        with CaptureQueriesContext(connection) as statements:
            take_in(crowd, now=NOW)
        counts.append(len(statements))
    assert counts[0] == counts[1] == counts[2]


# Assignee, priority, due time and reasons


def test_a_rule_gives_department_person_priority_and_tags(
    sales: Department, outsider: User, make_rule: RuleMaker
) -> None:
    make_rule("buy", sales, assign="person", person=outsider, priority="urgent", tags=("lead",))
    case = hear(text="I want to buy")
    assert (case.department, case.assignee, case.priority) == (sales, outsider, "urgent")
    assert case.tags == ["lead"]


def test_whoever_handled_this_party_last_gets_it(
    service: Department, agent: User, teammate: User, make_rule: RuleMaker
) -> None:
    """A new case goes to the user who last handled a case with any profile of the same contact.

    Fails if only cases with the same profile are searched.
    """
    make_rule("bag", service, assign="last")
    contact("anna-tweets", "anna-mails")
    for colleague in (teammate, agent):
        case = hear("anna-tweets")
        case.claim(by=colleague, seen=case.assignee_id)
        case.finish(
            by=colleague, seen=case.last_inbound_id, reasons="No question", now=NOW - 90 * DAY
        )
    assert hear("anna-mails", "my bag").assignee == agent
    assert hear("ben", "my bag").assignee is None


def test_who_has_left_the_house_gets_nothing(
    service: Department, agent: User, make_rule: RuleMaker
) -> None:
    """An inactive user gets no new case.

    Fails only if both `_last_handlers` and `_able` no longer check that the user is active.
    """
    make_rule("bag", service, assign="last")
    case = hear()
    case.claim(by=agent)
    case.finish(by=agent, seen=case.last_inbound_id, reasons="No question", now=NOW - 90 * DAY)
    User.objects.filter(pk=agent.pk).update(is_active=False)
    assert hear(text="my bag").assignee is None


def test_the_target_of_department_and_priority_says_when_it_is_due(
    service: Department, sales: Department, make_rule: RuleMaker
) -> None:
    make_rule("bag", service, priority="high")
    make_rule("buy", sales, priority="high")
    ResponseTarget.objects.create(department=service, priority="high", first=90, next=90)
    ResponseTarget.objects.create(department=service, priority="normal", first=480, next=480)
    assert hear("a", "my bag").due_at == NOW + timedelta(hours=1.5)
    assert hear("b", "hello").due_at == NOW + timedelta(hours=8)
    # No target: the reply window of the network is the only deadline.
    assert hear("c", "buy").due_at == NOW + DAY


def test_what_was_answered_is_due_again_when_they_write(service: Department) -> None:
    ResponseTarget.objects.create(department=service, priority="normal", first=480, next=480)
    case = hear()
    count_as_answered(case, at=NOW, seen=case.last_inbound_id, answered_by=None)
    assert case.due_at is None
    assert hear(now=NOW + DAY).due_at == NOW + DAY + timedelta(hours=8)


def test_what_waits_already_keeps_its_hour(service: Department) -> None:
    ResponseTarget.objects.create(department=service, priority="normal", first=480, next=480)
    hear()
    assert hear(now=NOW + DAY).due_at == NOW + timedelta(hours=8)


def test_why_here_and_why_not_there_are_kept(
    service: Department, sales: Department, make_rule: RuleMaker
) -> None:
    first, second, third = make_rule("buy", sales), make_rule("bag", service), make_rule("x", sales)
    event = hear(text="my bag").events.get()
    assert (event.revision, event.kind) == (second.current, Kind.ROUTED)
    assert "bag" in event.why
    why_not = dict(event.data["why_not"])
    assert list(why_not) == [first.name, third.name]
    assert "buy" in why_not["buy"]
    assert why_not["x"] == "“bag” matched first"


def test_without_a_rule_the_fallback_says_so() -> None:
    event = hear().events.get()
    assert (event.revision, event.why) == (
        None,
        "No rule matched, so the case went to the fallback department.",
    )


def test_who_wrote_it_down_is_on_record(agent: User) -> None:
    assert hear(by=agent.pk).events.get().by == agent


# Answers to our responses


@pytest.fixture
def seats(admin: User) -> Issue:
    return Issue.objects.create(name="Seat policy", owner=admin)


def test_an_answer_goes_where_our_response_came_from(sales: Department, seats: Issue) -> None:
    case = hear(hint=Hint(sales.pk, seats.pk, "It answers a statement of this department."))
    assert (case.department, case.issue) == (sales, seats)
    assert case.events.get().why == "It answers a statement of this department."


def test_but_a_rule_knows_better_and_the_issue_is_kept(
    service: Department, sales: Department, seats: Issue, make_rule: RuleMaker
) -> None:
    rule = make_rule("bag", service)
    case = hear(text="my bag", hint=Hint(sales.pk, seats.pk, "an answer"))
    assert (case.department, case.issue) == (service, seats)
    assert case.events.get().revision == rule.current


def test_an_answer_ties_an_open_case_to_the_issue_but_never_to_another(
    sales: Department, seats: Issue, admin: User
) -> None:
    other = Issue.objects.create(name="Other", owner=admin)
    hear()
    assert hear(hint=Hint(sales.pk, seats.pk, "an answer")).issue == seats
    assert hear(hint=Hint(sales.pk, other.pk, "an answer")).issue == seats


# Restricted cases


def test_what_goes_to_a_restricted_department_is_read_there_only(
    legal: Department, agent: User, make_rule: RuleMaker
) -> None:
    """A message that is routed to a restricted department cannot be read by other departments.

    Fails if the conversation of the case is not marked as restricted.
    """
    make_rule("sue", legal)
    hear("anna", "I will sue")
    hear("ben", "hello")
    restricted = Conversation.objects.exclude(restricted_to=None)
    assert [each.key for each in restricted] == ["thread anna"]
    readable = Interaction.objects.readable_by(agent).values_list("text", flat=True)
    assert list(readable) == ["hello"]


def test_a_message_never_opens_a_restricted_text(
    legal: Department, agent: User, service: Department, make_rule: RuleMaker
) -> None:
    """A conversation stays restricted even if its new case belongs to another department.

    The rule for Legal is switched off, so the new case is routed to Customer service, and the
    conversation is then restricted to Customer service. Fails if `restrict` can remove a
    restriction when a message arrives.
    """
    rule = make_rule("sue", legal)
    case = hear("anna", "I will sue")
    case.set_aside(by=agent)
    rule.is_active = False
    rule.save()
    fresh = hear("anna", "hello again", now=NOW + DAY)
    assert (fresh.department, fresh.continues) == (service, case)
    assert Conversation.objects.get().restricted_to == service


def test_reopened_cases_cost_no_statement_each(
    agent: User, django_assert_max_num_queries: Any
) -> None:
    """Reopening many cases takes no additional SQL statement for each case.

    Fails if the notices load the profile and department of each case separately.
    """
    cases = [hear(f"person{n}", thread=f"t{n}") for n in range(8)]
    for case in cases:
        case.claim(by=agent)
        count_as_answered(case, at=NOW, seen=case.last_inbound_id, answered_by=None)
    again = [arrival(f"person{n}", thread=f"t{n}") for n in range(8)]
    with django_assert_max_num_queries(40):
        place(*again, now=NOW + DAY)
    assert Notice.objects.filter(user=agent, kind="reopened").count() == 8


def test_what_joins_a_restricted_case_is_restricted_too(
    legal: Department, make_rule: RuleMaker
) -> None:
    make_rule("sue", legal)
    hear(text="I will sue", thread="one")
    hear(text="are you there?", thread="two")
    assert set(Conversation.objects.values_list("restricted_to", flat=True)) == {legal.pk}


# A case gets no assignee if the proposed assignee cannot work on it


def test_a_rule_that_names_somebody_who_left_gives_it_to_nobody(
    service: Department, make_rule: RuleMaker, agent: User
) -> None:
    """If a rule assigns cases to a user who is inactive, a new case has no assignee.

    Fails without `_able`, because the inactive user then becomes the assignee.
    """
    make_rule("bag", service, assign="person", person=agent)
    agent.is_active = False
    agent.save()
    assert hear(text="my bag").assignee is None


def test_whoever_handled_it_last_elsewhere_does_not_get_what_they_cannot_see(
    service: Department, sales: Department, make_rule: RuleMaker, agent: User
) -> None:
    """If the last handler has no access to the new case's department, the case has no assignee.

    Fails without `_able`, because the last handler then becomes the assignee.
    """
    old = hear(text="first")
    old.claim(by=agent)
    old.finish(by=agent, seen=old.last_inbound_id, reasons="No question", now=NOW)
    make_rule("fares", sales, assign="last")
    later = hear("anna", "fares?", now=NOW + 40 * DAY, thread="another")
    assert (later.department, later.assignee) == (sales, None)


def test_what_reopens_for_somebody_who_left_is_nobodys(agent: User) -> None:
    """If a message reopens a case whose assignee is inactive, the case has no assignee.

    Fails without `_able`, or if `_hear` does not call `_able`, because the inactive assignee then
    remains.
    """
    old = hear()
    old.claim(by=agent)
    old.finish(by=agent, seen=old.last_inbound_id, reasons="No question", now=NOW)
    agent.is_active = False
    agent.save()
    again = hear(now=NOW + DAY)
    assert (again.pk, again.status, again.assignee) == (old.pk, Status.OPEN, None)


def test_a_former_department_does_not_read_on(
    service: Department, legal: Department, make_rule: RuleMaker, agent: User
) -> None:
    """If a conversation continues in another department, the first department cannot read on.

    The conversation continues in a new case of the other department. New messages in the
    conversation are hidden from members of the first department. Fails if `readable_by` also counts
    former cases of the conversation.
    """
    old = hear()
    old.finish(by=agent, seen=old.last_inbound_id, reasons="No question", now=NOW)
    make_rule("lawyer", legal)
    fresh = hear(text="my lawyer writes", now=NOW + 40 * DAY)
    assert (fresh.department, fresh.continues) == (legal, old)
    assert not Interaction.objects.readable_by(agent).filter(pk=fresh.last_inbound_id).exists()


def test_taking_a_case_from_an_old_page_leaves_its_status(agent: User) -> None:
    """If a user takes a case on an old page, the case keeps its current status.

    In this test, a new message arrived after the page was loaded, so the case is open. Fails if the
    claim also writes the status of the old page, because the case then becomes “waiting” again.
    """
    case = hear()
    Case.objects.filter(pk=case.pk).update(status=Status.WAITING)
    case.refresh_from_db()
    hear(now=NOW + DAY)
    case.claim(by=agent)
    case.refresh_from_db()
    assert case.status == Status.OPEN
