"""The person field of the form for offline contacts: suggestions while the user types a name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from crm.models import Contact, Profile, User
from routing.models import Case
from routing.offline.find_person import find

As = Callable[[User], Client]
NAMES = {
    "Latin": ("Zoë Łukaszewska", "łuk"),
    "Greek": ("Ελένη Παπαδοπούλου", "Παπ"),
    "Cyrillic": ("Анна Иванова", "иван"),
    "Arabic": ("عائشة الحسن", "عائ"),
    "Hebrew": ("נועה לוי", "נוע"),
    "Devanagari": ("अनिता शर्मा", "शर"),
    "Thai": ("สมชาย ใจดี", "ชาย"),
    "Chinese": ("王小明", "小明"),
    "Japanese": ("田中さくら", "さくら"),
    "Korean": ("김민지", "김민"),
}


def known(name: str, *, network: str = "phone", key: str = "+12125550100") -> Profile:
    return Profile.objects.create(network=network, key=key, handle=key, name=name)


@pytest.mark.django_db
@pytest.mark.parametrize("script", NAMES)
def test_a_name_is_found_in_any_script_while_it_is_typed(script: str) -> None:
    name, beginning = NAMES[script]
    known("Somebody Else", key="+15550999")
    known(name)
    assert [person.name for person in find(beginning)] == [name]


@pytest.mark.django_db
def test_the_network_has_the_name_that_it_has_on_every_page() -> None:
    Profile.objects.create(network="sandbox.x", key="7", handle="passer21", name="Pat Passer")
    assert [person.where for person in find("pat")] == ["passer21 · X (simulated)"]


@pytest.mark.parametrize(
    "words", ["ron", "calder ron", "+1 (212) 555-01", "5550100", "0100", "+12125550100"]
)
@pytest.mark.django_db
def test_somebody_is_found_by_what_a_caller_says(words: str) -> None:
    known("Ron Calder")
    assert [person.name for person in find(words)] == ["Ron Calder"]


@pytest.mark.django_db
def test_an_address_and_a_handle_find_them_too() -> None:
    known("Ron", network="email", key="ron@calder.example")
    known("Rita", network="sandbox.microblog", key="@rita_flies")
    assert [person.name for person in find("ron@cald")] == ["Ron"]
    assert find("ron@else") == []
    assert [person.name for person in find("@rita_fl")] == ["Rita"]


@pytest.mark.django_db
def test_a_contact_is_found_with_each_profile_and_without_any(admin: User) -> None:
    ron = Contact.objects.create(name="Calder, Ronald")
    known("rc").link_to(ron, by=admin, evidence="says so")
    Contact.objects.create(name="Calder & Sons")
    found = {person.name: (person.value, person.known) for person in find("calder")}
    assert found["rc"] == (str(Profile.objects.get().pk), True)
    assert found["Calder & Sons"][0].startswith("contact-")
    assert "Calder, Ronald" not in found


@pytest.mark.django_db
def test_people_whom_we_know_come_before_strangers(admin: User) -> None:
    known("Aron Stranger", key="+15550101")
    known("Ron Known").link_to(Contact.objects.create(name="Aron K"), by=admin, evidence="x")
    assert [person.known for person in find("aron")] == [True, False]


@pytest.mark.django_db
@pytest.mark.parametrize("odd", ["'", "\\", ":*", "& | !", "()", "\x00", "😀", "%", "a'b", "  "])
def test_odd_signs_break_no_search(odd: str) -> None:
    assert find(odd) == []


def test_the_page_shows_them_without_the_rest(as_: As, agent: User, case: Case) -> None:
    page = as_(agent).get("/new/who/?profile_q=ronc").content.decode()
    assert f'value="{case.profile_id}"' in page
    assert "<html" not in page


def test_whoever_is_chosen_stays_while_others_are_looked_up(
    as_: As, agent: User, case: Case
) -> None:
    page = as_(agent).get(f"/new/who/?profile_q=xyzzy&profile={case.profile_id}").content.decode()
    assert f'value="{case.profile_id}" checked' in page


def test_a_name_nobody_knows_is_offered_as_somebody_new(as_: As, agent: User) -> None:
    page = as_(agent).get("/new/who/?profile_q=<b>Marta</b>").content.decode()
    assert "New person: <bdi>&lt;b&gt;Marta&lt;/b&gt;</bdi>" in page
    assert 'value="new" checked' in page
