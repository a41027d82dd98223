"""All actions lock rows in the same order, so that no two actions can deadlock.

The order is described in `docs/decisions/0014-lock-order.md`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.leaving import owned_by
from crm.ledger import Entry, lock_workspace, record
from crm.models import Account, Department, Instance, Interaction, Job, User
from listening.fetch import store
from listening.models import Source
from responses import (
    check_sending,
    corrections,
    moderation,
    outbox,
    public_thread,
    release,
    restored_database,
    signing,
    throttle,
)
from responses.bounces import come_back
from responses.by_hand import log_by_hand
from responses.compose import Words, places_for, state_publicly
from responses.decisions import answer_nothing
from responses.models import Campaign, Delivery, Draft, Response
from responses.models.campaign import leave_campaign
from responses.moderation_actions import ACTIONS
from responses.results.feedback import fall_silent, relink
from routing.following import add_follower
from routing.inbox.next_case import take_next
from routing.merging import merge, undo_merge
from routing.models import Case, Issue, Presence, RoutingRule
from routing.models.case_conversation import restrict
from routing.models.status import Stale
from routing.mutes import mute_person_of
from routing.participants import add_participant
from routing.party_cases import give_back
from routing.splitting import split_off_item, undo_split
from routing.undo import restore, snapshot
from routing.wake import wake_snoozed
from scrm import pipeline
from scrm.channels.base import BOUNCE, Author, ChannelError, Item, Receipt
from scrm.channels.sandbox.moderate import SandboxModerator
from scrm.db.locks import locked, update_in_order
from tests.lock_recorder import LEDGER, recorded_locks
from tests.machinery import eventually
from tests.responses.conftest import NETWORK
from tests.together import at_once

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]
Many = Callable[..., list[Response]]


def words(text: str, visibility: str = "public") -> Words:
    return Words(uuid.uuid4(), text, visibility)


def unknown(response: Response) -> Delivery:
    """Let a sender claim the delivery of the response, make the delivery unknown, and return it."""
    now = timezone.now() + timedelta(minutes=1)
    delivery = response.deliveries.get()
    assert outbox.claim(delivery, now=now)
    delivery.doubt("It may have been sent.", now=now)
    return delivery


def answering(delivery: Delivery, kind: str = "post") -> Item:
    """Return an item that refers to the delivery, as an answer or a bounce does."""
    author = Author(NETWORK, delivery.destination)
    key = uuid.uuid4().hex
    return Item(
        scope=NETWORK, key=key, author=author, text=delivery.words, kind=kind,
        in_reply_to=str(delivery.uuid), occurred_at=timezone.now(), visibility="public",
    )  # fmt: skip


def hear_answer(delivery: Delivery) -> None:
    """Record an answer to a delivery whose post is not in the record yet.

    Therefore the answer and the delivery are not linked yet.
    """
    answer = Entry(
        scope=NETWORK, key=uuid.uuid4().hex, author=Author(NETWORK, delivery.destination),
        channel="sandbox", kind="post", visibility="public", text="Thanks",
        in_reply_to=delivery.sent_key,
    )  # fmt: skip
    record([answer], now=timezone.now())


def lock(*rows: Case | Response | Delivery) -> None:
    """Lock these rows in the given order, within one transaction."""
    with transaction.atomic():
        for row in rows:
            locked(type(row).objects.filter(pk=row.pk)).get()


@contextmanager
def assert_found(violation: str) -> Iterator[None]:
    """Check that the lock recorder reports this violation of the order in the block.

    The block runs in a transaction.
    """
    with pytest.raises(AssertionError, match=violation), recorded_locks(), transaction.atomic():
        yield


# Tests of the recorder itself


def test_it_finds_a_case_that_is_locked_after_a_response(held: Response) -> None:
    with assert_found("Out of order: routing_case"):
        lock(held, held.case)


def test_it_accepts_the_right_order_and_rows_that_are_held(held: Response) -> None:
    with recorded_locks() as locks:
        with transaction.atomic():
            lock(held.case, held, held.deliveries.get(), held.case)
            Case.objects.filter(pk=held.case.pk).update(tags=["late"])
        lock(held.case, held)
    assert locks.saw("routing_case", "responses_response", "responses_delivery")


def test_it_finds_an_update_after_a_delivery(held: Response) -> None:
    with assert_found("Out of order"):
        Delivery.objects.filter(response=held).update(error="")
        Case.objects.filter(pk=held.case_id).update(tags=["late"])


def test_it_finds_the_ledger_after_a_case(complaint: Case) -> None:
    with assert_found("Out of order: the ledger"):
        lock(complaint)
        lock_workspace()


def test_it_finds_keys_that_go_down(answer_many: Many) -> None:
    first, second = (response.case for response in answer_many(2))
    with recorded_locks():
        lock(first, second)
    with assert_found("Not by key"):
        lock(second, first)


def test_it_finds_an_update_of_several_rows_in_no_order(answer_many: Many) -> None:
    answer_many(2)
    with recorded_locks(), transaction.atomic():
        update_in_order(Case.objects.all(), tags=["late"])
    with assert_found("not locked in order"):
        Case.objects.update(tags=["later"])


def test_it_finds_a_plain_lock_and_one_in_no_order(complaint: Case) -> None:
    with assert_found("plain FOR UPDATE"):
        Case.objects.select_for_update().get(pk=complaint.pk)
    with assert_found("in no order"):
        list(Case.objects.select_for_update(no_key=True))


def test_it_finds_a_profile_with_a_case_without_the_ledger(complaint: Case) -> None:
    with assert_found("Without the ledger"):
        lock(complaint)
        complaint.profile.cannot_be_reached("Gone", now=timezone.now())


def test_it_finds_a_case_after_a_conversation(complaint: Case) -> None:
    with assert_found("A case after a conversation"):
        lock_workspace()
        restrict(complaint.conversations)
        lock(complaint)


# Actions of cases

CaseVerb = Callable[[Case, User, Department], object]
CASE_VERBS: dict[str, CaseVerb] = {
    "claim": lambda case, by, _: case.claim(by=by),
    "give back": lambda case, by, _: case.give_back(by=by),
    "transfer": lambda case, by, to: case.transfer(to=to, by=by, why="Yours."),
    "assign": lambda case, by, _: case.assign(to=by, by=by),
    "snooze": lambda case, by, _: case.snooze(until=None, by=by, seen=case.last_inbound_id),
    "finish": lambda case, by, _: case.finish(
        by=by, seen=case.last_inbound_id, reasons="No question"
    ),
    "set aside": lambda case, by, _: case.set_aside(by=by),
    "reopen": lambda case, by, _: case.reopen(by=by, why="Not yet."),
    "note": lambda case, by, _: case.note("Look.", by=by),
    "tag": lambda case, by, _: case.tag(by=by, add=["late"]),
    "rank": lambda case, by, _: case.rank_as("urgent", by=by),
    "group": lambda case, by, _: case.group(Issue.objects.create(name="Seats", owner=by), by=by),
    "close without reply": lambda case, by, _: answer_nothing(
        case, by=by, why="Thanks.", seen=case.last_inbound_id
    ),
    "mute": lambda case, by, _: mute_person_of(case, reason="Insults", by=by),
    "add follower": lambda case, by, _: add_follower(case, by, by=by),
    "add participant": lambda case, by, _: add_participant(
        case, case.profile, role="author", by=by
    ),
    "next case": lambda _case, by, _: take_next(by),
    "give back all": lambda case, by, _: give_back(Case.objects.filter(pk=case.pk), by=by),
}


@pytest.mark.parametrize("name", CASE_VERBS)
def test_a_verb_of_a_case_and_its_undo(
    complaint: Case, agent: User, sales: Department, name: str
) -> None:
    before = snapshot(complaint)
    with recorded_locks() as locks:
        CASE_VERBS[name](complaint, agent, sales)
        complaint.refresh_from_db()
        restore(complaint, before, after=snapshot(complaint), by=agent)
    assert locks.saw("routing_case")


def test_a_merge_with_a_held_reply_and_its_undo(held: Response, agent: User) -> None:
    """A held reply returns to its author, who keeps the text; approving it then is refused.

    Fails if a reply that was approved for one case is sent for another one.
    """
    assert held.case
    other = Case.objects.create(profile=held.case.profile, department=held.case.department)
    with recorded_locks() as locks:
        event = merge(held.case, other, by=agent)
        held.refresh_from_db()
        assert (held.state, held.case, held.author) == ("draft", other, agent)
        undo_merge(event, by=agent)
    assert locks.saw("routing_case", "responses_response")
    held.refresh_from_db()
    assert held.case_id == event.data["merge"]["source"]


def test_an_approval_after_a_merge_is_refused_and_the_text_is_kept(
    held: Response, agent: User, lead: User
) -> None:
    assert held.case
    shown, text = held.content_hash, held.text
    other = Case.objects.create(profile=held.case.profile, department=held.case.department)
    merge(held.case, other, by=agent)
    with pytest.raises(Stale, match="no longer held"):
        signing.approve(Response.objects.get(pk=held.pk), shown=shown, by=lead)
    held.refresh_from_db()
    assert (held.text, held.case, held.state) == (text, other, "draft")


def test_a_reply_written_on_an_old_page_of_a_merged_case_is_refused(
    complaint: Case, answer: Callable[..., Response], agent: User
) -> None:
    other = Case.objects.create(profile=complaint.profile, department=complaint.department)
    merge(complaint, other, by=agent)
    with pytest.raises(Stale, match=f"was merged into #{other.pk}"):
        answer()
    assert not Response.objects.exists()


def test_a_message_is_split_off_and_comes_back(
    complaint: Case, hear: Callable[..., Case], agent: User
) -> None:
    item = Interaction.objects.get(pk=complaint.last_inbound_id)
    assert hear("And my bag is gone") == complaint
    complaint.refresh_from_db()
    with recorded_locks() as locks:
        split_off_item(complaint, item, by=agent)
        undo_split(complaint.events.get(kind="split"), by=agent)
    assert locks.saw("routing_case")


def test_several_cases_in_bulk_and_their_undo(
    as_: As, hear: Callable[..., Case], agent: User
) -> None:
    cases = [hear("Me too", handle=f"@person{number}") for number in range(4)]
    shown = [f"{case.pk}:{case.last_inbound_id}:0" for case in (cases[i] for i in (2, 0, 3, 1))]
    typed = {"verb": "claim", "case": shown, "form": str(uuid.uuid4())}
    with recorded_locks() as locks:
        as_(agent).post("/bulk/", typed)
        as_(agent).post(f"/bulk/{Job.objects.get().uuid}/undo/")
    assert locks.saw("routing_case", "crm_job")


def test_several_cases_are_added_to_an_issue(
    as_: As, answer_many: Many, agent: User, seats: Issue
) -> None:
    first, second = (response.case_id for response in answer_many(2))
    with recorded_locks() as locks:
        as_(agent).post(reverse("routing:issue_add", args=[seats.pk]), {"case": [second, first]})
    assert locks.saw("routing_case")
    assert seats.cases.count() == 2


def test_snoozed_cases_wake(complaint: Case, agent: User) -> None:
    now = timezone.now()
    complaint.snooze(until=now, by=agent, seen=complaint.last_inbound_id)
    with recorded_locks() as locks:
        assert wake_snoozed(now=now) == 1
    assert locks.saw("routing_case")


def test_cases_of_a_user_who_leaves(as_: As, complaint: Case, agent: User, admin: User) -> None:
    complaint.claim(by=agent)
    with recorded_locks() as locks:
        as_(admin).post(reverse("crm:deactivate", args=[agent.pk]))
        as_(admin).post(reverse("crm:reassign", args=[agent.pk]), {"everything": admin.pk})
    assert locks.saw("crm_user", "routing_case")
    complaint.refresh_from_db()
    assert complaint.assignee == admin


def test_everything_of_a_user_who_leaves_is_given_to_another(
    as_: As, answer_many: Many, held: Response, microblog: Account,
    agent: User, lead: User, admin: User,
) -> None:  # fmt: skip
    """The user owns rows of every kind. Fails if all kinds are given in one transaction."""
    last = answer_many(1)[0].case
    assert last
    last.claim(by=agent)
    Draft.objects.create(case=last, kind="reply", author=agent, text="Dear Ron,")
    microblog.owner = agent
    microblog.save(update_fields=["owner"])
    rule = RoutingRule.objects.create(name="To the agent", owner=agent)
    rule.revise(
        conditions={"all": []}, department=last.department, assign="person", person=agent, by=admin
    )
    with recorded_locks() as locks:
        as_(admin).post(reverse("crm:deactivate", args=[agent.pk]))
        as_(admin).post(reverse("crm:reassign", args=[agent.pk]), {"everything": lead.pk})
    assert locks.saw("crm_account", "routing_case", "responses_response", "responses_draft")
    assert not owned_by(agent)


def test_a_department_becomes_restricted(as_: As, complaint: Case, admin: User) -> None:
    typed = {"name": "Service", "owner": admin.pk, "colour": "#5b6472"}
    typed |= {"is_fallback": "on", "is_restricted": "on"}
    with recorded_locks() as locks:
        url = reverse("routing:department", args=[complaint.department_id])
        assert as_(admin).post(url, typed).status_code == 302
    assert locks.saw("crm_conversation")


@pytest.fixture
def network_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox does every moderation; inside the test's transaction it could not be asked."""
    monkeypatch.setattr(SandboxModerator, "act", lambda *_, **__: None)


