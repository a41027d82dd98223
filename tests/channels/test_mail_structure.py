"""Mails with damaged or unusual structure: no words are lost, and what is unreadable is named."""

from __future__ import annotations

import time
from base64 import encodebytes
from pathlib import Path
from unittest.mock import Mock, call

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.channels.email import parts
from scrm.channels.email.calendar import describe
from scrm.channels.email.parts import ENCRYPTED, TNEF, Unreadable
from scrm.channels.email.read import Letter, read
from scrm.channels.email.repair import repair
from scrm.channels.email.smime import signed_content

LETTERS = Path(__file__).parent / "letters"
FROM = b"From: Jo <jo@customers.test>\r\n"
WORDS = "The pump leaks."
LONG = 200_000


def letter(name: str) -> Letter:
    return read((LETTERS / f"{name}.eml").read_bytes())


def mail(headers: bytes, body: bytes = WORDS.encode()) -> Letter:
    return read(FROM + b"Subject: Pump\r\n" + headers + b"\r\n\r\n" + body)


def mixed(*parts: bytes, kind: bytes = b"mixed", preamble: bytes = b"") -> Letter:
    body = preamble + b"".join(b"\r\n--b\r\n" + part for part in parts) + b"\r\n--b--\r\n"
    return mail(b"Content-Type: multipart/" + kind + b"; boundary=b", body)


@pytest.mark.parametrize(
    "name", ["only-part-has-a-name", "boundary-does-not-occur", "broken-header-line"]
)
def test_a_damaged_letter_keeps_its_words(name: str) -> None:
    found = letter(name)
    assert found.text == WORDS
    assert found.sender is not None
    assert found.sender.address == "jo@customer.example"
    assert found.files == ()


@pytest.mark.parametrize(
    "headers",
    [
        b'Content-Type: text/plain; name="message.txt"',
        b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=m.txt",
        b"Content-Disposition: inline; filename=m.txt",
        b"Content-Type: text/x-markdown",
        b"Content-Type: text/unknown; charset=utf-8",
        b"Content-Type: text",
        b"Content-Type: plain/text",
        b"Content-Type: application/octet-stream",
        b"Content-Type: text/enriched",
        b"Content-Type: ; charset",
    ],
)
def test_the_only_part_is_the_text(headers: bytes) -> None:
    assert mail(headers).text == WORDS


@pytest.mark.parametrize(
    ("part", "file"),
    [
        (b'Content-Type: text/plain; name="message.txt"\r\n\r\nThe pump leaks.', "message.txt"),
        ((b"Content-Type: text/x-note\r\nContent-Disposition: attachment; filename=n\r\n\r\n"
         b"The pump leaks."), "n"),
        (b'Content-Type: text/html; name="m.html"\r\n\r\n<p>The pump leaks.</p>', "m.html"),
        (b"Content-Type: text/markdown\r\n\r\nThe pump leaks.", "file.markdown"),
        (b"Content-Type: application/octet-stream\r\n\r\nThe pump leaks.", "file.octetstrea"),
    ],
)  # fmt: skip
def test_a_text_in_a_file_is_the_text_if_there_is_no_other(part: bytes, file: str) -> None:
    for contents in ((part,), (b"Content-Type: text/plain\r\n\r\n \r\n", part)):
        found = mixed(*contents)
        assert (found.text, [each.name for each in found.files]) == (WORDS, [file])
    other = mixed(b"Content-Type: text/plain\r\n\r\nSee the file.", part)
    assert (other.text, len(other.files)) == ("See the file.", 1)


FORWARDED = (
    b"Content-Type: message/rfc822\r\n\r\nFrom: Kim <kim@customers.test>\r\nSubject: Pump 2\r\n"
)


def test_a_letter_forwarded_as_a_file_is_the_text_if_there_is_no_other() -> None:
    forwarded = FORWARDED + b"\r\nThe pump leaks."
    found = mixed(b"Content-Type: text/plain\r\n\r\n", forwarded)
    assert found.sender is not None
    assert (found.text, found.sender.address) == (WORDS, "jo@customers.test")
    assert [file.name for file in found.files] == ["Pump 2.eml"]
    twice = mixed(FORWARDED + FORWARDED[:29] + b"\r\n" + forwarded[30:])
    assert twice.text == WORDS
    assert mixed(b"\r\nHello", forwarded).text == "Hello"


