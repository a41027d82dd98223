"""“Start for real” removes the sample and keeps the rows that a newcomer added.

“Start for real” also keeps the rows that resulted from the newcomer's rows, for example cases from
a source that the newcomer added.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from crm.models import (
    Account,
    Attachment,
    Contact,
    ContactRelation,
    Department,
    Interaction,
    Membership,
    Profile,
    ProfileLink,
    User,
    Workspace,
)
from listening.fetch import _keep
from listening.models import Match, Mention, Source, Topic
from listening.sensitive_topics import DEFAULT_TOPICS
from responses.by_hand import log_by_hand
from responses.compose import Words
from responses.models import Campaign, HistoryView, Response, ResponseRule, SavedReply
from routing.models import Case, CaseEvent, Issue, ResponseTarget, RoutingRule, SavedView
from routing.offline import record
from scrm import pipeline
from scrm.channels.base import Author, Batch, Item
from scrm.sample import ending, keeping, marker
from scrm.sample.ending import Newcomer

pytestmark = pytest.mark.django_db(transaction=True)
DEFAULT_NAMES = {default.name for default in DEFAULT_TOPICS.values()}
NINA = Newcomer("Nina New", "nina@acme.example", "a password of my own")


@pytest.fixture(autouse=True)
def somewhere(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


def hear(source: Source, *said: Item) -> None:
    """Store these items as a fetch of the source does, and process them."""
    source.fetch_now()
    fetch = source.start_fetch(now=timezone.now())
    assert fetch
    _keep(fetch, Batch(said, {}), {}, now=timezone.now())
    while pipeline.process():
        pass


def item(network: str, who: str, text: str) -> Item:
    at = timezone.now()
    return Item(network, uuid.uuid4().hex, Author(network, who), text, occurred_at=at)


def case_of(who: str) -> Case:
    return Case.objects.get(profile__key=who)


@dataclass
class Sample:
    chatter: Source
    by_hand: Account
    issue: Issue


@pytest.fixture
def sample(
    agent: User, lead: User, service: Department, microblog: Account, brand_rule: RoutingRule,
    make_source: Callable[..., Source],
) -> Sample:  # fmt: skip
    """A small sample workspace.

    The workspace that `load_sample` creates would be too large for these tests.
    """
    chatter = make_source(
        kind="sandbox", address="mentions", account=microblog, stance="for us", owner=agent
    )
    by_hand = Account.objects.create(
        kind="manual", network="offline", self_key="by-hand", name="By hand", owner=agent
    )
    service.accounts.add(by_hand)
    ResponseTarget.objects.create(department=service, priority="high", first=240, next=240)
    hear(chatter, item("sandbox.microblog", "ron", "@skywardair my seat!"))
    SavedReply.objects.create(name="Sorry", text="Sorry.", owner=agent)
    Contact.objects.create(name="Ron Calder", owner=agent)
    issue = Issue.objects.create(name="Seats", owner=agent)
    marker.set_now(now=timezone.now())
    return Sample(chatter, by_hand, issue)


def begin(admin: User, session: str = "") -> None:
    here = Workspace(organisation="Acme")
    ending.start_for_real(here, by=admin, newcomer=NINA, session=session)


@pytest.fixture
def own(make_source: Callable[..., Source], agent: User) -> Source:
    """A feed that the newcomer connected in the sample, while logged in as the agent."""
    return make_source(stance="for us", owner=agent, cases_since=timezone.now())


def names(model: Any) -> set[str]:
    return set(model.objects.values_list("name", flat=True))


def test_what_was_set_up_stays_and_the_samples_own_goes(
    sample: Sample, own: Source, admin: User, agent: User, service: Department
) -> None:
    mine = Department.objects.create(name="Workshop", owner=agent)
    Topic.objects.create(name="Acme", owner=agent).revise(
        any_of=["acme"], all_of=[], none_of=[], by=agent
    )
    SavedReply.objects.create(name="Hello", text="Hi.", owner=agent, department=service)
    ResponseRule.objects.create(
        name="Own", owner=agent, conditions={"all": []}, verdict="allow", reason="Fine."
    )
    Campaign.objects.create(name="Spring", aim="Guests.", owner=agent, department=mine)
    Account.objects.create(kind="wordpress", network="wordpress", self_key="us", owner=agent)
    begin(admin)
    assert names(Source) == {own.name}
    assert names(Topic) == DEFAULT_NAMES | {"Acme"}
    assert names(SavedReply) == {"Hello"}
    assert names(Campaign) == {"Spring"}
    assert names(Department) == {"Customer service", "Workshop"}
    assert set(Account.objects.values_list("kind", flat=True)) == {"manual", "wordpress"}
    assert {"Own", "Large audience"} <= names(ResponseRule)
    assert not RoutingRule.objects.exists()
    assert not Case.objects.exists()
    for model in (Source, Topic, SavedReply, Campaign, Department, Account):
        assert set(model.objects.values_list("owner", flat=True)) == {admin.pk}, model
    assert Topic.objects.get(name="Acme").current.made_by == admin
    assert ResponseTarget.objects.get().department == service


def test_own_people_stay_and_log_in_as_before_and_the_samples_do_not(
    sample: Sample, admin: User, agent: User, service: Department
) -> None:
    emma = User.objects.create_user("emma@acme.example", "her own password", name="Emma")
    Membership.objects.create(user=emma, department=service, role="lead")
    agent.set_password("printed or not")
    agent.save()
    begin(admin)
    assert set(User.objects.all()) == {admin, emma}
    assert Membership.objects.get().user == emma
    assert log_in("emma@acme.example", "her own password")
    assert not log_in(agent.email, "printed or not")


def log_in(email: str, password: str) -> bool:
    typed = {"login": email, "password": password}
    return Client().post("/account/login/", typed).status_code == 302


def test_what_an_own_source_heard_stays_with_all_that_came_of_it(
    sample: Sample, own: Source, admin: User, agent: User, service: Department, brand: Topic
) -> None:
    """A case from the newcomer's own source is kept, with all rows that belong to the case.

    A rule of the sample had routed the case to an agent of the sample, and the case was in an issue
    of the sample.
    """
    hear(own, item("feed:blog.example", "reader", "Is skyward any good?"))
    case = case_of("reader")
    case.claim(by=agent)
    Case.objects.filter(pk=case.pk).update(issue=sample.issue)
    words = Words(uuid.uuid4(), "We called you.", "private")
    said = log_by_hand(case, words, account=sample.by_hand, by=agent)
    assert case.events.filter(revision__isnull=False).exists()
    assert Match.objects.filter(mention__interaction=case.last_inbound).exists()

    begin(admin)
    case.refresh_from_db()
    assert Case.objects.get() == case
    assert (case.assignee, case.issue, case.department) == (admin, None, service)
    assert Mention.objects.get().interaction == case.last_inbound
    assert {each.direction for each in Interaction.objects.all()} == {"in", "out"}
    assert Response.objects.get() == said
    assert Response.objects.get().author == admin
    assert set(CaseEvent.objects.values_list("kind", flat=True)) >= {"routed", "claimed"}
    assert not CaseEvent.objects.filter(revision__isnull=False).exists()
    assert not Profile.objects.filter(network__startswith="sandbox.").exists()
    assert check_record() == "No gaps found."


def check_record() -> str:
    words = StringIO()
    call_command("check_record", stdout=words)
    return words.getvalue().strip()


def test_what_the_sandbox_said_since_goes_too(
    sample: Sample, own: Source, admin: User, agent: User
) -> None:
    """Items of the sandbox are removed, even if they arrived after the sample was loaded.

    Fails if items from the networks of the sandbox are kept.
    """
    hear(sample.chatter, item("sandbox.microblog", "late", "@skywardair and again"))
    offline_contact = record.OfflineContact(
        uuid.uuid4(), "letter", "More", profile=case_of("late").profile
    )
    record.log(offline_contact, by=agent)
    begin(admin)
    assert not Case.objects.exists()
    assert not Interaction.objects.exists()
    assert not Mention.objects.exists()


def test_a_letter_of_somebody_real_stays_with_its_scan(sample: Sample, admin: User) -> None:
    offline_contact = record.OfflineContact(uuid.uuid4(), "letter", "Dear Acme", name="Ms Real")
    case = record.log(offline_contact, by=admin)
    scans = [
        Attachment.objects.create(
            interaction=each, name="scan.png", content_type="image/png", size=3,
            file=ContentFile(b"png", name="scan.png"),
        ).file.name
        for each in (case.last_inbound, case_of("ron").last_inbound)
    ]  # fmt: skip
    begin(admin)
    assert Case.objects.get() == case
    assert [default_storage.exists(scan) for scan in scans] == [True, False]
    assert Attachment.objects.get().file.name == scans[0]


def test_own_contacts_stay_and_those_made_of_the_sandboxs_people_go(
    sample: Sample, own: Source, admin: User, agent: User
) -> None:
    hear(sample.chatter, item("sandbox.microblog", "late", "@skywardair and again"))
    hear(own, item("feed:blog.example", "reader", "Is skyward any good?"))
    real, both, played, bare = (
        Contact.objects.create(name=name, owner=agent)
        for name in ("Real", "Both", "Played", "Bare")
    )
    for contact, key in ((both, "late"), (real, "reader")):
        Profile.objects.get(key=key).link_to(contact, by=agent, evidence="Said so.")
    ProfileLink.objects.create(profile=case_of("ron").profile, contact=played, evidence="x",
                               ended_at=timezone.now(), ended_by=agent)  # fmt: skip
    ProfileLink.objects.create(profile=Profile.objects.get(key="reader"), contact=both,
                               evidence="x", ended_at=timezone.now(), ended_by=agent)  # fmt: skip
    bare.relate(real, kind="friend of", by=agent)
    bare.relate(played, kind="friend of", by=agent)
    begin(admin)
    assert names(Contact) == {"Real", "Both", "Bare"}
    assert set(Contact.objects.values_list("owner", flat=True)) == {admin.pk}
    assert ContactRelation.objects.get().other == real
    assert real.links.get().confirmed_by == admin


def test_an_own_rule_keeps_what_it_asks_for_and_whom_it_names(
    sample: Sample, admin: User, agent: User, service: Department, brand: Topic
) -> None:
    """A rule of the newcomer is kept, with the topics that it refers to and with its department.

    A user of the sample who is named in the rule is replaced by the admin. Fails if topics that the
    newcomer's own rules refer to are not kept.
    """
    rule = RoutingRule.objects.create(name="Own", owner=agent)
    asks = {"field": "topics", "op": "has any", "value": ["Brand"]}
    rule.revise(
        conditions={"all": [{"any": [asks]}]}, department=service, by=agent,
        assign="person", person=agent,
    )  # fmt: skip
    begin(admin)
    rule.refresh_from_db()
    assert RoutingRule.objects.get() == rule
    assert rule.current
    assert (rule.current.department, rule.current.person) == (service, admin)
    assert names(Topic) == DEFAULT_NAMES | {"Brand"}
    assert Topic.objects.get(name="Brand").current == brand.current
    assert RoutingRule.objects.in_force()[0].person == admin.pk


def test_removing_the_sample_keeps_user_rules_without_sample_references(
    sample: Sample, as_: Callable[[User], Client], admin: User, agent: User
) -> None:
    """The list of the rules opens too: it names only people who are still there."""
    rule = RoutingRule.objects.create(name="Own", owner=agent)
    rule.revise(
        conditions={"all": []}, department=None, always=True, by=agent,
        issue=sample.issue, notify=[agent.pk, admin.pk],
    )  # fmt: skip
    begin(admin)
    rule.refresh_from_db()
    assert rule.current
    assert (rule.current.issue, rule.current.notify) == (None, [admin.pk])
    page = as_(User.objects.get(pk=admin.pk)).get("/rules/")
    assert page.status_code == 200
    assert "Own" in page.content.decode()


def test_views_of_one_name_that_two_people_saved_both_stay(
    sample: Sample, admin: User, agent: User
) -> None:
    for model in (SavedView, HistoryView):
        for owner in (admin, agent):
            model.objects.create(name="Mine", query=f"of={owner.pk}", owner=owner)
    begin(admin)
    for model in (SavedView, HistoryView):
        assert model.objects.filter(owner=admin).count() == 2
        assert "Mine" in names(model)


def test_a_case_that_also_holds_talk_of_the_sandbox_keeps_what_is_its_own(
    sample: Sample, own: Source, admin: User, agent: User
) -> None:
    hear(sample.chatter, item("sandbox.microblog", "late", "@skywardair and again"))
    hear(own, item("feed:blog.example", "reader", "Is skyward any good?"))
    case, theirs = case_of("reader"), case_of("late").last_inbound
    assert theirs
    Case.objects.filter(pk=case.pk).update(last_inbound=theirs, continues=case_of("ron"))
    begin(admin)
    case.refresh_from_db()
    assert (case.last_inbound, case.continues) == (None, None)
    assert case.conversations.count() == 1


def test_the_page_counts_what_stays_and_what_changes_hands(
    sample: Sample, own: Source, admin: User, as_: Callable[[User], Client]
) -> None:
    hear(own, item("feed:blog.example", "reader", "Is skyward any good?"))
    shown = as_(admin).get("/start/").context["preview"]
    assert {("source", 1), ("mention", 1), ("case", 1), ("user", 1)} <= set(shown.stays)
    assert {("users", 2), ("source", 1), ("topic", 1), ("case", 1)} <= set(shown.goes)
    assert shown.given > 0
    begin(admin)
    assert Case.objects.count() == 1


def test_the_ledger_is_as_closed_afterwards_as_before(
    sample: Sample, own: Source, admin: User
) -> None:
    hear(own, item("feed:blog.example", "reader", "Is skyward any good?"))
    begin(admin)
    for rows in (Interaction.objects.all(), CaseEvent.objects.all()):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.delete()


def test_writing_it_back_is_no_change_of_it(sample: Sample, own: Source, admin: User) -> None:
    """When kept rows are written back, no change of the configuration is recorded.

    Fails without `pgtrigger.ignore`.
    """
    before = _changes(own)
    assert before
    begin(admin)
    assert _changes(own) == before


def _changes(source: Source) -> int:
    changes = keeping.apps.get_model("listening.SourceChange")
    return int(changes.objects.filter(pgh_obj=source.pk).count())