@pytest.mark.usefixtures("network_agrees")
def test_a_message_is_moderated(complaint: Case, agent: User) -> None:
    said = Interaction.objects.get(pk=complaint.last_inbound_id)
    account = moderation.moderating_accounts(complaint)[0]
    with recorded_locks() as locks:
        for name in ("like", "unlike", "like"):
            moderation.moderate(
                said, ACTIONS[name], case=complaint, account=account, by=agent, reason=""
            )
    assert locks.saw("routing_case", "responses_moderation")


def test_a_thread_is_fetched(complaint: Case, agent: User) -> None:
    with recorded_locks() as locks:
        found = public_thread.fetchable(complaint, agent)[0]
        public_thread.fetch(complaint, found, by=agent)
    assert locks.saw("routing_case")


# Responses


def test_a_reply_that_is_released_cancelled_and_written_anew(
    answer: Callable[..., Response], agent: User
) -> None:
    with recorded_locks() as locks:
        said = answer()
        corrections.undo(said, by=agent)
        answer("Once more.")
    assert locks.saw("routing_case", "responses_delivery")


@pytest.mark.parametrize("verb", ["approve", "send back", "edit", "escalate", "cancel"])
def test_a_held_reply(held: Response, agent: User, lead: User, verb: str) -> None:
    verbs: dict[str, Callable[[], object]] = {
        "approve": lambda: release.approve(held, by=lead),
        "send back": lambda: release.send_back(held, by=lead, why="No."),
        "edit": lambda: held.edit(text="Sorry.", by=agent),
        "escalate": lambda: release.escalate(held, now=timezone.now()),
        "cancel": lambda: corrections.undo(held, by=agent),
    }
    with recorded_locks() as locks:
        verbs[verb]()
    assert locks.saw("routing_case", "responses_response")


