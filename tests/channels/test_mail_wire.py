"""The bytes that scrm sends to a mail server, recorded by a fake server."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any
from unicodedata import normalize

import pytest

from scrm.channels.base import ChannelError, Credentials, Outgoing
from scrm.channels.email.item import self_key
from scrm.channels.email.speak import MailSpeaker
from scrm.net import http
from scrm.net.addresses import networks

NONCE = "00000000-0000-0000-0000-000000000007"


class Sink(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 sink\r\n")
        for line in self.rfile:
            self.server.told.append(line.decode().strip())  # type: ignore[attr-defined]
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                letter = iter(lambda: self.rfile.readline(), b".\r\n")
                self.server.letters.append(b"".join(letter))  # type: ignore[attr-defined]
            answer = self.server.extensions if verb == b"EHLO" else b""  # type: ignore[attr-defined]
            if verb == b"RCPT" and self.server.refused in line.decode():  # type: ignore[attr-defined]
                self.wfile.write(b"550 5.1.1 no such user\r\n")
                continue
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else answer + b"250 ok\r\n")


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Sink) as server:
        server.told, server.letters, server.extensions = [], [], b""  # type: ignore[attr-defined]
        server.refused = "<nobody>"  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def send(sink: Any, to: str, us: str = "care@skyward.test", copies: tuple[str, ...] = ()) -> None:
    config = {"smtp_host": "127.0.0.1", "smtp_port": sink.server_address[1],
              "smtp_security": "none", "name": "Skyward"}  # fmt: skip
    credentials = Credentials("email", self_key(us), us, config=config)
    outgoing = Outgoing(nonce=NONCE, text="Found.", destination=to, copies=copies)
    MailSpeaker().send(credentials, outgoing)


# Fails with `encode("idna")`, because the first mail is then sent to eva@strasse.test.
@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("eva@straße.test", "eva@xn--strae-oqa.test"),
        ("eva@xn--strae-oqa.test", "eva@xn--strae-oqa.test"),
        ("jo@my_host", "jo@my_host"),
        ('"jo doe"@customers.test', '"jo doe"@customers.test'),
    ],
)
def test_a_letter_leaves_for_the_address_as_it_is(sink: Any, to: str, told: str) -> None:
    send(sink, to)
    assert f"RCPT TO:<{told}>" in sink.told
    letter = message_from_bytes(sink.letters[0], policy=policy.default)
    assert [str(each) for each in letter["To"].addresses] == [told]


# Fails if `formataddr` gets the address as it was typed, because the function accepts only ASCII.
def test_our_own_domain_is_in_ascii_everywhere(sink: Any) -> None:
    send(sink, "jo@customers.test", us="care@straße.test")
    assert sink.told[0].lower() == "ehlo xn--strae-oqa.test"
    assert any(line.startswith("MAIL FROM:<care@xn--strae-oqa.test>") for line in sink.told)
    letter = message_from_bytes(sink.letters[0], policy=policy.default)
    assert str(letter["From"]) == "Skyward <care@xn--strae-oqa.test>"
    assert str(letter["Message-ID"]).endswith("@xn--strae-oqa.test>")


@pytest.mark.parametrize(
    "to", ["sno@☃.test", "", "jo", "jo@a.test, kim@b.test", "jo@a.test>\r\nRCPT TO:<kim@b.test"]
)
def test_what_is_no_address_is_refused_before_anything_is_said(sink: Any, to: str) -> None:
    with pytest.raises(ChannelError, match="Nothing was sent: ") as refusal:
        send(sink, to)
    assert refusal.value.permanent
    assert sink.told == []


# Fails with the policy SMTP, which turns the local part into an encoded word, a different address.
@pytest.mark.parametrize("local", ["jörg", "Jo\u0308rg", "δοκιμή", "用户", "ÉLODIE", '"jö doe"'])
def test_a_local_part_beyond_ascii_goes_by_smtputf8(sink: Any, local: str) -> None:
    sink.extensions = b"250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
    send(sink, f"{local}@straße.test")
    told = f"{normalize('NFC', local).lower()}@xn--strae-oqa.test"
    assert f"RCPT TO:<{told}>" in sink.told
    assert "MAIL FROM:<care@skyward.test> SMTPUTF8" in sink.told
    assert f"\r\nTo: {told}\r\n".encode() in sink.letters[0]


def test_smtputf8_is_used_only_where_an_address_needs_it(sink: Any) -> None:
    sink.extensions = b"250-sink\r\n250-SMTPUTF8\r\n"
    send(sink, "eva@straße.test")
    assert "MAIL FROM:<care@skyward.test>" in sink.told


@pytest.mark.parametrize("local", ["jörg", '"jö doe"'])
def test_our_own_address_beyond_ascii_goes_by_smtputf8(sink: Any, local: str) -> None:
    sink.extensions = b"250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
    send(sink, "jo@customers.test", us=f"{local}@skyward.test")
    assert f"\r\nFrom: Skyward <{local}@skyward.test>\r\n".encode() in b"\r\n" + sink.letters[0]


def test_the_refusal_names_our_own_address_if_that_is_not_in_ascii(sink: Any) -> None:
    with pytest.raises(ChannelError, match=r"It cannot send from jörg@skyward\.test, because"):
        send(sink, "jo@customers.test", us="jörg@skyward.test")


def test_a_server_without_smtputf8_is_named_in_the_refusal(sink: Any) -> None:
    with pytest.raises(ChannelError) as refusal:
        send(sink, "jörg@straße.test")
    assert refusal.value.permanent
    assert str(refusal.value) == (
        "Nothing was sent: 127.0.0.1 does not support SMTPUTF8. It cannot send to "
        "jörg@straße.test, because the part before the @ is not in ASCII."
    )
    assert not any(line.startswith(("MAIL", "RCPT", "DATA")) for line in sink.told)


KIM, MAX = "kim@customers.test", "max@straße.test"


def test_copies_go_in_the_same_mail(sink: Any) -> None:
    send(sink, "jo@customers.test", copies=(KIM, MAX))
    told = [line for line in sink.told if line.startswith("RCPT")]
    wire = "max@xn--strae-oqa.test"
    assert told == [f"RCPT TO:<{address}>" for address in ("jo@customers.test", KIM, wire)]
    assert len(sink.letters) == 1
    assert f"\r\nCc: {KIM}, {wire}\r\n".encode() in sink.letters[0]


# Fails if the mail is sent to the other recipients: staff would not know who received it.
def test_a_refused_copy_stops_the_mail_and_is_named(sink: Any) -> None:
    sink.refused = KIM
    with pytest.raises(ChannelError, match=f"refused it: {KIM}: 550 5.1.1") as refusal:
        send(sink, "jo@customers.test", copies=(KIM,))
    assert refusal.value.permanent
    assert not refusal.value.uncertain
    assert sink.letters == []