def test_the_text_of_a_returned_letter_is_not_that_of_the_report() -> None:
    status = b"Content-Type: message/delivery-status\r\n\r\n\r\nAction: failed\r\n"
    found = mixed(status, FORWARDED + b"\r\nThe pump leaks.", kind=b"report")
    assert found.text == ""


def test_code_and_binary_files_are_no_words() -> None:
    for part in (
        b"Content-Type: text/css\r\n\r\np { color: red }",
        b"Content-Type: text/rtf; name=a.rtf\r\n\r\n{\\rtf1 }",
        b"Content-Type: application/octet-stream\r\n\r\nab\x00\x01",
        b"Content-Type: application/pdf; name=a.pdf\r\n\r\n%PDF",
    ):
        found = mixed(part)
        assert (found.text, len(found.files)) == ("", 1)


@pytest.mark.parametrize(
    "kind",
    [
        b'multipart/mixed; boundary="aa"',
        b"multipart/alternative; boundary=aa",
        b"multipart/mixed",
        b"multipart/related; boundary=",
        b'multipart/mixed; boundary="a\r\n a"',
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"The pump leaks.",
        b"<html><body><p>The pump leaks.</p></body></html>",
        b"--real\r\nContent-Type: text/plain\r\n\r\nThe pump leaks.\r\n--real--\r\n",
        b"--a b=c\r\nContent-Type: text/html\r\n\r\n<p>The pump leaks.</p>\r\n--a b=c--\r\n",
        b'x\r\n--q"\\\r\ncontent-transfer-encoding: base64\r\n\r\nVGhlIHB1bXAgbGVha3Mu\r\n--q"\\--',
    ],
)
def test_a_boundary_that_does_not_occur(kind: bytes, body: bytes) -> None:
    found = mail(b"Content-Type: " + kind, body)
    assert (found.text, found.files) == (WORDS, ())


def test_words_before_the_first_boundary_count_if_there_are_no_others() -> None:
    assert mixed(b"Content-Type: text/plain\r\n\r\n", preamble=b"The pump leaks.").text == WORDS
    boilerplate = b"This is a multi-part message in MIME format."
    assert mixed(b"Content-Type: text/plain\r\n\r\n", preamble=boilerplate).text == ""
    other = mixed(b"Content-Type: text/plain\r\n\r\nHello", preamble=b"The pump leaks.")
    assert other.text == "Hello"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"base64 ", b"VGhlIHB1bXAgbGVha3Mu"),
        (b"Base64\t", b"VGhlIHB1bXAgbGVha3Mu"),
        (b"base64;", b"VGhlIHB1bXAgbGVha3Mu"),
        (b'"base64"', b"VGhlIHB1bXAgbGVha3Mu"),
        (b"base64 (RFC 2045)", b"VGhlIHB1bXAg\r\nbGVha3Mu"),
        (b"base64", b"VGhlIHB1bXAgbGVha3Mu==\r\n"),
        (b"base64", b"The pump leaks."),
        (b"quoted-printable ", b"The=20pump leaks."),
        (b"quoted-printable;", b"The pump=\r\n leaks."),
        (b" 8bit ", b"The pump leaks."),
        (b"no-such-encoding", b"The pump leaks."),
        (b"utf-8", b"The pump leaks."),
    ],
)
def test_a_transfer_encoding_however_it_is_written(encoding: bytes, body: bytes) -> None:
    headers = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: " + encoding
    assert mail(headers, body).text == WORDS
    assert mixed(headers + b"\r\n\r\n" + body).text == WORDS


