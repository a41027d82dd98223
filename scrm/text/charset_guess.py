"""Guess the charset of a text that declares none and is not in UTF-8.

charset-normalizer rules out the charsets in which the text looks like noise. In a short text, many
charsets are left, and it takes the first one. Therefore this module chooses the one in which most
characters are frequent ones of its languages. For example, `насос` in windows-1251 could also be
Hebrew, but with rare letters.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from charset_normalizer import from_bytes

_SAMPLE, _SEARCHED = 2048, 100_000
_MAX_NOISE, _WEIGHT = 0.5, 0.3
"""The maximum noise, and its weight in the score. charset-normalizer measures noise, 0 to 1."""
_OUTSIDE_ASCII = re.compile(rb"[\x80-\xff]")
_ASCII_END = re.compile(rb"[\s!-/][^\s!-/]{0,400}\Z")
_LATIN = {
    "cp1252": "äöüßéèàçêâîôûñóíáúãõåøæëïìòù",
    "cp1250": "ąćęłńóśźżáčďéěíňřšťúůýžőűăâîşđäöü",
    "iso8859_2": "ąćęłńóśźżáčďéěíňřšťúůýžőűăâîşđäöü",
    "cp1254": "çğıöşüâîû",
    "cp1257": "āčēģīķļņšūžąęėįųõäöü",
}
_ALPHABETS = {
    "cp1251": ("оеаинтсрвлкмдпу", "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґў"),
    "koi8_r": ("оеаинтсрвлкмдпу", "абвгдежзийклмнопрстуфхцчшщъыьэюяё"),
    "iso8859_5": ("оеаинтсрвлкмдпу", "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєў"),
    "cp1253": ("αοιετσνηυρπκμλςάέίόή", "βγδζθξφχψωώύ"),
    "cp1255": ("יוהלארתבשמנ", "גדזחטכסעפצקךםןףץ"),
    "cp1256": ("اليمونرتبةعدسفهكقأحج", "إئءآؤثخذزشصضطظغىپچگ،"),
    "cp874": ("านรอกเงยลมวดทสตะปบคหแจพชขใไ่้ิีุัำ็์", "โผซึืูฟณญธภถษศฉฝฐๆฯ"),
}
_FREQUENT = {
    "gb18030": "的一是不了在人有我他这中大来上个们到说国和地你您好请水吗没要可以会收用问单发货款",
    "big5hkscs": "的一是不了在人有我他這中大來上個們到說國和地你您好請水嗎沒要可以會收用問單發貨款",
    "cp949": "이다는가에을의은하고를도지로니요세한서기사안녕습",
    "cp932": "のにはをたがでてとしれさいまっんーンスル日人本",
    "euc_jp": "のにはをたがでてとしれさいまっんーンスル日人本",
}
_KANA = re.compile("[\u3040-\u30ff]")
_COMMON_ROWS = {
    # The first part of each standard contains the frequent characters.
    "gb18030": re.compile(rb"[\xb0-\xd7][\xa1-\xfe]"),
    "big5hkscs": re.compile(rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]"),
    "cp949": re.compile(rb"[\xb0-\xc8][\xa1-\xfe]"),
    "cp932": re.compile(rb"[\x82\x83\x88-\x97][\x40-\xfc]"),
    "euc_jp": re.compile(rb"[\xa4\xa5\xb0-\xcf][\xa1-\xfe]"),
}
CODECS = (*_LATIN, *_ALPHABETS, *_COMMON_ROWS)
# Thai vowels and tones are no letters in Unicode, but parts of words.
_WORD = re.compile(r"(?:[^\W\d_]|[\u0e30-\u0e4e])+")
_SIGNS = "“”„’‘–—…€£«»°·§×®©™№¿¡、。，！？「」・：；"  # noqa: RUF001


def guess(raw: bytes) -> str:
    """Return the name of the codec in which the text is most plausible."""
    sample = _sample(raw)
    matches = list(
        from_bytes(sample, cp_isolation=list(CODECS), threshold=1.0, preemptive_behaviour=False,
                   enable_fallback=False)
    )  # fmt: skip
    # Charsets in which the text is the same are one match.
    noise = {codec: match.chaos for match in matches for codec in match.could_be_from_charset}
    left = [codec for codec in CODECS if noise.get(codec, 1.0) <= _MAX_NOISE]
    # In the order of the tables, so that the most frequent charset wins among equals.
    return max(left, key=lambda codec: _plausibility(sample, codec) - noise[codec] * _WEIGHT,
               default="cp1252")  # fmt: skip


def _sample(raw: bytes) -> bytes:
    """Return the first lines that contain characters outside ASCII, at most _SAMPLE bytes."""
    first = _OUTSIDE_ASCII.search(raw)
    start = max(raw.rfind(b"\n", 0, first.start()) + 1, first.start() - 200) if first else 0
    found = b""
    for line in raw[start : start + _SEARCHED].splitlines():
        if found and len(found) + len(line) > _SAMPLE:
            break
        found += b"" if line.isascii() else line + b"\n"
    if len(found) <= _SAMPLE:
        return found
    # An incomplete character at the end would rule out its charset.
    cut = found[:_SAMPLE]
    end = _ASCII_END.search(cut)
    return cut[: end.start() + 1] if end else cut


def _plausibility(raw: bytes, codec: str) -> float:
    """Return how frequent the characters are in the languages of a charset, from 0 to 1."""
    text = raw.decode(codec, "ignore")
    foreign = sum(byte >= 0x80 for byte in raw) or 1
    if codec in _COMMON_ROWS:
        return _common_pairs(raw, text, codec) / foreign
    weights = _weights(codec)
    total = sum(0.6 for sign in text if sign in _SIGNS)
    for word in _WORD.findall(text):
        letters = [sign for sign in word if sign > "\x7f"]
        mixed = 0 < len(letters) < len(word)
        # A word in another alphabet has no Latin letter; a Latin word has mostly such letters.
        fits = (mixed or len(word) < 3) if codec in _LATIN else not mixed
        total += sum(weights.get(sign, 0.0) for sign in letters) * (1 if fits else 0.1)
        total -= sum(a.islower() and b.isupper() for a, b in pairwise(word))
    return total / foreign


def _common_pairs(raw: bytes, text: str, codec: str) -> float:
    rows = len(_COMMON_ROWS[codec].findall(raw))
    frequent = sum(sign in _FREQUENT[codec] for sign in text)
    signs = sum(sign in _SIGNS for sign in text)
    # The Chinese charsets contain kana too, but a Chinese text has none.
    kana = len(_KANA.findall(text)) * (0.4 if codec in ("cp932", "euc_jp") else -2.0)
    return 1.6 * (rows + signs) + 0.8 * frequent + kana


@cache
def _weights(codec: str) -> dict[str, float]:
    often, rare = _ALPHABETS.get(codec) or (_LATIN[codec], "")
    lower = dict.fromkeys(rare, 0.6) | dict.fromkeys(often, 1.0)
    return {sign.upper(): weight / 2 for sign, weight in lower.items()} | lower
