"""A day with cases of every kind, which are created by functions of the product."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from crm.models import Account, Contact, Department, User
from listening.fetch import fetch_source
from listening.models import Mention, Quarantined, Source, Topic
from responses import outbox
from responses.compose import Words, places_for, reply, state_publicly
from responses.models import Delivery, Response, ResponseRule
from routing.models import Case, Issue
from routing.offline import record
from scrm.channels.sandbox import community
from scrm.pipeline import process

NETWORK = "sandbox.microblog"
A_DAY = timedelta(days=1)


@pytest.fixture
def busy_day(
    service: Department,
    sales: Department,
    microblog: Account,
    agent: User,
    outsider: User,
    admin: User,
    make_source: Callable[..., Source],
) -> None:
    community.reset()
    bags = Topic.objects.create(name="Bags", owner=admin)
    bags.revise(any_of=["bag"], all_of=[], none_of=[], by=admin)
    ours = {"kind": "sandbox", "account": microblog}
    make_source(**ours, address="mentions", name="Mentions", stance="for us")
    make_source(**ours, address="search:skyward", name="Talk")
    _said_yesterday(agent)
    for who in ("ann", "bob", "cleo", "dan"):
        community.post(NETWORK, who, "@SkywardAir where is my bag?")
    community.post(NETWORK, "eve", "The skyward path")
    _listen()
    _they_are_of_all_sorts(sales)
    _we_answer(agent, admin, service, microblog)
    _trouble(make_source)
    offline_contact = record.OfflineContact(uuid.uuid4(), "call", "He rang.", name="Mr Ferreira")
    record.log(offline_contact, by=agent)
    community.post(NETWORK, "fay", "@SkywardAir hello?")
    _listen(and_route=False)


def _listen(*, and_route: bool = True) -> None:
    for source in Source.objects.filter(kind="sandbox"):
        source.fetch_now()
        fetch_source(source)
    if and_route:
        process()


def _said_yesterday(agent: User) -> None:
    """Create a post that was found, routed and answered yesterday.

    The figures of today must count neither this post nor our reply to it.
    """
    community.post(NETWORK, "old", "@SkywardAir yesterday's bag")
    _listen()
    case = Case.objects.get()
    _reply(case, agent)
    for fetch in Mention.objects.get().fetch, *Source.objects.get(name="Talk").fetches.all():
        type(fetch).objects.filter(pk=fetch.pk).update(started_at=timezone.now() - A_DAY)
    Case.objects.update(last_inbound_at=timezone.now() - A_DAY)
    Response.objects.update(created_at=timezone.now() - A_DAY)


def _case_of(who: str) -> Case:
    return Case.objects.get(profile__key=who)


def _they_are_of_all_sorts(sales: Department) -> None:
    """Change three cases: link one to a contact, make one overdue, and transfer one."""
    ann = Contact.objects.create(name="Ann")
    _case_of("ann").profile.link_to(ann, by=None, evidence="Said so.")
    Case.objects.filter(profile__key="bob").update(due_at=timezone.now() - timedelta(hours=3))
    Case.objects.filter(profile__key="dan").update(department=sales)


def _reply(case: Case, by: User) -> Response:
    case.refresh_from_db()
    place = next(each for each in places_for(case) if each.conversation)
    words = Words(uuid.uuid4(), "Sorry!", place.visibility, seen=case.last_inbound_id)
    return reply(case, words, place=place, by=by)


def _we_answer(agent: User, admin: User, service: Department, microblog: Account) -> None:
    """Send a reply that is answered, a reply that fails, and a statement that a rule holds.

    A further reply is undone, so it counts nowhere.
    """
    _reply(_case_of("cleo"), agent).cancel(by=agent)
    sent, failed = _reply(_case_of("ann"), agent), _reply(_case_of("cleo"), agent)
    Delivery.objects.filter(response=failed).update(state="failed", error="No.")
    Delivery.objects.filter(response=sent).update(send_after=timezone.now())
    outbox.deliver(sent.deliveries.get())
    community.post(NETWORK, "ann", "Thank you!", in_reply_to=sent.deliveries.get().sent_key)
    _listen()
    ResponseRule.objects.create(
        name="To many", owner=admin, verdict="hold", reason="Read it first.",
        conditions={"all": [{"field": "audience", "op": "is", "value": "many"}]},
    )  # fmt: skip
    issue = Issue.objects.create(name="Bags", owner=admin)
    words = Words(uuid.uuid4(), "We look for all of them.", "public")
    state_publicly(words, accounts=[microblog], by=agent, department=service, issue=issue)


def _trouble(make_source: Callable[..., Source]) -> None:
    feed = make_source(name="Silent", failures=2, error="Gone.")
    Quarantined.objects.create(fetch=feed.fetches.create(), raw=b"x", reason="Not an entry.")
