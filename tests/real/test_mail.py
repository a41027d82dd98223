"""With a real Dovecot and Postfix: a mail arrives, we reply, and the customer writes again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email import policy

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Attachment, Interaction, Job, Profile, User
from crm.tasks import fetch_file
from listening.models import Mention, Quarantined, Source
from responses.models import Delivery, Feedback
from routing.models import Case
from scrm import pipeline
from tests.real.mail import OURS, THEIRS, MailSystem, letter
from tests.real.rounds import answer, hear, page, send

pytestmark = pytest.mark.django_db

CARE, JO, KIM = f"care@{OURS}", f"jo@{THEIRS}", f"kim@{THEIRS}"


@pytest.fixture
def browser(as_: Callable[[User], Client], agent: User) -> Client:
    return as_(agent)


@pytest.fixture
def complaint(mail: MailSystem, care: Account) -> Case:
    """The case of a mail from Jo about a bag."""
    mail.send(JO, CARE, letter(f"Jo Runway <{JO}>", CARE, "My bag", "It is lost."))
    mail.box(CARE).wait(1)
    hear()
    return Case.objects.get()


def test_a_letter_is_answered_and_the_answer_answered_in_one_case(
    mail: MailSystem, complaint: Case, browser: Client
) -> None:
    assert (complaint.profile.key, complaint.profile.name) == (JO, "Jo Runway")
    delivery = send(answer(browser, complaint, "We söught it.\n.\nAnd found it."))
    assert delivery.state == "sent"
    assert delivery.error == ""
    arrived = mail.box(JO).wait(1)[0]
    asked = Interaction.objects.get(direction="in")
    assert arrived["Subject"] == "Re: My bag"
    assert arrived["In-Reply-To"] == f"<{asked.key.partition('#')[0]}>" == arrived["References"]
    assert str(arrived["From"]) == f"Skyward Care <{CARE}>"
    body = arrived.get_content().replace("\r\n", "\n")
    assert body == "We söught it.\n.\nAnd found it.\n\n-- \nSkyward Care\nWe care.\n"
    complaint.refresh_from_db()
    assert complaint.status == "waiting"

    quoting = "The zip is broken.\n\nOn Monday, Skyward Care wrote:\n> We sought it.\n"
    mail.send(JO, CARE, letter(JO, CARE, "Re: My bag", quoting, In_Reply_To=arrived["Message-ID"]))
    mail.box(CARE).wait(2)
    hear()

    complaint.refresh_from_db()
    assert Case.objects.count() == 1
    assert complaint.status == "open"
    assert Interaction.objects.latest("pk").text == "The zip is broken."
    assert Feedback.objects.get().response == delivery.response
    shown = page(browser, complaint.get_absolute_url())
    assert "Full message with quoted text" in shown
    whole = page(browser, reverse("crm:whole", args=[Interaction.objects.latest("pk").uuid]))
    assert "&gt; We sought it." in whole
    assert len(mail.box(JO).letters()) == 1


def test_nothing_in_the_mailbox_changes(mail: MailSystem, complaint: Case) -> None:
    hear()
    assert not any(b"\\Seen" in flags or b"\\Deleted" in flags for flags in mail.box(CARE).flags())
    assert len(mail.box(CARE).letters()) == 1


def test_files_come_and_go(mail: MailSystem, care: Account, browser: Client) -> None:
    sent = letter(JO, CARE, "Tickets", "See there.")
    sent.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename="Flug £.pdf")
    mail.send(JO, CARE, sent)
    mail.box(CARE).wait(1)
    hear()
    case = Case.objects.get()
    got = Attachment.objects.get()
    assert (got.name, got.content_type, got.size) == ("Flug £.pdf", "application/pdf", 6)
    assert f'href="/attachments/{got.uuid}/"' in page(browser, case.get_absolute_url())
    assert browser.get(f"/attachments/{got.uuid}/").getvalue() == b"%PDF-1"

    voucher = SimpleUploadedFile("voucher.txt", b"100 euros", content_type="text/plain")
    send(answer(browser, case, "For you.", uploads=[voucher]))
    arrived = mail.box(JO).wait(1)[0]
    part = next(arrived.iter_attachments())
    assert (part.get_filename(), part.get_payload(decode=True)) == ("voucher.txt", b"100 euros")
    assert "voucher.txt" in page(browser, case.get_absolute_url())


def test_a_bounce_stands_at_the_sending_the_case_and_the_address(
    mail: MailSystem, complaint: Case, browser: Client
) -> None:
    gone = f"gone@{THEIRS}"
    mail.deliver(gone, CARE, letter(f"Gone <{gone}>", CARE, "My seat", "It is broken."))
    hear()
    case = Case.objects.get(profile__key=gone)
    delivery = send(answer(browser, case, "We mend it."))
    assert delivery.state == "sent"
    mail.box(CARE).wait(3)
    hear()

    delivery.refresh_from_db()
    case.refresh_from_db()
    assert delivery.state == "bounced"
    assert "User doesn't exist" in delivery.error
    assert case.status == "open"
    assert Case.objects.count() == 2
    assert set(Profile.objects.values_list("key", flat=True)) == {JO, gone}
    escaped = "User doesn&#x27;t exist"
    for url in (
        case.get_absolute_url(),
        reverse("responses:delivery_problems"),
        case.profile.get_absolute_url(),
    ):
        assert escaped in page(browser, url), url
    assert "our last message there bounced" in page(
        browser, reverse("responses:composer", args=[case.pk])
    )

    mail.deliver(gone, CARE, letter(gone, CARE, "I am back", "Write to me again."))
    hear()
    assert Profile.objects.get(key=gone).unreachable_since is None


def test_an_automatic_answer_is_kept_and_opens_nothing(
    mail: MailSystem, complaint: Case, browser: Client
) -> None:
    send(answer(browser, complaint, "We found it."))
    ours = mail.box(JO).wait(1)[0]
    away = letter(
        JO, CARE, "Out of office: My bag", "I am away.", In_Reply_To=ours["Message-ID"],
        Auto_Submitted="auto-replied",
    )  # fmt: skip
    mail.send(JO, CARE, away)
    strange = letter(KIM, CARE, "Abwesenheit", "Weg.", Auto_Submitted="auto-replied")
    mail.send(KIM, CARE, strange)
    mail.box(CARE).wait(3)
    hear()
    pipeline.tick()
    complaint.refresh_from_db()
    assert complaint.status == "waiting"
    assert Case.objects.count() == 1
    assert not Feedback.objects.exists()
    assert Interaction.objects.filter(kind="automatic answer").count() == 2
    assert "I am away." in page(browser, complaint.get_absolute_url())


def test_a_mailbox_that_counts_anew_is_read_again_and_nothing_comes_twice(
    mail: MailSystem, complaint: Case
) -> None:
    before = Source.objects.get().cursor
    mail.box(CARE).begin_anew()
    mail.send(KIM, CARE, letter(KIM, CARE, "Hello", "Something else."))
    mail.box(CARE).wait(2)
    source = hear()
    assert source.cursor["validity"] != before["validity"]
    assert Mention.objects.count() == Interaction.objects.count() == Case.objects.count() == 2


def test_two_letters_under_one_message_id_are_two(mail: MailSystem, care: Account) -> None:
    """Two mails with the same Message-ID are two messages, because the sender chooses the id.

    Fails if a mail is identified by its Message-ID alone.
    """
    for text in ("My bag is lost.", "My seat is broken."):
        mail.deliver(JO, CARE, letter(JO, CARE, "Form", text, Message_ID="<form@customers.test>"))
    hear()
    assert Interaction.objects.count() == 2


def test_a_letter_of_20_megabytes_comes_whole(mail: MailSystem, care: Account) -> None:
    large = letter(JO, CARE, "Film", "See what happened.")
    content = bytes(range(256)) * (15 * 4096)
    large.add_attachment(content, maintype="video", subtype="mp4", filename="film.mp4")
    raw = large.as_bytes(policy=policy.SMTP)
    assert len(raw) > 20_000_000
    mail.deliver(JO, CARE, raw)
    mail.deliver(KIM, CARE, letter(KIM, CARE, "Small", "After it."))
    hear()
    with Attachment.objects.get().file.open("rb") as kept:
        assert kept.read() == content
    assert Case.objects.count() == 2
    assert len(bytes(Mention.objects.get(title="Film").raw)) < 300_000


def test_a_letter_above_the_limit_becomes_a_case_without_its_large_files(
    mail: MailSystem, care: Account, browser: Client
) -> None:
    """Fails if a mail above the limit is quarantined, as it was before."""
    large = letter(f"Jo Runway <{JO}>", CARE, "Film", "See what häppened.")
    large.add_alternative("<p>See <b>what</b> häppened.</p>", subtype="html")
    large.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename="Flug £.pdf")
    content = bytes(range(256)) * (40 * 4096)
    large.add_attachment(content, maintype="video", subtype="mp4", filename='Der "Film" ü.mp4')
    large.add_attachment("Log.\n" * 10, filename="log.txt")
    raw = large.as_bytes(policy=policy.SMTP)
    mail.deliver(JO, CARE, raw)
    mail.deliver(KIM, CARE, letter(KIM, CARE, "Small", "After it."))
    source = hear()
    assert (source.error, Quarantined.objects.count(), Case.objects.count()) == ("", 0, 2)
    case = Case.objects.get(profile__key=JO)
    said = Interaction.objects.get(title="Film")
    assert said.text == (
        "See what häppened.\n\n[This email has 55 MB. 1 file was not fetched: "
        'Der "Film" ü.mp4 (55 MB). The whole email is in the mailbox.]'
    )
    assert [each.name for each in said.attachments.order_by("pk")] == ["Flug £.pdf", "log.txt"]
    assert said.attachments.get(name="Flug £.pdf").size == 6
    assert "1 file was not fetched" in page(browser, case.get_absolute_url())
    fetch_the_file(browser, said)
    got = said.attachments.get(content_type="video/mp4")
    assert (got.name, got.size) == ('Der "Film" ü.mp4', len(content))
    with got.file.open("rb") as file:
        assert file.read() == content
    assert not any(b"\\Seen" in flags for flags in mail.box(CARE).flags())


def fetch_the_file(browser: Client, said: Interaction) -> None:
    """Click on the button of the only file that was not fetched, and let the worker run."""
    (missing,) = said.mail.missing_files.files
    browser.post(reverse("crm:files", args=[said.uuid]), {"section": missing.section})
    fetch_file(Job.objects.get().pk)


def test_a_file_is_fetched_from_the_folder_to_which_its_letter_was_moved(
    mail: MailSystem, care: Account, browser: Client
) -> None:
    """Fails if the letter is found only by its UID."""
    large = letter(f"Jo Runway <{JO}>", CARE, "Film", "See what happened.")
    content = bytes(range(256)) * (120 * 1024)
    large.add_attachment(content, maintype="video", subtype="mp4", filename="film.mp4")
    mail.deliver(JO, CARE, large.as_bytes(policy=policy.SMTP))
    hear()
    said = Interaction.objects.get()
    mail.box(CARE).move(1, "Archive")
    fetch_the_file(browser, said)
    assert said.attachments.get().size == len(content)


def test_a_letter_that_was_deleted_is_reported(
    mail: MailSystem, care: Account, browser: Client
) -> None:
    large = letter(f"Jo Runway <{JO}>", CARE, "Film", "See what happened.")
    content = bytes(range(256)) * (120 * 1024)
    large.add_attachment(content, maintype="video", subtype="mp4", filename="film.mp4")
    mail.deliver(JO, CARE, large.as_bytes(policy=policy.SMTP))
    hear()
    mail.box(CARE).empty()
    fetch_the_file(browser, Interaction.objects.get())
    shown = page(browser, Case.objects.get().get_absolute_url())
    assert "This email is no longer in the mailbox" in shown


@pytest.mark.parametrize("kind", ["text/plain", "video/mp4"])
def test_a_letter_of_one_large_part_becomes_a_case(
    mail: MailSystem, care: Account, browser: Client, kind: str
) -> None:
    head = f"From: {JO}\r\nSubject: Film\r\nContent-Type: {kind}; name=a.bin\r\n\r\n".encode()
    mail.deliver(JO, CARE, head + b"The pump leaks.\r\n" * 2_400_000)
    hear()
    text = Interaction.objects.get().text
    assert text.startswith("The pump leaks.") == (kind == "text/plain")
    assert ("Only the beginning of its text was fetched." in text) == (kind == "text/plain")
    assert ("1 file was not fetched: a.bin (39 MB)" in text) == (kind == "video/mp4")
    if kind == "video/mp4":
        fetch_the_file(browser, Interaction.objects.get())
        assert Attachment.objects.get().size > 38_000_000


def test_among_malformed_letters_the_good_one_arrives(
    mail: MailSystem, care: Account, as_: Callable[[User], Client], admin: User
) -> None:
    for number in range(50):
        mail.box(CARE).append("INBOX", MALFORMED[number % len(MALFORMED)] + b"%d" % number)
    mail.deliver(JO, CARE, letter(JO, CARE, "Good", "I can be read."))
    source = hear()
    assert source.error == ""
    assert Case.objects.filter(profile__key=JO).count() == 1
    quarantined = Quarantined.objects.count()
    assert quarantined + Mention.objects.count() >= 51
    shown = page(as_(admin), source.get_absolute_url())
    assert "The message has no sender." in shown


MALFORMED = [
    b"",
    b"\x00\xff\xfe no letter at all ",
    b"Subject: nobody sent this\r\n\r\nHello ",
    b"From: @@@\r\nSubject: =?utf-8?q?=ZZ\r\n\r\nHello ",
    b"From: a@b.test\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--y\r\n",
    b"From: c@b.test\r\nContent-Type: text/plain; charset=\"no such\"\r\n\r\n\xff\xfe ",
    b"From: d@b.test\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!! ",
    b"From: e@b.test\r\nDate: Tue, 99 Foo 99999 99:99:99 +9999\r\n\r\nWhen? ",
    b"From: f@b.test\r\nContent-Type: multipart/mixed; boundary=\r\n\r\nHello ",
    b"From: " + b"g" * 70_000 + b"@b.test\r\nSubject: long\r\n\r\nHello ",
]  # fmt: skip


def test_nested_parts_are_read_to_the_ground(mail: MailSystem, care: Account) -> None:
    inner = letter(KIM, JO, "The first", "What I said first.")
    inner.add_attachment(b"deep", maintype="image", subtype="png", filename="deep.png")
    for number in range(5):
        outer = letter(JO, CARE, f"Fwd {number}", f"See below, {number}.")
        outer.add_attachment(inner)
        inner = outer
    mail.deliver(JO, CARE, inner)
    hear()
    said = Interaction.objects.get()
    assert said.text == "See below, 4."
    assert [each.name for each in said.attachments.all()] == ["Fwd 3.eml"]


def test_a_loop_ends_in_one_case_and_a_line(
    mail: MailSystem, care: Account, as_: Callable[[User], Client], admin: User
) -> None:
    for number in range(40):
        mail.deliver(JO, CARE, letter(JO, CARE, f"Re: {number}", f"Got yours, number {number}."))
    source = hear()
    assert Case.objects.count() == 1
    assert Interaction.objects.count() == 40
    assert Interaction.objects.filter(kind="automatic answer").count() == 10
    assert f"{JO} sent more than 30 emails" in page(as_(admin), source.get_absolute_url())


def test_our_own_letter_that_comes_back_is_no_customer(
    mail: MailSystem, complaint: Case, browser: Client
) -> None:
    send(answer(browser, complaint, "We found it."))
    mail.box(JO).wait(1)
    mail.deliver(JO, CARE, mail.box(JO).raw()[0])  # a wrong rule for forwarding does this
    hear()
    complaint.refresh_from_db()
    assert (Case.objects.count(), complaint.status) == (1, "waiting")
    assert Interaction.objects.count() == 2


def test_whoever_writes_in_our_name_does_not_speak_for_us(mail: MailSystem, care: Account) -> None:
    mail.deliver(KIM, CARE, letter(CARE, CARE, "All seats are free", "Says Skyward."))
    hear()
    assert Interaction.objects.get().direction == "in"
    assert Case.objects.count() == 1


def test_a_full_mailbox_fails_with_the_servers_words(
    mail: MailSystem, complaint: Case, browser: Client
) -> None:
    mail.refuse({JO: "552 5.2.2 Mailbox full"})
    delivery = send(answer(browser, complaint, "We found it."))
    assert delivery.state == "failed"
    assert "Mailbox full" in page(browser, reverse("responses:delivery_problems"))
    assert "Mailbox full" in page(
        browser, reverse("responses:response", args=[delivery.response_id])
    )
    assert mail.box(JO).letters() == []


def test_who_greylists_is_tried_again(mail: MailSystem, complaint: Case, browser: Client) -> None:
    mail.refuse({JO: "450 4.2.0 Greylisted, come again"})
    delivery = send(answer(browser, complaint, "We found it."))
    assert delivery.state == "queued"
    assert delivery.send_after > timezone.now() + timedelta(minutes=4)
    assert "Greylisted" in page(browser, reverse("responses:response", args=[delivery.response_id]))
    mail.refuse({})
    assert send(delivery.response).state == "sent"
    assert len(mail.box(JO).wait(1)) == 1


def test_a_sending_nobody_knows_of_is_settled_by_their_answer(
    mail: MailSystem, complaint: Case, browser: Client
) -> None:
    delivery = send(answer(browser, complaint, "We found it."))
    ours = mail.box(JO).wait(1)[0]
    lost = answer(browser, complaint, "And send it.").deliveries.get()
    Delivery.objects.filter(pk=lost.pk).update(state="unknown", send_after=timezone.now())
    lost.refresh_from_db()
    receipt_key = str(ours["Message-ID"])[1:-1]
    assert str(delivery.uuid) in receipt_key
    speaker = lost.account.channel.speaker
    assert speaker
    receipt = speaker.send(lost.account.credentials, lost.parcel)  # sent but not recorded
    mail.send(JO, CARE, letter(JO, CARE, "Re", "Thanks.", In_Reply_To=f"<{receipt.key}>"))
    mail.box(CARE).wait(2)
    hear()
    lost.refresh_from_db()
    assert (lost.state, lost.sent_key) == ("sent", receipt.key)


def test_a_wrong_password_is_a_line_at_the_source(
    mail: MailSystem, care: Account, as_: Callable[[User], Client], admin: User
) -> None:
    care.secrets = {"password": "changed since"}
    care.save()
    source = hear()
    assert "does not accept this user name and password" in source.error
    assert "does not accept this user name and password" in page(
        as_(admin), source.get_absolute_url()
    )
    assert source.next_fetch_at > timezone.now() + timedelta(hours=1)