def test_one_of_two_replies_is_approved_instead_of_the_other(
    held: Response, answer: Callable[..., Response], lead: User
) -> None:
    other = answer("So sorry, again.")
    with recorded_locks() as locks:
        signing.approve(other, shown=other.content_hash, by=lead, instead=True)
    assert locks.saw("responses_response", "responses_delivery", "crm_notice")
    held.refresh_from_db()
    assert held.state == "draft"


@pytest.mark.parametrize("state", ["held", "released"])
def test_a_reply_is_rewritten(
    answer: Callable[..., Response], held: Response, lead: User, state: str
) -> None:
    said = held if state == "held" else answer("It will not happen again.")
    shown, seen = said.content_hash, said.case.last_inbound_id if said.case else None
    places = places_for(said.case)[:1] if said.case else []
    words = signing.Rewritten("Very sorry.", "", {}, None, places, [])
    with recorded_locks() as locks:
        changed = signing.rewrite_and_send(said, words, shown=shown, seen=seen, by=lead)
    assert locks.saw("routing_case", "responses_response", "responses_delivery")
    assert changed.text == "Very sorry."


def test_a_draft_is_sent(held: Response, agent: User, lead: User) -> None:
    release.send_back(held, by=lead, why="No.")
    held.refresh_from_db()
    shown, seen = held.content_hash, held.case.last_inbound_id if held.case else None
    with recorded_locks() as locks:
        signing.send(held, shown=shown, seen=seen, by=agent)
    assert locks.saw("routing_case", "responses_response")


