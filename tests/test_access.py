"""Guarantee G12 (docs/guarantees.md): one table says what each role gets at each URL.

The tests fail in each of these cases:

- `visible_to` returns all rows.
- `admin_only` admits every user.
- `LoginRequiredMiddleware` is removed.
- Read-only members may act on everything that they may read (`workable_by`).
- A URL is not in the table.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from crm.interaction_details import LetterDetails
from crm.ledger import Entry, record
from crm.models import (
    Account,
    Attachment,
    Contact,
    ContactRelation,
    Department,
    Interaction,
    Job,
    Membership,
    Profile,
    ProfileLink,
    User,
)
from listening.models import Fetch, Mention, Quarantined, Source, Topic
from listening.webhooks import add_secret
from responses.by_hand import log_by_hand
from responses.compose import Words
from responses.models import (
    Campaign,
    Delivery,
    Feedback,
    HistoryView,
    Response,
    ResponseRule,
    SavedReply,
)
from routing.intake import Arrival, take_in
from routing.models import Calendar, Case, Issue, RoutingRule, SavedView
from routing.mutes import mute
from routing.reference import reference
from routing.rules import Facts
from scrm.channels.base import Author

pytestmark = pytest.mark.django_db  # without this, pytest-django creates no test database

ROLES = ("stranger", "outsider", "reader", "agent", "lead", "supervisor", "admin")
"""The outsider is an agent of another department."""

# One letter for each role, in the order of ROLES: `.` allowed, `L` redirected to the login, `3`
# refused with an explanation (403), `4` page not found (404).
ANYONE = "......."
STAFF = "L......"
WORKERS = "L.3...."  # users who may work in some department; read-only members only read
READ = "L4....."  # members of the case's department
WORK = "L44...."  # the same, without read-only members
ANSWER = "L43...."  # the same, but with an explanation
SIGN = "L433..."  # team leads of the department, and above
OWN = "L4444.."  # the owner of the issue, and users who see everything
ADMIN = "L33333."
ABOVE = "L3333.."  # users who see everything
UPLOAD = "L43.444"  # also a row of the agent's own; read-only members upload nothing
MINE = "L44.444"  # only a row of the agent's own
ADMINS_OWN = "L333334"  # a file that the admin uploaded; here it belongs to another user
MINE_OR_ABOVE = "L33.3.."  # a row of the agent's own, and users who see everything
LED = "L4.4..."  # the user, team leads of the user's departments, and users who see everything
LEADS = "L333..."  # team leads of any department
ITS_LEADS = "L444..."  # team leads of its department, and users who see everything
NOT_IN_IT = "L444444"  # the request names no existing row, for example no case of the issue

GET = {
    ANYONE: "healthz readyz account_login account_reset_password account_signup "
    "account_reset_password_done account_reset_password_from_key account_inactive "
    "account_reset_password_from_key_done account_logout",
    STAFF: "nav live_token listening:webhook_schema "
    "crm:me routing:news crm:notices crm:bell routing:palette "
    "routing:suggestions responses:saved_replies routing:inbox routing:issues routing:issue "
    "responses:issue_said "
    "responses:approvals responses:delivery_problems responses:history responses:calendar "
    "responses:export listening:topics "
    "listening:topic listening:sources listening:source crm:contacts crm:contact crm:profile "
    "crm:strangers crm:find_contacts crm:namesakes crm:find_profiles "
    "crm:attachment crm:files crm:whole responses:letter_copy account_change_password live "
    "listening:mentions reports:map "
    "responses:campaigns glossary",
    WORKERS: "crm:contact_new crm:contact_edit responses:issue_statement routing:new "
    "routing:take_over "
    "routing:new_who routing:new_cards routing:new_event routing:new_survey routing:issue_new "
    "responses:saved_reply_new routing:mutes",
    UPLOAD: "routing:survey",
    READ: "routing:case routing:why routing:present responses:thread responses:composer "
    "responses:case_responses responses:response responses:campaign responses:campaign_rows",
    ANSWER: "responses:edit responses:send_again",
    NOT_IN_IT: "responses:correct responses:take_down responses:moderate",
    LEADS: "responses:campaign_new",
    ITS_LEADS: "responses:campaign_edit",
    MINE_OR_ABOVE: "responses:saved_reply",
    OWN: "routing:issue_edit",
    WORK: "routing:merge routing:participant",
    ABOVE: "responses:record_check",
    MINE: "crm:job",
    ADMINS_OWN: "listening:csv_import",
    ADMIN: "style routing:departments routing:department routing:department_new "
    "routing:done_reasons routing:procedures routing:procedure routing:rules "
    "routing:hours routing:calendar routing:calendar_new "
    "routing:rule routing:rule_new responses:rules responses:rule responses:rule_new "
    "listening:topic_new listening:topic_edit listening:topic_searches listening:source_new "
    "listening:topic_stored "
    "listening:csv_upload listening:webhook_new "
    "listening:topic_import crm:people routing:invite "
    "crm:person crm:reassign crm:accounts crm:account crm:account_new crm:connect crm:reconnect "
    "crm:oauth_callback crm:workspace routing:memberships sample:start",
}
POST = {
    ANYONE: "listening:webhook_receive listening:events",
    WORK: "routing:claim routing:give_back routing:transfer responses:note routing:snooze "
    "routing:done routing:noise routing:reopen routing:group routing:tag routing:priority "
    "routing:assign routing:call_back routing:cancel_call_back routing:mute "
    "routing:dismiss_thanks responses:thanks routing:merge routing:split "
    "routing:forwarded_sender routing:link routing:follow routing:participant "
    "routing:add_follower routing:remove_follower routing:remove_participant",
    READ: "routing:here routing:left routing:unfollow",
    MINE: "responses:bulk_undo routing:drop_view responses:drop_view",
    MINE_OR_ABOVE: "responses:saved_reply",
    ANSWER: "routing:unmute routing:mute_renew responses:draft responses:reply "
    "responses:statement responses:by_hand "
    "responses:nothing responses:letter_sheet "
    "responses:edit responses:send responses:cancel responses:remove_file responses:check "
    "responses:mark_sent "
    "responses:send_again responses:send_late responses:dismiss_problem responses:judge "
    "responses:count_in responses:thread_fetch responses:message_privately "
    "responses:close_as_deleted",
    LEADS: "responses:campaign_new",
    ITS_LEADS: "responses:campaign_edit responses:campaign_close",
    LED: "crm:away",
    SIGN: "responses:approve responses:send_back responses:review",
    STAFF: "routing:issue responses:issue_draft crm:me crm:read routing:save_view "
    "responses:save_view",
    WORKERS: "routing:take_over routing:take_over_undo routing:next "
    "responses:bulk responses:saved_reply_new crm:contact_new "
    "crm:contact_edit "
    "crm:contact_link crm:link crm:unlink crm:link_confirm crm:link_again crm:make_contact "
    "crm:tag crm:untag crm:relate crm:relation_end crm:relation_again "
    "responses:issue_statement routing:new routing:new_cards "
    "routing:new_event routing:new_survey routing:issue_new routing:issue_add",
    UPLOAD: "routing:survey routing:survey_bad",
    ADMINS_OWN: "listening:csv_import listening:csv_bad",
    OWN: "routing:issue_edit routing:issue_close",
    ABOVE: "responses:record_check responses:pause responses:release",
    NOT_IN_IT: "crm:files routing:issue_remove routing:undo routing:undo_event sample:look_as "
    "responses:correct responses:take_down responses:moderate",
    ADMIN: "routing:done_reasons routing:procedure routing:create_default_topics "
    "routing:department_new routing:department routing:department_archive routing:member "
    "routing:rule_new "
    "routing:calendar_new routing:calendar routing:targets routing:hours_try "
    "routing:rule routing:rule_move routing:rule_switch responses:rule_new responses:rule "
    "listening:topic_new listening:topic_edit listening:topic_pause listening:topic_searches "
    "listening:topic_stored "
    "listening:source_new "
    "listening:csv_upload listening:topic_import "
    "listening:source_edit listening:source_pause listening:source_fetch listening:source_move "
    "listening:webhook_new listening:webhook_add_secret listening:webhook_remove_secret "
    "listening:webhook_test "
    "listening:source_bring_in listening:replay routing:invite crm:person_edit crm:deactivate "
    "crm:activate crm:reassign crm:reset_password "
    "crm:account_new crm:account crm:account_pause crm:connect "
    "crm:reconnect crm:account_budget crm:account_spending crm:account_events "
    "crm:workspace routing:memberships sample:start reports:checklist",
}
# A page of allauth for users without a password; here it only redirects.
ALLAUTH = {"account_set_password"}


def table(pages: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, rights) for rights, names in pages.items() for name in names.split()]


@dataclass(frozen=True)
class World:
    people: dict[str, User | None]
    ids: dict[str, Any]


def names(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from names(pattern.url_patterns, inner)
        else:
            yield f"{prefix}{pattern.name}", pattern


def test_the_table_names_every_url() -> None:
    known = {name for name, _ in (*table(GET), *table(POST))} | ALLAUTH
    there = {name for name, _ in names(get_resolver().url_patterns)}
    assert there - known == set()
    assert known - there == set()


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """One object of each kind in customer service.

    The objects are created only once, because the changes of each request are rolled back.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        yield build()
        transaction.set_rollback(True)


