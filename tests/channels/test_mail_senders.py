"""Unverified senders: mailing lists and services of others, and mail that fails DMARC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scrm.channels.base import Credentials, Item, Outgoing
from scrm.channels.email.item import item, self_key
from scrm.channels.email.letter import seal
from scrm.channels.email.people import address_of, mail_address, unverified_key

CARE = "care@skyward.test"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
CHECKED = {"authserv_id": "mx.skyward.test"}
OUR_LIST = "List-Id: <c-list.skyward.test>\r\n"
KIM = "From: Kim Fly <kim@customers.test>\r\n"


def heard(headers: str, config: dict[str, str] | None = None) -> Item:
    us = Credentials("email", self_key(CARE), CARE, config=config or {})
    found = item(f"{headers}\r\nHello".encode(), came=NOW, credentials=us)
    assert isinstance(found, Item), found
    return found


def unverified(found: Item) -> str:
    return str(found.details["mail"].get("unverified", ""))


def results(text: str) -> str:
    return f"Authentication-Results: {text}\r\n"


@pytest.mark.parametrize(
    "header",
    [
        "mx.skyward.test; dmarc=fail (p=none) header.from=customers.test",
        "MX.skyward.test 1;\r\n spf=pass smtp.mailfrom=evil.test;\r\n DMARC = FAIL",
        "mx.skyward.test; dkim=pass; dmarc=pass header.from=x.test; dmarc=fail header.from=c.test",
        'mx.skyward.test; spf=pass smtp.mailfrom="a; dmarc=pass"@evil.test; dmarc=fail',
        "mx.skyward.test (dmarc=pass); dmarc=fail",
    ],
)
def test_mail_that_fails_dmarc_is_unverified(header: str) -> None:
    found = heard(results(header) + KIM, CHECKED)
    assert found.author.key == "unverified:kim@customers.test"
    assert found.author.handle == "kim@customers.test"
    assert unverified(found) == "dmarc"


@pytest.mark.parametrize(
    "header",
    [
        "mx.skyward.test; dmarc=pass header.from=customers.test",
        "mx.skyward.test; dmarc=none",
        "mx.skyward.test; dmarc=temperror",
        "mx.skyward.test; none",
        "mx.other.test; dmarc=fail",
        "mx.skyward.test.evil.test; dmarc=fail",
        'mx.skyward.test; spf=pass smtp.mailfrom="a; dmarc=fail"@c.test; dmarc=pass',
        "mx.skyward.test; dmarc=pass (dmarc=fail)",
        "",
    ],
)
def test_mail_that_does_not_fail_is_from_its_sender(header: str) -> None:
    found = heard(results(header) + KIM, CHECKED)
    assert (found.author.key, unverified(found)) == ("kim@customers.test", "")


def test_only_the_newest_header_of_our_server_counts() -> None:
    newest, older = (f"mx.skyward.test; dmarc={result}" for result in ("pass", "fail"))
    assert unverified(heard(results(newest) + results(older) + KIM, CHECKED)) == ""
    assert unverified(heard(results(older) + results(newest) + KIM, CHECKED)) == "dmarc"


def test_the_header_counts_only_if_the_setting_names_our_server() -> None:
    assert unverified(heard(results("mx.skyward.test; dmarc=fail") + KIM)) == ""


@pytest.mark.parametrize(
    "headers",
    [
        f"From: {CARE}\r\nReply-To: Kim <kim@customers.test>\r\n",
        "From: no-reply@skyward.test\r\nReply-To: Kim <kim@customers.test>\r\n",
        "From: kim@skyward.test\r\nList-Post: <mailto:kim@skyward.test>\r\n",
        f"{OUR_LIST}From: Kim via C <c-list@skyward.test>\r\nReply-To: kim@customers.test\r\n",
    ],
    ids=["form", "no-reply", "own list", "own list with a member"],
)
def test_a_failed_check_counts_for_forms_and_lists_too(headers: str) -> None:
    failed = heard(results("mx.skyward.test; dmarc=fail") + headers, CHECKED)
    assert failed.author.key.startswith("unverified:")
    assert unverified(failed) == "dmarc"
    passed = heard(results("mx.skyward.test; dmarc=pass") + headers, CHECKED)
    assert (unverified(passed), passed.author.key[:4]) == ("", "kim@")


def test_a_server_may_write_one_header_for_each_check() -> None:
    separate = results("mx.skyward.test; dkim=pass") + results("mx.skyward.test; dmarc=fail")
    assert unverified(heard(separate + KIM, CHECKED)) == "dmarc"


def test_a_service_that_sends_from_no_reply_is_a_list() -> None:
    found = heard("From: Kim via Sign <no-reply@sign.test>\r\nReply-To: kim@customers.test\r\n")
    assert (found.author.key, unverified(found)) == ("unverified:kim@customers.test", "list")


LIST = "List-Id: <pumps.elsewhere.test>\r\n"
POST = "List-Post: <mailto:pumps@elsewhere.test>\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        "From: 'Kim Fly' via Pumps <pumps@elsewhere.test>\r\nReply-To: kim@customers.test\r\n",
        "From: Kim über Pumps <pumps@elsewhere.test>\r\nX-Original-From: kim@customers.test\r\n",
        f"From: Kim <pumps@elsewhere.test>\r\nReply-To: Kim <kim@customers.test>\r\n{LIST}",
        f"{POST}From: Kim <pumps@elsewhere.test>\r\nAuthor: kim@customers.test\r\n",
        "From: Kim via Signing <sign@service.test>\r\nReply-To: kim@customers.test\r\n",
    ],
)
def test_behind_a_list_the_member_is_the_author(headers: str) -> None:
    found = heard(headers)
    assert found.author.key == "unverified:kim@customers.test"
    assert found.author.handle == "kim@customers.test"
    assert unverified(found) == "list"
    assert found.details["mail"]["via"] in ("pumps@elsewhere.test", "sign@service.test")


def test_members_without_an_address_are_two_people() -> None:
    kim, max_ = (
        heard(f"From: '{name}' via Pumps <pumps@elsewhere.test>\r\n{LIST}").author
        for name in ("Kim Fly", "Max Lost")
    )
    assert kim.key != max_.key
    assert (kim.name, max_.name) == ("Kim Fly", "Max Lost")
    assert address_of(kim.key) == "pumps@elsewhere.test"


@pytest.mark.parametrize(
    "headers",
    [
        "From: Maria Via Lattea <maria@customers.test>\r\n",
        f"From: Maria <maria@customers.test>\r\n{LIST}",
        "From: Maria <maria@customers.test>\r\nReply-To: max@customers.test\r\n",
    ],
)
def test_who_writes_under_their_own_address_is_verified(headers: str) -> None:
    found = heard(headers)
    assert (found.author.key, unverified(found)) == ("maria@customers.test", "")


@pytest.mark.parametrize("name", ["", "kim via lattea", "kim", "k" * 500])
def test_an_unverified_person_is_answered_at_the_address(name: str) -> None:
    key = unverified_key("kim@customers.test", name)
    assert address_of(key) == "kim@customers.test"
    assert mail_address(key) == ""
    us = Credentials("email", self_key(CARE), CARE)
    outgoing = Outgoing("n", "Hello", destination=key)
    assert seal(us, outgoing).to == "kim@customers.test"


SERVICES = {
    "Formspree": "From: Formspree <noreply@formspree.io>",
    "Typeform": 'From: "Typeform" <notifications@typeform.com>',
    "Wix": "From: Skyward <no-reply@crm.wix.com>",
    "Squarespace": "From: Squarespace <form-submission@squarespace.info>",
    "Jotform": "From: Jotform <noreply@jotform.com>",
    "Google Forms": "From: Google Forms <forms-receipts-noreply@google.com>",
    "Netlify": "From: Netlify <formresponses@netlify.com>",
    "Shopify": "From: Skyward Shop (Shopify) <mailer@shopify.com>",
    "Webflow": "From: Webflow Forms <no-reply-forms@webflow.com>",
    "a stranger": "From: No Reply <noreply1@gmail.com>",
}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("visitor", ["Kim Fly <kim@customers.test>", "kim@customers.test"])
def test_who_fills_in_a_form_of_a_service_is_unverified(service: str, visitor: str) -> None:
    found = heard(f"{SERVICES[service]}\r\nReply-To: {visitor}\r\n")
    assert found.author.key == "unverified:kim@customers.test"
    assert found.author.handle == "kim@customers.test"
    # The name of the service is no name of the person.
    assert found.author.name == ("Kim Fly" if "<" in visitor else "")
    assert unverified(found) == "form"
    sender = SERVICES[service].rpartition("<")[2].rstrip(">")
    assert found.details["mail"]["via"] == sender


@pytest.mark.parametrize(
    ("sender", "reply_to", "key"),
    [
        (CARE, "kim@customers.test", "kim@customers.test"),
        ("no-reply@skyward.test", "kim@customers.test", "kim@customers.test"),
        ("forms@web.skyward.test", "kim@customers.test", "kim@customers.test"),
        ("no-reply@bank.test", "help@bank.test", "help@bank.test"),
        ("no-reply@mail.bank.test", "help@bank.test", "help@bank.test"),
        ("no-reply@bank.test", "", "no-reply@bank.test"),
        ("notifications@typeform.com", "", "notifications@typeform.com"),
        ("mailerfan@customers.test", "max@customers.test", "mailerfan@customers.test"),
        ("formica@customers.test", "max@other.test", "formica@customers.test"),
        ("noreplyx@customers.test", "max@other.test", "noreplyx@customers.test"),
        ("auto-mueller@dealer.test", "max@other.test", "auto-mueller@dealer.test"),
        ("auto@dealer.test", "max@other.test", "auto@dealer.test"),
        ("notify.jo@customers.test", "max@other.test", "notify.jo@customers.test"),
        ("robot+jo@customers.test", "max@other.test", "robot+jo@customers.test"),
        ("forms-kim@web.skyward.test", "max@other.test", "forms-kim@web.skyward.test"),
        ("do-not-reply@bank.test", "help@bank.test", "help@bank.test"),
        ("no-reply@live.bank.test", "help@live.bank.test", "help@live.bank.test"),
    ],
)
def test_a_form_that_vouches_names_its_author(sender: str, reply_to: str, key: str) -> None:
    found = heard(f"From: {sender}\r\n" + (f"Reply-To: {reply_to}\r\n" if reply_to else ""))
    assert (found.author.key, unverified(found)) == (key, "")


@pytest.mark.parametrize(
    ("sender", "reply_to"),
    [
        ("noreply@gmail.com", "kim@gmail.com"),
        ("no-reply@customers.test.evil.test", "kim@customers.test"),
        ("no-reply@evilcustomers.test", "kim@customers.test"),
        ("no-reply@test", "kim@customers.test"),
        ("noreply@yahoo.co.uk", "kim@yahoo.co.uk"),
        ("noreply@hotmail.fr", "kim@hotmail.fr"),
        ("noreply@gmx.ch", "kim@gmx.ch"),
        ("noreply@bluewin.ch", "kim@bluewin.ch"),
        ("noreply@comcast.net", "kim@comcast.net"),
        ("notify@provider.test", "kim@provider.test"),
        ("notifications-7@provider.test", "kim@provider.test"),
        ("jo-noreply@provider.test", "kim@provider.test"),
        ("noreply.jo@provider.test", "kim@provider.test"),
        ("noreply7@provider.test", "kim@provider.test"),
    ],
)
def test_a_sender_that_an_outsider_may_have_does_not_vouch(sender: str, reply_to: str) -> None:
    found = heard(f"From: {sender}\r\nReply-To: {reply_to}\r\n")
    assert (found.author.key, unverified(found)) == (f"unverified:{reply_to}", "form")


# Fails if a word after the role is ignored: the reply then goes to Kim, as if Kim had written.
@pytest.mark.parametrize("sender", ["notify.jo@bluewin.ch", "forms+jo@provider.test"])
def test_somebody_with_a_name_like_a_program_writes_for_nobody_else(sender: str) -> None:
    found = heard(f"From: {sender}\r\nReply-To: kim@{sender.partition('@')[2]}\r\n")
    assert (found.author.key, unverified(found)) == (sender, "")
