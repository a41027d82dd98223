from __future__ import annotations

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from crm import search
from crm.models import Contact, Profile, User
from crm.search import (
    contacts_named,
    prefix_query,
    profiles_named,
    some_contacts_named,
    strangers_named,
)

pytestmark = pytest.mark.django_db

ODD = "'\\:*&|!<>()\"+-@%_ \t\n\x00\ud800\u200b\u0301\u202e\u2028\uffffaAzZéИ字🦊09"


def profile(name: str = "", *, handle: str = "", key: str = "7") -> Profile:
    return Profile.objects.create(network="x", key=key, handle=handle, name=name)


@pytest.mark.parametrize(
    ("stored", "typed"),
    [
        ("Ron Calder", "ron"),
        ("Ron Calder", "cald RO"),
        ("Élodie Ünal", "ÉLO ün"),
        ("Иван Петров", "иван петр"),
        ("Siobhán O'Brien", "o'br"),
        ("Siobhán O’Brien", "o’brien"),
        ("Jean-Luc Moreau", "jean-l mor"),
        ("Jean-Luc Moreau", "luc"),
        ("田中花子", "田中"),
        ("हिन्दी लेखक", "हिन्दी"),
        ("محمد الأحمد", "محمد"),
        ("🦊 fox", "🦊"),
        ("İstanbul Kitap", "İSTAN"),
        ("AT&T | (press): 'all' \\", "at&t | (press): 'all' \\"),
        ("Room 12-34", "12-34"),
    ],
)
def test_a_name_is_found_by_the_beginnings_of_its_words(stored: str, typed: str) -> None:
    row = profile(stored)
    profile("Somebody Else", key="8")
    assert list(profiles_named(typed)) == [row]


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        ("ron@calder.example", "ron@cal"),
        ("ron@calder.example", "RON@calder.example,"),
        ("ron+news@calder.example", "ron+news@calder.example"),
        ("+17325550117", "+1 732 555-0117"),
        ("+17325550117", "1732"),
        ("+17325550117", "001 732 555 0117"),
        ("did:plc:abc123", "did:plc:abc"),
        ("https://social.example/@dana", "https://social.example/@dana"),
        ("https://social.example/@dana", "social.ex"),
        ("dana@social.example", "@dana@social.example"),
        ("snake_case", "case"),
    ],
)
def test_an_address_is_found_as_people_write_it(key: str, typed: str) -> None:
    row = profile("Somebody", key=key)
    profile("Nobody", key="8")
    assert list(profiles_named(typed)) == [row]


def test_a_handle_is_found_with_and_without_its_sign() -> None:
    row = profile("Ron", handle="roncalder")
    assert list(profiles_named("@RonCal")) == list(profiles_named("roncal")) == [row]


def test_all_words_must_be_there() -> None:
    profile("Ron Calder")
    assert not profiles_named("ron moreau").exists()


@pytest.mark.parametrize("typed", ["", " ", "'", "&|!", ":*", "\x00", "\ud800", "()"])
def test_nothing_to_look_for_finds_nobody(typed: str) -> None:
    profile("Ron Calder")
    assert prefix_query(typed) is None
    assert not profiles_named(typed).exists()
    assert not contacts_named(typed).exists()


def test_a_contact_is_found_by_their_name_and_by_a_profile_that_is_them(agent: User) -> None:
    director, other = (Contact.objects.create(name=name) for name in ("R. Calder", "Ron Else"))
    ron = profile("Ron", handle="thedirector")
    ron.link_to(director, by=agent, evidence="Said so")
    assert list(contacts_named("calder")) == list(contacts_named("thedir")) == [director]
    assert set(contacts_named("ron")) == {director, other}
    ron.unlink(by=agent)
    assert not contacts_named("thedir").exists()


def test_whoever_types_is_shown_some_of_many(agent: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a user types, contacts are found by their own name or by the handle of a profile.

    For a common name, only a limited number of contacts is examined.
    """
    director = Contact.objects.create(name="R. Calder")
    profile("Ron", handle="thedirector").link_to(director, by=agent, evidence="Said so")
    assert list(some_contacts_named("calder")) == list(some_contacts_named("thedir")) == [director]
    assert not some_contacts_named("?!").exists()
    for n in range(5):
        Contact.objects.create(name=f"Calder {n}")
    monkeypatch.setattr(search, "LOOKED_THROUGH", 3)
    assert some_contacts_named("calder").count() == 3
    assert contacts_named("calder").count() == 6


def test_a_stranger_is_a_profile_without_a_current_link(agent: User) -> None:
    never, once, now = (profile(f"Ron {key}", key=key) for key in ("7", "8", "9"))
    contact = Contact.objects.create(name="Ron")
    for each in (once, now):
        each.link_to(contact, by=agent, evidence="Said so")
    once.unlink(by=agent)
    assert set(strangers_named("ron")) == {never, once}


def test_the_search_uses_the_index() -> None:
    """The search for names uses the indexes of PostgreSQL.

    Fails if NAMES has another text search configuration than the index.
    """
    with connection.cursor() as cursor:
        # Without these plans, only the index is left, whatever the statistics of the tables say.
        for plan in ("seqscan", "indexscan", "nestloop", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{plan} = off")
    assert "profile_search" in profiles_named("ron cal").explain()
    assert "contact_search" in contacts_named("ron cal").explain()


class AnyText(TestCase):
    """For any text that a user types, PostgreSQL accepts the search query made from it."""

    @given(st.text(alphabet=ODD) | st.text(max_size=300))
    def test_no_text_breaks_the_search(self, typed: str) -> None:
        list(profiles_named(typed))
        list(contacts_named(typed))
        assert list(strangers_named(typed)) == []

    @given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1, max_size=30))
    def test_every_word_of_letters_finds_whoever_is_called_so(self, name: str) -> None:
        row = profile(name)
        assert list(profiles_named(name)) == [row]
        assert list(profiles_named(name[: len(name) // 2 + 1])) == [row]