@pytest.mark.parametrize(
    "raw",
    [
        b"Received: x\r\nno colon here\r\nFrom: jo@customers.test\r\nSubject: Pump",
        b"Received: x\r\n(cut) by mx.customers.test\r\nFrom: jo@customers.test\r\nSubject: Pump",
        b"From: jo@customers.test\r\n>From jo@x Tue Jan  7 10:00:00 2020\r\nSubject: Pump",
        b"From : jo@customers.test\r\nSubject : Pump",
        b"\r\n\r\nFrom: jo@customers.test\r\nSubject: Pump",
        b"\xef\xbb\xbfFrom: jo@customers.test\r\nSubject: Pump",
        b"From jo@x Tue Jan  7 10:00:00 2020\r\nFrom: jo@customers.test\r\nSubject: Pump",
        b"Gr\xc3\xb6\xc3\x9fe: 1\r\nFrom: jo@customers.test\r\nSubject: Pump",
        b": no name\r\nFrom: jo@customers.test\r\nSubject: Pump",
        b"From: jo@customers.test\r\nX-A: 1\r\none\r\ntwo\r\nSubject: Pump",
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\r\n"])
def test_a_broken_line_between_headers(raw: bytes, end: bytes) -> None:
    body = b"\r\nContent-Type: text/html\r\n\r\n<p>The pump leaks.</p>"
    found = read((raw + body).replace(b"\r\n", end))
    assert found.sender is not None
    assert found.sender.address == "jo@customers.test"
    assert (found.subject, found.text) == ("Pump", WORDS)


def test_a_long_subject_that_was_folded_without_a_space() -> None:
    found = read(b"Subject: The pump\r\nleaks again\r\n" + FROM + b"\r\nHello")
    assert found.subject == "The pump leaks again"


def test_a_broken_line_adds_nothing_to_the_sender() -> None:
    found = read(FROM + b"<eve@evil.test>\r\nSubject: Pump\r\n\r\nHello")
    assert found.sender is not None
    assert found.sender.address == "jo@customers.test"


def test_a_text_that_begins_without_a_blank_line_is_kept() -> None:
    assert read(FROM + b"Subject: Pump\r\nThe pump leaks.\r\nBye").text == "The pump leaks.\nBye"


def test_headers_that_are_whole_are_not_touched() -> None:
    raw = FROM + b"Subject: Pump\r\n leaks\r\n\r\nno colon\r\nFrom: x\r\n"
    assert repair(raw) == raw


# --- S/MIME, PGP and TNEF


def test_a_signed_letter_is_read_like_any_other() -> None:
    found = letter("smime-opaque")
    assert (found.text, found.files) == ("My seat was taken away. Booking QX12.", ())


def der(tag: int, *content: bytes) -> bytes:
    body = b"".join(content)
    size = len(body).to_bytes(4)
    return bytes([tag]) + (bytes([len(body)]) if len(body) < 0x80 else b"\x84" + size) + body


def ber(tag: int, *content: bytes) -> bytes:
    """Return an element of unknown length, as programs write them that sign while they send."""
    return bytes([tag]) + b"\x80" + b"".join(content) + b"\0\0"


SIGNED, DATA, ENVELOPED = (
    der(0x06, bytes.fromhex(f"2a864886f70d0107{number}")) for number in ("02", "01", "03")
)
INSIDE = (
    b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nThe pump leaks.\r\n"
    b"--i\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n%PDF\r\n--i--"
)


def cms(octets: bytes, element=der, kind: bytes = SIGNED) -> bytes:  # type: ignore[no-untyped-def]
    inside = element(0x30, DATA, element(0xA0, octets))
    data = element(0x30, der(0x02, b"\1"), der(0x31), inside, der(0x31))
    return element(0x30, kind, element(0xA0, data))


@pytest.mark.parametrize(
    "signed",
    [
        cms(der(0x04, INSIDE)),
        cms(der(0x04, INSIDE), ber),
        cms(ber(0x24, der(0x04, INSIDE[:20]), der(0x04, INSIDE[20:])), ber),
        cms(der(0x24, der(0x04, INSIDE[:5]), der(0x04, INSIDE[5:]))),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m",
        b"Content-Type: application/x-pkcs7-mime",
        b"Content-Type: application/octet-stream; name=smime.p7m",
    ],
)
def test_each_form_of_a_signed_letter(signed: bytes, headers: bytes) -> None:
    body = encodebytes(signed)
    for found in (
        mail(headers + b"\r\nContent-Transfer-Encoding: base64", body),
        mixed(headers + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body),
    ):
        assert found.text == WORDS
        assert [file.name for file in found.files] == ["a.pdf"]


def test_what_is_encrypted_says_so() -> None:
    found = letter("pgp-encrypted")
    assert found.text == f"[{ENCRYPTED}]"
    assert [file.name for file in found.files] == ["encrypted.asc"]
    enveloped = encodebytes(cms(der(0x04, b"x"), kind=ENVELOPED))
    smime = b"Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: "
    assert mail(smime + b"base64", enveloped).text == f"[{ENCRYPTED}]"
    assert mail(smime + b"base64", b"AAAA").text == f"[{ENCRYPTED}]"
    inline = b"-----BEGIN PGP MESSAGE-----\r\n\r\naGVsbG8=\r\n-----END PGP MESSAGE-----"
    assert mail(b"X-A: 1", inline).text.endswith(f"[{ENCRYPTED}]")


def test_a_signed_document_is_a_file_and_not_an_encrypted_letter() -> None:
    part = b"Content-Type: application/pkcs7-mime; name=fattura.xml.p7m\r\n\r\nabc"
    found = mixed(b"\r\nThe pump leaks.", part)
    assert (found.text, [file.name for file in found.files]) == (WORDS, ["fattura.xml.p7m"])


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        (b"Content-Type: application/ms-tnef; name=winmail.dat", True),
        (b"Content-Type: application/vnd.ms-tnef; name=x", True),
        (b"Content-Type: application/octet-stream; name=winmail.dat", True),
        (b"Content-Type: application/octet-stream; name=other.dat", False),
        ((b'Content-Type: application/ms-tnef\r\nContent-Disposition: attachment; '
         b'filename="WINMAIL.DAT"'), True),
    ],
)  # fmt: skip
def test_a_file_of_outlook_is_named_for_what_it_is(headers: bytes, named: bool) -> None:
    found = mixed(b"\r\nHello", headers + b"\r\n\r\nx\x00")
    assert found.text == (f"Hello\n\n[{TNEF}]" if named else "Hello")
    assert len(found.files) == 1


