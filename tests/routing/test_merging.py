"""Merge and split cases, and undo both."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse

from crm.ledger import Entry, record
from crm.models import (
    Conversation,
    Department,
    Interaction,
    InteractionMove,
    Notice,
    User,
)
from routing.answering import count_as_answered
from routing.case_page import interactions_of
from routing.following import follow
from routing.linking import link_cases
from routing.merge_preview import also_open
from routing.merging import merge, undo_merge
from routing.models import Case, CaseEvent, CaseLink, ResponseTarget
from routing.models.status import Stale, Status
from routing.splitting import split_off_conversation, split_off_item, undo_split
from routing.unanswered import unanswered
from scrm.channels.base import Author
from tests.pages import press
from tests.routing.hearing import DAY, HOUR, MINUTE, NOW, contact, hear

pytestmark = pytest.mark.django_db
Kind = CaseEvent.Kind
As = Callable[[User], Client]


@pytest.fixture(autouse=True)
def house(service: Department) -> Department:
    return service


@pytest.fixture
def pair(agent: User) -> tuple[Case, Case]:
    """Two open cases of Anna: a tweet that we answered, and a mail of the next week."""
    contact("anna-tweets", "anna-mails")
    first = hear("anna-tweets", "My bag is gone", thread="bag")
    first.claim(by=agent)
    count_as_answered(first, at=NOW, seen=first.last_inbound_id, answered_by=None)
    second = hear("anna-mails", "A refund, please", thread="refund", now=NOW + 8 * DAY)
    assert first != second
    first.refresh_from_db()
    return first, second


def texts(case: Case) -> set[str]:
    """The texts that the page of the case shows."""
    return set(interactions_of(case).values_list("text", flat=True))


def fresh(case: Case) -> Case:
    return Case.objects.get(pk=case.pk)


# Merge


def test_merging_puts_everything_of_two_cases_of_one_person_into_one(
    pair: tuple[Case, Case], agent: User
) -> None:
    bag, refund = pair
    bag.tag(by=agent, add=["bags", "vip"])
    refund.tag(by=agent, add=["money", "vip"])
    refund.rank_as("high", by=agent)
    merge(fresh(refund), fresh(bag), by=agent, why="The same bag.")
    bag, refund = fresh(bag), fresh(refund)
    assert texts(bag) == {"My bag is gone", "A refund, please"}
    assert texts(refund) == set()
    assert (bag.status, bag.priority) == (Status.OPEN, "high")
    assert bag.tags == ["bags", "vip", "money"]
    assert bag.last_inbound
    assert bag.last_inbound.text == "A refund, please"
    assert (refund.merged_into, refund.status) == (bag, Status.DONE)
    assert bag.assignee == agent


def test_a_new_message_comes_into_the_case_that_stayed(
    pair: tuple[Case, Case], agent: User
) -> None:
    bag, refund = pair
    merge(refund, bag, by=agent)
    assert hear("anna-mails", "Hello?", thread="refund", now=NOW + 9 * DAY) == bag
    call = hear("anna-mails", "She called", thread="a call", case=refund.pk, now=NOW + 9 * DAY)
    assert call == bag


def test_undo_restores_exactly_what_the_merge_moved_with_later_messages(
    pair: tuple[Case, Case], agent: User
) -> None:
    """Fails if later messages in the moved conversation stay in the other case."""
    bag, refund = pair
    before = [Case.objects.filter(pk=case.pk).values().get() for case in pair]
    event = merge(refund, bag, by=agent)
    undo_merge(event, by=agent)
    after = [Case.objects.filter(pk=case.pk).values().get() for case in pair]
    assert before == after
    assert (texts(bag), texts(refund)) == ({"My bag is gone"}, {"A refund, please"})
    event = merge(fresh(refund), fresh(bag), by=agent)
    hear("anna-mails", "Hello?", thread="refund", now=NOW + 9 * DAY)
    undo_merge(event, by=agent)
    assert texts(refund) == {"A refund, please", "Hello?"}
    assert texts(bag) == {"My bag is gone"}
    refund = fresh(refund)
    assert refund.last_inbound
    assert refund.last_inbound.text == "Hello?"


def test_a_merge_is_undone_only_once(pair: tuple[Case, Case], agent: User) -> None:
    bag, refund = pair
    event = merge(refund, bag, by=agent)
    undo_merge(event, by=agent)
    with pytest.raises(Stale, match="already undone"):
        undo_merge(event, by=agent)


def test_a_merge_below_another_merge_is_undone_after_it(
    pair: tuple[Case, Case], agent: User
) -> None:
    """A merged case never points at another merged case, and merges are undone in reverse order."""
    bag, refund = pair
    third = hear("anna-tweets", "Seats?", thread="seats", now=NOW + 30 * DAY)
    if third in pair:
        third = split_off_conversation(
            third, Conversation.objects.get(interactions__text="Seats?"), by=agent
        )
    first = merge(fresh(refund), fresh(bag), by=agent)
    second = merge(fresh(bag), fresh(third), by=agent)
    assert fresh(refund).merged_into == fresh(bag).merged_into == third
    with pytest.raises(Stale, match=f"later merged into case #{third.pk}"):
        undo_merge(first, by=agent)
    undo_merge(second, by=agent)
    assert fresh(refund).merged_into == bag
    undo_merge(first, by=agent)
    assert texts(refund) == {"A refund, please"}


def test_a_case_cannot_be_merged_with_itself(pair: tuple[Case, Case], agent: User) -> None:
    with pytest.raises(Stale, match="with itself"):
        merge(pair[0], pair[0], by=agent)


def test_cases_of_two_people_are_linked_and_never_merged(agent: User) -> None:
    one, other = hear("anna"), hear("ben")
    with pytest.raises(Stale, match="different people"):
        merge(one, other, by=agent)
    link_cases(one, other, CaseLink.Kind.LINKED, by=agent)
    assert CaseLink.objects.get().one == one
    assert other.events.filter(kind=Kind.LINKED).get().why == f"Linked with #{one.pk}."


def test_two_opposite_merges_end_in_one_case(pair: tuple[Case, Case], agent: User) -> None:
    bag, refund = pair
    merge(refund, bag, by=agent)
    with pytest.raises(Stale, match=f"was already merged into #{bag.pk}"):
        merge(bag, refund, by=agent)


def test_a_case_of_a_department_that_the_user_cannot_work_in_is_not_merged(
    pair: tuple[Case, Case], agent: User, admin: User
) -> None:
    bag, refund = pair
    legal = Department.objects.create(name="Legal", owner=admin, is_restricted=True)
    refund.transfer(to=legal, by=admin, why="A threat.")
    for source, target in ((refund, bag), (bag, refund)):
        with pytest.raises(Stale, match="permission to work on"):
            merge(source, target, by=agent)
    assert fresh(refund).merged_into is None


def test_restricted_texts_never_move_out_of_their_department(
    pair: tuple[Case, Case], admin: User, agent: User
) -> None:
    """Fails if a merge can show the texts of a restricted department to everybody."""
    bag, refund = pair
    legal = Department.objects.create(name="Legal", owner=admin, is_restricted=True)
    refund.transfer(to=legal, by=admin, why="A threat.")
    with pytest.raises(Stale, match="is restricted to Legal"):
        merge(refund, bag, by=admin)
    merge(fresh(bag), fresh(refund), by=admin)
    assert set(Conversation.objects.values_list("restricted_to", flat=True)) == {legal.pk}
    assert not Interaction.objects.readable_by(agent).exists()


def test_the_verbs_of_a_merged_case_refuse_in_words(
    pair: tuple[Case, Case], agent: User, sales: Department
) -> None:
    """Fails if an old page can still change a merged case."""
    bag, refund = pair
    old = fresh(refund)
    merge(refund, bag, by=agent)
    verbs: list[Callable[[], object]] = [
        lambda: old.claim(by=agent),
        lambda: old.note("Look.", by=agent),
        lambda: old.finish(by=agent, seen=old.last_inbound_id),
        lambda: old.snooze(until=None, by=agent, seen=old.last_inbound_id),
        lambda: old.transfer(to=sales, by=agent, why="Yours."),
        lambda: old.reopen(by=agent, why=""),
        lambda: old.tag(by=agent, add=["late"]),
        lambda: old.set_aside(by=agent),
    ]
    for verb in verbs:
        with pytest.raises(Stale, match=f"merged into #{bag.pk}"):
            verb()


def test_followers_and_call_backs_move_and_come_back(
    pair: tuple[Case, Case], agent: User, teammate: User
) -> None:
    bag, refund = pair
    follow(refund, by=teammate)
    event = merge(refund, bag, by=agent)
    assert bag.followers.get().user == teammate
    hear("anna-tweets", "Hello?", thread="bag", now=NOW + 9 * DAY)
    assert Notice.objects.filter(user=teammate, kind=Notice.Kind.FOLLOWED).count() == 1
    undo_merge(event, by=agent)
    assert not bag.followers.exists()
    assert refund.followers.get().user == teammate


def test_a_merge_tells_and_brings_along_only_who_may_see_the_case(
    pair: tuple[Case, Case], admin: User, agent: User, teammate: User
) -> None:
    """Fails if users of another department get notices of a restricted case."""
    bag, refund = pair
    legal = Department.objects.create(name="Legal", owner=admin, is_restricted=True)
    bag.transfer(to=legal, by=admin, why="A threat.")
    legal.memberships.create(user=teammate)
    refund.claim(by=agent)
    for user in (agent, teammate):
        follow(refund, by=user)
    merge(fresh(refund), fresh(bag), by=admin, now=NOW + 9 * DAY)
    assert [row.user for row in bag.followers.all()] == [teammate]
    assert not Notice.objects.filter(about=bag.as_subject.key, user=agent).exists()


def test_the_notice_of_a_merge_does_not_hide_the_one_of_the_next_message(
    pair: tuple[Case, Case], admin: User, agent: User
) -> None:
    bag, refund = pair
    merge(refund, bag, by=admin, now=NOW + 9 * DAY)
    notices = Notice.objects.filter(user=agent, about=bag.as_subject.key)
    assert [row.kind for row in notices] == [Notice.Kind.MERGED]
    hear("anna-tweets", "Hello?", thread="bag", now=NOW + 10 * DAY)
    assert notices.filter(kind=Notice.Kind.JOINED).exists()


# Split


@pytest.fixture
def mixed(agent: User) -> Case:
    """One case of Anna with two conversations; in the first one, she writes about two matters."""
    case = hear("anna", "My bag is gone", thread="one")
    hear("anna", "And a refund for May?", thread="one", now=NOW + MINUTE)
    hear("anna", "Hello?", thread="two", now=NOW + 2 * MINUTE)
    case.refresh_from_db()
    assert case.conversations.count() == 2
    case.claim(by=agent)
    return case


def said(text: str) -> Interaction:
    return Interaction.objects.get(text=text)


def test_a_conversation_is_split_off_into_a_case_of_its_own(mixed: Case, agent: User) -> None:
    new = split_off_conversation(mixed, said("Hello?").conversation, by=agent)
    assert texts(new) == {"Hello?"}
    assert texts(mixed) == {"My bag is gone", "And a refund for May?"}
    assert (new.assignee, new.status, new.department) == (agent, Status.OPEN, mixed.department)
    last = fresh(mixed).last_inbound
    assert last
    assert last.text == "And a refund for May?"


def test_a_single_message_is_split_off_with_our_answer_to_it(mixed: Case, agent: User) -> None:
    item = said("And a refund for May?")
    answer = Entry(
        item.scope, "answer", Author("x", "anna"), "sandbox", "reply", "private", "Yes, 20 EUR",
        direction="out", in_reply_to=item.key, conversation=item.conversation_id,
    )  # fmt: skip
    record([answer], now=NOW + HOUR)
    new = split_off_item(mixed, item, by=agent, why="Another matter.")
    assert texts(new) == {"And a refund for May?", "Yes, 20 EUR"}
    assert texts(mixed) == {"My bag is gone", "Hello?"}
    moves = InteractionMove.objects.order_by("pk")
    assert [move.interaction.text for move in moves] == ["And a refund for May?", "Yes, 20 EUR"]
    assert moves[0].why == "Another matter."
    assert item.conversation.thread_key == new.conversations.get().thread_key


def test_an_answer_to_a_split_message_stays_with_it(mixed: Case, agent: User) -> None:
    """A private answer to a split message goes where the message went, whatever its thread is.

    Fails if the thread rule looks only at the thread of a private item.
    """
    item = said("And a refund for May?")
    new = split_off_item(mixed, item, by=agent)
    reply = Entry(
        "x", "later", Author("x", "anna"), "sandbox", "message", "private", "For May, please",
        thread_key="one", in_reply_to=item.key,
    )  # fmt: skip
    row = record([reply], now=NOW + DAY)[0]
    assert list(new.conversations.values_list("pk", flat=True)) == [row.conversation]


def test_due_times_follow_the_messages_through_a_split_and_a_merge(
    service: Department, agent: User
) -> None:
    """Fails if a case keeps the due time of a message that left it, or gets none for a new one."""
    ResponseTarget.objects.create(department=service, priority="normal", first=60)
    case = hear("anna", "My bag is gone", thread="one")
    hear("anna", "And a refund for May?", thread="one", now=NOW + 10 * MINUTE)
    assert fresh(case).due_at == NOW + HOUR
    new = split_off_item(case, said("My bag is gone"), by=agent)
    assert (fresh(new).due_at, fresh(case).due_at) == (NOW + HOUR, NOW + HOUR + 10 * MINUTE)
    event = merge(fresh(new), fresh(case), by=agent)
    assert (fresh(new).due_at, fresh(case).due_at) == (None, NOW + HOUR)
    undo_merge(event, by=agent)
    assert (fresh(new).due_at, fresh(case).due_at) == (NOW + HOUR, NOW + HOUR + 10 * MINUTE)


def test_the_only_message_of_a_case_is_not_split_off(agent: User) -> None:
    case = hear("anna", "My bag is gone")
    with pytest.raises(Stale, match="only message of the case"):
        split_off_item(case, said("My bag is gone"), by=agent)
    with pytest.raises(Stale, match="only message of the case"):
        split_off_conversation(case, case.conversations.get(), by=agent)
    assert Case.objects.count() == 1


def test_undo_of_a_split_brings_back_the_message_to_its_conversation(
    mixed: Case, agent: User
) -> None:
    item = said("And a refund for May?")
    was = item.conversation_id
    new = split_off_item(mixed, item, by=agent)
    undo_split(mixed.events.get(kind=Kind.SPLIT), by=agent)
    assert texts(mixed) == {"My bag is gone", "And a refund for May?", "Hello?"}
    assert Interaction.objects.get(pk=item.pk).conversation_id == was
    assert fresh(new).merged_into == mixed
    assert mixed.conversations.count() == 2


def test_undo_of_a_split_brings_back_later_messages_too(mixed: Case, agent: User) -> None:
    split_off_conversation(mixed, said("Hello?").conversation, by=agent)
    hear("anna", "Anybody?", thread="two", now=NOW + DAY)
    undo_split(mixed.events.get(kind=Kind.SPLIT), by=agent)
    assert "Anybody?" in texts(mixed)


def test_reopening_a_case_leaves_a_message_that_was_split_off_decided(
    mixed: Case, agent: User
) -> None:
    """Fails if the other case gets an unanswered message and neither a due time nor a notice."""
    mixed.finish(by=agent, seen=mixed.last_inbound_id, reasons="No question")
    item = interactions_of(mixed).filter(direction="in").order_by("pk")[0]
    new = split_off_item(mixed, item, by=agent)
    mixed.refresh_from_db()
    mixed.reopen(by=agent, why="")
    assert not unanswered([new.pk]).exists()
    assert unanswered([mixed.pk]).exists()


def test_undo_of_a_split_brings_the_message_back_although_its_conversation_has_left(
    mixed: Case, agent: User
) -> None:
    """Fails if the message follows its conversation into a third case, behind the back of who
    works on that one.
    """
    split_off_item(mixed, said("And a refund for May?"), by=agent)
    event = mixed.events.get(kind=Kind.SPLIT)
    third = split_off_conversation(mixed, said("My bag is gone").conversation, by=agent)
    undo_split(event, by=agent)
    assert texts(mixed) == {"And a refund for May?", "Hello?"}
    assert texts(third) == {"My bag is gone"}
    assert fresh(third).last_inbound == said("My bag is gone")
    undo_split(mixed.events.filter(kind=Kind.SPLIT).latest("pk"), by=agent)
    assert texts(mixed) == {"My bag is gone", "And a refund for May?", "Hello?"}


def test_the_database_refuses_every_other_change_of_a_conversation(mixed: Case) -> None:
    """The ledger is append-only; a conversation changes only as the latest move says (G17).

    Fails if the trigger allows any change of the column.
    """
    one, two = said("My bag is gone"), said("Hello?")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Interaction.objects.filter(pk=one.pk).update(conversation=two.conversation_id)
    InteractionMove.objects.create(
        interaction=one,
        from_conversation=one.conversation,
        to_conversation=two.conversation,
        by=None,
    )
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Interaction.objects.filter(pk=one.pk).update(conversation=two.conversation_id, text="x")
    Interaction.objects.filter(pk=one.pk).update(conversation=two.conversation_id)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        InteractionMove.objects.all().delete()


# Pages


def test_the_strip_names_the_other_case_until_it_is_kept_apart(
    pair: tuple[Case, Case], agent: User, as_: As
) -> None:
    """Both pages name the other case. Fails if only the older or only the newer one does."""
    browser = as_(agent)

    def shown(here: Case, there: Case) -> bool:
        page = browser.get(here.get_absolute_url()).content.decode()
        merging = f'href="{reverse("routing:merge", args=[here.pk])}?other={there.pk}"'
        assert (merging in page) == (f"<b>#{there.pk}</b>" in page)
        return merging in page

    bag, refund = pair
    assert shown(bag, refund)
    assert shown(refund, bag)
    typed = {"other": refund.pk, "kind": "apart"}
    browser.post(reverse("routing:link", args=[bag.pk]), typed)
    assert also_open(bag, agent) == also_open(refund, agent) == []
    assert not shown(bag, refund)
    assert not shown(refund, bag)


def test_the_merge_page_shows_what_would_happen_and_merges(
    pair: tuple[Case, Case], agent: User, as_: As
) -> None:
    bag, refund = pair
    browser, url = as_(agent), reverse("routing:merge", args=[bag.pk])
    preview = browser.get(url, {"other": refund.pk}).content.decode()
    assert f"Case #{refund.pk} is merged into case #{bag.pk}" in preview
    answer = browser.post(url, {"other": refund.pk, "keep": "this", "why": ""}, follow=True)
    page = answer.content.decode()
    assert f"Case #{refund.pk} was merged into case #{bag.pk}." in page
    moved = browser.get(refund.get_absolute_url())
    assert moved.status_code == 302
    assert moved["Location"] == bag.get_absolute_url()
    event = bag.events.get(kind=Kind.MERGED)
    undo = reverse("routing:undo_event", args=[bag.pk, event.pk])
    press(browser, bag.get_absolute_url(), undo)  # the form on the timeline
    assert fresh(refund).merged_into is None
    assert undo not in browser.get(bag.get_absolute_url()).content.decode()


def test_a_merge_with_itself_or_an_unknown_case_is_refused_on_the_page(
    pair: tuple[Case, Case], agent: User, as_: As
) -> None:
    bag, _refund = pair
    browser, url = as_(agent), reverse("routing:merge", args=[bag.pk])
    itself = browser.post(url, {"other": bag.pk, "keep": "this"})
    assert (itself.status_code, "with itself" in itself.content.decode()) == (409, True)
    unknown = browser.post(url, {"other": 999_999, "keep": "this"})
    assert (unknown.status_code, "Case #999999 does not exist" in unknown.content.decode()) == (
        422, True,
    )  # fmt: skip


def test_a_message_is_split_off_from_its_menu(mixed: Case, agent: User, as_: As) -> None:
    url = reverse("routing:split", args=[mixed.pk])
    typed = {"item": said("And a refund for May?").pk, "what": "item"}
    page = as_(agent).post(url, typed, follow=True).content.decode()
    new = Case.objects.order_by("pk").last()
    assert new
    assert f"Split off into the new case #{new.pk}." in page
    assert texts(new) == {"And a refund for May?"}
    event = mixed.events.get(kind=Kind.SPLIT)
    undo = reverse("routing:undo_event", args=[mixed.pk, event.pk])
    press(as_(agent), mixed.get_absolute_url(), undo)
    assert "And a refund for May?" in texts(mixed)


def test_a_merged_case_is_in_no_list_and_no_count(
    pair: tuple[Case, Case], agent: User, as_: As
) -> None:
    bag, refund = pair
    merge(refund, bag, by=agent)
    for view in ("all", "open", "done"):
        page = as_(agent).get("/", {"view": view}).content.decode()
        assert f'data-case="{refund.pk}"' not in page
        assert f"/cases/{refund.pk}/" not in page


def test_the_inbox_filters_by_followed_cases(pair: tuple[Case, Case], agent: User, as_: As) -> None:
    bag, refund = pair
    as_(agent).post(reverse("routing:follow", args=[refund.pk]))
    page = as_(agent).get("/", {"followed": "me"}).content.decode()
    assert f"/cases/{refund.pk}/" in page
    assert f"/cases/{bag.pk}/" not in page
    as_(agent).post(reverse("routing:unfollow", args=[refund.pk]))
    assert not refund.followers.exists()


def test_a_follower_of_a_case_that_nobody_has_is_notified(
    pair: tuple[Case, Case], teammate: User
) -> None:
    """Fails if the followers are compared with a missing assignee in SQL."""
    _bag, refund = pair
    follow(refund, by=teammate)
    assert hear("anna-mails", "Hello?", thread="refund", now=NOW + 9 * DAY).assignee is None
    assert Notice.objects.filter(user=teammate, kind=Notice.Kind.FOLLOWED).count() == 1


def test_a_reader_can_neither_merge_nor_split(
    pair: tuple[Case, Case], reader: User, as_: As
) -> None:
    browser = as_(reader)
    assert browser.get(reverse("routing:merge", args=[pair[0].pk])).status_code == 404
    assert browser.post(reverse("routing:split", args=[pair[0].pk]), {}).status_code == 404