def build() -> World:
    admin = User.objects.create_user("ada@scrm.example", name="Ada", role="admin")
    service = Department.objects.create(name="Service", owner=admin, is_fallback=True)
    sales = Department.objects.create(name="Sales", owner=admin)
    people: dict[str, User | None] = {
        "stranger": None,
        "admin": admin,
        "supervisor": User.objects.create_user("s@scrm.example", name="Sue", role="supervisor"),
    }
    for role, department, part in (
        ("outsider", sales, "agent"),
        ("reader", service, "reader"),
        ("agent", service, "agent"),
        ("lead", service, "lead"),
    ):
        user = User.objects.create_user(f"{role}@scrm.example", name=role.title())
        Membership.objects.create(user=user, department=department, role=part)
        people[role] = user
    return World(people, {**things(admin, service), **work(people, service, admin)})


def things(admin: User, service: Department) -> dict[str, Any]:
    topic = Topic.objects.create(name="Brand", owner=admin)
    topic.revise(any_of=["skyward"], all_of=[], none_of=[], by=admin)
    source = Source.objects.create(
        kind="feed", address="https://blog.example/feed", name="Blog", owner=admin
    )
    webhook = Source.objects.create(
        kind="webhook", address=str(uuid.uuid4()), name="Survey tool", owner=admin
    )
    add_secret(webhook, by=admin)
    rule = RoutingRule.objects.create(name="All", owner=admin)
    rule.revise(conditions={"all": []}, department=service, by=admin)
    response_rule = ResponseRule.objects.create(
        name="Hold", owner=admin, conditions={"all": []}, verdict="allow", reason="Fine."
    )
    fetch = Fetch.objects.create(source=source)
    mention = Mention.objects.create(
        scope="feed:x", key="1", fetch=fetch, author_network="feed", author_key="a",
        kind="post", visibility="public", processed_at=timezone.now(),
    )  # fmt: skip
    quarantined = Quarantined.objects.create(
        fetch=fetch, mention=mention, raw=b"x", reason="Broken."
    )
    ron, marta = (Contact.objects.create(name=name) for name in ("Ron Calder", "Marta Janssen"))
    office = Profile.objects.create(network="x", key="office")
    return {
        "link": ProfileLink.objects.create(profile=office, contact=marta, evidence="Said so").pk,
        "relation": ContactRelation.objects.create(
            one=marta, other=ron, kind="assistant of", made_by=admin
        ).pk,
        "topic": topic.pk,
        "source": source.pk,
        "webhook": webhook.pk,
        "webhook address": webhook.address,
        "routing:rule": rule.pk,
        "responses:rule": response_rule.pk,
        "quarantined": quarantined.pk,
        "contact": ron.pk,
        "other": marta.pk,
        "issue": Issue.objects.create(name="Seat policy", owner=admin).pk,
        "department": service.pk,
    }


