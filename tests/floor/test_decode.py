"""Decoding of text from other systems: declared charsets, wrong labels, and guesses."""

from __future__ import annotations

import codecs
import time
import tracemalloc
from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from webencodings.labels import LABELS

from scrm.text.decode import charset_of, codec_of, decode

ENCODERS = {
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "gbk": "gbk",
    "iso-2022-jp": "iso2022_jp",
    "iso-8859-8-i": "iso8859_8",
    "macintosh": "mac_roman",
    "shift_jis": "cp932",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac_cyrillic",
}
"""Python's codecs for names of the standard that Python does not know, or understands less of."""
NO_TEXT = {"replacement", "x-user-defined"}
NAMES = sorted(set(LABELS.values()) - NO_TEXT)
ASCII_LABELS = {"ascii", "us-ascii", "ansi_x3.4-1968"}


@cache
def alphabet(name: str) -> str:
    """Return the characters that can be written in a charset."""
    codec = codecs.lookup(ENCODERS.get(name, name))
    # Python decodes invalid bytes of Shift_JIS as these characters.
    invalid = "\x80\xa0\uf8f0\uf8f1\uf8f2\uf8f3" if name == "shift_jis" else ""
    found = []
    for code in (*range(0x20, 0xD800), *range(0xE000, 0xFFFE), 0x1F600, 0x20000):
        try:
            raw = codec.encode(chr(code))[0]
            if codec.decode(raw)[0] == chr(code) and chr(code) not in invalid:
                found.append(chr(code))
        except UnicodeError:
            continue
    return "".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("label", sorted(label for label in LABELS if LABELS[label] not in NO_TEXT))
