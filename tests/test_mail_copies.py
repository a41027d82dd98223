"""“Also to”: the other recipients of a mail can get our reply too."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Contact, Department, Interaction, Profile, User
from responses.models import Delivery, Draft, RecordCheck, Response, ResponseRule
from responses.record_check.run import check_record
from responses.rule_facts import facts_of
from routing.models import Case
from scrm.channels.email.letter import identity, seal
from tests.test_mail import CARE, JO, Post, answer, care, hear, post, typed

__all__ = ["care", "post"]
pytestmark = pytest.mark.django_db
KIM, MAX = "kim@customers.example", "max@elsewhere.example"


@pytest.fixture
def browser(as_: Callable[[User], Client], agent: User) -> Client:
    return as_(agent)


@pytest.fixture
def case(post: Post, care: Account) -> Case:
    post.write("We both fly.", To=f"{CARE}, Kim <{KIM}>", Cc=MAX)
    hear()
    return Case.objects.get()


def test_the_case_shows_all_recipients(browser: Client, case: Case) -> None:
    page = browser.get(case.get_absolute_url()).content.decode()
    assert '<bdi title="kim@customers.example">Kim</bdi>' in page
    assert f"<bdi>{MAX}</bdi>" in page


def test_the_others_are_offered_and_not_selected(browser: Client, case: Case) -> None:
    page = browser.get(reverse("responses:composer", args=[case.pk]))
    form = page.context["form"]
    assert dict(form.fields["also_to"].choices) == {KIM: f"Kim <{KIM}>", MAX: MAX}
    assert form["also_to"].value() is None
    assert "Also to" in page.content.decode()


def test_who_is_not_selected_gets_nothing(post: Post, browser: Client, case: Case) -> None:
    delivery = answer(browser, case)
    assert delivery.outgoing.copies == ()
    assert message_from_bytes(post.sent[0])["Cc"] is None


def test_who_is_selected_gets_the_same_mail(post: Post, browser: Client, case: Case) -> None:
    delivery = answer(browser, case, also_to=[KIM, MAX])
    sent = message_from_bytes(post.sent[0], policy=policy.default)
    assert (sent["To"], sent["Cc"]) == (JO, f"{KIM}, {MAX}")
    assert len(post.sent) == 1
    assert seal(delivery.account.credentials, delivery.parcel).copies == (KIM, MAX)
    assert delivery.interaction
    assert delivery.interaction.mail.cc == ((KIM, ""), (MAX, ""))
    page = browser.get(delivery.response.get_absolute_url()).content.decode()
    assert f"Also to:\n    <bdi>{KIM}</bdi>, <bdi>{MAX}</bdi>" in page


@pytest.mark.parametrize("address", ["eve@evil.example", JO, CARE, "", "kim"])
def test_nobody_else_can_be_added(browser: Client, case: Case, address: str) -> None:
    form = typed(browser, case, also_to=[address])
    refused = browser.post(reverse("responses:reply", args=[case.pk]), form)
    assert refused.status_code == 422
    assert not Response.objects.exists()


def test_another_place_has_other_recipients(
    browser: Client, case: Case, care: Account, service: Department, admin: User
) -> None:
    """Somebody who received a mail at one place is not added to a reply at another place."""
    sandbox = Account.objects.create(
        kind="sandbox", network="sandbox.microblog", self_key="us", name="Us", owner=admin
    )
    service.accounts.add(sandbox)
    jo = Contact.objects.create(name="Jo")
    for profile in (case.profile, Profile.objects.create(network=sandbox.network, key="jo")):
        profile.link_to(jo, by=admin, evidence="Known.")
    page = browser.get(reverse("responses:composer", args=[case.pk]))
    places = [name for name, _label in page.context["form"].fields["place"].choices]
    elsewhere = next(name for name in places if name.startswith(f"{sandbox.pk}:"))
    form = typed(browser, case, also_to=[KIM]) | {"place": elsewhere}
    refused = browser.post(reverse("responses:reply", args=[case.pk]), form)
    assert refused.status_code == 422
    assert "Only recipients of the message that you answer" in refused.content.decode()


def test_a_draft_keeps_the_selection(browser: Client, case: Case) -> None:
    keep = reverse("responses:draft", args=[case.pk])
    browser.post(keep, typed(browser, case, also_to=[MAX]) | {"draft_kind": "reply"})
    assert Draft.objects.get().fields["also_to"] == [MAX]
    page = browser.get(reverse("responses:composer", args=[case.pk]))
    assert page.context["form"]["also_to"].value() == [MAX]


def test_an_approval_covers_the_recipients(
    browser: Client, case: Case, admin: User, as_: Callable[[User], Client]
) -> None:
    """Fails without the recipients in the hash: an approval would cover other recipients."""
    contains = {"field": "text", "op": "contains", "value": "refund"}
    ResponseRule.objects.create(
        name="Refunds", owner=admin, conditions={"all": [contains]}, verdict="hold", reason="Read."
    )
    form = typed(browser, case, text="Your refund is on its way.", also_to=[KIM])
    browser.post(reverse("responses:reply", args=[case.pk]), form)
    held = Response.objects.get()
    assert (held.state, held.copies) == ("held", [KIM])
    before = held.content_hash
    held.copies = []
    assert held.content_hash != before
    as_(admin).post(reverse("responses:approve", args=[held.pk]), {"shown": before})
    held.refresh_from_db()
    assert held.state == "released"
    checked = RecordCheck.objects.create()
    check_record(checked)
    checked.refresh_from_db()
    assert checked.found["signatures"] == 0


def bounce(post: Post, delivery: Delivery, text: str, **headers: str) -> None:
    own = identity(delivery.account.credentials, delivery.outgoing)[0]
    post.write(
        f"{text}\n\nMessage-ID: <{own}>\nTo: {JO}\nCc: {KIM}",
        sender="mailer-daemon@mx.example", Subject="failure notice", Return_Path="<>", **headers,
    )  # fmt: skip
    for _twice in range(2):
        hear()
    delivery.refresh_from_db()


def test_a_copy_that_bounces_is_noted_and_the_reply_stays_sent(
    post: Post, browser: Client, case: Case
) -> None:
    delivery = answer(browser, case, also_to=[KIM])
    bounce(post, delivery, f"<{KIM}>: 550 5.1.1 No such user")
    case.refresh_from_db()
    assert (delivery.state, case.status) == ("sent", "waiting")
    assert case.events.filter(why__startswith=f"The copy to {KIM} bounced").count() == 1


@pytest.mark.parametrize("names", ["", "Ask postmaster@mx.example."])
def test_a_bounce_that_does_not_say_for_whom_is_noted_with_what_to_do(
    post: Post, browser: Client, case: Case, names: str
) -> None:
    """Fails if the first recipient of the copy, or any address in the text, counts as failed."""
    delivery = answer(browser, case, also_to=[KIM])
    bounce(post, delivery, f"550 5.1.1 No such user\n{names}\n\n--- Below this line is a copy.")
    assert delivery.state == "sent"
    noted = case.events.filter(kind="answered", why__contains="bounced").get()
    assert noted.why.startswith(
        f"This email bounced for one of its recipients ({JO}, {KIM}), but the bounce does not say "
        "which one: 550 5.1.1 No such user"
    )
    assert noted.why.endswith("Check the addresses, and ask the recipients whether they got it.")
    assert ("The bounce names postmaster@mx.example, which is not" in noted.why) == bool(names)


def test_only_the_recipient_that_bounced_gets_the_mail_again(
    post: Post, browser: Client, case: Case
) -> None:
    """Fails if the new delivery has the same copies: they would get the mail twice."""
    delivery = answer(browser, case, also_to=[KIM])
    bounce(post, delivery, f"<{JO}>: 550 5.1.1 No such user")
    assert delivery.state == "bounced"
    again = reverse("responses:send_again", args=[delivery.pk])
    assert "It is not sent to them again" in browser.get(again).content.decode()
    browser.post(again)
    second = Delivery.objects.get(replaces=delivery)
    assert (second.destination, second.outgoing.copies) == (JO, ())


def test_a_report_of_two_recipients_is_read_whole(post: Post, browser: Client, case: Case) -> None:
    delivery = answer(browser, case, also_to=[KIM])
    own = identity(delivery.account.credentials, delivery.outgoing)[0]
    failed = "".join(
        f"\nFinal-Recipient: rfc822; {address}\nAction: failed\nStatus: 5.1.1\n"
        for address in (KIM, JO)
    )
    report = (
        "From: MAILER-DAEMON@mx.example\nSubject: Undelivered\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nFailed.\n"
        f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n{failed}\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{own}>\n\n--b--\n"
    )
    post.box.append(report.encode())
    hear()
    delivery.refresh_from_db()
    assert delivery.state == "bounced"
    assert case.events.filter(why__startswith=f"The copy to {KIM} bounced").count() == 1


def test_an_answer_of_a_further_recipient_is_in_the_case(
    post: Post, browser: Client, case: Case
) -> None:
    delivery = answer(browser, case, also_to=[KIM])
    own = identity(delivery.account.credentials, delivery.outgoing)[0]
    post.write("Thank you both.", sender=KIM, In_Reply_To=f"<{own}>")
    hear()
    said = Interaction.objects.filter(direction="in").latest("pk")
    assert said.conversation.case_links.get().case == case


def test_the_same_form_with_other_copies_is_no_double_click(browser: Client, case: Case) -> None:
    form = typed(browser, case, also_to=[KIM])
    reply = reverse("responses:reply", args=[case.pk])
    assert browser.post(reply, form).status_code == 302
    assert browser.post(reply, form | {"also_to": [KIM, MAX]}).status_code == 409
    assert Response.objects.get().copies == [KIM]


def test_personal_data_is_found_if_others_read_the_reply(case: Case, agent: User) -> None:
    private = Response(
        case=case, author=agent, department=case.department, audience="one", visibility="private",
        text=f"Your mail is {JO}.",
    )  # fmt: skip
    assert not facts_of(private, [], now=timezone.now())[0].personal
    private.copies = [KIM]
    assert facts_of(private, [], now=timezone.now())[0].personal


def hold(browser: Client, case: Case, admin: User, *also_to: str) -> Response:
    contains = {"field": "text", "op": "contains", "value": "refund"}
    ResponseRule.objects.create(
        name="Refunds", owner=admin, conditions={"all": [contains]}, verdict="hold", reason="Read."
    )
    form = typed(browser, case, text="Your refund is on its way.", also_to=[*also_to])
    browser.post(reverse("responses:reply", args=[case.pk]), form)
    return Response.objects.get()


def edit(browser: Client, held: Response, **fields: object) -> int:
    url = reverse("responses:edit", args=[held.pk])
    form = browser.get(url).context["form"]
    names = ("shown", "seen", "place", "subject", "text", "also_to")
    shown = {name: form[name].value() or "" for name in names if name in form.fields}
    return browser.post(url, shown | {"then": "draft"} | fields).status_code


def test_the_edit_form_of_a_held_reply_changes_the_copies(
    browser: Client, case: Case, admin: User
) -> None:
    held = hold(browser, case, admin, KIM)
    before = held.content_hash
    page = browser.get(reverse("responses:edit", args=[held.pk]))
    form = page.context["form"]
    assert dict(form.fields["also_to"].choices) == {KIM: f"Kim <{KIM}>", MAX: MAX}
    assert form["also_to"].value() == [KIM]
    assert "Private: only the recipients see it" in page.content.decode()
    assert edit(browser, held, also_to=[MAX]) == 302
    held.refresh_from_db()
    assert (held.state, held.copies) == ("draft", [MAX])
    assert held.content_hash != before
    assert held.events.filter(why=f"Copies changed: also to {MAX}.").exists()


def test_an_edit_without_another_choice_keeps_the_copies(
    post: Post, browser: Client, case: Case, admin: User
) -> None:
    """Fails if only the recipients of the last message are offered: it has no others."""
    held = hold(browser, case, admin, KIM)
    post.write("Any news?")
    hear()
    assert edit(browser, held, text="The refund is on its way.") == 302
    held.refresh_from_db()
    assert held.copies == [KIM]
    assert not held.events.filter(why__startswith="Copies changed").exists()
    assert edit(browser, held, also_to=[]) == 302
    held.refresh_from_db()
    assert held.copies == []
    assert held.events.filter(why="Copies changed: also to nobody else.").exists()


def test_an_edit_adds_nobody_else_and_takes_no_copies_to_another_place(
    browser: Client, case: Case, admin: User, service: Department
) -> None:
    held = hold(browser, case, admin, KIM)
    assert edit(browser, held, also_to=["eve@evil.example"]) == 422
    sandbox = Account.objects.create(
        kind="sandbox", network="sandbox.microblog", self_key="us", name="Us", owner=admin
    )
    service.accounts.add(sandbox)
    jo = Contact.objects.create(name="Jo")
    for profile in (case.profile, Profile.objects.create(network=sandbox.network, key="jo")):
        profile.link_to(jo, by=admin, evidence="Known.")
    places = browser.get(reverse("responses:edit", args=[held.pk])).context["form"].places
    elsewhere = next(name for name in places if name.startswith(f"{sandbox.pk}:"))
    assert edit(browser, held, place=elsewhere) == 422
    held.refresh_from_db()
    assert held.copies == [KIM]
    assert edit(browser, held, place=elsewhere, also_to=[]) == 302
    held.refresh_from_db()
    assert held.copies == []