def test_a_post_is_corrected_taken_down_and_cancelled(
    stated: Response, agent: User, make_rule: Callable[..., Any], lead: User
) -> None:
    def correct(text: str) -> Response:
        over = corrections.newest(stated).pk
        return corrections.correct(stated, words(text), over=over, by=agent)

    make_rule("lawyer")
    with recorded_locks() as locks:
        correct("We meant: from May.")
        second = correct("We meant: from June.")
        corrections.undo(second, by=agent)
        release.approve(correct("Ask our lawyer."), by=lead)
        over = corrections.newest(stated).pk
        corrections.take_down(stated, why="It is wrong.", over=over, by=lead)
    assert locks.saw("responses_response", "responses_delivery")


def test_what_waits_and_what_failed_of_a_post_ends_when_it_is_corrected(
    complaint: Case, microblog: Account, agent: User
) -> None:
    """A correction of a post ends its queued and its failed delivery in the right lock order.

    The correction changes the queued delivery first, although the failed one has the lower id.
    """
    others = [
        Account.objects.create(
            kind="sandbox", network=NETWORK, self_key=name, name=name, owner=agent
        )
        for name in ("two", "three")
    ]
    said = state_publicly(
        words("News."), accounts=[microblog, *others], by=agent, case=complaint,
        department=complaint.department,
    )  # fmt: skip
    sent, failed, waits = said.deliveries.order_by("pk")
    outbox.mark_sent(sent, Receipt(NETWORK, "statement"), now=timezone.now())
    Delivery.objects.filter(pk=failed.pk).update(state="failed")
    with recorded_locks() as locks:
        corrections.correct(said, words("Other news."), over=said.pk, by=agent)
    assert locks.saw("routing_case", "responses_response", "responses_delivery")
    waits.refresh_from_db()
    assert waits.state == "cancelled"


