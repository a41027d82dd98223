"""Mail to staff: no page says that a mail was sent if it was not sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from structlog.testing import capture_logs

from crm.models import Account, Notice, User
from scrm.channels.email import connect

NO_SERVER = "django.core.mail.backends.dummy.EmailBackend"
READ = """
import json, scrm.settings as s
names = "BACKEND HOST PORT HOST_USER HOST_PASSWORD USE_TLS USE_SSL TIMEOUT".split()
print(json.dumps({name: getattr(s, f"EMAIL_{name}") for name in names}
    | {"FROM": s.DEFAULT_FROM_EMAIL}))
"""


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


@pytest.fixture
def no_server(settings: Any) -> None:
    settings.EMAIL_BACKEND = NO_SERVER


def settings_with(**facts: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "EMAIL_URL"} | facts
    return subprocess.run(
        [sys.executable, "-c", READ], env=env, capture_output=True, text=True, check=False
    )


def test_without_an_address_no_mail_is_sent() -> None:
    assert json.loads(settings_with().stdout)["BACKEND"] == NO_SERVER


def test_the_address_names_the_server() -> None:
    url = "submission://us:p%40ss@mail.example/?_default_from_email=scrm@skyward.example"
    assert json.loads(settings_with(EMAIL_URL=url).stdout) == {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "HOST": "mail.example", "PORT": 587, "HOST_USER": "us", "HOST_PASSWORD": "p@ss",
        "USE_TLS": True, "USE_SSL": False, "TIMEOUT": 10, "FROM": "scrm@skyward.example",
    }  # fmt: skip


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://mail:port"])
def test_a_bad_address_stops_the_start_with_its_name(url: str) -> None:
    failed = settings_with(EMAIL_URL=url)
    assert failed.returncode != 0
    assert "EMAIL_URL" in failed.stderr.splitlines()[-1]


def test_an_invitation_without_a_server_is_handed_over(
    no_server: None, admin: User, as_: Callable[[User], Client]
) -> None:
    typed = {"email": "nina@scrm.example", "name": "Nina", "role": ""}
    page = as_(admin).post("/people/invite/", typed).content.decode()
    assert "No mail server is configured" in page
    assert "was emailed" not in page
    assert "/account/password/reset/key/" in page


def test_who_forgot_a_password_without_a_server_is_sent_to_an_admin(
    no_server: None, admin: User, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = Client().get("/account/password/reset/").content.decode()
    assert "Ask an admin" in asked
    assert "<form" not in asked
    answer = Client().post("/account/password/reset/", {"email": admin.email}, follow=True)
    assert "Ask an admin" in answer.content.decode()
    assert "Check your email" not in answer.content.decode()
    assert "/reset/key/1" not in "".join(capfd.readouterr())


def test_a_server_that_does_not_answer_tells_a_stranger_nothing(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise SMTPServerDisconnected(f"lost while mailing {admin.email}")

    monkeypatch.setattr(mail.EmailMessage, "send", down)
    with capture_logs() as log:
        answers = {
            Client().post("/account/password/reset/", {"email": email}).status_code
            for email in (admin.email, "nobody@scrm.example")
        }
    assert answers == {302}
    assert admin.email not in str(log)


# Fails without `mail_to` and the override of `send_mail`. Django then encodes the domain with IDNA
# 2003 and sends a link for a new password to strasse.test.
def test_mail_to_staff_leaves_for_their_own_domain(
    admin: User, as_: Callable[[User], Client]
) -> None:
    typed = {"email": "Eva@Straße.test", "name": "Eva", "role": ""}
    as_(admin).post("/people/invite/", typed)
    eva = User.objects.get(name="Eva")
    assert eva.email == "eva@straße.test"
    Client().post("/account/password/reset/", {"email": eva.email})
    eva.mail_notices = True
    eva.save()
    Notice.give([eva], Notice.Kind.FAILED, text="It failed.")[0].mail()
    assert [each.to for each in mail.outbox] == [["eva@xn--strae-oqa.test"]] * 3


def test_an_address_that_takes_no_mail_is_refused_at_its_field(
    admin: User, as_: Callable[[User], Client]
) -> None:
    typed = {"email": "sno@☃.test", "name": "Sno", "role": ""}
    page = as_(admin).post("/people/invite/", typed).content.decode()
    assert "No email can be sent to this address: “☃.test” is not a valid domain name." in page
    assert not User.objects.filter(name="Sno").exists()
    form = connect.MailboxForm({"address": "sno@☃.test"})
    assert "No email can be sent to this address" in form.errors["address"][0]


def test_a_mailbox_is_kept_by_its_domain_on_the_wire(
    admin: User, as_: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "check", lambda *_, **__: {})
    typed = {
        "address": "Care@Straße.test", "password": "x", "imap_host": "a.test", "imap_port": 993,
        "imap_security": "tls", "smtp_host": "a.test", "smtp_port": 465, "smtp_security": "tls",
        "owner": admin.pk,
    }  # fmt: skip
    browser, new = as_(admin), "/our-accounts/new/email/"
    assert browser.post(new, typed).status_code == 302
    row = Account.objects.get()
    assert (row.address, row.name) == ("care@xn--strae-oqa.test", "care@straße.test")
    assert row.self_key == "us:care@xn--strae-oqa.test"
    again = browser.post(new, typed | {"address": "care@xn--strae-oqa.test"})
    assert "already uses this account" in again.context["form"].errors["address"][0]


def test_a_mailbox_is_logged_in_to_only_if_its_login_changed_or_is_tested(
    admin: User, as_: Callable[[User], Client]
) -> None:
    """scrm logs in to a mailbox only if its login was changed, or if the user asks for a test.

    scrm never connects to the server address of this test. Therefore each login attempt fails, and
    the form shows an error.
    """
    servers = {
        "imap_host": "127.0.0.1", "imap_port": 993, "imap_security": "tls",
        "smtp_host": "127.0.0.1", "smtp_port": 465, "smtp_security": "tls",
        "user": "care@sky.test",
    }  # fmt: skip
    row = Account.objects.create(
        kind="email", network="email", self_key="us:care@sky.test", address="care@sky.test",
        owner=admin, secrets={"password": "x"}, config=servers,
    )  # fmt: skip
    browser, page = as_(admin), f"/our-accounts/{row.pk}/connect/"
    typed = servers | {"owner": admin.pk, "password": "", "user": "", "signature": "Yours"}
    assert browser.post(page, typed).status_code == 302
    for change in ({"do": "test"}, {"password": "x"}, {"imap_port": 143}, {"user": "other"}):
        answer = browser.post(page, typed | change | {"signature": "Not saved"})
        assert answer.context["form"].errors.keys() == {"imap_host", "smtp_host"}
    row.refresh_from_db()
    assert row.config == servers | {"signature": "Yours", "authserv_id": "", "name": ""}
    assert row.secrets == {"password": "x"}