def work(people: dict[str, User | None], service: Department, admin: User) -> dict[str, Any]:
    agent = people["agent"]
    assert agent
    account = Account.objects.create(kind="manual", network="offline", name="By hand", owner=admin)
    service.accounts.add(account)
    case = heard("Your captain threw me off.")
    words = Words(uuid.uuid4(), "We are sorry.", "private")
    letter = LetterDetails("Ron Calder\nRoad 1", "2026-03-04", "", reference(case.pk))
    log_by_hand(case, words, account=account, by=agent, letter=letter)
    case.issue_id = Issue.objects.get().pk
    case.save()
    said = Delivery.objects.get()
    response = Response.objects.create(
        decision=said.response.decision, case=case, department=service, author=agent,
        audience="one", visibility="private", text="Sorry.", state="held",
    )  # fmt: skip
    failed = Delivery.objects.create(
        response=response, account=account, state="failed", error="No.", send_after=timezone.now()
    )
    answer = Interaction.objects.filter(direction="in").get()
    feedback = Feedback.objects.create(interaction=answer, response=said.response, delivery=said)
    scan = Attachment.objects.create(
        interaction=answer, name="scan.png", content_type="image/png", size=3,
        file=ContentFile(b"png", name="scan.png"),
    )  # fmt: skip
    answers = Attachment.objects.create(
        by=agent, name="answers.csv", content_type="text/csv", size=10,
        file=ContentFile(b"text\nGood\n", name="answers.csv"),
    )  # fmt: skip
    x = Account.objects.create(kind="x", network="x", self_key="100", name="X", owner=admin)
    return {
        "x account": x.pk,
        "x uuid": x.uuid,
        "case": case.pk,
        "letter": said.interaction.uuid,  # type: ignore[union-attr]
        "upload": answers.uuid,
        "response": response.pk,
        "delivery": failed.pk,
        "feedback": feedback.pk,
        "attachment": scan.uuid,
        "profile": Profile.objects.get(key="roncalder").pk,
        "person": people["reader"].pk,  # type: ignore[union-attr]
        "account": account.pk,
        "kind": "email",
        "sensitive kind": "legal",
        "mute": mute(case.profile, service, reason="Insults", by=agent).pk,
        "mailbox": Account.objects.create(
            kind="email",
            network="email",
            name="Post",
            self_key="us:a@b.example",
            address="a@b.example",
            owner=admin,
        ).pk,
        "said": answer.uuid,
        "job": Job.objects.create(kind="responses.bulk", owner=agent, state="done").uuid,
        "view": SavedView.objects.create(name="Mine", query="", owner=agent).pk,
        "calendar": Calendar.objects.create(name="Desk", owner=admin, is_default=True).pk,
        "campaign": Campaign.objects.create(
            name="Summer", aim="More guests.", owner=admin, department=service
        ).pk,
        "history view": HistoryView.objects.create(name="Mine", query="", owner=agent).pk,
        "saved": SavedReply.objects.create(name="Sorry", text="Sorry.", owner=agent).pk,
    }