def test_a_post_of_a_campaign_and_a_review(
    complaint: Case, microblog: Account, agent: User, lead: User
) -> None:
    one, other = (
        Campaign.objects.create(name=name, aim="x", owner=agent, department=complaint.department)
        for name in ("Spring", "Summer")
    )
    with recorded_locks() as locks:
        said = state_publicly(
            words("News."), accounts=[microblog], by=agent, department=complaint.department,
            case=complaint, campaign=one,
        )  # fmt: skip
        other.add(said, by=agent)
        leave_campaign(said, by=agent)
    assert locks.saw("routing_case", "responses_response")
    Response.objects.filter(pk=said.pk).update(to_review=True)
    with recorded_locks() as locks:
        release.review(said, by=lead)
    assert locks.saw("responses_response")


def test_a_reply_by_hand(complaint: Case, microblog: Account, agent: User) -> None:
    with recorded_locks() as locks:
        log_by_hand(complaint, words("I called.", "private"), account=microblog, by=agent)
    assert locks.saw(LEDGER, "routing_case")


# The outbox


@pytest.mark.parametrize("end", ["sent", "failed", "unknown", "queued"])
def test_a_delivery_is_claimed_and_its_result_recorded(
    answer: Callable[..., Response], microblog: Account, end: str
) -> None:
    Account.objects.filter(pk=microblog.pk).update(config={"per_hour": 5})
    delivery = answer().deliveries.get()
    now = timezone.now() + timedelta(minutes=1)
    with recorded_locks() as locks:
        assert outbox.claim(delivery, now=now)
        if end == "sent":
            outbox.mark_sent(delivery, Receipt(NETWORK, "reply"), now=now)
        elif end == "failed":
            outbox._failed(delivery, ChannelError("No.", permanent=True))
        elif end == "unknown":
            outbox._failed(delivery, ChannelError("Perhaps.", uncertain=True))
        else:
            outbox._failed(delivery, ChannelError("Later."))
    assert locks.saw("crm_account", "responses_delivery", "crm_instance")
    delivery.refresh_from_db()
    assert delivery.state == end


