"""Charsets of mail: texts, headers, encoded words and names of files."""

from __future__ import annotations

import time
from base64 import b64encode
from pathlib import Path
from unittest.mock import Mock

import pytest

from scrm.channels.email.charsets import Charsets
from scrm.channels.email.headers import LONGEST_HEADER, unfold
from scrm.channels.email.read import Letter, read
from scrm.text import decode as decode_module
from scrm.text.charset_guess import guess

LETTERS = Path(__file__).parent / "letters"
HEAD = b"From: Jo <jo@customers.test>\r\nDate: Tue, 7 Jan 2020 10:00:00 +0100\r\n"


def letter(name: str) -> Letter:
    return read((LETTERS / f"{name}.eml").read_bytes())


def said(body: bytes, kind: bytes = b"text/plain") -> str:
    return read(HEAD + b"Content-Type: " + kind + b"\r\n\r\n" + body).text


def subject(header: bytes, body_charset: bytes = b"") -> str:
    kind = b"Content-Type: text/plain; charset=" + body_charset + b"\r\n" if body_charset else b""
    return read(HEAD + b"Subject: " + header + b"\r\n" + kind + b"\r\nHello").subject


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gb2312-means-gbk", "水泵漏水，朱镕基路"),
        ("latin1-means-cp1252", "Costs 12 € – “really”"),
        ("windows-874", "ปั๊มรั่ว"),
        ("html-says-its-charset", "насос"),
        ("one-cut-character-spoils-all", "Größe “x” – насос течёт \ufffd"),
    ],
)
def test_a_letter_is_read_in_the_charset_that_its_label_means(name: str, text: str) -> None:
    assert letter(name).text == text


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (b"text/plain; charset=shift_jis", "水漏れ①".encode("cp932"), "水漏れ①"),
        (b"text/plain; charset=iso-2022-jp", b"\x1b$B-!?eO3$l\x1b(B", "①水漏れ"),
        (b"text/plain; charset=euc-kr", "똠방각하".encode("cp949"), "똠방각하"),
        (b"text/plain; charset=x-sjis", "㈱".encode("cp932"), "㈱"),
        (b"text/plain; charset=iso-8859-8-i", "שלום".encode("iso8859_8"), "שלום"),
        (b'text/plain; charset="utf-8"', "\ufeffGröße".encode(), "Größe"),
        (b"text/html; charset=gb2312", "<p>朱镕基</p>".encode("gbk"), "朱镕基"),
        (b"text/html; charset=us-ascii",
         '<meta charset="windows-1251"><p>насос</p>'.encode("cp1251"), "насос"),
        (b"text/html", '<meta charset="big5"><p>水泵</p>'.encode("big5"), "水泵"),
        (b"text/plain", b"\x1b$B?eO3$l\x1b(B", "水漏れ"),
        (b"text/plain; charset=utf-8", "насос ".encode() + b"\xff" + " течёт".encode(),
         "насос \ufffd течёт"),
        (b"text/plain; charset=euc-kr", "펌프".encode("cp949") + b"\xff!", "펌프\ufffd!"),
    ],
)  # fmt: skip
def test_a_text_in_any_charset(kind: bytes, body: bytes, text: str) -> None:
    assert said(body, kind) == text


def test_a_guess_is_stated_in_the_letter() -> None:
    text = said("Где мой заказ? Насос течёт.".encode("cp1251"))
    assert text.startswith("Где мой заказ? Насос течёт.\n\n[")
    assert "was read as Windows, Cyrillic.]" in text
    assert "was read as" not in said("Größe".encode())
    assert "was read as" not in said("Größe".encode("cp1252"), b"text/plain; charset=iso-8859-1")


@pytest.mark.parametrize(
    ("header", "text"),
    [
        # Fails with `email.header`, which takes the words one by one.
        (b"=?utf-8?B?0L3QsNGB0L7RgQ==?= =?utf-8?Q?_=D1=82?=", "насос т"),
        (b"=?utf-8?B?0L3Q?= =?utf-8?B?sNGB?=", "нас"),
        (b"=?utf-8?Q?Gr=C3?=\r\n =?utf-8?Q?=B6=C3=9Fe?=", "Größe"),
        (b"=?gb2312?B?" + b64encode("朱镕基".encode("gbk")) + b"?=", "朱镕基"),
        (b"=?iso-8859-1?Q?12_=80?=", "12 €"),
        (b"=?shift_jis?B?" + b64encode("①".encode("cp932")) + b"?=", "①"),
        (b"=?iso-2022-jp?B?" + b64encode(b"\x1b$B-!?e\x1b(B") + b"?=", "①水"),
        (b"=?ks_c_5601-1987?B?" + b64encode("똠".encode("cp949")) + b"?=", "똠"),
        (b"=?utf-8*en?Q?Gr=C3=B6=C3=9Fe?=", "Größe"),
        (b"=?no-such-charset?Q?Gr=C3=B6=C3=9Fe?=", "Größe"),
        # Without padding, with spaces, in quotation marks, next to other text.
        (b"=?utf-8?B?R3LDtsOfZQ?=", "Größe"),
        (b"=?utf-8?Q?two words?= end", "two words end"),
        (b'"=?utf-8?Q?Gr=C3=B6=C3=9Fe?="', '"Größe"'),
        (b"Re:=?utf-8?Q?Gr=C3=B6=C3=9Fe?=!", "Re:Größe!"),
        (b"=?utf-8?Q?Really??=", "Really?"),
        (b"=?utf-8?Q?Gr\xc3\xb6=C3=9Fe?=", "Größe"),
        (b"=?utf-8?Q??= x", "x"),
        # Broken words stay as they are.
        (b"=?utf-8?B?QUJDR?= pump leaks", "=?utf-8?B?QUJDR?= pump leaks"),
        (b"=?utf-8?B?QUJD pump leaks", "=?utf-8?B?QUJD pump leaks"),
        (b"=?utf-8?X?QUJD?= pump leaks", "=?utf-8?X?QUJD?= pump leaks"),
        (b"=?utf-8?Q?cut =?utf-8?Q?Gr=C3=B6=C3=9Fe?=", "=?utf-8?Q?cut Größe"),
        (b"=?utf-8?B?\xd0\xbd\xd0?= pump leaks", "=?utf-8?B?н\ufffd?= pump leaks"),
        (b"=?utf-8?Q?100=ZZ?=", "100=ZZ"),
        # Bytes without a declaration.
        ("Größe".encode(), "Größe"),
        ("Größe ".encode() + b"\xd1", "Größe \ufffd"),
        ("Где мой заказ?".encode("cp1251"), "Где мой заказ?"),
        ("注文はどこですか".encode("cp932"), "注文はどこですか"),
        (b"\x1b$B?eO3$l\x1b(B", "水漏れ"),
    ],
)
def test_a_subject_however_it_is_encoded(header: bytes, text: str) -> None:
    assert subject(header) == text


