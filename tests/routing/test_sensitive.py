"""Sensitive cases: pinned, urgent, told to whoever is on call, with a procedure and a deadline."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.ledger import Entry, record
from crm.models import Department, Notice, User
from listening import matching, sensitive_topics
from listening.matching import TopicQuery
from listening.models import Topic
from listening.sensitive_topics import DEFAULT_TOPICS
from listening.sensitivity import Sensitivity
from listening.topic_hits import FoundTopic
from routing.intake import Arrival, take_in
from routing.models import Case, Procedure, RoutingRule
from routing.rules import Facts
from routing.statutory import announce_deadlines
from scrm.channels.base import Author

As = Callable[[User], Client]
Hear = Callable[..., Case]
DESK = {"HX-Request": "true", "HX-Target": "open"}


@pytest.fixture
def hear(service: Department) -> Hear:
    """Return a function that records and routes an item with topics of these kinds."""

    def heard(
        text: str, *kinds: str, by: str = "ron", at: datetime | None = None, case: int | None = None
    ) -> Case:
        at = at or timezone.now()
        author = Author("x", by, name=by.title())
        row = record(
            [Entry("x", uuid.uuid4().hex, author, "x", "message", "private", text)], now=at
        )[0]
        found = tuple(
            FoundTopic(kind or "Brand", number, number, [], sensitivity=kind)
            for number, kind in enumerate(kinds)
        )
        arrival = Arrival(
            row.interaction, row.conversation, row.profile or 0, None, at, Facts(text=text),
            topics=found, case=case,
        )  # fmt: skip
        return Case.objects.get(pk=take_in([arrival], now=at)[row.interaction])

    return heard


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


@pytest.mark.parametrize("kind", Sensitivity.values)
def test_the_default_topics_match_their_examples_only(kind: str) -> None:
    default = DEFAULT_TOPICS[Sensitivity(kind)]
    matcher = matching.compile([TopicQuery(1, default.any_of, (), default.none_of)])
    assert [text for text in default.matches if not matcher.match("", text)] == []
    assert [text for text in default.does_not_match if matcher.match("", text)] == []


def test_creating_the_default_topics_twice_creates_each_once(admin: User) -> None:
    sensitive_topics.create_default_topics(admin)
    names = Topic.objects.values_list("name", flat=True)
    assert sensitive_topics.create_default_topics(admin, except_names=names) == []
    assert sensitive_topics.missing() == []


def test_a_safeguarding_case_is_pinned_and_notifies_the_person_on_call(
    hear: Hear, as_: As, agent: User, lead: User, teammate: User
) -> None:
    """It comes last and is listed first. Fails if it waits in the list like any other message."""
    Procedure.objects.create(kind="safeguarding", text="Call 112.", on_call=teammate)
    others = [hear("Where is my bag?", "", by=f"person-{number}") for number in range(3)]
    case = hear("I can't go on", "safeguarding")
    assert (case.sensitive, case.priority) == ("safeguarding", "urgent")
    notice = Notice.objects.get(kind="sensitive")
    assert (notice.user, notice.url) == (teammate, case.get_absolute_url())
    listed = html(as_(agent).get("/?view=unassigned"))
    places = [listed.index(f'id="row-{each.pk}"') for each in (case, *others)]
    assert min(places) == places[0]
    assert listed.count(f'id="row-{case.pk}"') == 1
    page = html(as_(agent).get(case.get_absolute_url()))
    assert "Sensitive: Safeguarding" in page
    assert "Call 112." in page


def test_without_a_person_on_call_the_team_leads_are_told(hear: Hear, lead: User) -> None:
    hear("You will hear from my lawyer", "legal")
    assert Notice.objects.get(kind="sensitive").user == lead


def test_a_case_that_becomes_sensitive_later_is_marked_and_told_once(
    hear: Hear, lead: User
) -> None:
    case = hear("Where is my bag?", "")
    assert case.sensitive == ""
    hear("Then you hear from my lawyer", "legal")
    hear("My lawyer, I said", "legal")
    marked = Case.objects.exclude(sensitive="").get()
    assert (marked.sensitive, marked.priority) == ("legal", "urgent")
    assert Notice.objects.filter(kind="sensitive").count() == 1


def test_the_more_serious_kind_wins_and_is_told_again(hear: Hear, lead: User) -> None:
    hear("My lawyer will write", "legal")
    hear("I want to die", "safeguarding", "legal")
    hear("My lawyer again", "legal")
    assert Case.objects.exclude(sensitive="").get().sensitive == "safeguarding"
    assert Notice.objects.filter(kind="sensitive").count() == 2


def test_a_data_request_is_due_after_thirty_calendar_days_beside_the_target(
    hear: Hear, as_: As, agent: User
) -> None:
    at = timezone.now()
    case = hear("Delete my data", "data request", at=at)
    due = timezone.localdate(case.statutory_due_at)
    assert due == timezone.localdate(at) + timedelta(days=30)
    hear("Delete my data!!", "data request", at=at + timedelta(days=2))
    case.refresh_from_db()
    assert timezone.localdate(case.statutory_due_at) == due, "chasing moves it back"
    page = html(as_(agent).get(case.get_absolute_url()))
    assert "30 calendar days left" in page


def test_bulk_leaves_sensitive_cases_out_and_names_them(hear: Hear, as_: As, agent: User) -> None:
    sensitive, plain = hear("I want to die", "safeguarding"), hear("Hello", "", by="bo")
    shown = [f"{case.pk}:{case.last_inbound_id}:0" for case in (sensitive, plain)]
    typed = {"verb": "done", "reason": "Thanks", "case": shown, "form": str(uuid.uuid4())}
    said = html(as_(agent).post("/bulk/", typed, headers=DESK))
    assert f"#{sensitive.pk}:" in said
    assert "This case is sensitive" in said
    assert [Case.objects.get(pk=case.pk).status for case in (sensitive, plain)] == ["new", "done"]


def test_an_admin_edits_the_procedure_and_ships_missing_topics(
    as_: As, admin: User, teammate: User
) -> None:
    client = as_(admin)
    typed = {"text": "Ask Legal.", "on_call": teammate.pk, "days": "14"}
    client.post("/sensitive/data-request/", typed)
    stored = Procedure.objects.of("data request")
    assert (stored.text, stored.on_call, stored.days) == ("Ask Legal.", teammate, 14)
    client.post("/sensitive/topics/")
    assert sensitive_topics.missing() == []
    assert "Safeguarding" in html(client.get("/sensitive/"))


@pytest.mark.parametrize("days", ["0", "-1", "367", "x"])
def test_an_impossible_deadline_is_refused(as_: As, admin: User, days: str) -> None:
    typed = {"text": "Ask Legal.", "on_call": "", "days": days}
    assert as_(admin).post("/sensitive/legal/", typed).status_code == 422


def test_a_message_of_two_kinds_keeps_the_deadline_of_the_less_serious_one(hear: Hear) -> None:
    """Fails on the old behaviour: only the legal kind counted, which has no deadline."""
    case = hear("Delete my data or you hear from my lawyer", "data request", "legal")
    assert case.sensitive == "legal"
    assert case.statutory_due_at is not None


def test_a_new_request_after_done_gets_a_deadline_of_its_own(hear: Hear, agent: User) -> None:
    now = timezone.now()
    case = hear("Delete my data", "data request", at=now - timedelta(days=40))
    Case.objects.filter(pk=case.pk).update(status="done", done_at=now - timedelta(days=1))
    again = hear("Send me my data", "data request", at=now, case=case.pk)
    assert again.pk == case.pk
    assert again.statutory_due_at is not None
    assert again.statutory_due_at > now


@pytest.mark.parametrize("status", ["done", "waiting", "snoozed"])
def test_the_person_on_call_is_told_again_when_a_quiet_case_comes_back(
    hear: Hear, lead: User, status: str
) -> None:
    case = hear("I want to die", "safeguarding")
    Case.objects.filter(pk=case.pk).update(status=status, done_at=timezone.now())
    again = hear("I want to die", "safeguarding", case=case.pk)
    assert again.pk == case.pk
    assert Notice.objects.filter(kind="sensitive").count() == 2


def test_no_rule_keeps_a_sensitive_message_without_a_case(
    hear: Hear, service: Department, admin: User, lead: User
) -> None:
    """Fails on the old behaviour: the message was only recorded, and nobody was told."""
    rule = RoutingRule.objects.create(name="Record", owner=admin)
    says = {"field": "text", "op": "contains", "value": "go on"}
    rule.revise(conditions={"all": [says]}, department=service, by=admin, outcome="record")
    assert hear("I can't go on", "safeguarding").sensitive == "safeguarding"
    assert Notice.objects.filter(kind="sensitive").exists()


def test_a_brand_topic_that_is_sensitive_gives_a_bystander_a_case(
    service: Department, lead: User
) -> None:
    """A brand topic alone leaves a reply in the stack below the case. Fails if that also hides a
    person in danger.
    """
    at = timezone.now()

    def post(key: str, who: str, text: str, answers: str, *kinds: str) -> Case:
        entry = Entry(
            "x", key, Author("x", who), "x", "post", "public", text,
            in_reply_to=answers, thread_key="tom-1", occurred_at=at,
        )  # fmt: skip
        row = record([entry], now=at)[0]
        topics = tuple(FoundTopic("Us", 1, 1, [], True, sensitivity=kind) for kind in kinds)
        known = Facts(text=text, visibility="public", stance="about us")
        arrival = Arrival(
            row.interaction, row.conversation, row.profile or 0, None, at, known, topics=topics
        )
        return Case.objects.get(pk=take_in([arrival], now=at)[row.interaction])

    tom = post("tom-1", "tom", "You lost my bag", "")
    assert post("ann-1", "ann", "haha", "tom-1", "") == tom
    own = post("bob-1", "bob", "I can't go on", "tom-1", "safeguarding")
    assert own != tom
    assert (own.profile.key, own.sensitive, own.status) == ("bob", "safeguarding", "new")
    assert Notice.objects.get(kind="sensitive").about == own.as_subject.key


def test_while_the_person_on_call_is_away_the_leads_are_told(
    hear: Hear, lead: User, teammate: User
) -> None:
    teammate.back_on = timezone.localdate() + timedelta(days=3)
    teammate.save()
    Procedure.objects.create(kind="legal", text="Ask.", on_call=teammate)
    hear("My lawyer will write", "legal")
    assert Notice.objects.get(kind="sensitive").user == lead


def test_if_everybody_is_away_the_person_on_call_is_told_nevertheless(
    hear: Hear, teammate: User
) -> None:
    User.objects.update(back_on=timezone.localdate() + timedelta(days=3))
    teammate.refresh_from_db()
    Procedure.objects.create(kind="legal", text="Ask.", on_call=teammate)
    hear("My lawyer will write", "legal")
    assert Notice.objects.get(kind="sensitive").user == teammate


def test_a_person_on_call_who_may_not_see_the_case_is_not_told(
    hear: Hear, lead: User, outsider: User
) -> None:
    Procedure.objects.create(kind="legal", text="Ask.", on_call=outsider)
    hear("My lawyer will write", "legal")
    assert Notice.objects.get(kind="sensitive").user == lead


@pytest.mark.parametrize(("days", "kind"), [(7, "due soon"), (1, "due soon"), (-1, "overdue")])
def test_a_deadline_by_law_is_announced_once_a_stage(
    hear: Hear, lead: User, days: int, kind: str
) -> None:
    """Fails on the old behaviour: a deadline passed without a word, once the case waited."""
    case = hear("Delete my data", "data request")
    Case.objects.filter(pk=case.pk).update(status="waiting")
    assert case.statutory_due_at is not None
    now = case.statutory_due_at - timedelta(days=days) + timedelta(minutes=1)
    announce_deadlines(now=now)
    announce_deadlines(now=now + timedelta(minutes=1))
    notice = Notice.objects.get(kind=kind)
    assert notice.user == lead
    assert "statutory deadline" in notice.text.lower()


def test_a_deadline_is_not_announced_early_or_after_done(hear: Hear, lead: User) -> None:
    case = hear("Delete my data", "data request")
    assert case.statutory_due_at is not None
    announce_deadlines(now=case.statutory_due_at - timedelta(days=8))
    Case.objects.filter(pk=case.pk).update(status="done", done_at=timezone.now())
    announce_deadlines(now=case.statutory_due_at)
    assert not Notice.objects.filter(kind__in=["due soon", "overdue"]).exists()


def test_the_list_and_done_name_the_deadline(hear: Hear, as_: As, agent: User) -> None:
    case = hear("Delete my data", "data request")
    listed = html(as_(agent).get("/?view=unassigned"))
    assert f"{case.statutory_due_at:%Y-%m-%d}" in listed
    page = html(as_(agent).get(case.get_absolute_url()))
    assert "This case has a statutory deadline" in page


def test_the_most_serious_and_then_the_oldest_case_stands_first(
    hear: Hear, as_: As, agent: User
) -> None:
    """Fails on the old behaviour: the pinned cases stood in no order."""
    now = timezone.now()
    legal = hear("My lawyer", "legal", by="a", at=now - timedelta(hours=3))
    young = hear("I can't go on", "safeguarding", by="b", at=now - timedelta(hours=1))
    old = hear("I can't go on", "safeguarding", by="c", at=now - timedelta(hours=2))
    listed = html(as_(agent).get("/?view=unassigned"))
    places = [listed.index(f'id="row-{case.pk}"') for case in (old, young, legal)]
    assert places == sorted(places)
