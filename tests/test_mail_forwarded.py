"""A colleague passes on a customer's mail: the customer can be answered with one click."""

from __future__ import annotations

import re
from collections.abc import Callable
from email import message_from_bytes

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Department, Interaction, User
from listening.models import Topic
from responses.models import Response
from routing.forwarded_sender import undo_customer
from routing.models import Case
from routing.models.status import Stale
from routing.unanswered import unanswered
from scrm.channels.email.quotes import forwarded_mail
from tests.test_mail import CARE, Post, answer, care, hear, post, typed

__all__ = ["care", "post"]
pytestmark = pytest.mark.django_db
MAX, BEN = "max@customers.example", f"ben@{CARE.partition('@')[2]}"
FORWARDED = f"""FYI

---------- Forwarded message ---------
From: Max Lost <{MAX}>
Date: Sat, 28 Nov 2026 at 10:00
Subject: my lost bag
To: <{BEN}>

My suitcase did not arrive, ref ZQ9.
"""
OFFER = "Answer the original sender"


@pytest.fixture
def browser(as_: Callable[[User], Client], agent: User) -> Client:
    return as_(agent)


@pytest.fixture
def case(post: Post, care: Account) -> Case:
    post.write(FORWARDED, sender=f"Ben Osei <{BEN}>", Subject="Fwd: my lost bag")
    hear()
    return Case.objects.get()


def click(browser: Client, case: Case) -> int:
    item = Interaction.objects.filter(direction="in").order_by("pk")[0]
    action = reverse("routing:forwarded_sender", args=[case.pk])
    return browser.post(action, {"item": item.pk}).status_code


def test_the_author_is_offered_and_answered(post: Post, browser: Client, case: Case) -> None:
    page = browser.get(case.get_absolute_url()).content.decode()
    assert OFFER in page
    assert f"Max Lost ({MAX}) wrote the forwarded message." in page
    assert click(browser, case) == 302
    assert OFFER not in browser.get(case.get_absolute_url()).content.decode()
    case.refresh_from_db()
    assert (case.profile.key, str(case.profile)) == (MAX, "Max Lost")
    said = Interaction.objects.filter(direction="in").latest("pk")
    assert (said.title, said.text) == ("my lost bag", "My suitcase did not arrive, ref ZQ9.")
    delivery = answer(browser, case)
    sent = message_from_bytes(post.sent[-1])
    assert (sent["To"], sent["Subject"]) == (MAX, "Re: my lost bag")
    case.refresh_from_db()
    assert case.status == "waiting"
    assert delivery.state == "sent"


def test_the_reply_form_is_loaded_again_for_the_new_customer(browser: Client, case: Case) -> None:
    """The page keeps an element with the same id (hx-preserve), with its former recipients."""

    def kept() -> list[str]:
        page = browser.get(case.get_absolute_url()).content.decode()
        return re.findall(r'<div id="([^"]+)" hx-preserve>', page)

    before = kept()
    click(browser, case)
    assert len(before) == 1
    assert kept() != before


def test_a_second_click_changes_nothing(browser: Client, case: Case) -> None:
    assert [click(browser, case) for _ in range(2)] == [302, 302]
    assert Interaction.objects.filter(direction="in").count() == 2
    assert Case.objects.count() == 1


def test_the_topics_of_the_forwarded_mail_count(
    browser: Client, case: Case, brand: Topic, admin: User
) -> None:
    brand.revise(any_of=["suitcase"], all_of=[], none_of=[], by=admin)
    click(browser, case)
    said = Interaction.objects.filter(direction="in").latest("pk")
    assert [match.revision.topic.name for match in said.matches.all()] == ["Brand"]


def test_an_answer_of_the_author_is_in_the_same_case(
    post: Post, browser: Client, case: Case
) -> None:
    click(browser, case)
    answer(browser, case)
    own = message_from_bytes(post.sent[-1])["Message-ID"]
    post.write("Thank you.", sender=MAX, In_Reply_To=own)
    hear()
    assert Case.objects.count() == 1


