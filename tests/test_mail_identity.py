"""The identity of a mail's sender, from the bytes of the mail to the bytes of our reply."""

from __future__ import annotations

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from email.utils import format_datetime
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Contact, Interaction, Profile, User
from crm.search import alike
from listening.models import Mention
from responses.models import Feedback
from routing.models import Case
from tests.test_mail import Post, answer, care, hear, post

__all__ = ["care", "post"]
pytestmark = pytest.mark.django_db
LETTERS = Path(__file__).parent / "channels" / "letters"
JO, KIM, MAX = "jo@customers.test", "kim@customers.test", "max@customers.test"


@pytest.fixture
def browser(as_: Callable[[User], Client], agent: User) -> Client:
    return as_(agent)


def put(post: Post, name: str) -> None:
    """Put the mail that is stored in the file `name` into our mailbox, dated now."""
    # With its stored date, the mail would be too old to open a case.
    today = f"Date: {format_datetime(timezone.now())}".encode()
    letter = (LETTERS / f"{name}.eml").read_bytes()
    post.box.append(re.sub(rb"(?m)^Date:.*$", today, letter, count=1))


def came(post: Post, name: str) -> Case:
    """Receive the mail that is stored in the file `name`, dated now, and return its case."""
    put(post, name)
    hear()
    said = Interaction.objects.filter(direction="in").latest("pk")
    return Case.objects.get(conversation_links__conversation=said.conversation)


def went_to(post: Post) -> str:
    return str(message_from_bytes(post.sent[-1], policy=policy.default)["To"])


def words(other: str, sender: str) -> str:
    return f"The sender's name contains another address ({other}). This message came from {sender}."


# Fails without the parser, because the reply is then sent to ceo@skyward.test. Fails also without
# `joins=not mention.other_address`, because Jo's second mail is then added to the case of the first
# mail.
def test_an_answer_goes_to_the_address_and_not_to_the_name(
    post: Post, care: Account, browser: Client
) -> None:
    case = came(post, "name-is-an-address")
    assert (case.profile.key, str(case.profile)) == (JO, JO)
    page = browser.get(case.get_absolute_url()).content.decode()
    assert words("ceo@skyward.test", JO) in page
    composer = browser.get(reverse("responses:composer", args=[case.pk])).content.decode()
    assert f"to {JO}" in composer
    assert "to ceo@" not in composer
    answer(browser, case)
    assert went_to(post) == JO
    post.write("And my seat?", sender=f"ceo@skyward.test <{JO}>", Subject="Seat")
    hear()
    assert Case.objects.count() == 2


# Fails without the parser, because a mail of another sender is then in Kim's case as if Kim had
# sent it.
def test_a_stranger_in_her_name_is_not_in_her_case(
    post: Post, care: Account, browser: Client
) -> None:
    hers = came(post, "kim-herself")
    kim = Contact.objects.create(name="Kim Fly")
    hers.profile.link_to(kim, by=User.objects.get(email="anna@scrm.example"), evidence="Known.")
    his = came(post, "stranger-in-her-name")
    assert (hers.profile.key, his.profile.key) == (KIM, MAX)
    assert hers != his
    assert words(KIM, MAX) in browser.get(his.get_absolute_url()).content.decode()
    assert "another address" not in browser.get(hers.get_absolute_url()).content.decode()
    assert his.profile.name == ""
    assert kim not in [each.contact for each in alike(his.profile)]
    answer(browser, his)
    assert went_to(post) == MAX


# Fails without `_alone`. The stranger's mail is then added to the customer's conversation, counts
# as feedback to our reply, and reopens the customer's case.
def test_by_our_own_message_id_neither(post: Post, care: Account, browser: Client) -> None:
    hers = came(post, "kim-herself")
    delivery = answer(browser, hers)
    ours = f"<{delivery.sent_key}>"
    post.write("Pay me.", sender=f"{KIM} <{MAX}>", In_Reply_To=ours, References=ours)
    hear()
    hers.refresh_from_db()
    assert hers.status == "waiting"
    said = Interaction.objects.latest("pk")
    assert said.profile.key == MAX
    assert said.conversation not in hers.conversations.all()
    assert Case.objects.count() == 2
    assert not Feedback.objects.exists()


# Fails if the code calls only `find_ours`, because the first mail is then recorded as our own
# message in Kim's conversation.
def test_no_recipient_puts_words_into_our_mouth(post: Post, care: Account, browser: Client) -> None:
    hers = came(post, "kim-herself")
    ours = answer(browser, hers).sent_key
    mark = ours.partition("@")[0]
    before = Interaction.objects.count()
    forged = (f"x.{ours}", f"{mark}@evil.example", f"{ours}.evil.example", ours, ours.upper())
    for number, message_id in enumerate(forged, 1):
        sender = f"max{number}@evil.example"
        post.box.append(
            f"From: {sender}\r\nMessage-ID: <{message_id}>\r\n\r\nPay {number}".encode()
        )
        hear()
        said = Interaction.objects.latest("pk")
        assert said.profile
        assert (said.direction, said.profile.key) == ("in", sender)
        assert said.text == f"Pay {number}"
        assert said.conversation not in hers.conversations.all()
        assert said.key != ours
    assert Interaction.objects.count() == before + len(forged)
    assert Case.objects.count() == 1 + len(forged)
    assert not Mention.objects.filter(author_key=care.self_key).exists()