def heard(text: str) -> Case:
    now = timezone.now()
    author = Author("sandbox.microblog", "roncalder", name="Ron Calder")
    entry = Entry("sandbox.microblog", "1", author, "sandbox", "post", "public", text)
    row = record([entry], now=now)[0]
    arrival = Arrival(row.interaction, row.conversation, row.profile or 0, None, now, Facts())
    return Case.objects.get(pk=take_in([arrival], now=now)[row.interaction])


THING_OF = {
    "sensitive/": "sensitive kind", "mutes/": "mute",
    "sources/<int:pk>/secrets/": "webhook", "sources/<int:pk>/test/": "webhook",
    "webhooks/<uuid": "webhook address", "webhooks/events/": "x uuid", "letters/": "letter",
    "cases/": "case", "responses/": "response", "delivery-problems/": "delivery",
    "feedback/": "feedback",
    "issues/": "issue", "departments/": "department", "hours/": "calendar", "topics/": "topic",
    "sources/new/csv/": "upload", "sources/": "source",
    "quarantined/": "quarantined",
    "contacts/": "contact", "profiles/": "profile", "people/": "person",
    "our-accounts/<int:pk>/connect/": "mailbox", "our-accounts/new/<slug:kind>/": "kind",
    "our-accounts/<int:pk>/events/": "x account", "our-accounts/": "account", "said/": "said",
    "rules/": "routing:rule", "response-rules/": "responses:rule",
    "attachments/": "attachment", "jobs/": "job", "bulk/": "job",
    "views/": "view", "saved-replies/": "saved", "links/": "link", "relations/": "relation",
    "new/survey/": "upload", "history-views/": "history view", "campaigns/": "campaign",
}  # fmt: skip