@pytest.mark.parametrize("verb", ["confirm_sent", "send_again", "dismiss"])
def test_a_user_resolves_an_unknown_delivery(
    answer: Callable[..., Response], agent: User, verb: str
) -> None:
    delivery = unknown(answer())
    verbs = {"confirm_sent": outbox.confirm_sent, "send_again": check_sending.send_again,
             "dismiss": check_sending.dismiss}  # fmt: skip
    with recorded_locks() as locks:
        verbs[verb](delivery, by=agent)
    assert locks.saw("routing_case", "responses_response", "responses_delivery")


def test_an_overdue_delivery_is_sent_late(answer: Callable[..., Response], agent: User) -> None:
    delivery = answer().deliveries.get()
    now = timezone.now() + timedelta(days=1)
    with recorded_locks() as locks:
        check_sending.send_late(delivery, by=agent, now=now)
    assert locks.saw("responses_delivery")


def test_what_the_tick_does_with_deliveries(answer_many: Many, microblog: Account) -> None:
    Account.objects.filter(pk=microblog.pk).update(config={"per_hour": 1})
    now = timezone.now() + timedelta(minutes=1)
    for response in answer_many(4)[2:]:
        outbox.claim(response.deliveries.get(), now=now)
    Delivery.objects.update(lease_until=now, answer_due_at=now)
    later = now + timedelta(minutes=1)
    with recorded_locks(own_statements=True) as locks:
        Delivery.objects.give_up_on_the_dead(later)
        throttle.hold_back(later)
        fall_silent(now=later)
    assert locks.saw("responses_delivery")


def test_our_own_posts_bounces_and_answers_are_heard(
    answer_many: Many, hear: Callable[..., Case]
) -> None:
    """Items about two deliveries are processed in the right lock order.

    The items arrive in the opposite order of their deliveries.
    """
    first, second = (unknown(response) for response in answer_many(2))
    with recorded_locks() as locks:
        outbox.prove([answering(second), answering(first)], now=timezone.now())
        come_back([answering(second, BOUNCE), answering(first, BOUNCE)], now=timezone.now())
    assert locks.saw(LEDGER, "routing_case", "responses_delivery", "crm_profile")
    first.refresh_from_db()
    assert first.state == "bounced"


def test_our_own_posts_prove_deliveries(answer_many: Many) -> None:
    first, second = (unknown(response) for response in answer_many(2))
    posts = [
        (replace(answering(each), key=str(each.uuid), in_reply_to=""), each.account_id)
        for each in (second, first)
    ]
    with recorded_locks() as locks:
        outbox.heard_ourselves(posts, now=timezone.now())
    assert locks.saw("routing_case", "responses_delivery")
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


def test_answers_that_came_before_their_deliveries_are_linked(
    answer: Callable[..., Response],
) -> None:
    delivery = answer().deliveries.get()
    outbox.mark_sent(delivery, Receipt(NETWORK, "reply"), now=timezone.now())
    hear_answer(delivery)
    with recorded_locks() as locks:
        relink(now=timezone.now())
    assert locks.saw(LEDGER, "routing_case", "responses_delivery")


# Routing


def test_a_batch_with_answers_bounces_and_our_own_posts(
    answer_many: Many, microblog: Account, make_source: Callable[..., Source]
) -> None:
    """A batch with answers, a bounce and our own post is processed in the right lock order.

    The messages of two cases arrive in the opposite order of the case ids. The batch changes the
    state of two deliveries.
    """
    first, second, third = (unknown(response) for response in answer_many(3))
    outbox.mark_sent(first, Receipt(NETWORK, str(first.uuid)), now=timezone.now())
    mentions = make_source(kind="sandbox", address="x", account=microblog, stance="for us")
    poll = mentions.fetches.create()
    author = Author(NETWORK, microblog.self_key)
    own = replace(answering(third), author=author, key=str(third.uuid), in_reply_to="")
    items = [answering(second), answering(first), answering(first, BOUNCE), own]
    with recorded_locks() as locks:
        store(poll, mentions, items, now=timezone.now())
        pipeline.process()
    assert locks.saw(LEDGER, "listening_mention", "routing_case", "responses_delivery")
    states = Delivery.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["bounced", "sent", "sent"]


