"""Mail through the whole product. A list of mails replaces the mail server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Attachment, Contact, Department, Interaction, Profile, User
from listening.models import Mention, Source
from responses import bounces
from responses.models import Delivery, Feedback, Response, ResponseRule
from routing.merging import merge
from routing.models import Case
from routing.unanswered import unanswered
from scrm import batch, pipeline
from scrm.channels.base import (
    NOTICE,
    Batch,
    ChannelError,
    Credentials,
    FetchRequest,
    Item,
    Lookup,
    Outgoing,
    Receipt,
)
from scrm.channels.email import ids
from scrm.channels.email.channel import CHANNEL
from scrm.channels.email.item import item, self_key
from scrm.channels.email.letter import identity, seal

pytestmark = pytest.mark.django_db
CARE, JO = "care@skyward.example", "jo@customers.example"


class Post:
    """A fake mail server with the mails in our mailbox and the mails that we sent."""

    def __init__(self) -> None:
        self.box: list[bytes] = []
        self.sent: list[bytes] = []
        self.trouble: ChannelError | None = None

    def listen(self, request: FetchRequest) -> Batch:
        assert request.credentials
        found = [
            item(raw, came=timezone.now(), credentials=request.credentials) for raw in self.box
        ]
        return Batch(tuple(each for each in found if isinstance(each, Item)))

    def send(self, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        if self.trouble:
            raise self.trouble
        letter = seal(credentials, outgoing)
        self.sent.append(letter.content)
        return Receipt("email", letter.id, letter.thread)

    def find(self, credentials: Credentials, outgoing: Outgoing) -> Lookup:
        return Lookup.CANNOT_TELL

    def write(self, text: str, *, sender: str = JO, file: bytes = b"", **headers: str) -> None:
        message = EmailMessage(policy=policy.SMTP)
        message["From"], message["Subject"] = sender, headers.pop("Subject", "My bag")
        message["Message-ID"] = f"<{uuid.uuid4().hex}@customers.example>"
        for name, value in headers.items():
            message[name.replace("_", "-")] = value
        message.set_content(text)
        if file:
            message.add_attachment(file, maintype="image", subtype="png", filename="bag.png")
        self.box.append(message.as_bytes())


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Post:
    settings.MEDIA_ROOT = tmp_path
    post = Post()
    monkeypatch.setattr(type(CHANNEL.listener), "listen", lambda _, request: post.listen(request))
    monkeypatch.setattr(type(CHANNEL.speaker), "send", lambda _, *what: post.send(*what))
    monkeypatch.setattr(type(CHANNEL.speaker), "find", lambda _, *what: post.find(*what))
    return post


@pytest.fixture
def care(post: Post, service: Department, admin: User) -> Account:
    account = Account.objects.create(
        kind="email", network="email", self_key=self_key(CARE), address=CARE, name=CARE,
        owner=admin, sources_to_open={"INBOX": f"Email: {CARE}"},
    )  # fmt: skip
    service.accounts.add(account)
    pipeline.tick()
    return account


@pytest.fixture
def case(post: Post, care: Account) -> Case:
    post.write("It is lost.")
    hear()
    return Case.objects.get()


def hear() -> None:
    Source.objects.update(next_fetch_at=timezone.now())
    pipeline.poll(Source.objects.get().pk)
    pipeline.process()


def typed(browser: Client, case: Case, **facts: Any) -> dict[str, Any]:
    page = browser.get(reverse("responses:composer", args=[case.pk]))
    place = page.context["form"].fields["place"].choices[0][0]
    form = {"form": uuid.uuid4(), "seen": case.last_inbound_id, "place": place, "text": "Found."}
    return form | facts


def answer(browser: Client, case: Case, **facts: Any) -> Delivery:
    case.refresh_from_db()
    form = typed(browser, case, **facts)
    sent = browser.post(reverse("responses:reply", args=[case.pk]), form)
    assert sent.status_code == 302, sent.content.decode()
    delivery = Delivery.objects.get(response__uuid=form["form"])
    Delivery.objects.filter(pk=delivery.pk).update(send_after=timezone.now())
    pipeline.deliver(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def bounce(post: Post, delivery: Delivery) -> None:
    """Let a bounce of our mail arrive.

    The bounce contains no delivery report, like the bounces of older mail servers.
    """
    own = identity(delivery.account.credentials, delivery.outgoing)[0]
    post.write(
        f"550 5.1.1 No such user\n\nMessage-ID: <{own}>",
        sender="mailer-daemon@mx.example",
        Subject="failure notice",
        Return_Path="<>",
    )
    hear()
    delivery.refresh_from_db()


def test_a_new_mailbox_is_listened_to_by_itself_and_once(care: Account, admin: User) -> None:
    pipeline.tick()
    source = Source.objects.get()
    assert (source.account, source.address, source.stance) == (care, "INBOX", "for us")
    assert (source.owner, source.rhythm) == (admin, 60)


def test_the_tick_goes_on_where_no_key_opens_a_password(admin: User, settings: Any) -> None:
    """The tick does its work even if no key can decrypt the password of an account.

    The tick is the Celery task that regularly starts all due work. In this test, the key that
    encrypted the password is no longer configured. Fails if the tick decrypts secrets, because then
    the missing key stops all work of the tick.
    """
    Account.objects.create(
        kind="email", network="email", self_key=self_key(CARE), address=CARE, owner=admin,
        secrets={"password": "x"}, sources_to_open={"INBOX": "Email"},
    )  # fmt: skip
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    pipeline.tick()
    assert Source.objects.exists()


def test_where_more_waits_the_next_visit_follows_at_once(care: Account) -> None:
    source = Source.objects.get()
    assert source.interval(0, now=timezone.now()) == 0
    assert source.interval(None, now=timezone.now()) == 45


def test_a_file_is_nobodys_before_its_letter_is_recorded(
    post: Post, care: Account, agent: User
) -> None:
    post.write("See the photo.", file=b"photo")
    Source.objects.update(next_fetch_at=timezone.now())
    pipeline.poll(Source.objects.get().pk)
    assert not Attachment.objects.visible_to(agent).exists()
    pipeline.process()
    kept = Attachment.objects.visible_to(agent).get()
    assert kept.interaction == Interaction.objects.get()
    hear()
    assert Attachment.objects.count() == 1


def test_a_bounce_reaches_a_sending_of_which_nobody_knew(
    post: Post, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    post.trouble = ChannelError("No answer after the last dot.", uncertain=True)
    delivery = answer(as_(agent), case)
    assert delivery.state == "unknown"
    bounce(post, delivery)
    assert delivery.state == "bounced"
    assert delivery.error == "550 5.1.1 No such user"
    assert delivery.interaction
    assert Profile.objects.get().unreachable_since


def test_a_bounce_is_told_once_and_sent_again_by_hand(
    post: Post, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    browser = as_(agent)
    delivery = answer(browser, case)
    bounce(post, delivery)
    bounce(post, delivery)
    case.refresh_from_db()
    assert case.status == "open"
    assert case.events.filter(why__contains="bounced").count() == 1
    # They never got the answer, so their message is unanswered and due again.
    assert [item.pk for item in unanswered([case.pk])] == [case.last_inbound_id]
    assert agent.notices.filter(kind="failed").count() == 1
    assert Case.objects.count() == 1

    post.trouble = None
    browser.post(reverse("responses:send_again", args=[delivery.pk]))
    again = Delivery.objects.get(replaces=delivery)
    pipeline.deliver(again.pk)
    again.refresh_from_db()
    assert again.state == "sent"
    assert again.sent_key != delivery.sent_key
    assert (
        "Delivery problems" in browser.get(reverse("responses:delivery_problems")).content.decode()
    )
    assert not Delivery.objects.to_check(timezone.now()).exists()


def test_a_bounce_of_a_case_that_was_merged_since_opens_the_case_that_stayed(
    post: Post, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    delivery = answer(as_(agent), case)
    stayed = Case.objects.create(profile=case.profile, department=case.department, status="waiting")
    merge(Case.objects.get(pk=case.pk), stayed, by=agent)
    bounce(post, delivery)
    stayed.refresh_from_db()
    assert stayed.status == "open"
    assert stayed.events.filter(why__contains="bounced").count() == 1
    assert [item.pk for item in unanswered([stayed.pk])] == [case.last_inbound_id]


def test_who_forges_a_bounce_makes_nobody_unreachable(
    post: Post, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    delivery = answer(as_(agent), case)
    forged = f"{delivery.uuid}.{'0' * 20}.{'0' * 16}@skyward.example"
    post.write(
        f"550 no\n\nMessage-ID: <{forged}>", sender="mailer-daemon@x.example", Subject="failure"
    )
    post.write(f"550 no <{forged}>", sender="mailer-daemon@x.example", Subject="failure notice")
    hear()
    delivery.refresh_from_db()
    assert delivery.state == "sent"
    assert not Profile.objects.exclude(unreachable_since=None).exists()


def test_a_letter_that_is_late_says_so_and_is_no_failure(
    post: Post, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    delivery = answer(as_(agent), case)
    own = delivery.sent_key
    post.write(f"450 4.2.0 busy\n\n<{own}>", sender="postmaster@mx.example", Subject="Delayed mail")
    hear()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == ("sent", "Not delivered yet: 450 4.2.0 busy")


def test_two_delay_notices_that_are_applied_again_change_nothing(
    post: Post, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    """If two notices about a delayed mail are processed again, nothing changes.

    The delivery stores the error text of the last notice. Fails if only this text decides whether a
    notice is new, because then each of the two notices counts as new after the other one was
    stored.
    """
    delivery = answer(as_(agent), case)
    for hours in ("4 hours", "24 hours"):
        words = f"450 4.2.0 busy for {hours}\n\n<{delivery.sent_key}>"
        post.write(words, sender="postmaster@mx.example", Subject="Delayed mail")
    hear()
    events, error = case.events.count(), Delivery.objects.get().error
    notices = [
        batch._item(mention) for mention in Mention.objects.filter(kind=NOTICE).order_by("pk")
    ]
    assert len(notices) == 2
    for again in (notices, notices[:1], notices[1:], notices[:1]):
        bounces.come_back(again, now=timezone.now())
    assert (case.events.count(), Delivery.objects.get().error) == (events, error)


def test_an_automatic_answer_is_no_feedback_even_later(
    post: Post, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    delivery = answer(as_(agent), case)
    post.write("I am away.", In_Reply_To=f"<{delivery.sent_key}>", Auto_Submitted="auto-replied")
    hear()
    pipeline.tick()
    case.refresh_from_db()
    assert (case.status, Mention.objects.count()) == ("waiting", 2)
    said = Interaction.objects.latest("pk")
    assert (said.kind, said.conversation) == ("automatic answer", case.conversations.get())
    assert not Feedback.objects.exists()


def test_the_thread_is_found_by_our_letter_alone(
    post: Post, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    delivery = answer(as_(agent), case)
    post.write("Thanks.", In_Reply_To=f"<{delivery.sent_key}>", sender="assistant@else.example")
    hear()
    assert Case.objects.count() == 1
    assert Interaction.objects.latest("pk").conversation == case.conversations.get()
    assert ids.find_ours(delivery.sent_key)


def test_a_file_that_is_too_large_is_refused_and_the_rest_is_kept(
    post: Post, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    browser = as_(agent)
    film = SimpleUploadedFile("film.mp4", b"x" * (30 * 1024 * 1024), content_type="video/mp4")
    voucher = SimpleUploadedFile("voucher.txt", b"100 euros")
    address = reverse("responses:reply", args=[case.pk])
    form = typed(browser, case, text="A long answer.")
    refused = browser.post(address, form | {"uploads": [film, voucher]})
    page = refused.content.decode()
    assert refused.status_code == 422
    assert "“film.mp4” has 30.0\xa0MB. The limit is 25 MB." in page
    assert "A long answer." in page
    kept = Attachment.objects.get()
    assert f'name="kept" value="{kept.uuid}" checked' in page

    delivery = answer(browser, case, kept=[kept.uuid])
    assert b"voucher.txt" in post.sent[0]
    kept.refresh_from_db()
    assert kept.interaction == delivery.interaction


def test_an_undone_answer_gives_its_files_back_with_its_words(
    post: Post, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    """If a reply is undone, its files return to the draft and are sent with the next reply.

    Fails without `files.take_back`.
    """
    browser, reply = as_(agent), reverse("responses:reply", args=[case.pk])
    voucher = SimpleUploadedFile("voucher.txt", b"100 euros")
    browser.post(reply, typed(browser, case, text="Take this.", uploads=[voucher]))
    undone = Response.objects.get()
    said = browser.post(reverse("responses:cancel", args=[undone.pk]), follow=True)
    assert "Nothing was sent. The text is a draft again." in said.content.decode()
    kept = Attachment.objects.get()
    assert not undone.attachments.exists()
    assert "voucher.txt" in undone.events.latest("pk").why
    page = browser.get(reverse("responses:composer", args=[case.pk])).content.decode()
    assert "Take this." in page
    assert f'name="kept" value="{kept.uuid}" checked' in page

    # Autosave keeps the files of the draft, except a file that the agent removed.
    draft = {"draft_kind": "reply", "text": "Take this, please.", "draft_version": 1}
    keep = reverse("responses:draft", args=[case.pk])
    browser.post(keep, draft | {"kept": [kept.uuid]})
    address = reverse("responses:composer", args=[case.pk])
    assert str(kept.uuid) in browser.get(address).content.decode()
    browser.post(keep, draft | {"text": "Take it.", "draft_version": 2})
    assert str(kept.uuid) not in browser.get(address).content.decode()

    delivery = answer(browser, case, kept=[kept.uuid])
    assert b"voucher.txt" in post.sent[0]
    kept.refresh_from_db()
    assert kept.interaction == delivery.interaction


def test_files_count_together(
    post: Post, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    browser, address = as_(agent), reverse("responses:reply", args=[case.pk])
    many = [SimpleUploadedFile(f"{n}.txt", b"x") for n in range(11)]
    refused = browser.post(address, typed(browser, case, uploads=many))
    assert "Attach at most 10 files." in refused.content.decode()
    large = [SimpleUploadedFile(f"{n}.bin", b"x" * (13 * 1024 * 1024)) for n in range(2)]
    refused = browser.post(address, typed(browser, case, uploads=large))
    assert "These files have 26.0\xa0MB together" in refused.content.decode()
    assert not Response.objects.exists()


def test_nobody_sends_files_that_a_colleague_chose(
    post: Post, case: Case, agent: User, teammate: User, as_: Callable[[User], Client]
) -> None:
    theirs = Attachment.objects.create(by=teammate, name="x", content_type="a/b", size=1)
    browser = as_(agent)
    refused = browser.post(
        reverse("responses:reply", args=[case.pk]), typed(browser, case, kept=[theirs.uuid])
    )
    assert refused.status_code == 422


def test_a_file_needs_a_channel_that_carries_it(
    microblog: Account, case: Case, agent: User, as_: Callable[[User], Client]
) -> None:
    jo = Contact.objects.create(name="Jo")
    there = Profile.objects.create(network=microblog.network, key="jo", handle="@jo")
    for profile in (case.profile, there):
        profile.link_to(jo, by=agent, evidence="Says so.")
    form = typed(as_(agent), case, place=f"{microblog.pk}:{there.pk}:private")
    refused = as_(agent).post(
        reverse("responses:reply", args=[case.pk]),
        form | {"uploads": [SimpleUploadedFile("x.txt", b"x")]},
    )
    assert "@SkywardAir cannot send files." in refused.content.decode()


def test_an_approval_signs_the_files_too(
    post: Post, case: Case, agent: User, admin: User, as_: Callable[[User], Client]
) -> None:
    ResponseRule.objects.create(
        name="Hold", owner=admin, conditions={"all": []}, verdict="hold", reason="Look first."
    )
    delivery = answer(as_(agent), case, uploads=[SimpleUploadedFile("x.txt", b"x")])
    response = delivery.response
    assert (response.state, delivery.state) == ("held", "queued")
    before = response.content_hash
    page = as_(admin).get(reverse("responses:approvals")).content.decode()
    assert "x.txt" in page
    response.attachments.clear()
    assert response.content_hash != before


def test_the_whole_letter_is_shown_clean_to_whoever_may_read_it(
    post: Post, case: Case, agent: User, outsider: User, as_: Callable[[User], Client]
) -> None:
    post.write(f"Thanks!\n\nOn Monday, {CARE} wrote:\n> <script>alert(1)</script> & found")
    hear()
    said = Interaction.objects.latest("pk")
    url = reverse("crm:whole", args=[said.uuid])
    page = as_(agent).get(url).content.decode()
    assert "&gt; &lt;script&gt;alert(1)&lt;/script&gt; &amp; found" in page
    assert url in as_(agent).get(case.get_absolute_url()).content.decode()
    said.conversation.restricted_to = case.department
    said.conversation.save()
    assert as_(outsider).get(url).status_code == 404