def test_text_survives_in_the_charset_of_every_label(label: str) -> None:
    name = LABELS[label]
    signs = [sign for sign in alphabet(name) if label not in ASCII_LABELS or sign.isascii()]

    @given(st.text(st.sampled_from(signs)))
    def survives(text: str) -> None:
        raw = text.encode(ENCODERS.get(name, name))
        # A BOM counts more than the label.
        assume(not raw.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\x84\x31\x95\x33")))
        assert decode(raw, label).text == text

    survives()


def test_every_charset_of_the_standard_is_known() -> None:
    assert [name for name in NAMES if not codec_of(name)] == []


@pytest.mark.parametrize(
    ("label", "raw", "text"),
    [
        # The superset that Windows writes.
        ("gb2312", "水泵漏水，朱镕基路".encode("gbk"), "水泵漏水，朱镕基路"),
        ("gb2312", "㐀𠀀".encode("gb18030"), "㐀𠀀"),
        ("gbk", b"12 \x80", "12 €"),
        ("iso-8859-1", "12 € – “really”".encode("cp1252"), "12 € – “really”"),
        ("latin_1", b"\x93ok\x94", "“ok”"),
        ("iso-8859-9", "“Şikâyet” …".encode("cp1254"), "“Şikâyet” …"),
        ("shift_jis", "水漏れ①㈱".encode("cp932"), "水漏れ①㈱"),
        ("x-sjis", "水漏れ①".encode("cp932"), "水漏れ①"),
        ("ks_c_5601-1987", "똠방각하".encode("cp949"), "똠방각하"),
        ("euc-kr", "펲시".encode("cp949"), "펲시"),
        ("windows-874", "ปั๊มรั่ว".encode("cp874"), "ปั๊มรั่ว"),
        ("tis-620", "“ปั๊ม”".encode("cp874"), "“ปั๊ม”"),
        ("iso-8859-8-i", "שלום".encode("iso8859_8"), "שלום"),
        ("big5", "裏㗎".encode("big5hkscs"), "裏㗎"),
        # Characters of NEC and IBM, which Python's codecs of JIS do not know.
        ("iso-2022-jp", b"\x1b$B-!-j?eO3$l\x1b(B ok", "①㈱水漏れ ok"),
        ("iso-2022-jp", b"\x1b(I0MZ\x1b(B", "ｰﾍﾚ"),
        ("euc-jp", b"\xad\xa1\xbf\xe5", "①水"),
        ("euc-jp", b"\x8e\xb1\x8f\xb0\xa1", "ｱ丂"),
        # Charsets that only mail uses.
        ("iso-2022-kr", "펌프".encode("iso2022_kr"), "펌프"),
        ("hz-gb-2312", "水泵".encode("hz"), "水泵"),
        ("utf-7", "Größe".encode("utf-7"), "Größe"),
        ("cp850", "Größe".encode("cp850"), "Größe"),
        # Labels as programs misspell them.
        (' "UTF-8" ', "Größe".encode(), "Größe"),
        ("utf8", "Größe".encode(), "Größe"),
        ("UTF_8", "Größe".encode(), "Größe"),
        ("ISO8859_1", b"Gr\xf6\xdfe", "Größe"),
        ("macroman", "Größe".encode("mac_roman"), "Größe"),
        ("utf-16", "Größe und mehr".encode("utf-16-be"), "Größe und mehr"),
        # No charsets.
        ("punycode", "Größe".encode(), "Größe"),
        ("unicode_escape", b"\\x41 Gr\xc3\xb6\xc3\x9fe", "\\x41 Größe"),
        ("zlib", "Größe".encode(), "Größe"),
        ("no-such-charset", "Größe".encode(), "Größe"),
        ("8bit\x00\xff", "Größe".encode(), "Größe"),
    ],
)
def test_a_label_means_what_programs_write(label: str, raw: bytes, text: str) -> None:
    assert decode(raw, label).text == text


@pytest.mark.parametrize(
    ("label", "raw", "text"),
    [
        ("us-ascii", "Größe".encode(), "Größe"),
        ("us-ascii", "Größe".encode("cp1252"), "Größe"),
        ("us-ascii", "Привет, как дела".encode("cp1251"), "Привет, как дела"),
        ("ANSI_X3.4-1968", "Где мой заказ?".encode("koi8_r"), "Где мой заказ?"),
        ("utf-8", "Größe ist „falsch“".encode("cp1252"), "Größe ist „falsch“"),
        ("utf-8", "Где мой заказ?".encode("cp1251"), "Где мой заказ?"),
        ("gb2312", "Größe “x” – насос".encode(), "Größe “x” – насос"),
        ("shift_jis", "Größe – насос, 水漏れ".encode(), "Größe – насос, 水漏れ"),
        ("iso-2022-jp", "注文はどこですか".encode("cp932"), "注文はどこですか"),
        ("iso-2022-jp", "注文はどこですか".encode("euc_jp"), "注文はどこですか"),
        ("iso-2022-jp", "Größe".encode(), "Größe"),
        ("iso-8859-1", "\ufeffGröße".encode(), "Größe"),
        ("utf-8", "\ufeffGröße".encode("utf-16-le"), "Größe"),
        ("utf-8", "\ufeffGröße".encode("utf-16-be"), "Größe"),
    ],
)
def test_a_label_that_cannot_be_true_is_ignored(label: str, raw: bytes, text: str) -> None:
    assert decode(raw, label).text == text


# Fails if one error makes another charset decode the whole text.
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("label", "text", "invalid"),
    [
        ("utf-8", "Größe “x” – насос течёт", b"\xd1"),
        ("utf-8", "Größe “x” – насос течёт", b"\xff"),
        ("utf-8", "水泵漏水，朱镕基路", b"\xe6\xb0"),
        ("shift_jis", "水漏れを修理してください。", b"\xff"),
        ("euc-jp", "水漏れを修理してください。", b"\xff"),
        ("gbk", "我们的水泵漏水了，请修理。", b"\xff"),
        ("big5", "我們的水泵漏水了，請修理。", b"\xff"),
        ("euc-kr", "펌프에서 물이 샙니다.", b"\xff"),
        ("windows-1251", "Насос течёт, помогите.", b"\x98"),
        ("windows-1253", "Η αντλία στάζει.", b"\xff"),
    ],
)
def test_an_invalid_byte_costs_one_character(
    label: str, text: str, invalid: bytes, declared: bool
) -> None:
    raw = text.encode(ENCODERS.get(label, label))
    if declared:
        assert decode(raw + invalid, label).text == text + "\ufffd"
        assert decode(invalid + raw, label).text.endswith(text[1:])
        middle = text[:6].encode(ENCODERS.get(label, label))
        found = decode(middle + invalid + b" " + raw[len(middle) :], label).text
        assert found == f"{text[:6]}\ufffd {text[6:]}"
    elif label == "utf-8":
        assert decode(raw + invalid).text == text + "\ufffd"
    else:
        assert decode(raw).text == text


