"""Mails on the page of a case: what staff see of them, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from crm.ledger import Entry, record
from crm.models import Account, Department, User
from listening.changes import keep_changes
from listening.models import Fetch, Mention, Source, Topic
from responses.models import Delivery, Response, ResponseRule
from routing.intake import Arrival, take_in
from routing.models import Case
from routing.rules import Facts
from scrm import pipeline
from scrm.channels.base import Author, Batch, Change, Credentials, FetchRequest, Outgoing, Receipt
from scrm.channels.email.channel import CHANNEL
from scrm.channels.missing_file import MAX_SIZE, MissingFile, MissingFiles
from tests.browser.conftest import DESK, PHONE, Windows
from tests.browser.hands import Mouse
from tests.browser.test_axe import found, inspected, opened
from tests.browser.test_phone import fits
from tests.machinery import eventually
from tests.test_mail import CARE, JO, Post, care, hear, post
from tests.test_mail_identity import put

__all__ = ["care", "inspected", "post"]
Opens = Callable[[Case], Page]
SITE = "wordpress:blog.example"
KIM = "kim@customers.example"
BEN = f"Ben Osei <ben@{CARE.partition('@')[2]}>"
FORWARDED = """FYI

---------- Forwarded message ---------
From: Max Lost <max@customers.example>
Date: Sat, 28 Nov 2026 at 10:00
Subject: my lost bag
To: <ben@skyward.example>

My suitcase did not arrive, ref ZQ9.
"""
QUOTING = """It still leaks.