def test_a_broken_encoded_word_leaves_the_letter_readable() -> None:
    found = letter("broken-encoded-word")
    assert found.subject == "=?utf-8?B?QUJDR?= pump leaks"
    assert found.text == "The pump leaks, please help."


def test_bytes_in_a_header_are_probably_in_the_charset_of_the_body() -> None:
    assert subject("苦情".encode("euc_jp"), b"euc-jp") == "苦情"
    assert subject("Größe".encode(), b"koi8-r") == "Größe"


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ('filename="Größe.pdf"'.encode(), "Größe.pdf"),
        ('filename="Größe.pdf"'.encode("cp1252"), "Größe.pdf"),
        ('filename="见积书.pdf"'.encode("gbk"), "见积书.pdf"),
        (b"filename*=utf-8''Gr%C3%B6%C3%9Fe.pdf", "Größe.pdf"),
        (b"filename*=gb2312''%D6%EC%E9F.pdf", "朱镕.pdf"),
        (b"filename*=iso-8859-1''12%80.pdf", "12€.pdf"),
        (b"filename*=no-such-charset''Gr%C3%B6%C3%9Fe.pdf", "Größe.pdf"),
        (b"filename*0*=utf-8''Gr%C3%B6;\r\n filename*1*=%C3%9Fe.pdf", "Größe.pdf"),
        (b'filename="=?utf-8?Q?Gr=C3=B6=C3=9Fe.pdf?="', "Größe.pdf"),
        (b'filename="=?gb2312?B?' + b64encode("朱镕.pdf".encode("gbk")) + b'?="', "朱镕.pdf"),
        (b'filename="=?utf-8?B?QUJDR?=.pdf"', "=utf-8BQUJDR=.pdf"),
    ],
)
def test_a_file_name_however_it_is_encoded(parameters: bytes, name: str) -> None:
    raw = HEAD + (
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; " + parameters + b"\r\n\r\nAAAA\r\n"
    )
    (file,) = read(raw).files
    assert file.name.replace("?", "") == name


def test_a_file_name_in_raw_utf_8() -> None:
    assert [file.name for file in letter("filename-in-raw-utf8").files] == ["Größe.pdf"]


@pytest.mark.parametrize("header", ["=?utf-8?q?", "=?", "?=", "=?utf-8?b?x?= ", "=?a?q?=?="])
def test_a_hostile_header_costs_little(header: str) -> None:
    began = time.process_time()
    for _ in range(10):
        unfold((header * LONGEST_HEADER)[:LONGEST_HEADER], Charsets())
    assert time.process_time() - began < 1


MANY = range(300)


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"".join(b"X-%d: a\xff%d\r\n" % (n, n) for n in MANY) + b"\r\nHello",
        HEAD + b"".join(b"Subject: a\xff%d\r\n" % n for n in MANY) + b"\r\nHello",
        HEAD + b"Subject: " + b" ".join(b"=?x%d?q?=FF%d?=" % (n, n) for n in MANY) + b"\r\n\r\n",
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n"
        + b"".join(b"\r\n--b\r\nContent-Type: a/b; name=\xff%d\r\n\r\nHello" % n for n in MANY),
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n"
        + b"".join(b"\r\n--b\r\nContent-Type: text/plain\r\n\r\n\xff%d" % n for n in MANY),
    ],
    ids=["headers", "subjects", "words", "names", "texts"],
)  # fmt: skip
def test_few_charsets_are_guessed_in_one_letter(
    raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = Mock(wraps=guess)
    monkeypatch.setattr(decode_module, "guess", count)
    read(raw)
    assert count.call_count <= 20


def test_a_text_after_the_last_guess_is_western() -> None:
    charsets = Charsets()
    words = [f"насос {n}" for n in range(21)]
    found = [charsets.decode(word.encode("cp1251")).text for word in words]
    assert found == [*words[:20], words[20].encode("cp1251").decode("cp1252")]
    assert charsets.decode(words[0].encode("cp1251")).text == words[0]