def test_an_item_joins_a_case_that_was_transferred(
    complaint: Case, hear: Callable[..., Case], agent: User, sales: Department
) -> None:
    """After the transfer of a case, its next item is recorded in the right lock order.

    When the code records the item, the conversation exists already. Fails if the code then locks
    the conversation.
    """
    first = Interaction.objects.get(pk=complaint.last_inbound_id)
    complaint.transfer(to=sales, by=agent, why="Yours.")
    with recorded_locks() as locks, transaction.atomic():
        hear("And?", in_reply_to=first.key, thread_key=first.key)
    assert locks.saw(LEDGER, "routing_case")


def test_a_restored_database_is_held_and_released(answer_many: Many, supervisor: User) -> None:
    """The code that stops sending after a restore locks rows in the right order.

    The code that allows sending again does so too. One delivery becomes due while sending is
    stopped. When sending is allowed again, this delivery is marked as unknown too.
    """
    now = timezone.now() + timedelta(minutes=1)
    first, _second, third = answer_many(3)
    Delivery.objects.filter(response=first).update(state="unknown", settle_after=now)
    Delivery.objects.filter(response=third).update(send_after=now + timedelta(hours=1))
    Instance.objects.update(fingerprint="elsewhere")
    with recorded_locks() as locks:
        restored_database.check(now=now)
        restored_database.check(now=now)
        assert restored_database.release(by=supervisor, now=now + timedelta(hours=2))
    assert locks.saw("crm_pause", "responses_delivery", "crm_instance")
    assert set(Delivery.objects.values_list("state", flat=True)) == {"unknown"}


# Two connections at once


def waited_for() -> bool:
    """Return whether another connection waits for a lock that this connection holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_an_approval_and_a_verb_of_its_case_do_not_deadlock(
    held: Response, agent: User, lead: User
) -> None:
    """An approval and an action on the case of the response do not deadlock.

    Fails if the approval locks the response before the case of the response.
    """
    has_case = Event()

    def close() -> str:
        with transaction.atomic():
            case = Case.objects.get(pk=held.case_id)
            case.set_aside(by=agent)
            has_case.set()
            eventually(waited_for)
            release.send_back(held, by=lead, why="The case is closed.")
        return "sent back"

    def approve() -> str:
        assert has_case.wait(30)
        with pytest.raises(Stale):
            release.approve(Response.objects.get(pk=held.pk), by=lead)
        return "stale"

    assert at_once(close, approve) == ["sent back", "stale"]


@pytest.mark.django_db(transaction=True)
def test_a_transfer_and_the_next_message_do_not_deadlock(
    complaint: Case, hear: Callable[..., Case], agent: User, sales: Department
) -> None:
    """The transfer of a case and the recording of its next message do not deadlock.

    The message must still be added to the transferred case. Fails if recording the message locks
    its conversation, which exists already. Fails also if the message is not added to the case
    because the department of the case has changed meanwhile.
    """
    first = Interaction.objects.get(pk=complaint.last_inbound_id)
    has_case = Event()

    def transfer() -> int:
        with transaction.atomic():
            complaint.lock()
            has_case.set()
            eventually(waited_for)
            complaint.transfer(to=sales, by=agent, why="Yours.")
        return complaint.pk

    def listen() -> int:
        assert has_case.wait(30)
        with transaction.atomic():
            return hear("And?", in_reply_to=first.key, thread_key=first.key).pk

    assert at_once(transfer, listen) == [complaint.pk, complaint.pk]


@pytest.mark.django_db(transaction=True)
def test_an_event_is_added_to_a_case_that_is_locked(complaint: Case, teammate: User) -> None:
    """Another transaction can add an event to a case that is locked.

    Fails if the case is locked with a plain FOR UPDATE, because then the other transaction has to
    wait.
    """

    def open_it() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '3s'")
            Presence.here(complaint, teammate)

    with transaction.atomic():
        complaint.lock()
        at_once(open_it)
    assert complaint.events.filter(kind="opened", by=teammate).exists()