def test_a_letter_of_outlook_without_text_says_what_it_is() -> None:
    assert letter("winmail").text == f"[{TNEF}]"


# --- Invitations


def event(*lines: str, method: str = "REQUEST") -> str:
    inside = ["BEGIN:VCALENDAR", f"METHOD:{method}", "BEGIN:VEVENT", *lines]
    return "\r\n".join([*inside, "END:VEVENT", "END:VCALENDAR", ""])


def test_an_invitation_is_read_as_text() -> None:
    found = letter("calendar-only")
    assert found.text == (
        "Invitation: Call about my claim\nWhen: 2026-12-05 09:00 to 09:30 UTC\nWhere: Phone\n"
        "Organizer: cal@customers.test\n\nI want to talk about claim 77"
    )
    assert [file.name for file in found.files] == ["invite.ics"]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["DTSTART;TZID=Europe/Berlin:20261205T090000", "DURATION:PT1H30M"],
         "When: 2026-12-05 09:00 to 10:30 Europe/Berlin"),
        (["DTSTART:20261205T220000Z", "DTEND:20261206T010000Z"],
         "When: 2026-12-05 22:00 to 2026-12-06 01:00 UTC"),
        (["DTSTART;VALUE=DATE:20261205", "DTEND;VALUE=DATE:20261206"], "When: 2026-12-05"),
        (["DTSTART;VALUE=DATE:20261205", "DTEND;VALUE=DATE:20261208"],
         "When: 2026-12-05 to 2026-12-07"),
        (["DTSTART:some day"], "When: some day"),
        (["DTSTART:20261205T090000", "DURATION:PT5400S"], "When: 2026-12-05 09:00 to 10:30"),
        (["DTSTART:20261205T090000", "DURATION:PT1H30M60S"], "When: 2026-12-05 09:00 to 10:31"),
        (["DTSTART:99991231T100000Z", "DURATION:P2W"], "When: 99991231T100000Z"),
        (["DTSTART;VALUE=DATE:20261205", "DTEND;VALUE=DATE:00010101"], "When: 20261205"),
        (["LOCATION:Room\u2028A\x85B\x0bC"], "Where: Room\u2028A\x85B\x0bC"),
        (["DTSTART:20261399T990000"], "When: 20261399T990000"),
        (["LOCATION:Room 1\\, Quay\\; left"], "Where: Room 1, Quay; left"),
        (["LOCATION:Room", "  1"], "Where: Room 1"),
        (['ORGANIZER;CN="Doe, Jo":MAILTO:jo@customers.test'],
         "Organizer: Doe, Jo <jo@customers.test>"),
        (["ATTENDEE;CN=Kim;PARTSTAT=ACCEPTED:mailto:kim@x.test", "ATTENDEE:mailto:max@x.test"],
         "Attendees: Kim <kim@x.test> (accepted), max@x.test"),
        (["DESCRIPTION:One\\nTwo"], "\nOne\nTwo"),
        (["BEGIN:VALARM", "DESCRIPTION:Reminder", "END:VALARM", "LOCATION:Room"], "Where: Room"),
    ],
)  # fmt: skip
def test_the_facts_of_an_invitation(lines: list[str], text: str) -> None:
    assert describe(event("SUMMARY:Call", *lines)) == f"Invitation: Call\n{text}"


