"""The form that connects a mailbox: each error is shown at its field.

The values that the user typed are kept.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Account, User
from listening.models import Source
from scrm.net import http
from tests.real.mail import OURS, PASSWORD, MailSystem, certify, free_port

pytestmark = pytest.mark.django_db
NEW = "/our-accounts/new/email/"
Typed = Callable[..., dict[str, Any]]


@pytest.fixture
def browser(as_: Callable[[User], Client], admin: User) -> Client:
    return as_(admin)


def wrong(browser: Client, typed: dict[str, Any]) -> dict[str, str]:
    answer = browser.post(NEW, typed)
    assert answer.status_code == 422
    assert f'value="{typed["user"]}"' in answer.content.decode()
    assert not Account.objects.exists()
    return {name: " ".join(said) for name, said in answer.context["form"].errors.items()}


def test_a_mailbox_is_connected_and_its_source_is_there(care: Account, admin: User) -> None:
    source = Source.objects.get()
    assert (source.kind, source.address, source.stance) == ("email", "INBOX", "for us")
    assert source.owner == admin
    assert care.secrets == {"password": PASSWORD}
    assert "password" not in care.config


def test_the_logins_can_be_tested_and_nothing_is_saved(
    mail: MailSystem, loopback_allowed: None, typed: Typed, browser: Client
) -> None:
    answer = browser.post(NEW, typed(do="test"))
    assert answer.status_code == 200
    assert f"The login to “care@{OURS}” works." in answer.content.decode()
    assert not Account.objects.exists()


def test_a_wrong_password(loopback_allowed: None, typed: Typed, browser: Client) -> None:
    said = wrong(browser, typed(password="wrong"))
    assert set(said) == {"password"}
    assert (
        "Reading (IMAP): 127.0.0.1 does not accept this user name and password" in said["password"]
    )
    assert "Sending (SMTP)" in said["password"]


def test_nobody_answers(loopback_allowed: None, typed: Typed, browser: Client) -> None:
    said = wrong(browser, typed(smtp_port=free_port()))
    assert set(said) == {"smtp_host"}
    assert "cannot be reached: Connection refused" in said["smtp_host"]


def test_no_such_host(loopback_allowed: None, typed: Typed, browser: Client) -> None:
    said = wrong(browser, typed(imap_host="imap.invalid", imap_security="tls"))
    assert "The host imap.invalid was not found" in said["imap_host"]


def test_a_private_address_is_refused(typed: Typed, browser: Client) -> None:
    said = wrong(browser, typed())
    assert set(said) == {"imap_host", "smtp_host"}
    assert "SCRM_ALLOW_CIDRS" in said["imap_host"]


def test_no_encryption_where_the_server_speaks_none(
    loopback_allowed: None, typed: Typed, browser: Client
) -> None:
    said = wrong(browser, typed(imap_security="tls"))
    assert set(said) == {"imap_security"}
    assert "does not use TLS on this port" in said["imap_security"]


def test_a_certificate_that_nobody_vouches_for(
    mail: MailSystem, loopback_allowed: None, typed: Typed, browser: Client
) -> None:
    localhost = {"imap_host": "localhost", "smtp_host": "localhost", "smtp_security": "starttls"}
    said = wrong(browser, typed(imap_port=mail.ports["imaps"], imap_security="tls", **localhost))
    assert set(said) == {"imap_security", "smtp_security"}
    assert "The certificate of localhost cannot be trusted: self-signed" in said["smtp_security"]


@pytest.mark.parametrize(("security", "ports"), [("tls", "s"), ("starttls", "")])
def test_an_encrypted_connection_by_a_trusted_certificate(
    mail: MailSystem,
    loopback_allowed: None,
    typed: Typed,
    browser: Client,
    monkeypatch: pytest.MonkeyPatch,
    security: str,
    ports: str,
) -> None:
    trusting = ssl.create_default_context(cafile=str(mail.place / "tls.crt"))
    monkeypatch.setattr(http, "_tls", lambda: trusting)
    facts = {
        "imap_host": "localhost", "smtp_host": "localhost", "imap_security": security,
        "smtp_security": security, "imap_port": mail.ports[f"imap{ports}"],
        "smtp_port": mail.ports[f"smtp{ports}"],
    }  # fmt: skip
    answer = browser.post(NEW, typed(**facts))
    assert answer.status_code == 302, answer.context["form"].errors


@pytest.fixture
def expired(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Run a mail server whose certificate expired yesterday.

    Yields its port and the path of the certificate.
    """
    certificate, key = certify(tmp_path / "old", days=-1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            try:
                context.wrap_socket(sock, server_side=True).close()
            except OSError:
                sock.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield int(server.getsockname()[1]), certificate
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


def test_a_certificate_that_has_expired(
    expired: tuple[int, Path],
    loopback_allowed: None,
    typed: Typed,
    browser: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, certificate = expired
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(http, "_tls", lambda: trusting)
    said = wrong(browser, typed(imap_host="localhost", imap_port=port, imap_security="tls"))
    assert "certificate has expired" in said["imap_security"]


def test_the_same_mailbox_twice(care: Account, typed: Typed, browser: Client) -> None:
    answer = browser.post(NEW, typed(address=f"Care@{OURS}"))
    assert answer.context["form"].errors.keys() == {"address"}
    assert Account.objects.count() == 1


def test_a_change_keeps_the_password_and_shows_it_to_nobody(
    care: Account, typed: Typed, browser: Client
) -> None:
    page = reverse("crm:reconnect", args=[care.pk])
    assert PASSWORD not in browser.get(page).content.decode()
    assert page in browser.get(reverse("crm:account", args=[care.pk])).content.decode()
    answer = browser.post(page, typed(password="", signature="Yours"))
    assert answer.status_code == 302, answer.context["form"].errors
    care.refresh_from_db()
    assert care.config["signature"] == "Yours"
    assert care.secrets == {"password": PASSWORD}
    assert browser.post(page, typed(password="wrong")).status_code == 422