@pytest.mark.parametrize(
    "sender", ["eve@evil.example", f"eve@{CARE.partition('@')[2]}.evil.example"]
)
def test_a_stranger_passes_on_nobodys_mail(
    post: Post, care: Account, browser: Client, sender: str
) -> None:
    post.write(FORWARDED, sender=sender, Subject="Fwd: my lost bag")
    hear()
    case = Case.objects.get()
    assert OFFER not in browser.get(case.get_absolute_url()).content.decode()
    assert click(browser, case) == 409
    assert Interaction.objects.count() == 1


def test_a_second_customer_is_not_mixed_into_the_case(
    post: Post, browser: Client, case: Case
) -> None:
    """Fails if the second mail goes to the case of the first customer."""
    click(browser, case)
    other = FORWARDED.replace(MAX, "ann@customers.example").replace("Max Lost", "Ann")
    post.write(other, sender=f"Ben Osei <{BEN}>", Subject="Fwd: my seat")
    hear()
    second = Interaction.objects.filter(direction="in").latest("pk")
    theirs = Case.objects.get(
        conversation_links__conversation=second.conversation, conversation_links__ended_at=None
    )
    action = reverse("routing:forwarded_sender", args=[theirs.pk])
    browser.post(action, {"item": second.pk})
    case.refresh_from_db()
    assert case.profile.key == MAX
    wrote = Interaction.objects.filter(profile__key="ann@customers.example")
    assert all(each.conversation.case_links.get().case != case for each in wrote)


def test_a_closed_case_stays_as_it_is(browser: Client, case: Case) -> None:
    Case.objects.filter(pk=case.pk).update(status="done", done_at=timezone.now())
    assert OFFER not in browser.get(case.get_absolute_url()).content.decode()
    assert click(browser, case) == 409
    case.refresh_from_db()
    assert (case.status, case.profile.key) == ("done", BEN)


def test_the_restriction_of_the_conversation_is_kept(
    browser: Client, case: Case, service: Department
) -> None:
    conversation = case.conversations.get()
    conversation.__class__.objects.filter(pk=conversation.pk).update(restricted_to=service)
    click(browser, case)
    said = Interaction.objects.filter(direction="in").latest("pk")
    assert said.conversation.restricted_to == service


@pytest.mark.parametrize("author", [CARE, BEN])
def test_we_are_not_our_own_customer(
    post: Post, care: Account, browser: Client, author: str
) -> None:
    post.write(FORWARDED.replace(MAX, author), sender=f"Ben <{BEN}>", Subject="Fwd: my bag")
    hear()
    assert OFFER not in browser.get(Case.objects.get().get_absolute_url()).content.decode()


def test_another_mailbox_of_ours_is_not_offered_as_the_customer(
    post: Post, care: Account, browser: Client, admin: User
) -> None:
    """Fails if only the mailbox that received the forward counts as ours."""
    Account.objects.create(
        kind="email", network="email", self_key=f"us:{MAX}", address=MAX, name=MAX, owner=admin
    )
    post.write(FORWARDED, sender=f"Ben <{BEN}>", Subject="Fwd: my bag")
    hear()
    case = Case.objects.get()
    assert OFFER not in browser.get(case.get_absolute_url()).content.decode()
    assert click(browser, case) == 409


def undo(browser: Client, case: Case) -> int:
    event = case.events.filter(data__has_key="forwarded").latest("pk")
    return browser.post(reverse("routing:undo_event", args=[case.pk, event.pk])).status_code


