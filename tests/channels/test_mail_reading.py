"""Parsing of raw mails with any charset and any nesting of parts.

No input makes the parser fail.
"""

from __future__ import annotations

import time
from contextlib import suppress
from email import policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrm.channels.email.parts import MAX_FILES, Unreadable
from scrm.channels.email.read import Letter, read

HEAD = b"From: Jo <jo@customers.example>\r\nSubject: Bag\r\n"


def said(kind: bytes, body: bytes, more: bytes = b"") -> str:
    return read(HEAD + b"Content-Type: " + kind + b"\r\n" + more + b"\r\n" + body).text


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        (b"utf-8", "Grüße £".encode()),
        (b"latin-1", "Grüße £".encode("latin-1")),
        (b"windows-1252", "Grüße £".encode("cp1252")),
        (b"utf-16", "Grüße £".encode("utf-16")),
        (b"no-such-charset", "Grüße £".encode()),
        (b"unicode_escape", "Grüße £".encode()),
    ],
)
def test_words_in_any_charset(charset: bytes, body: bytes) -> None:
    assert said(b"text/plain; charset=" + charset, body) == "Grüße £"


def test_words_in_a_charset_that_was_guessed_although_they_were_called_ascii() -> None:
    text = said(b"text/plain; charset=us-ascii", "Grüße £".encode("cp1252"))
    assert text.startswith("Grüße £\n\n[")


@pytest.mark.parametrize(
    ("encoding", "body"),
    [(b"base64", b"SGVsbG8="), (b"quoted-printable", b"Hel=\r\nlo"), (b"8bit", b"Hello")],
)
def test_words_in_any_encoding(encoding: bytes, body: bytes) -> None:
    assert said(b"text/plain", body, b"Content-Transfer-Encoding: " + encoding + b"\r\n") == "Hello"


def test_lines_that_were_broken_to_fit_are_joined() -> None:
    assert said(b"text/plain; format=flowed", b"One long \r\nline.\r\n\r\nNext") == (
        "One long line.\n\nNext"
    )


def alternative() -> EmailMessage:
    message = EmailMessage(policy=policy.SMTP)
    message["From"], message["Subject"] = "Jo <jo@customers.example>", "Bag"
    message.set_content("The plain words.")
    message.add_alternative("<p>The <b>rich</b> words.<script>x</script></p>", subtype="html")
    return message


def test_plain_words_are_preferred_and_html_is_kept_clean() -> None:
    letter = read(alternative().as_bytes())
    assert letter.text == "The plain words."
    assert letter.html == "<p>The <b>rich</b> words.</p>\n"


def test_html_alone_is_read() -> None:
    assert said(b"text/html", b"<p>Hello</p><style>p{}</style><p>there</p>") == "Hello\n\nthere"


def test_an_empty_plain_part_does_not_hide_the_html() -> None:
    message = EmailMessage()
    message["From"] = "jo@customers.example"
    message.set_content(" \n")
    message.add_alternative("<p>Hello</p>", subtype="html")
    assert read(message.as_bytes()).text == "Hello"


def test_a_footer_of_a_list_does_not_replace_the_letter() -> None:
    body = (
        b"--x\r\nContent-Type: text/html\r\n\r\n<p>The letter.</p>\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nThe footer.\r\n--x--"
    )
    assert said(b"multipart/mixed; boundary=x", body) == "The letter.\n\nThe footer."


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ticket.pdf", "ticket.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\secret\\bag.png", "bag.png"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("Größe 1.txt", "Größe 1.txt"),
        ("...", "file.pdf"),
    ],
)
def test_files_have_a_name_and_no_more(given: str, kept: str) -> None:
    message = alternative()
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename=given)
    (file,) = read(message.as_bytes()).files
    assert (file.name, file.content) == (kept, b"%PDF")


def test_more_files_than_can_be_kept_are_counted() -> None:
    message = alternative()
    for number in range(MAX_FILES + 3):
        message.add_attachment(b"x", maintype="a", subtype="b", filename=f"{number}")
    letter = read(message.as_bytes())
    assert len(letter.files) == MAX_FILES
    assert letter.text.endswith("[3 more files were left out.]")


@pytest.mark.parametrize(
    ("header", "address", "name"),
    [
        (b"=?utf-8?b?SsO2?= <JO@Customers.example>", "jo@customers.example", "J\u00f6"),
        (b"jo@customers.example", "jo@customers.example", ""),
        (b'"Run, Jo" <jo@customers.example>', "jo@customers.example", "Run, Jo"),
        ("Jö <jo@customers.example>".encode(), "jo@customers.example", "Jö"),
        (b"=?utf-8?q?evil=40x=2Eexample=3E=2C?= <jo@customers.example>",
         "jo@customers.example", ""),
        (b"<script>x</script> <jo@customers.example>", "jo@customers.example", ""),
    ],
)  # fmt: skip
def test_who_sent_it(header: bytes, address: str, name: str) -> None:
    sender = read(b"From: " + header + b"\r\n\r\nHello").sender
    assert sender
    assert sender.address == address
    assert sender.name == name


@pytest.mark.parametrize("raw", [b"", b"\x00\x01", b"no head at all", b"\r\n\r\nonly words"])
def test_what_is_no_letter_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        read(raw)


def nested(depth: int) -> bytes:
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(depth)
    )
    return HEAD + opening + b"Content-Type: text/plain\r\n\r\nDeep.\r\n"


def test_nesting_is_followed_as_far_as_anybody_means_it() -> None:
    assert read(nested(20)).text == "Deep."
    for depth in (100, 1_000, 20_000):
        with pytest.raises(Unreadable):
            read(nested(depth))


@pytest.mark.slow
def test_what_was_made_to_be_slow_is_not() -> None:
    hostile = [
        nested(3_000),
        nested(40) + b"x\r\n" * 2_000_000,
        HEAD + b"To: " + b"<a@b>, " * 200_000 + b"\r\n\r\nHello",
        b"From: " + b"(" * 500_000 + b"\r\n\r\nHello",
        b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\r\n\r\nHello",
        HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 200_000,
        HEAD + b"Content-Type: text/html\r\n\r\n" + b"<blockquote>" * 100_000,
        HEAD + b"References: " + b"<a@b> " * 200_000 + b"\r\n\r\nHello",
        HEAD + b"\r\n" + b"> " * 1_000_000,
    ]
    for raw in hostile:
        began = time.process_time()
        with suppress(Unreadable):
            read(raw)
        assert time.process_time() - began < 3, raw[:60]


@given(st.binary(max_size=400))
def test_any_bytes_are_a_letter_or_are_not(noise: bytes) -> None:
    for raw in (
        noise,
        HEAD + noise,
        HEAD + b"Content-Type: multipart/mixed; boundary=x\r\n" + noise,
    ):
        with suppress(Unreadable):
            assert isinstance(read(raw), Letter)


@given(st.text(max_size=200), st.sampled_from(["base64", "quoted-printable"]))
def test_what_was_written_is_read(text: str, encoding: str) -> None:
    text = text.encode("utf-8", "ignore").decode().replace("\x00", "")
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = "jo@customers.example"
    message.set_content(text, cte=encoding)
    normal = "\n".join(text.splitlines()).strip()
    assert read(message.as_bytes()).text.split() == normal.split()


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=60))
def test_a_subject_in_any_script_is_read(subject: str) -> None:
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = "jo@customers.example"
    message["Subject"] = subject
    assert read(message.as_bytes()).subject == subject