On Mon, 30 Nov 2026 at 09:00, Eve <eve@elsewhere.example> wrote:
> The suitcase of my neighbour is wet too.
> Nobody knows why.
"""
ARABIC = "أين حقيبتي؟ أنتظر منذ ثلاثة أيام، ورقم الرحلة SK 204."


@pytest.fixture
def opens(inspected: Windows, post: Post, care: Account, agent: User) -> Opens:
    """Return a function that opens a case in the browser of the agent."""

    def open_case(case: Case) -> Page:
        page = opened(inspected, agent, case.get_absolute_url())
        Mouse(page).is_at(case)
        return page

    return open_case


def came(post: Post, name: str) -> Case:
    """Receive the mail that is stored in the file `name`, and return its case."""
    put(post, name)
    return received()


def wrote(post: Post, text: str, **facts: str) -> Case:
    """Receive a mail with this text and these headers, and return its case."""
    post.write(text, **facts)
    return received()


def received() -> Case:
    """Receive the mail in our mailbox, from which a worker of the site may open the case."""
    hear()
    return eventually(Case.objects.first)


def message(page: Page, text: str) -> Locator:
    return page.get_by_role("article").filter(has_text=text)


def looks_right(page: Page, name: str) -> None:
    """Check that axe finds nothing, and that nothing is wider than a desk or a phone."""
    said = found(page, name)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    fits(page)
    inner = "each => each.scrollWidth - each.clientWidth"
    assert page.locator(".timeline").evaluate(inner) == 0
    for name_shown in page.locator(".said header > b").all():
        box = name_shown.bounding_box()
        assert box
        assert box["height"] < 24, "a name of one line is broken into several"
    said += found(page, f"{name} on a phone")
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    assert not said, "\n".join(said)


def test_the_other_recipients_are_shown_and_can_get_the_reply(
    post: Post, opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(_: object, credentials: Credentials, outgoing: Outgoing) -> Receipt:
        receipt = post.send(credentials, outgoing)
        cc = [[address, ""] for address in outgoing.copies]
        return replace(receipt, details={"mail": {"to": [[JO, ""]], "cc": cc}})

    monkeypatch.setattr(type(CHANNEL.speaker), "send", send)
    case = wrote(post, "We both fly.", To=f"{CARE}, Kim <{KIM}>", Cc="max@elsewhere.example")
    page = opens(case)
    recipients = message(page, "We both fly.").locator(".recipients")
    expect(recipients).to_contain_text(f"To {CARE}, Kim")
    expect(recipients).to_contain_text("Cc max@elsewhere.example")
    page.get_by_label("Your reply").click()
    page.get_by_text("Other recipients of the message").click()
    kim = page.get_by_role("group", name="Also to").get_by_label(f"Kim <{KIM}>")
    expect(kim).not_to_be_checked()
    kim.check()
    expect(page.get_by_text("All recipients see the addresses of one another.")).to_be_visible()
    page.get_by_label("Your reply").fill("We are sorry.")
    looks_right(page, "recipients")
    page.get_by_role("button", name="Send privately").click()
    expect(page.locator("#messages")).to_contain_text("is sent in")
    delivery = Delivery.objects.get()
    # Not by the sender of the site, which knows no fake mail server.
    Delivery.objects.update(send_after=timezone.now() + timedelta(hours=1))
    page.goto(case.get_absolute_url())
    expect(page.locator(".pending")).to_contain_text(f"Also to: {KIM}")
    looks_right(page, "pending")
    Delivery.objects.update(send_after=timezone.now())
    pipeline.deliver(delivery.pk)
    page.goto(case.get_absolute_url())
    expect(message(page, "We are sorry.").locator(".recipients")).to_contain_text(f"Cc {KIM}")
    looks_right(page, "sent")


def test_an_invitation_says_when_and_where(post: Post, opens: Opens) -> None:
    page = opens(came(post, "calendar-only"))
    invitation = message(page, "Call about my claim")
    expect(invitation.get_by_role("heading", name="04a Invitation")).to_be_visible()
    expect(invitation).to_contain_text("I want to talk about claim 77")
    looks_right(page, "invitation")


def test_an_encrypted_mail_says_so(post: Post, opens: Opens) -> None:
    page = opens(came(post, "pgp-encrypted"))
    expect(message(page, "03 pgp")).to_contain_text("encrypted")
    looks_right(page, "encrypted")


def test_a_suspicious_sender_is_named(post: Post, opens: Opens) -> None:
    page = opens(came(post, "stranger-in-her-name"))
    warning = "The sender's name contains another address (kim@customers.test)."
    expect(message(page, "Please pay").get_by_text(warning)).to_be_visible()
    looks_right(page, "suspicious")


def test_an_unverified_sender_is_named(post: Post, care: Account, opens: Opens) -> None:
    care.config = {**care.config, "authserv_id": "mx.skyward.example"}
    care.save()
    failed = "mx.skyward.example; dmarc=fail header.from=customers.example"
    page = opens(
        wrote(post, "Pay me.", sender=f"Kim <{KIM}>", Authentication_Results=failed, To=CARE)
    )
    warning = f"This message may not come from {KIM}"
    expect(message(page, "Pay me.").get_by_text(warning)).to_be_visible()
    looks_right(page, "unverified")


def test_the_author_of_a_forwarded_mail_becomes_the_customer(post: Post, opens: Opens) -> None:
    case = wrote(post, FORWARDED, sender=BEN, Subject="Fwd: my lost bag", To=CARE)
    page = opens(case)
    heading = page.locator(".case-title").get_by_role("heading")
    expect(heading).to_contain_text("Ben Osei")
    looks_right(page, "forwarded")
    page.get_by_role("button", name="Answer the original sender").click()
    expect(heading).to_contain_text("Max Lost")
    expect(page.get_by_role("heading", name="my lost bag", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Answer the original sender")).to_have_count(0)
    looks_right(page, "original sender")


def test_a_quotation_is_folded(post: Post, opens: Opens) -> None:
    page = opens(wrote(post, QUOTING, To=CARE))
    expect(page.get_by_text("It still leaks.").first).to_be_visible()
    quoted = page.get_by_role("article").get_by_text("The suitcase of my neighbour")
    expect(quoted).to_be_hidden()
    # Without the blank line that separates the two in the mail.
    expect(page.locator(".said .text").first).to_have_js_property("textContent", "It still leaks.")
    looks_right(page, "folded")
    page.get_by_text("Quoted text", exact=True).click()
    expect(quoted).to_be_visible()
    line = page.locator("details.quoted > .text")
    assert line.evaluate("each => getComputedStyle(each).borderLeftStyle") == "solid"
    looks_right(page, "unfolded")


def test_a_topic_hit_opens_its_quotation(
    post: Post, opens: Opens, brand: Topic, admin: User
) -> None:
    brand.revise(any_of=["suitcase"], all_of=[], none_of=[], by=admin)
    page = opens(wrote(post, QUOTING, To=CARE))
    hit = page.get_by_role("article").get_by_text("suitcase", exact=True)
    expect(hit).to_be_visible()
    expect(hit).to_have_js_property("tagName", "MARK")
    looks_right(page, "hit")


def test_arabic_stands_at_the_right_beside_an_english_name(post: Post, opens: Opens) -> None:
    page = opens(wrote(post, ARABIC, sender="Layla Haddad <layla@customers.example>",
        Subject="حقيبتي المفقودة", To=f"{CARE}, ليلى الحداد <l@customers.example>"))  # fmt: skip
    said = message(page, "SK 204")
    expect(said.get_by_text("Layla Haddad").first).to_be_visible()
    expect(said.get_by_role("heading", name="حقيبتي المفقودة")).to_be_visible()
    for part in (said.get_by_role("heading"), said.locator(".text")):
        assert part.evaluate("each => getComputedStyle(each).direction") == "rtl"
    looks_right(page, "arabic")


def test_files_that_were_not_fetched_have_a_button(
    post: Post, opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = (
        MissingFile("2", "The whole film of the broken suitcase.mp4", 48_000_000, "video/mp4"),
        MissingFile("3", "everything.iso", MAX_SIZE + 1),
    )
    missing = MissingFiles("INBOX", 3, 7, 90_000_000, files)

    def listen(request: FetchRequest) -> Batch:
        (item,) = Post.listen(post, request).items
        mail = item.details["mail"] | {"missing_files": missing.stored()}
        return Batch((replace(item, details={"mail": mail}),))

    monkeypatch.setattr(post, "listen", listen)
    page = opens(wrote(post, "See the film.", file=b"png", To=CARE))
    said = message(page, "See the film.")
    expect(said.get_by_text("everything.iso")).to_be_visible()
    expect(said.get_by_text("too large to fetch")).to_be_visible()
    looks_right(page, "missing files")
    said.get_by_role("button", name="Fetch The whole film").click()
    # The worker of the site knows no mail server.
    expect(said.get_by_role("button", name="Fetch again The whole film")).to_be_visible()
    expect(said.get_by_role("alert")).to_be_visible()
    looks_right(page, "failed file")


def test_a_comment_that_is_edited_while_an_answer_is_written(
    opens: Opens, agent: User, lead: User, admin: User, service: Department,
    inspected: Windows, make_source: Callable[..., Source],
) -> None:  # fmt: skip
    """The list, the case and the composer say so; the text stays; *To approve* warns."""
    blog = Account.objects.create(
        kind="wordpress", network=SITE, self_key="user-1", name="Blog", owner=admin
    )
    service.accounts.add(blog)
    author = Author(SITE, "ada", name="Ada Lind")
    entry = Entry(SITE, "77", author, "wordpress", "comment", "public", "Skyward lost my bag.")
    now = timezone.now()
    row = record([entry], now=now)[0]
    arrival = Arrival(row.interaction, row.conversation, row.profile or 0, None, now, Facts())
    case = Case.objects.get(pk=take_in([arrival], now=now)[row.interaction])
    fetch = Fetch.objects.create(source=make_source())
    Mention.objects.create(
        fetch=fetch, scope=SITE, key="77", author_network=SITE, author_key="ada", kind="comment",
        visibility="public", interaction_id=row.interaction, text=entry.text,
    )  # fmt: skip
    contains = {"field": "text", "op": "contains", "value": "refund"}
    ResponseRule.objects.create(
        name="Refunds", owner=admin, conditions={"all": [contains]}, verdict="hold", reason="Read."
    )

    def edit(text: str) -> None:
        change = Change(SITE, "77", "edited", text=text)
        with transaction.atomic():
            keep_changes(fetch, [change], now=timezone.now())

    page = opens(case)
    page.get_by_label("Your reply").fill("Here is your refund.")
    edit("Skyward lost my bag, and nobody answers the phone.")
    notice = "A message of this case was edited."
    page.reload()
    expect(page.get_by_text(notice)).to_be_visible()
    expect(page.get_by_label("Your reply")).to_have_value("Here is your refund.")
    expect(page.locator(f"#row-{case.pk}")).to_contain_text("edited at the source")
    page.get_by_text("Show the new text").click()
    expect(page.get_by_text("nobody answers the phone")).to_be_visible()
    looks_right(page, "edited comment")
    page.get_by_role("button", name="Ask for approval").or_(
        page.get_by_role("button", name="Send publicly")
    ).first.click()
    held = eventually(Response.objects.filter(state="held").first)
    edit("Never mind, the bag is here.")
    queue = opened(inspected, lead, "/approvals/")
    expect(queue.get_by_text("after this reply was written")).to_be_visible()
    said = found(queue, "approvals")
    queue.set_viewport_size(PHONE)  # type: ignore[arg-type]
    fits(queue)
    assert not said
    queue.get_by_role("button", name="Approve and send").click()
    held = eventually(Response.objects.filter(pk=held.pk, state="released").first)
