"""With a real Dovecot and Postfix: who wrote, who is answered, and whom a mail did not reach."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Account, Interaction, Profile, User
from responses.models import Delivery
from routing.models import Case
from tests.real.mail import OURS, THEIRS, MailSystem, letter
from tests.real.rounds import answer, hear, page, send

pytestmark = pytest.mark.django_db

CARE, SALES = f"care@{OURS}", f"sales@{OURS}"
JO, KIM = f"jo@{THEIRS}", f"kim@{THEIRS}"
BOUNCES = 30


@pytest.fixture
def browser(as_: Callable[[User], Client], agent: User) -> Client:
    return as_(agent)


@pytest.fixture
def shared(mail: MailSystem, care: Account) -> Case:
    """The case of a mail that Jo wrote to us and to Kim."""
    asked = letter(JO, CARE, "Our seats", "Please answer both of us.", Cc=f"Kim <{KIM}>")
    mail.send(JO, CARE, asked)
    mail.box(CARE).wait(1)
    hear()
    return Case.objects.get()


def test_a_reply_also_goes_to_the_others_if_staff_chose_them(
    mail: MailSystem, shared: Case, browser: Client
) -> None:
    delivery = send(answer(browser, shared, "Row 7.", also_to=[KIM]))
    assert delivery.state == "sent"
    for box in (JO, KIM):
        [arrived] = mail.box(box).wait(1)
        assert (arrived["To"], arrived["Cc"]) == (JO, KIM)
    send(answer(browser, shared, "Row 8, sorry."))
    assert [each["Cc"] for each in mail.box(JO).wait(2)] == [KIM, None]
    assert len(mail.box(KIM).letters()) == 1


def test_a_copy_that_the_server_refuses_stops_the_whole_mail(
    mail: MailSystem, shared: Case, browser: Client
) -> None:
    mail.refuse({KIM: "550 5.7.1 Not here"})
    delivery = send(answer(browser, shared, "Row 7.", also_to=[KIM]))
    assert delivery.state == "failed"
    assert KIM in delivery.error
    assert mail.box(JO).letters() == []


def test_a_further_recipient_who_answers_is_in_the_same_case(
    mail: MailSystem, shared: Case, browser: Client
) -> None:
    send(answer(browser, shared, "Row 7.", also_to=[KIM]))
    [arrived] = mail.box(KIM).wait(1)
    again = letter(KIM, CARE, "Re: Our seats", "Thank you.", In_Reply_To=arrived["Message-ID"])
    mail.send(KIM, CARE, again)
    mail.box(CARE).wait(2)
    hear()
    assert Case.objects.count() == 1
    assert Interaction.objects.latest("pk").profile == Profile.objects.get(key=KIM)


def test_a_domain_beyond_ascii_is_one_person_and_is_answered_there(
    mail: MailSystem, care: Account, browser: Client
) -> None:
    key = "eva@xn--strae-oqa.test"
    for sender in ("eva@straße.test", key):
        written = letter(JO, CARE, "My bag", "It is lost.").as_bytes()
        mail.deliver(JO, CARE, written.replace(f"From: {JO}".encode(), f"From: {sender}".encode()))
    hear()
    assert set(Profile.objects.values_list("key", flat=True)) == {key}
    # Postfix takes no mail for this domain, and names the address that it got.
    delivery = send(answer(browser, Case.objects.latest("pk"), "We found it."))
    assert "eva@straße.test" in delivery.error
    assert key in delivery.error


def test_members_of_a_group_are_two_people_and_are_answered_themselves(
    mail: MailSystem, care: Account, browser: Client
) -> None:
    group = f"care-group@{OURS}"
    for name, member in (("Jo", JO), ("Kim", KIM)):
        written = letter(
            f"{name} via Care <{group}>", group, f"From {name}", "My flight was late.",
            Reply_To=member, List_Id=f"<care-group.{OURS}>", Precedence="list",
        )  # fmt: skip
        mail.deliver(group, CARE, written)
    hear()
    assert set(Profile.objects.values_list("key", flat=True)) == {JO, KIM}
    for member in (JO, KIM):
        send(answer(browser, Case.objects.get(profile__key=member), f"Dear {member}"))
        [arrived] = mail.box(member).wait(1)
        assert arrived.get_content().startswith(f"Dear {member}")


def test_the_author_of_a_forwarded_letter_is_answered(
    mail: MailSystem, care: Account, browser: Client
) -> None:
    forwarded_mail = (
        f"FYI\n\n---------- Forwarded message ---------\nFrom: Jo Runway <{JO}>\n"
        f"Date: Sat, 28 Nov 2026 at 10:00\nSubject: My bag\nTo: <{SALES}>\n\nIt is lost.\n"
    )
    mail.send(SALES, CARE, letter(SALES, CARE, "Fwd: My bag", forwarded_mail))
    mail.box(CARE).wait(1)
    hear()
    case = Case.objects.get()
    assert "Answer the original sender" in page(browser, case.get_absolute_url())
    item = Interaction.objects.get()
    browser.post(reverse("routing:forwarded_sender", args=[case.pk]), {"item": item.pk})
    send(answer(browser, case, "We found it."))
    [arrived] = mail.box(JO).wait(1)
    assert (arrived["To"], arrived["Subject"]) == (JO, "Re: My bag")
    assert mail.box(SALES).letters() == []


def test_an_absence_note_of_exchange_opens_nothing(
    mail: MailSystem, care: Account, browser: Client
) -> None:
    mail.send(JO, CARE, letter(JO, CARE, "My bag", "It is lost."))
    mail.box(CARE).wait(1)
    hear()
    send(answer(browser, Case.objects.get(), "We found it."))
    mail.box(JO).wait(1)
    away = letter(
        JO, CARE, "Automatische Antwort: Re: My bag", "Ich bin bis Montag nicht da.",
        X_Auto_Response_Suppress="All",
    )  # fmt: skip
    mail.send(JO, CARE, away)
    mail.box(CARE).wait(2)
    hear()
    assert Case.objects.count() == 1
    assert Case.objects.get().status == "waiting"


def test_thirty_bounces_are_known_with_address_and_reason(
    mail: MailSystem, care: Account, browser: Client
) -> None:
    gone = [f"gone{number}@{THEIRS}" for number in range(BOUNCES)]
    for address in gone:
        mail.deliver(address, CARE, letter(address, CARE, f"Seat of {address}", "It is broken."))
    hear()
    for case in Case.objects.order_by("pk"):
        assert send(answer(browser, case, "We mend it.")).state == "sent"
    mail.box(CARE).wait(2 * BOUNCES, within=60)
    hear()
    bounced = Delivery.objects.filter(state="bounced")
    assert sorted(bounced.values_list("destination", flat=True)) == sorted(gone)
    assert all("User doesn't exist" in delivery.error for delivery in bounced)
    assert Profile.objects.exclude(unreachable_since=None).count() == BOUNCES
    assert Case.objects.count() == BOUNCES