def address(name: str, ids: dict[str, Any]) -> str:
    pattern = dict(names(get_resolver().url_patterns))[name]
    route = str(pattern.pattern)
    thing = next((id_ for start, id_ in THING_OF.items() if route.startswith(start)), "")
    wanted = pattern.pattern.converters
    if "uidb36" in str(pattern.pattern):
        return reverse(name, kwargs={"uidb36": "1", "key": "no-key"})
    return reverse(name, kwargs=dict.fromkeys(wanted, ids.get(thing)))


def outcome(answer: HttpResponse) -> str:
    if answer.status_code in {302, 303} and answer["Location"].startswith("/account/login"):
        return "L"
    if answer.status_code in {403, 404}:
        return str(answer.status_code)[-1]
    assert answer.status_code < 500 or answer.status_code in {501, 503}, answer.status_code
    return "."


def tried(world: World, call: Callable[[Client], HttpResponse]) -> str:
    found = ""
    for role in ROLES:
        with transaction.atomic():
            client = Client()
            user = world.people[role]
            if user:
                client.force_login(user)
            found += outcome(call(client))
            transaction.set_rollback(True)
    return found


@pytest.mark.parametrize(("name", "rights"), table(GET))
def test_who_may_look(world: World, name: str, rights: str) -> None:
    url = address(name, world.ids)
    assert tried(world, lambda client: client.get(url)) == rights  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(("name", "rights"), table(GET))
def test_an_empty_choice_has_words(world: World, name: str, rights: str) -> None:
    """Django's default label of an empty choice is a line of dashes."""
    client = Client()
    admin = world.people["admin"]
    assert admin
    client.force_login(admin)
    page = client.get(address(name, world.ids))
    assert page.streaming or b">---------<" not in page.content


@pytest.mark.parametrize(("name", "rights"), table(POST))
def test_who_may_act(world: World, name: str, rights: str) -> None:
    url = address(name, world.ids)
    assert tried(world, lambda client: client.post(url)) == rights  # type: ignore[arg-type,return-value]


def test_whoever_handed_a_case_over_reads_it_until_it_is_done(world: World) -> None:
    """An agent who transferred a case can read the case until the case is done.

    Fails if the agent cannot read the transferred case, or can still read it when it is done.
    """
    with transaction.atomic():
        agent, admin = world.people["agent"], world.people["admin"]
        assert agent
        assert admin
        case = Case.objects.get(pk=world.ids["case"])
        case.transfer(to=Department.objects.get(name="Sales"), by=agent, why="A group booking.")
        assert case in Case.objects.visible_to(agent)
        assert case not in Case.objects.workable_by(agent)
        case.finish(
            by=admin,
            seen=case.last_inbound_id,
            reasons="No question",
            now=timezone.now() + timedelta(hours=1),
        )
        assert case not in Case.objects.visible_to(agent)
        transaction.set_rollback(True)