@pytest.mark.parametrize(
    ("label", "before", "pair", "after"),
    [
        ("euc-kr", "펌프", b"\xc9\xa1", "에서 물이"),
        ("big5", "水泵", b"\x81\xa1", "漏水了"),
        ("euc-jp", "水漏", b"\xff", "れを修理"),
        ("shift_jis", "水漏", b"\x85\xa1", "れを修理"),
        ("iso-2022-jp", "水漏 ", b"\xff", "れを修理"),
    ],
)
def test_an_unknown_pair_of_bytes_costs_one_character(
    label: str, before: str, pair: bytes, after: str
) -> None:
    """If only its first byte were skipped, all pairs up to the next space would be wrong."""
    codec = ENCODERS.get(label, label)
    raw = before.encode(codec) + pair + after.encode(codec)
    assert decode(raw, label).text == f"{before}\ufffd{after}"


def test_an_invalid_byte_does_not_end_the_mode_of_iso_2022_jp() -> None:
    assert decode(b"\x1b$B?e\xffO3$l\x1b(B", "iso-2022-jp").text == "水\ufffd漏れ"


@pytest.mark.parametrize("invalid", [b"\xff", b"\xd1", b"\xe2\x82"])
def test_an_invalid_byte_in_ascii_text_leaves_the_rest(invalid: bytes) -> None:
    for label in ("utf-8", "", "us-ascii", "gb2312", "shift_jis"):
        found = decode(b"The pump " + invalid + b" leaks. " * 20, label).text
        assert found.startswith("The pump ")
        assert found.endswith(" leaks. " * 20)


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("cp1251", "Где мой заказ № 5 – «Насос»?"),
        ("cp1251", "насос"),
        ("koi8_r", "насос"),
        ("koi8_r", "Насос течёт, помогите пожалуйста"),
        ("iso8859_5", "Вопрос по счёту"),
        ("cp1252", "Größe.pdf"),
        ("cp1252", "Réclamation : où est ma commande ?"),
        ("cp1252", "it’s “broken” – 12 €"),
        ("cp1250", "Gdzie jest moje zamówienie? Czekam już tydzień"),
        ("iso8859_2", "Żądam zwrotu pieniędzy"),
        ("cp1253", "Πού είναι η παραγγελία μου;"),
        ("cp1254", "Şikayet: ürün kırık geldi, değişim istiyorum"),
        ("cp1255", "איפה ההזמנה שלי?"),
        ("cp1256", "أين طلبي؟ شكرا جزيلا"),
        ("cp1257", "Kur mano užsakymas? Laukiu jau savaitę"),
        ("cp874", "สินค้าของฉันอยู่ที่ไหน"),
        ("gbk", "我的订单在哪里？"),
        ("gbk", "水泵漏水"),
        ("big5", "我的訂單在哪裡？"),
        ("cp932", "注文はどこですか？"),
        ("euc_jp", "注文はどこですか？"),
        ("cp949", "제 주문은 어디에 있나요?"),
    ],
)
def test_an_undeclared_charset_is_guessed(charset: str, text: str) -> None:
    found = decode(text.encode(charset))
    assert found.text == text
    assert found.guessed


def test_what_needs_no_guess_is_not_called_one() -> None:
    for raw in (
        b"plain",
        "Größe".encode(),
        b"\x1b$B?e\x1b(B",
        "Größe und mehr".encode("utf-16-le"),
    ):
        assert not decode(raw).guessed
    assert decode("水漏れ".encode("iso2022_jp")).text == "水漏れ"
    assert decode("Größe und mehr".encode("utf-16-be")).text == "Größe und mehr"


