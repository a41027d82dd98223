"""Search without marks, in any Unicode form, and in scripts without spaces between words."""

from __future__ import annotations

import importlib
import re
import time
import unicodedata

import pytest
from django.contrib.postgres.search import SearchVectorField
from django.db import connection
from django.db.models import Func, Value
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from crm.models import Interaction, Profile
from crm.search import contacts_named, matching, prefix_query, profiles_named
from responses.models import Response
from responses.models.response_search import RESPONSE_WORDS
from scrm.text.search import run_pairs, search_form, search_origins

pytestmark = pytest.mark.django_db
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
JAPANESE = "預けた荷物が届きません。いつ届きますか。"
IN_SENTENCES = [
    (JAPANESE, "荷物"),
    (JAPANESE, "届きます"),
    (JAPANESE, "いつ"),
    ("我的行李在柏林机场丢失了", "行李"),
    ("我的行李在柏林机场丢失了", "柏林机场"),
    ("กระเป๋าเดินทางของฉันหายไปที่สนามบิน", "สนามบิน"),
    ("វ៉ាលីរបស់ខ្ញុំបាត់នៅព្រលានយន្តហោះ", "ព្រលានយន្តហោះ"),
    ("ກະເປົາຂອງຂ້ອຍເສຍຢູ່ສະໜາມບິນ", "ສະໜາມບິນ"),
    ("ကျွန်တော့်အိတ်ပျောက်သွားတယ်", "အိတ်"),
    ("新しいiPhoneケースを買った", "iphone"),
    ("新しいiPhoneケースを買った", "ケース"),
    ("新しいiPhoneケースを買った", "ｹｰｽ"),
    ("東京Tower見学", "tower"),
    ("3月5日に届く", "5日"),
    ("迷子の猫", "猫"),
    ("ジョン・スミス", "スミス"),
    ("「荷物」はどこ？", "荷物"),
    ("Mein Koffer 荷物 fehlt", "koffer 荷物"),
]


def in_database(function: str, *texts: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(text) FROM unnest(%s) text", [list(texts)])
        return [row[0] for row in cursor.fetchall()]


def finds(text: str, typed: str) -> bool:
    """Return whether a search for these words finds a stored text."""
    vector = Func(Value(text), function="scrm_search_words", output_field=SearchVectorField())
    Profile.objects.get_or_create(network="x", key="any row")
    return matching(Profile.objects.all(), vector, typed).exists()


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("Renée Núñez", "renee nunez"),
        ("Rückerstattung", "ruckerstattung"),
        ("Müllerstraße", "mullerstrasse"),
        ("MÜLLERSTRASSE", "müllerstraße"),
        ("Łukasz", "Lukasz"),
        ("Søren Østergård", "soren ostergard"),
        ("Đặng Thị Hương", "dang thi huong"),
        ("Þóra Æsa", "thora aesa"),
        ("İstanbul", "istanbul"),
        ("ılık", "ilik"),
        ("Γιώργος Παπαδόπουλος", "ΓΙΩΡΓΟΣ παπαδοπουλος"),
        ("Пётр ЁЛКИН", "петр елкин"),
        ("за́мок", "замок"),
        ("مُحَمَّد", "محمد"),
        ("محـــمد", "محمد"),
        ("أحمد إبراهيم", "احمد ابراهيم"),
        ("فاطمة", "فاطمه"),
        ("علی کریمی", "علي كريمي"),
        ("שָׁלוֹם", "שלום"),
        ("€49 zurück", "49 zuruck"),
        ("ｋｏｆｆｅｒ ４９", "koffer 49"),
        ("Koffer 49", "ｋｏｆｆｅｒ ４９"),
        ("ﬁnance oﬃce", "finance office"),
        ("Ｒｅｎée", "renee"),
    ],
)
def test_words_are_found_without_marks(stored: str, typed: str) -> None:
    for form in FORMS:
        assert finds(unicodedata.normalize(form, stored), typed)
        assert finds(stored, unicodedata.normalize(form, typed))
    assert finds(typed, stored)
    assert not finds("somebody else", typed)


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("٣٤ كتاب", "34"),
        ("Siobhán O’Brien", "o'brien"),
        ("Siobhan O'Brien", "o’brien"),
        ("Jean‑Luc Moreau", "jean-l"),
        ("„Koffer“ weg", "koffer"),
        ("Koffer weg", "„Koffer“"),
    ],
)
def test_punctuation_of_all_kinds_divides_words(stored: str, typed: str) -> None:
    assert finds(stored, typed)


@pytest.mark.parametrize(
    ("stored", "typed"),
    [("йод", "иод"), ("Їжак", "іжак"), ("が", "か"), ("김민지", "긴민지"), ("กำ", "กา")],
)
def test_marks_that_make_another_letter_count(stored: str, typed: str) -> None:
    assert finds(stored, stored)
    assert not finds(stored, typed)


@pytest.mark.parametrize(("stored", "typed"), IN_SENTENCES)
def test_a_word_in_the_middle_of_a_sentence_is_found(stored: str, typed: str) -> None:
    assert finds(stored, typed)
    assert not finds(stored, f"{typed}猫犬")
    assert not finds(stored, "猫犬")


def test_the_database_has_the_same_search_form_for_every_character() -> None:
    """The SQL function and the Python function are two writings of one rule."""
    letters = [
        chr(n) for n in range(1, 0x110000)
        if unicodedata.category(chr(n)) not in {"Cn", "Co", "Cs"}
    ]  # fmt: skip
    stored = in_database("scrm_search_form", *letters)
    typed = in_database("lower", *map(search_form, letters))
    assert [letter for letter, a, b in zip(letters, stored, typed, strict=True) if a != b] == []