@pytest.mark.parametrize(
    ("method", "title"),
    [("CANCEL", "Cancelled event"), ("REPLY", "Answer to an invitation"), ("PUBLISH", "Event")],
)
def test_what_kind_of_invitation_it_is(method: str, title: str) -> None:
    assert describe(event("SUMMARY:Call", method=method)) == f"{title}: Call"


def test_an_invitation_stands_below_the_text_of_its_letter() -> None:
    calendar = event("SUMMARY:Call", "DTSTART:20261205T090000Z", "DESCRIPTION:The pump leaks.")
    part = b"Content-Type: text/calendar; method=REQUEST\r\n\r\n" + calendar.encode()
    file = b"Content-Type: application/ics; name=invite.ics\r\n\r\n" + calendar.encode()
    found = mixed(b"\r\nThe pump leaks.", part, file, kind=b"mixed")
    assert found.text == "The pump leaks.\n\nInvitation: Call\nWhen: 2026-12-05 09:00 UTC"
    assert [each.name for each in found.files] == ["invite.ics"]


def test_a_calendar_in_its_charset() -> None:
    body = event("SUMMARY:Насос").encode("koi8_r")
    assert mail(b"Content-Type: text/calendar; charset=koi8-r", body).text == "Invitation: Насос"


@given(st.text(alphabet=':;="\\\n\r BEGINVT,mailtoDSTARTP0123456789', max_size=300))
def test_any_text_is_a_calendar_or_is_not(text: str) -> None:
    assert isinstance(describe(event(text)), str)


# --- Hostile input


@given(st.binary(max_size=200))
def test_any_bytes_are_signed_or_are_not(raw: bytes) -> None:
    for start in (b"", cms(der(0x04, b"x"))[:40], b"\x30\x80" + SIGNED + b"\xa0\x80\x30\x80"):
        assert isinstance(signed_content(start + raw), bytes)


def base64_part(content: bytes) -> bytes:
    kind = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return FROM + kind + encodebytes(content)


def signed_inside_itself(times: int) -> bytes:
    raw = INSIDE
    for _ in range(times):
        raw = base64_part(cms(der(0x04, raw)))
    return raw


MANY_BOUNDARIES = b"--a\r\nContent-Type: text/plain\r\n\r\n" + (
    b"--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" * 2000 + b"x\r\n" * 20_000
)
BASE64_PARTS = b"Content-Type: multipart/mixed\r\nContent-Transfer-Encoding: base64\r\n\r\n"
MANY_SEMICOLONS = b'Content-Type: multipart/mixed; x="' + b";" * 20_000 + b"\r\n"


def test_an_absent_boundary_does_not_evade_the_limit_on_nested_parts() -> None:
    with pytest.raises(Unreadable, match="nested too deeply"):
        read(FROM + BASE64_PARTS + encodebytes(MANY_BOUNDARIES))


def test_a_long_header_with_parameters_is_cut() -> None:
    found = mixed(MANY_SEMICOLONS.replace(b"multipart/mixed", b"text/plain") + b"\r\nHello")
    assert found.text == "Hello"
    name = "a" * 1500 + ".pdf"
    part = b"Content-Type: application/pdf; name=" + name.encode() + b"\r\n\r\n%PDF"
    assert mixed(b"\r\nHello", part).files[0].name == name[-255:]