def test_a_likely_charset_counts_more_than_a_guess() -> None:
    raw = "苦情".encode("euc_jp")
    assert decode(raw, likely=["us-ascii", "euc-jp"]).text == "苦情"
    assert decode("Größe".encode(), likely=["euc-jp"]).text == "Größe"


@pytest.mark.parametrize(
    ("head", "charset"),
    [
        (b'<meta charset="koi8-r">', "koi8_r"),
        (b"<META CHARSET=windows-1251>", "cp1251"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8_r"),
        (b'<!-- <meta charset="big5"> --><meta charset="koi8-r">', "koi8_r"),
        (b'<?xml version="1.0" encoding="koi8-r"?>', "koi8_r"),
        (b"<?xml version='1.0' encoding='windows-1251'?><meta charset='koi8-r'>", "cp1251"),
        (b'<meta charset="utf-16">', "utf-8"),
        (b'<meta charset="no-such-charset">', "utf-8"),
    ],
)
def test_a_document_declares_its_charset(head: bytes, charset: str) -> None:
    raw = head + "<p>насос</p>".encode(charset)
    assert decode(raw, markup=True).text.endswith("<p>насос</p>")


def test_the_charset_of_the_transport_counts_more_than_that_of_the_document() -> None:
    raw = '<meta charset="koi8-r">насос'.encode("cp1251")
    assert decode(raw, "windows-1251", markup=True).text.endswith("насос")


@pytest.mark.parametrize(
    "start",
    [
        "<rss>", "<RSS>", "<a:feed xmlns:a='http://a.example'>", "<rdf:RDF>", "<channel>",
        "<!DOCTYPE rss PUBLIC 'x'><rss>", '{"content_html": "',
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "quoted", ['<meta charset="koi8-r">', '<?xml version="1.0" encoding="koi8-r"?>']
)
def test_a_declaration_that_a_feed_quotes_is_not_its_own(start: str, quoted: str) -> None:
    raw = f"{start}<![CDATA[{quoted}]]>насос".encode("cp1251")
    assert decode(raw, markup=True, likely=["windows-1251"]).text.endswith("насос")


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("text/html; charset=UTF-8", "UTF-8"),
        ('text/html;charset="koi8-r"; x=y', "koi8-r"),
        ("text/html", ""),
        ("", ""),
        (";;;=", ""),
    ],
)
def test_the_charset_in_a_content_type(content_type: str, charset: str) -> None:
    assert charset_of(content_type) == charset


@given(st.binary(max_size=300), st.sampled_from([*LABELS, "", "utf-7", "x"]), st.booleans())
def test_any_bytes_become_text(raw: bytes, label: str, markup: bool) -> None:
    assert isinstance(decode(raw, label, markup=markup, likely=[label]).text, str)


LONG = 200_000
HOSTILE = [
    b"\xff" * LONG,
    b"\xe9" * LONG,
    b"\x80\x20" * (LONG // 2),
    b"a\xd1" * (LONG // 2),
    b"\x1b$B" * (LONG // 3),
    b"\x1b$B" + b"\x7f\xff" * (LONG // 2),
    b"+" * LONG,
    b"~{" * (LONG // 2),
    b"<meta " * (LONG // 6),
    b"<!--" * (LONG // 4),
    b"<?xml " + b"encoding " * (LONG // 9),
    b"\n" * LONG + b"\xe9",
    bytes(range(128, 256)) * (LONG // 128),
    b"\x00a" * (LONG // 2),
]


@pytest.mark.parametrize("raw", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bytes_cost_little_time_and_memory(raw: bytes) -> None:
    decode("Größe".encode("cp1252"))  # the first guess loads tables
    for label in ("", "utf-8", "gb18030", "shift_jis", "iso-2022-jp", "utf-7", "hz-gb-2312"):
        began = time.process_time()
        decode(raw, label, markup=True)
        assert time.process_time() - began < 1, label
    tracemalloc.start()
    try:
        decode(raw, markup=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * LONG