@pytest.mark.parametrize("text", ["Mülleræßﬁ x", "שָׁלוֹם", JAPANESE, "e\u0301ŁŒ™…", "각각 ﷺ"])
def test_each_character_of_the_form_has_an_origin(text: str) -> None:
    places = search_origins(text)
    assert len(places) == len(search_form(text))
    assert all(0 <= start < end <= len(text) for start, end in places)


def test_a_single_character_is_its_own_pair() -> None:
    assert run_pairs("猫") == ["猫"]
    assert run_pairs("荷物が") == ["荷物", "物が"]


HOSTILE = {
    "marks": "a" + "\u0301\u0316" * 100_000,
    "thai marks": "ก" + "\u0e48\u0e38" * 100_000,
    "letters that become eighteen": "\ufdfa" * 200_000,
    "half-width marks": "a" + "\u0301\uff9e" * 100_000,
    "one run": "荷物" * 100_000,
    "different runs": "".join(chr(0x20000 + n * 7 % 40_000) for n in range(200_000)),
    "one word": "é" * 200_000,
    "signs": "'\\:*&|!()“" * 20_000,
    "invisible": "\u200b\u00ad" * 100_000,
    "tatweel": "ـ" * 200_000,
    "words": " ".join(chr(0xC0 + n % 60) * (n % 9) + str(n) for n in range(30_000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_200_000_hostile_characters_cost_little(name: str) -> None:
    text = HOSTILE[name]
    start = time.process_time()
    with connection.cursor() as cursor:
        # The most that PostgreSQL may take; without the limits of the function it takes minutes.
        cursor.execute("SET LOCAL statement_timeout = '10s'")
        cursor.execute("SELECT length(scrm_search_words(%s))", [text])
    query = prefix_query(text)
    if query is not None:
        list(profiles_named(text))
        list(contacts_named(text))
    assert time.process_time() - start < 5


def test_no_mark_is_left_out_when_long_words_are_divided() -> None:
    """Every character whose decomposition begins with a mark is divided after 200 of them.

    Fails if the class of characters leaves one out: PostgreSQL then sorts all its marks in
    quadratic time.
    """
    migration = importlib.import_module("crm.migrations.0017_search_words")
    divided = re.compile(f"[{migration.MARKS_AND_LETTERS}]")
    missing = [
        hex(point)
        for point in range(0x80, 0x110000)
        if not 0xD800 <= point < 0xE000
        and unicodedata.combining(unicodedata.normalize("NFKD", chr(point))[0])
        and not divided.match(chr(point))
    ]
    assert missing == []


@pytest.mark.parametrize("digits", ["๔๙", "໔໙", "၄၉", "៤៩", "٤٩", "४९"])
def test_digits_of_any_writing_system_are_found(digits: str) -> None:
    assert finds(f"Koffer {digits} fehlt", "49")
    assert finds("Koffer 49 fehlt", digits)


def test_words_after_hostile_marks_are_found() -> None:
    assert finds("a" + "\u0301\u0316" * 10_000 + " Koffer 荷物", "koffer 荷物")


@pytest.mark.parametrize("typed", ["ruckerstattung", "荷物", "mein koffer"])
def test_searches_of_texts_use_the_index(typed: str) -> None:
    with connection.cursor() as cursor:
        for plan in ("seqscan", "indexscan", "nestloop", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{plan} = off")
    query = prefix_query(typed)
    assert "interaction_search" in Interaction.objects.filter(words=query).explain()
    responses = matching(Response.objects.order_by(), RESPONSE_WORDS, typed)
    assert "response_search" in responses.explain()
    assert "profile_search" in profiles_named(typed).explain()


WORDS = st.text(st.characters(categories=["L"], exclude_characters="ـ"), min_size=1, max_size=20)
RUNS = st.text(
    "あかさたなはまやらわんアカサガパー々荷物猫犬ก่ำเขមរកខ្ញ", min_size=2, max_size=40
) | st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=2, max_size=40)


class AnyText(TestCase):
    @given(st.lists(WORDS, min_size=1, max_size=6), st.data())
    def test_each_word_of_a_text_finds_it(self, words: list[str], data: st.DataObject) -> None:
        text = unicodedata.normalize(data.draw(st.sampled_from(FORMS)), " ".join(words))
        word = data.draw(st.sampled_from(words))
        typed = unicodedata.normalize(data.draw(st.sampled_from(FORMS)), word)
        assert finds(text, typed)
        assert finds(text, search_form(word)) or not search_form(word).strip()
        for cased in (typed.lower(), typed.upper()):
            # The upper case of some letters is not the same letter, for example of ŉ and ᾳ.
            if search_form(cased) == search_form(typed):
                assert finds(text, cased)

    @given(RUNS, st.data())
    def test_each_part_of_a_text_without_spaces_finds_it(
        self, run: str, data: st.DataObject
    ) -> None:
        start = data.draw(st.integers(0, len(run) - 2))
        end = data.draw(st.integers(start + 2, len(run)))
        assert finds(f"Dear all, {run} thanks", run[start:end])

    @given(st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"]), max_size=120))
    def test_the_database_has_the_same_search_form(self, text: str) -> None:
        text = text.replace("\x00", "")
        assert in_database("scrm_search_form", text) == in_database("lower", search_form(text))