def test_the_change_of_the_customer_is_undone(browser: Client, case: Case) -> None:
    item = Interaction.objects.get(direction="in")
    action = reverse("routing:forwarded_sender", args=[case.pk])
    page = browser.post(action, {"item": item.pk}, follow=True).content.decode()
    event = case.events.get(data__has_key="forwarded")
    button = reverse("routing:undo_event", args=[case.pk, event.pk])
    assert page.count(f'action="{button}"') == 2, "in the message and in the timeline"
    assert undo(browser, case) == 302
    case.refresh_from_db()
    assert (case.profile.key, case.status) == (BEN, "new")
    assert list(unanswered([case.pk])) == [item]
    page = browser.get(case.get_absolute_url()).content.decode()
    assert OFFER in page
    assert button not in page
    assert undo(browser, case) == 409


def test_the_customer_is_changed_again_after_an_undo(
    post: Post, browser: Client, case: Case
) -> None:
    """Fails if the recorded message ends the second change: nobody could be answered."""
    click(browser, case)
    undo(browser, case)
    assert click(browser, case) == 302
    case.refresh_from_db()
    assert case.profile.key == MAX
    assert [item.profile.key for item in unanswered([case.pk])] == [MAX]
    assert Interaction.objects.filter(direction="in").count() == 2
    answer(browser, case)
    assert message_from_bytes(post.sent[-1])["To"] == MAX


def test_an_answer_ends_the_undo(post: Post, browser: Client, case: Case) -> None:
    click(browser, case)
    answer(browser, case)
    assert undo(browser, case) == 409
    case.refresh_from_db()
    assert case.profile.key == MAX


@pytest.mark.parametrize("state", ["held", "released"])
def test_a_reply_that_waits_to_be_sent_prevents_the_undo(
    browser: Client, case: Case, state: str
) -> None:
    click(browser, case)
    case.refresh_from_db()
    form = typed(browser, case)
    browser.post(reverse("responses:reply", args=[case.pk]), form)
    Response.objects.filter(case=case).update(state=state)
    event = case.events.filter(data__has_key="forwarded").latest("pk")
    with pytest.raises(Stale, match="waits to be sent"):
        undo_customer(event, by=User.objects.get(pk=browser.session["_auth_user_id"]))
    case.refresh_from_db()
    assert case.profile.key == MAX


def test_an_item_of_another_case_is_refused(post: Post, browser: Client, case: Case) -> None:
    post.write("Hello", sender=MAX)
    hear()
    other = Case.objects.latest("pk")
    assert click(browser, other) == 409


HEADS = {
    "Gmail": FORWARDED,
    "Apple Mail": f"Begin forwarded message:\n\n> From: Max <{MAX}>\n> Subject: Bag\n"
    "> Date: Monday\n>\n> Lost.",
    "Outlook": f"From: Max <{MAX}>\nSent: Monday\nTo: Ben\nSubject: Bag\n\nLost.",
    "German": f"-------- Weitergeleitete Nachricht --------\nBetreff: Bag\nDatum: heute\n"
    f"Von: Max <{MAX}>\nAn: Ben\n\nLost.",
    "bold": f"---------- Forwarded message ---------\n*From:* Max <{MAX}>\n*Subject:* Bag\n\nLost.",
}


@pytest.mark.parametrize("program", HEADS)
def test_forwarded_heads(program: str) -> None:
    found = forwarded_mail(HEADS[program], "Fwd: Bag")
    assert found is not None
    assert found.sender.address == MAX
    assert found.text in ("Lost.", "My suitcase did not arrive, ref ZQ9.")
    assert found.subject in ("Bag", "my lost bag")


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("Hello", "Fwd: Hello"),
        (f"On Monday Max <{MAX}> wrote:\n> Lost.", "Re: Bag"),
        ("---- Forwarded message ----\nFrom: Max\nSubject: Bag\n\nLost.", "Fwd: Bag"),
        (f"From: Max <{MAX}>\nSent: Monday\nTo: Ben\nSubject: Bag\n\nLost.", "Re: Bag"),
        (f"Yes\n> ---- Forwarded message ----\n> From: Max <{MAX}>\n>\n> Lost.", "Re: Bag"),
        ("", ""),
    ],
)
def test_nothing_is_passed_on(text: str, subject: str) -> None:
    assert forwarded_mail(text, subject) is None