# Fails if a received mail that has our Message-ID gets the same key from `ids.key` as our own mail.
def test_a_bounce_cannot_take_the_key_of_our_letter(
    post: Post, care: Account, browser: Client
) -> None:
    ours = answer(browser, came(post, "kim-herself")).sent_key
    head = "From: mailer-daemon@mx.example\r\nReturn-Path: <>\r\nSubject: failure notice"
    post.box.append(f"{head}\r\nMessage-ID: <{ours}>\r\n\r\n550 no".encode())
    hear()
    assert Mention.objects.get(kind="bounce").key != ours


def test_our_own_letter_that_comes_back_opens_nothing(
    post: Post, care: Account, browser: Client
) -> None:
    delivery = answer(browser, came(post, "kim-herself"))
    before = Interaction.objects.count()
    post.box.append(post.sent[-1])
    hear()
    assert Mention.objects.latest("pk").key == delivery.sent_key
    assert (Interaction.objects.count(), Case.objects.count()) == (before, 1)


def test_the_mark_stands_wherever_the_letter_is_shown(
    post: Post, care: Account, admin: User, as_: Callable[[User], Client]
) -> None:
    case = came(post, "stranger-in-her-name")
    ada = as_(admin)
    mention, profile = Mention.objects.get(), Profile.objects.get()
    for url in (
        case.get_absolute_url(),
        profile.get_absolute_url(),
        mention.fetch.source.get_absolute_url(),
    ):
        assert words(KIM, MAX) in ada.get(url).content.decode(), url
    found = ada.get(reverse("crm:strangers"), {"q": KIM}).content.decode()
    assert profile.get_absolute_url() not in found


def test_a_domain_beyond_ascii_is_shown_readable_and_written_to_as_it_is(
    post: Post, care: Account, browser: Client
) -> None:
    case = came(post, "sharp-s-domain")
    assert case.profile.key == "eva@xn--strae-oqa.test"
    composer = browser.get(reverse("responses:composer", args=[case.pk])).content.decode()
    assert "to eva@straße.test" in composer
    answer(browser, case)
    assert went_to(post) == "eva@xn--strae-oqa.test"


def test_an_address_that_cannot_be_one_is_refused_in_words(
    post: Post, care: Account, browser: Client
) -> None:
    post.box.append("From: Sno <sno@☃.test>\r\nSubject: Hi\r\n\r\nHello".encode())
    hear()
    delivery = answer(browser, Case.objects.get())
    assert delivery.state == "failed"
    assert delivery.error == "Nothing was sent: “☃.test” is not a valid domain name."
    assert not post.sent


def test_a_name_that_they_had_before_stays(post: Post, care: Account) -> None:
    post.write("Hello", sender=f"Max <{MAX}>", Subject="One")
    hear()
    post.write("Hello", sender=f"{KIM} <{MAX}>", Subject="Two")
    hear()
    profile = Profile.objects.get()
    assert (profile.name, profile.past_names.count()) == ("Max", 0)
    assert Case.objects.count() == 2


# Fails without the key for unverified people: the forged mail is then in Kim's case as hers.
def test_mail_that_fails_dmarc_is_marked_and_not_in_her_case(
    post: Post, care: Account, browser: Client
) -> None:
    care.config = {**care.config, "authserv_id": "mx.skyward.test"}
    care.save()
    hers = came(post, "kim-herself")
    failed = {"Authentication-Results": "mx.skyward.test; dmarc=fail header.from=customers.test"}
    post.write("Send my bag elsewhere.", sender=f"Kim <{KIM}>", Subject="My bag", **failed)
    hear()
    forged = Case.objects.latest("pk")
    assert forged != hers
    assert forged.profile != hers.profile
    page = browser.get(forged.get_absolute_url()).content.decode()
    assert "it fails DMARC according to your mail server" in page
    assert "Also open from this person" not in page
    assert browser.get("/?view=open").content.decode().count("unverified sender") == 1
    answer(browser, forged)
    assert went_to(post) == KIM


# Fails if the Reply-To of a form counts as verified: what somebody typed is then in Kim's case.
def test_a_form_of_a_service_is_marked_kept_apart_and_answered(
    post: Post, care: Account, browser: Client
) -> None:
    hers = came(post, "kim-herself")
    form = "Formspree <noreply@formspree.io>"
    post.write("My bag is lost.", sender=form, Subject="New submission", Reply_To=KIM)
    hear()
    case = Case.objects.latest("pk")
    assert case != hers
    assert case.profile != hers.profile
    page = browser.get(case.get_absolute_url()).content.decode()
    assert "through a form or service that sends from noreply@formspree.io" in page
    assert "Also open from this person" not in page
    answer(browser, case)
    assert went_to(post) == KIM
