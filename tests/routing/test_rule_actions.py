"""What routing rules do beside choosing the department: tags, issues, notices, noise, recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.ledger import Entry, record
from crm.models import Department, Notice, Profile, User
from responses.models import Gap, RecordCheck
from responses.record_check.run import check_record
from routing.intake import Arrival, Hint, take_in
from routing.models import Case, CaseEvent, Issue, RecordedOnly, RoutingRule
from routing.rules import Facts
from routing.unanswered import unanswered
from scrm.channels.base import Author

As = Callable[[User], Client]
Hear = Callable[..., Case | None]
pytestmark = pytest.mark.django_db


@pytest.fixture
def make(admin: User) -> Callable[..., RoutingRule]:
    def build(name: str, word: str = "", **does: Any) -> RoutingRule:
        leaf = {"field": "text", "op": "contains", "value": word}
        rule = RoutingRule.objects.create(name=name, owner=admin)
        does = {"department": None} | does
        rule.revise(conditions={"all": [leaf] if word else []}, by=admin, **does)
        return rule

    return build


def arrive(text: str, key: str, who: str, now: datetime, thread: str = "", **more: Any) -> Arrival:
    author = Author("x", who, f"@{who}", name=who.title())
    entry = Entry(
        scope="x",
        key=key,
        author=author,
        channel="x",
        kind="post",
        visibility="public",
        text=text,
        in_reply_to=thread,
        thread_key=thread,
    )
    row = record([entry], now=now)[0]
    return Arrival(
        interaction=row.interaction, conversation=row.conversation, profile=row.profile or 0,
        contact=None, said_at=now, facts=Facts(text=text), **more,
    )  # fmt: skip


@pytest.fixture
def hear() -> Hear:
    def say(text: str, key: str = "1", who: str = "tom", **more: Any) -> Case | None:
        now = timezone.now()
        arrival = arrive(text, key, who, now, **more)
        placed = take_in([arrival], now=now)
        return Case.objects.filter(pk=placed.get(arrival.interaction, 0)).first()

    return say


def test_rules_that_always_run_add_to_what_the_first_match_decides(
    make: Any, hear: Hear, service: Department, sales: Department, agent: User, lead: User
) -> None:
    issue = Issue.objects.create(name="Strike", owner=lead)
    make("To sales", "buy", department=sales, tags=("shop",))
    make("Influencers", "buy", always=True, tags=("influencer",), priority="high")
    make("Strike", "strike", always=True, issue=issue, notify_leads=True, priority="")
    make("Rest", department=service)
    case = hear("May I buy a seat?")
    assert case
    assert (case.department, case.priority, case.tags) == (sales, "high", ["influencer", "shop"])
    case = hear("Is there a strike?", "2", "ann")
    assert case
    assert (case.department, case.issue) == (service, issue)
    assert Notice.objects.get(kind=Notice.Kind.RULE).user == lead


def test_every_effect_is_stored_with_the_rule_that_caused_it(
    make: Any, hear: Hear, service: Department
) -> None:
    make("Influencers", "seat", always=True, tags=("influencer",), priority="high")
    make("Rest", department=service)
    case = hear("A seat, please")
    event = CaseEvent.objects.get(case=case)
    assert [row[:3] for row in event.data["effects"]] == [
        ["priority", "Influencers", "text contains “seat”"],
        ["tags", "Influencers", "text contains “seat”"],
        ["department", "Rest", "This rule always matches."],
        ["priority", "Rest", "This rule always matches."],
    ]


def test_what_a_rule_only_records_opens_no_case_and_says_so(
    make: Any, hear: Hear, service: Department, as_: As, admin: User
) -> None:
    """It is in the timeline of the contact with the name of the rule, and counted at the rule."""
    rule = make("Thanks", "thanks", outcome="record")
    assert hear("Many thanks!") is None
    assert not Case.objects.exists()
    kept = RecordedOnly.objects.get()
    assert (kept.revision, kept.why) == (rule.current, "text contains “thanks”")
    profile = Profile.objects.get()
    page = as_(admin).get(profile.get_absolute_url()).content.decode()
    assert "recorded only, by rule “Thanks”" in page
    assert "1 recorded in 30 days" in as_(admin).get("/rules/").content.decode()


def test_the_record_check_reports_no_gap_for_what_a_rule_only_records(
    make: Any, hear: Hear, service: Department
) -> None:
    """The decision makes the difference; it stays when a rule of the sample is removed."""
    make("Thanks", "thanks", outcome="record")
    hear("Many thanks!")
    check_record(RecordCheck.objects.create())
    assert not Gap.objects.filter(check_key="in_case").exists()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM routing_itemdecision")
        cursor.execute("SET session_replication_role = origin")
    check_record(RecordCheck.objects.create())
    assert Gap.objects.filter(check_key="in_case").count() == 1


def test_thanks_in_the_conversation_of_an_open_case_stay_in_that_case(
    make: Any, hear: Hear, service: Department
) -> None:
    """Fails if a rule that records only applies to a message of an open case.

    The word is none that intake takes for thanks before any rule runs.
    """
    make("Thanks", "grateful", outcome="record")
    make("Rest", department=service)
    now = timezone.now()
    first = arrive("My bag is lost", "1", "tom", now)
    case = take_in([first], now=now)[first.interaction]
    second = arrive("So grateful", "2", "tom", now)
    same = replace(second, conversation=first.conversation)
    assert take_in([same], now=now) == {second.interaction: case}


def test_a_rule_can_set_aside(make: Any, hear: Hear, service: Department) -> None:
    make("Spam", "casino", department=service, outcome="aside")
    case = hear("Best casino")
    assert case
    assert case.status == "noise"
    assert case.due_at is None


def test_a_message_after_one_that_was_set_aside_opens_a_case_of_its_own(
    make: Any, service: Department
) -> None:
    """Both arrive in one batch. Fails if the second joins the noise and is seen by nobody."""
    make("Spam", "casino", department=service, outcome="aside")
    now = timezone.now()
    spam, real = arrive("Best casino", "1", "tom", now), arrive("My bag is lost", "2", "tom", now)
    placed = take_in([spam, real], now=now)
    assert placed[spam.interaction] != placed[real.interaction]
    assert Case.objects.get(pk=placed[real.interaction]).status == "new"


@pytest.mark.parametrize(("text", "status"), [("My bag is lost", "new"), ("casino!", "noise")])
def test_two_messages_of_one_conversation_arrive_with_the_first_set_aside(
    make: Any, service: Department, text: str, status: str
) -> None:
    """Fails if the batch breaks because the case of the first has no key yet."""
    make("Spam", "casino", department=service, outcome="aside")
    now = timezone.now()
    spam = arrive("Best casino", "1", "tom", now)
    second = replace(arrive(text, "2", "tom", now), conversation=spam.conversation)
    take_in([spam, second], now=now)
    assert Case.objects.get().status == status


def test_what_was_only_recorded_waits_for_no_answer_later(
    make: Any, hear: Hear, service: Department
) -> None:
    """Fails if the new case is due from the time of the message that needed no answer."""
    make("Thanks", "grateful", outcome="record")
    make("Rest", department=service)
    before = timezone.now() - timedelta(days=7)
    first = arrive("So grateful", "1", "tom", before)
    assert take_in([first], now=before) == {}
    now = timezone.now()
    second = arrive("My bag is lost", "2", "tom", now, thread="1")
    assert second.conversation == first.conversation
    case = take_in([second], now=now)[second.interaction]
    assert list(unanswered([case]).values_list("pk", flat=True)) == [second.interaction]


def test_a_rule_notifies_each_user_once_about_a_case(
    make: Any, hear: Hear, service: Department, lead: User
) -> None:
    make("All", always=True, notify_leads=True)
    now = timezone.now()
    first = arrive("My bag is lost", "1", "tom", now)
    take_in([first], now=now)
    again = replace(arrive("Hello?", "2", "tom", now), conversation=first.conversation)
    take_in([again], now=now)
    assert Case.objects.count() == 1
    assert Notice.objects.filter(kind=Notice.Kind.RULE, user=lead).count() == 1


def test_an_answer_to_an_archived_department_goes_to_the_fallback_department(
    hear: Hear, service: Department, sales: Department
) -> None:
    hint = Hint(sales.pk, None, "It answers a post of Sales.")
    case = hear("And my seat?", hint=hint)
    assert case
    assert case.department == sales
    Department.objects.filter(pk=sales.pk).update(archived_at=timezone.now())
    case = hear("And my bag?", "2", "ann", hint=hint)
    assert case
    assert case.department == service


def test_what_a_user_logs_opens_a_case_although_a_rule_only_records(
    make: Any, hear: Hear, service: Department, agent: User
) -> None:
    make("Nothing", outcome="record")
    case = hear("Called about a bag", by=agent.pk)
    assert case
    assert case.department == service


def test_a_closed_issue_takes_no_new_cases(
    make: Any, hear: Hear, service: Department, lead: User
) -> None:
    issue = Issue.objects.create(name="Strike", owner=lead)
    make("Strike", always=True, issue=issue)
    Issue.objects.filter(pk=issue.pk).update(closed_at=timezone.now())
    case = hear("Is there a strike?")
    assert case
    assert case.issue is None


def test_the_form_of_a_rule_saves_every_action(
    as_: As, admin: User, agent: User, service: Department, lead: User
) -> None:
    issue = Issue.objects.create(name="Strike", owner=lead)
    typed = {
        "name": "Influencers", "owner": admin.pk, "always": "on", "tags": "influencer",
        "issue": issue.pk, "notify": [agent.pk], "notify_leads": "on", "priority": "",
        "cond-0-field": "reach", "cond-0-op": "", "cond-0-value": "1000",
    }  # fmt: skip
    assert as_(admin).post("/rules/new/", typed).status_code == 302
    rule = RoutingRule.objects.get()
    assert rule.current
    saved = rule.current
    assert (saved.always, saved.department, saved.notify_leads) == (True, None, True)
    assert (saved.issue, saved.notify, saved.priority) == (issue, [agent.pk], "")
    page = as_(admin).get("/rules/").content.decode()
    assert "Always run, in this order" in page
    assert f"notify {agent}" in page
    page = as_(admin).get(rule.get_absolute_url()).content.decode()
    assert f'<option value="{agent.pk}" selected>' in page


def test_a_rule_that_opens_a_case_needs_a_department_and_others_do_not(
    as_: As, admin: User, service: Department
) -> None:
    typed = {"name": "Thanks", "owner": admin.pk, "outcome": "case", "priority": "normal"}
    page = as_(admin).post("/rules/new/", typed)
    assert page.status_code == 422
    assert "Choose the department that gets the case." in page.content.decode()
    assert as_(admin).post("/rules/new/", typed | {"outcome": "record"}).status_code == 302


def test_rules_move_among_their_own_kind(
    as_: As, make: Any, admin: User, service: Department
) -> None:
    deciding = make("Rest", department=service)
    one, two = make("One", always=True), make("Two", always=True)
    as_(admin).post(f"/rules/{two.pk}/move/", {"to": "up"})
    as_(admin).post(f"/rules/{deciding.pk}/move/", {"to": "up"})
    assert list(RoutingRule.objects.all()) == [two, one, deciding]


def test_many_arrivals_take_as_many_statements_as_one(
    make: Any, service: Department, lead: User
) -> None:
    make("All", always=True, notify_leads=True, tags=("a",), priority="high")
    make("Rest", department=service)
    now = timezone.now()
    take_in([arrive("warm up", "0", "zoe", now)], now=now)
    one = [arrive("hello", "1", "tom", now)]
    many = [arrive("hello", f"m{number}", f"p{number}", now) for number in range(12)]
    with CaptureQueriesContext(connection) as few:
        take_in(one, now=now)
    with CaptureQueriesContext(connection) as more:
        take_in(many, now=now)
    assert len(more) <= len(few) + 1
