"""Domain names are converted (UTS 46, IDNA 2008) before they are sent or used as a key."""

from __future__ import annotations

import re
import socket
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.channels import permalink
from scrm.channels.feed import channel
from scrm.net import http
from scrm.net.addresses import Target, ascii_host, domain_to_ascii, domain_to_unicode

SHARP = "xn--strae-oqa.test"


# Fails with Python's own codec (IDNA 2003). It converts the first four names to strasse.test, and
# it removes the zero-width non-joiner in the Persian name.
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("straße.test", SHARP),
        ("Straße.TEST", SHARP),
        ("STRAẞE.test", SHARP),
        ("straße。test", SHARP),
        ("strasse.test", "strasse.test"),
        ("βόλος.test", "xn--nxasmm1c.test"),
        ("نامه\u200cای.test", "xn--mgba3gch31f060k.test"),
        ("münchen.test", "xn--mnchen-3ya.test"),
        ("mu\u0308nchen.test", "xn--mnchen-3ya.test"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("my_host", "my_host"),
        ("My_Host.Straße.test", f"my_host.{SHARP}"),
        ("XN--STRAE-OQA.test", SHARP),
        ("xn--i-7iq.test", "xn--i-7iq.test"),
        ("localhost", "localhost"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_name_has_one_form(name: str, key: str) -> None:
    assert domain_to_ascii(name) == key


# Fails without `_HOST` in `domain_to_ascii`. Without it, the names after the long ones are
# accepted, although their special characters can end an address or begin another address.
@pytest.mark.parametrize(
    "name",
    ["☃.test", "i❤.test", "-ü.test", "ü" * 64, "ü." * 60, "ü" * 9000,
     "a.test，b＠c.test", "a.test＞＜", "a；b", "a：b", "a（b）", "a＂b", "a［b］", "℀.test", "a b",
     "a@b", "a,b", "a.test\n"],
)  # fmt: skip
def test_what_idna_does_not_allow_is_refused_in_words(name: str) -> None:
    with pytest.raises(ValueError, match=r"valid domain name|too long for a domain name"):
        domain_to_ascii(name)


@given(st.text(max_size=40))
def test_a_name_stays_as_it_is_written_on_the_wire(name: str) -> None:
    try:
        key = domain_to_ascii(name)
    except ValueError:
        return
    assert key.isascii()
    assert domain_to_ascii(key) == key
    assert domain_to_ascii(domain_to_unicode(key)) == key
    assert re.fullmatch(r"[A-Za-z0-9._-]*", key)


def test_it_is_read_as_people_write_it() -> None:
    assert domain_to_unicode(SHARP) == "straße.test"
    assert domain_to_unicode("xn--i-7iq.my_host") == "xn--i-7iq.my_host"


# Fails without `_is_one_script`. Without it, the first three names are displayed in Unicode and
# look like other, familiar names.
@pytest.mark.parametrize(
    ("name", "is_shown"),
    [
        ("pаypal.test", False),  # with a Cyrillic letter
        ("skywοrd.test", False),  # with a Greek letter
        ("аβ.test", False),
        ("münchen.test", True),
        ("βόλος.test", True),
        ("ключ.test", True),
        ("東京タワーabc.test", True),
        ("々東ひー.test", True),
        ("한국어漢字.test", True),
        ("स्ते5.test", True),
    ],
)
def test_a_label_of_mixed_scripts_stays_in_a_labels(name: str, is_shown: bool) -> None:
    key = domain_to_ascii(name)
    assert domain_to_unicode(key) == (name if is_shown else key)


def test_addresses_by_number_stay() -> None:
    assert ascii_host("::1") == "::1"
    assert Target.of("http://[::1]:8080/x").url == "http://[::1]:8080/x"
    assert Target.of("http://My_host:81/").host == "my_host"


def test_a_url_goes_to_the_name_that_was_typed() -> None:
    assert Target.of("https://straße.test/ä").url == f"https://{SHARP}/%C3%A4"
    with pytest.raises(http.HttpError, match=r"“☃\.test” is not a valid domain name"):
        Target.of("http://☃.test/")


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return a list that records each host name that the code looks up; every look-up fails."""
    asked: list[object] = []

    def getaddrinfo(host: object, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


# Fails without `_on_the_wire` in `connect`. Without it, the resolver gets the name as it was typed,
# and encodes it with IDNA 2003.
def test_every_way_out_asks_for_the_right_name(looked_up: list[object]) -> None:
    for ask in (
        lambda: http.fetch("http://straße.test/"),
        lambda: http.guarded_session().get("http://straße.test/"),
        lambda: http.connect("straße.test", 993, timeout=5),
    ):
        with pytest.raises(Exception, match="was not found"):
            ask()
    assert looked_up == [SHARP] * 3
    with pytest.raises(http.HttpError, match=r"“☃\.test” is not a valid domain name"):
        http.connect("☃.test", 993, timeout=5)


# Fails without `_on_the_wire` in `secure`, because then TLS checks the certificate of another name.
def test_tls_asks_for_the_right_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    class Context(ssl.SSLContext):
        def wrap_socket(self, sock: Any, **facts: Any) -> Any:  # type: ignore[override]
            asked.append(facts["server_hostname"])

    monkeypatch.setattr(http, "_tls", lambda: Context(ssl.PROTOCOL_TLS_CLIENT))
    with socket.socket() as sock:
        http.secure(sock, "straße.test")
    assert asked == [SHARP]


def test_a_feed_has_one_key_however_its_address_is_written() -> None:
    assert channel.scope("https://straße.test/feed") == channel.scope(f"http://{SHARP}/feed")
    assert channel.scope("https://straße.test/feed") != channel.scope("https://strasse.test/feed")
    assert permalink.guid_key("https://Straße.test/?p=5") == f"//{SHARP}/?p=5"
    assert permalink.site_scope("https://straße.test") == f"wordpress:{SHARP}"
    assert permalink.guid_key("https://☃.test/?p=5") == ""
