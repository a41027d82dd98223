"""Routing facts are built in one place, so that a trial of the rules gives the original result.

A trial tests the current rules on an existing case.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from crm.models import Contact, Department, Interaction, Profile, User
from crm.offline_kinds import OFFLINE_KINDS
from listening.fetch import store
from listening.models import Match, Mention, Source, Topic
from listening.topic_hits import current_matcher
from routing.facts import as_stored, to_store
from routing.models import Case, CaseEvent, RoutingRule
from routing.offline import record
from routing.offline.record import OfflineContact
from routing.rule_trial import rebuild, try_rules
from routing.rules import KINDS
from scrm.batch import process_or_halve
from scrm.channels.base import Author, Item

pytestmark = pytest.mark.django_db
NET = "sandbox.microblog"
_numbers = itertools.count(1)

words = st.lists(st.sampled_from(["bag", "seat", "Leeds", "hello", "Ron", "ß"]), max_size=4).map(
    " ".join
)
kinds_of_contact = st.sampled_from(["", "press", "customer"])
mails, phones = st.sampled_from(["", "ron@calder.example"]), st.sampled_from(["", "+12125550100"])
conditions = st.one_of(
    st.builds(
        lambda field, op, value: {"field": field, "op": op, "value": value},
        st.sampled_from(["text", "handle"]),
        st.sampled_from(["contains", "does not contain", "is"]),
        st.sampled_from(["bag", "leeds", "fair", "ron", "@anna", "name:", "555", "calder"]),
    ),
    st.builds(
        lambda field, value: {"field": field, "op": "is", "value": value},
        st.sampled_from(["channel", "network", "source", "language", "contact_kind"]),
        st.sampled_from(
            ["manual", "sandbox", "offline", NET, "phone", "one", "two", "en", "press"]
        ),
    ),
    st.builds(
        lambda op, value: {"field": "topics", "op": op, "value": [value]},
        st.sampled_from(["has any", "has none"]),
        st.sampled_from(["Bags", "Seats"]),
    ),
    st.sampled_from(
        [
            *({"field": "kind", "op": "is", "value": kind} for kind in KINDS),
            *({"field": "stance", "op": "is", "value": x} for x in ("for us", "offline")),
            {"field": "visibility", "op": "is", "value": "private"},
            {"field": "reach", "op": "at least", "value": 1000},
            {"field": "known", "op": "is", "value": True},
        ]
    ),
)


def house(rules: list[dict[str, Any]]) -> User:
    """Create two topics, a fallback department, and one department and one rule for each condition.

    Every second rule assigns its cases to a user. The function returns this user.
    """
    owner = User.objects.create_user("owner@scrm.example", role="admin")
    Department.objects.create(name="Fallback", owner=owner, is_fallback=True)
    for name, word in (("Bags", "bag"), ("Seats", "seat")):
        topic = Topic.objects.create(name=name, owner=owner)
        topic.revise(any_of=[word], all_of=[], none_of=[], by=owner)
    for number, condition in enumerate(rules):
        rule = RoutingRule.objects.create(name=f"Rule {number}", owner=owner, position=number)
        where = Department.objects.create(name=f"Department {number}", owner=owner)
        rule.revise(
            conditions={"all": [condition]},
            department=where,
            by=owner,
            assign="person" if number % 2 else "nobody",
            person=owner if number % 2 else None,
            priority=("urgent", "low")[number % 2],
            tags=(f"tag {number}",),
        )
    return owner


def befriend(network: str, key: str, kind: str) -> Profile:
    profile = Profile.objects.create(network=network, key=key, handle=f"@{key}", name=key)
    if kind:
        contact = Contact.objects.create(name=key, kind=kind)
        profile.link_to(contact, by=None, evidence="says so")
    return profile


def process() -> None:
    process_or_halve(Mention.objects.claim_batch(now=timezone.now(), lease=timedelta(seconds=60)))


def assert_trial_says_what_was_recorded(case: Case) -> None:
    routed = case.events.get(kind=CaseEvent.Kind.ROUTED)
    trial = try_rules(case)
    assert trial
    verdict = trial.verdict
    assert (trial.department, verdict.revision) == (case.department, routed.revision_id)
    assert (verdict.person, verdict.priority) == (case.assignee_id, case.priority)
    assert list(verdict.tags) == case.tags
    assert verdict.why == routed.why
    assert [list(pair) for pair in verdict.why_not] == routed.data["why_not"]
    assert_facts_are_stored_as_they_are_built(routed)


def assert_facts_are_stored_as_they_are_built(routed: CaseEvent) -> None:
    said = routed.interaction
    assert said
    assert said.profile
    built, topics = rebuild(said, said.profile, routed.at)
    assert routed.facts == to_store(built, topics)
    assert as_stored(built, routed.facts, topics=built.topics) == built


@pytest.mark.slow
class TrialAndRouting(TestCase):
    """For any rules and items, a trial on a recorded case gives the result that was recorded.

    Fails if the title is missing in the recorded facts. Fails also if a trial uses a source that
    found the item only after the case was routed.
    """

    @settings(max_examples=50)
    @given(
        rules=st.lists(conditions, min_size=1, max_size=4),
        stances=st.lists(st.sampled_from(["for us", "about us"]), min_size=1, max_size=2),
        contact_kind=kinds_of_contact,
        facts=st.fixed_dictionaries(
            {
                "title": words,
                "text": words,
                "language": st.sampled_from(["", "en"]),
                "kind": st.sampled_from(["post", "comment", "message"]),
                "visibility": st.sampled_from(["public", "private"]),
            }
        ),
        reach=st.sampled_from([None, 1, 5000]),
    )
    def test_agree_on_what_is_heard_online(
        self,
        rules: list[dict[str, Any]],
        stances: list[str],
        contact_kind: str,
        facts: dict[str, Any],
        reach: int | None,
    ) -> None:
        owner = house(rules)
        key = f"anna{next(_numbers)}"
        befriend(NET, key, contact_kind)
        author = Author(NET, key, handle=f"@{key}", reach=reach)
        item = Item(scope=NET, key=key, author=author, occurred_at=timezone.now(), **facts)
        for name, stance in zip(("one", "two"), stances, strict=False):
            source = Source.objects.create(
                kind="sandbox", address=name, name=name, owner=owner, stance=stance
            )
            store(source.fetches.create(), source, [item], now=timezone.now())
        process()
        assert Case.objects.exists() or "for us" not in stances
        for case in Case.objects.all():
            assert_trial_says_what_was_recorded(case)
        late = Source.objects.create(
            kind="sandbox", address="late", name="aa", owner=owner, stance="for us"
        )
        store(late.fetches.create(), late, [item], now=timezone.now() + timedelta(seconds=9))
        for case in Case.objects.all():
            assert_trial_says_what_was_recorded(case)

    @settings(max_examples=50)
    @given(
        rules=st.lists(conditions, min_size=1, max_size=4),
        known=st.sampled_from(["no", "profile", "contact"]),
        contact_kind=kinds_of_contact,
        facts=st.fixed_dictionaries(
            {
                "kind": st.sampled_from(list(OFFLINE_KINDS)),
                "title": st.sampled_from(["", "Fair in Leeds", "Which seat?"]),
                "text": words.filter(bool),
                "name": st.sampled_from(["", "Ron Calder", "Leeds"]),
                "phone": phones,
                "mail": mails,
            }
        ),
    )
    def test_agree_on_what_is_written_down(
        self, rules: list[dict[str, Any]], known: str, contact_kind: str, facts: dict[str, Any]
    ) -> None:
        owner = house(rules)
        who: dict[str, Any] = {}
        if known == "profile":
            who["profile"] = befriend(NET, "known", contact_kind)
        elif known == "contact":
            who["contact"] = Contact.objects.create(name="Known", kind=contact_kind or "customer")
        case = record.log(OfflineContact(form=uuid.uuid4(), **facts, **who), by=owner)
        assert_trial_says_what_was_recorded(case)


def voice(title: str, text: str = "Nice people") -> OfflineContact:
    return OfflineContact(form=uuid.uuid4(), kind="event", title=title, text=text)


def test_a_rule_on_an_events_title_applies_to_the_fair_in_leeds(
    service: Department, sales: Department, admin: User
) -> None:
    """A routing rule on the text also applies to the title of an offline event.

    Fails if routing uses the text without the title, while a trial of the rules uses both.
    """
    rule = RoutingRule.objects.create(name="Leeds", owner=admin)
    leaf = {"field": "text", "op": "contains", "value": "Fair in Leeds"}
    rule.revise(conditions={"all": [leaf]}, department=sales, by=admin)
    case = record.log(voice("Fair in Leeds"), by=admin)
    other = record.log(voice("Fair in York"), by=admin)
    assert (case.department, other.department) == (sales, service)
    assert_trial_says_what_was_recorded(case)
    assert_trial_says_what_was_recorded(other)


# Topics of offline items


@pytest.fixture
def call(brand_rule: RoutingRule, agent: User) -> Case:
    offline_contact = OfflineContact(
        form=uuid.uuid4(), kind="call", text="My bag is lost. Skyward!", phone="+12125550100"
    )
    return record.log(offline_contact, by=agent)


def test_a_call_hits_topics_and_is_routed_by_them(
    call: Case, brand: Topic, brand_rule: RoutingRule
) -> None:
    """The text of a call is matched with the topics, and a rule on a topic routes the call.

    Fails if the text of a call is not matched with the topics.
    """
    event = call.events.get()
    assert event.revision == brand_rule.current
    assert [topic["topic"] for topic in event.facts["topics"]] == [brand.pk]
    assert call.priority == "high"


def test_the_topic_of_a_call_is_marked_and_found(
    call: Case, brand: Topic, agent: User, as_: Callable[[User], Client]
) -> None:
    """The case of a call shows the topic of the call under “Routing reason”, and so does the list.

    The filter by topic finds the case. Fails if the matches of a call are not stored.
    """
    record.log(OfflineContact(form=uuid.uuid4(), kind="call", text="Another matter"), by=agent)
    page = as_(agent).get(call.get_absolute_url())
    assert "<mark>Skyward</mark>" in page.content.decode()
    assert page.context["why"].topics == [brand.current]
    inbox = as_(agent).get(reverse("routing:inbox"), {"view": "all", "topic": brand.pk})
    link = f'href="/?view=all&amp;topic={brand.pk}"'
    assert link in as_(agent).get(brand.get_absolute_url()).content.decode()
    rows = inbox.context["rows"]
    assert [row.case for row in rows] == [call]
    assert rows[0].topics == ("Brand",)
    assert "<mark>Skyward</mark>" in rows[0].snippet


def test_the_same_call_logged_twice_is_matched_once(call: Case, brand: Topic, agent: User) -> None:
    said = Interaction.objects.get()
    form = uuid.UUID(said.key)
    again = OfflineContact(
        form=form, kind="call", text="My bag is lost. Skyward!", phone="+12125550100"
    )
    assert record.log(again, by=agent) == call
    assert Match.objects.get().interaction == said


def test_statements_do_not_depend_on_the_number_of_answers(
    brand_rule: RoutingRule, agent: User
) -> None:
    current_matcher()  # build the matcher before SQL statements are counted
    counts = []
    for size in (2, 20, 200):
        answers = [
            OfflineContact(
                form=uuid.uuid4(),
                kind="survey answer",
                text=f"Skyward, {size} {number}",
                mail=f"{size}-{number}@guests.example",
            )
            for number in range(size)
        ]
        with CaptureQueriesContext(connection) as statements:
            record.log_all(answers, by=agent)
        counts.append(len(statements))
    assert len(set(counts)) == 1
    assert Match.objects.count() == 222


def test_a_hit_that_a_topic_no_longer_has_does_not_count_when_it_is_recorded(
    brand: Topic, brand_rule: RoutingRule, admin: User, make_source: Callable[..., Source]
) -> None:
    """A match counts only if the current revision of its topic matches too.

    The mention belongs to the backlog, so it is first matched without opening a case. The topic is
    then revised, and a user lets the mention open a case. Fails if a trial of the rules counts all
    matches of the mention.
    """
    source = make_source(kind="sandbox", address="search", stance="for us")
    author = Author(NET, "anna", handle="@anna")
    past = timezone.now() - timedelta(days=9)
    item = Item(scope=NET, key="1", author=author, text="Skyward", occurred_at=past)
    store(source.fetches.create(), source, [item], now=timezone.now())
    process()
    assert Match.objects.get().interaction is None
    brand.revise(any_of=["else"], all_of=[], none_of=[], by=admin)
    Mention.objects.backlog_of(source).bring_in()
    process()
    assert Case.objects.get().events.get().facts["topics"] == []
    assert_trial_says_what_was_recorded(Case.objects.get())


def rule_on(field: str, value: str, *, department: Department, by: User) -> RoutingRule:
    rule = RoutingRule.objects.create(name=f"{field} {value}", owner=by)
    leaf = {"field": field, "op": "is", "value": value}
    rule.revise(
        conditions={"all": [leaf]},
        department=department,
        by=by,
        assign="person",
        person=by,
        priority="high",
        tags=("tried",),
    )
    return rule


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_tried_as_it_was_routed(
    kind: str, service: Department, sales: Department, admin: User, make_source: Any
) -> None:
    """For each kind of interaction, a trial of the rules gives the result that was recorded.

    Interactions of online kinds and of offline kinds are recorded by different code. Fails if one
    of these ways of recording leaves out a fact.
    """
    rule = rule_on("kind", kind, department=sales, by=admin)
    if kind in OFFLINE_KINDS:
        offline_contact = OfflineContact(
            form=uuid.uuid4(), kind=kind, title="Fair in Leeds", text="Nice", mail="ron@x.example"
        )
        case = record.log(offline_contact, by=admin)
    else:
        source = make_source(kind="sandbox", stance="for us")
        author = Author(NET, "anna", handle="@anna", reach=9)
        item = Item(scope=NET, key="1", author=author, text="Nice", kind=kind, language="en")
        store(source.fetches.create(), source, [item], now=timezone.now())
        Mention.objects.update(backlog=False)  # no date counts as an old item
        process()
        case = Case.objects.get()
    assert (case.department, case.assignee, case.priority) == (sales, admin, "high")
    assert case.events.get(kind=CaseEvent.Kind.ROUTED).revision == rule.current
    assert_trial_says_what_was_recorded(case)


# Facts that are stored with the event


def test_no_word_of_the_message_is_stored_with_the_event(
    brand_rule: RoutingRule, admin: User
) -> None:
    """The facts stored with the event of a routing decision contain no text of the message.

    Fails if a title, text, name or handle is among these facts.
    """
    offline_contact = OfflineContact(
        form=uuid.uuid4(), kind="event", title="Fair", text="Skyward lost it", name="Ron",
        mail="ron@calder.example", phone="+12125550100",
    )  # fmt: skip
    routed = record.log(offline_contact, by=admin).events.get()
    stored = json.dumps(routed.facts)
    for word in ("Fair", "Skyward", "lost", "Ron", "calder", "5550100"):
        assert word not in stored
    assert routed.facts["topics"][0]["spans"] == [["text", 0, 7]]


def test_a_contact_who_changed_is_tried_as_at_the_time(
    sales: Department, service: Department, admin: User
) -> None:
    """A trial uses the kind that the contact had when the case was routed.

    Fails if the trial uses the current kind of the contact.
    """
    rule_on("contact_kind", "press", department=sales, by=admin)
    contact = Contact.objects.create(name="Known", kind="press")
    case = record.log(
        OfflineContact(form=uuid.uuid4(), kind="call", text="Hello", contact=contact), by=admin
    )
    contact.kind = "customer"
    contact.save()
    trial = try_rules(case)
    assert trial
    assert trial.department == case.department == sales


def test_without_stored_facts_they_are_built_again(
    brand: Topic, brand_rule: RoutingRule, call: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    """If the event has no stored facts, a trial builds them again.

    Facts are missing after an erasure, and in events of earlier versions of scrm. Fails if a trial
    needs stored facts.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL scrm.erasing = 'on'")
        call.events.update(facts={})
    trial = try_rules(call)
    assert trial
    assert trial.verdict.revision == brand_rule.current_id
    assert as_(agent).get(call.get_absolute_url()).context["why"].topics == [brand.current]


def test_the_facts_of_a_conversation_that_joins_are_stored(
    service: Department, admin: User
) -> None:
    """If a further conversation joins an open case, the facts of this conversation are stored too.

    The routing rules decide whether the conversation joins. Fails if facts are stored only for new
    cases.
    """
    contact = Contact.objects.create(name="Known", kind="press")
    for text in ("Hello", "Hello again"):
        case = record.log(
            OfflineContact(form=uuid.uuid4(), kind="letter", text=text, contact=contact), by=admin
        )
    joined = case.events.get(kind=CaseEvent.Kind.JOINED)
    assert (joined.facts["kind"], joined.facts["contact_kind"]) == ("letter", "press")