def test_the_elements_of_a_signed_letter_are_counted_on_all_levels() -> None:
    many = b"\x05\x00" * 60_000
    parts_of = der(0x24, many, der(0x04, INSIDE))
    assert signed_content(cms(parts_of)) == INSIDE
    assert signed_content(cms(ber(0x24, many, der(0x04, INSIDE)), ber)) == b""


HOSTILE = [
    FROM + BASE64_PARTS + encodebytes(MANY_BOUNDARIES),
    FROM + b"a:\xff\r\n" * 20_000 + b"\r\nHello",
    FROM + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n\xff\r\n" * 5000,
    FROM + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    + b"--x\r\nContent-Type: text/html; name=a\r\n\r\n" + b"<p>The pump leaks.\r\n" * 20_000
    + b"--x\r\nContent-Type: text/x-note; name=b\r\n\r\nHello\r\n" * 40,
    FROM + MANY_SEMICOLONS * 10 + b"\r\nHello",
    FROM + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    + (b"--x\r\n" + MANY_SEMICOLONS + b"\r\n") * 20,
    FROM + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    + (b"--x\r\nContent-Disposition: attachment; x=\"" + b";" * 1900 + b"\r\n\r\nx\r\n") * 500,
    base64_part(b"\x30\x80" * (LONG // 2)),
    base64_part(b"\x30\x80" + SIGNED + b"\xa0\x80" + b"\x05\x00" * (LONG // 2)),
    base64_part(cms(ber(0x24, b"\x04\x00" * (LONG // 2)), ber)),
    base64_part(b"\x30\x84\xff\xff\xff\xff" * (LONG // 6)),
    signed_inside_itself(12),
    FROM + (FORWARDED[:29] + b"\r\n") * 60 + b"x" * 5 * LONG,
    FROM + b"no colon\r\n" * (LONG // 10) + b"\r\nHello",
    FROM + b"no colon\r\nTo: x\r\n" * (LONG // 17) + b"\r\nHello",
    FROM + b"a" * LONG + b"\r\nTo: x\r\n\r\nHello",
    FROM + b"a " * (LONG // 2) + b": x\r\nTo: x\r\n\r\nHello",
    FROM + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--" * (LONG // 2),
    FROM + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--a\r\n" * (LONG // 5),
    FROM + b"Content-Type: multipart/mixed\r\n\r\n"
    + b"--a\r\nContent-Type: multipart/mixed\r\n\r\n" * (LONG // 40),
    FROM + b"Content-Transfer-Encoding: " + b"(" * LONG + b"\r\n\r\nHello",
    FROM + b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\n" + b'A;B="' * (LONG // 5),
    FROM + b"Content-Type: text/calendar\r\n\r\n" + b"BEGIN:VEVENT\r\n" * (LONG // 14),
    FROM + b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\n" + b"A;B=C" * (LONG // 5),
    FROM + b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\nDESCRIPTION:" + b"\\" * LONG,
    FROM + b"Content-Disposition: attachment; filename=" + b"a;\"" * (LONG // 3) + b"\r\n\r\nHello",
    FROM + b"Content-Type: text/plain; charset=gb18030\r\n\r\n" + b"\xff" * LONG,
]  # fmt: skip


def test_a_spare_text_is_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    convert = Mock(wraps=parts.marked)
    monkeypatch.setattr(parts, "marked", convert)
    spare = b"Content-Type: text/html; name=a.html\r\n\r\n<p>The pump leaks.</p>"
    found = mixed(spare, *[b"Content-Type: text/x-note; name=b\r\n\r\nHello"] * 20)
    assert found.text == WORDS
    assert convert.mock_calls.count(call("<p>The pump leaks.</p>")) == 1


@pytest.mark.parametrize("raw", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_mail_costs_little(raw: bytes) -> None:
    began = time.process_time()
    try:
        read(raw)
    except Unreadable as error:
        assert "damaged and cannot be read" not in str(error)  # noqa: PT017
    assert time.process_time() - began < 2


# Fails if the style sheet of one part hides words of another one.
def test_a_style_sheet_hides_only_in_its_own_part() -> None:
    html = b"Content-Type: text/html\r\n\r\n"
    sheet = b"<style>.x{display:none}</style><p class=x>Preheader</p><p>One</p>"
    found = mixed(html + sheet, html + b"<p class=x>Two</p>")
    assert found.text.split() == ["One", "Two"]
    assert "Two" in found.html
