"""A person is found by a telephone number in any writing. The number is stored in E.164."""

from __future__ import annotations

import pytest

from crm.models import Profile, Workspace
from crm.search import profiles_named
from routing.offline.cells import phone
from routing.offline.find_person import find
from scrm.text.phone import e164

BERLIN = "+49301234567"
IN_WRITINGS = [
    "+49 30 1234567",
    "0049 30 1234567",
    "+49 (0)30 1234567",
    "030 1234567",
    "+49301234567",
    "tel:+49-30-1234567",
    "030/1234567",
    "(030) 123-4567",
    "030.123.45.67",
    "00493012345 67",
    "Tel. 030 1234567",
    "\uff0b\uff14\uff19 \uff13\uff10 1234567",  # full-width
    "+49\u00a030\u20111234567",  # no-break space and hyphen
    "\u0660\u0663\u0660 \u0661\u0662\u0663\u0664\u0665\u0666\u0667",  # Arabic-Indic digits
]


@pytest.mark.parametrize("typed", IN_WRITINGS)
def test_one_number_is_one_person(typed: str) -> None:
    assert phone(typed.removeprefix("Tel. "), "DE") == BERLIN


@pytest.mark.django_db
@pytest.mark.parametrize(
    "typed",
    [
        *IN_WRITINGS,
        "+49 30 123 45 67 ext. 12",
        "030 1234567 x12",
        "030 123",
        "(+49) 30 1234567",
        "“030 1234567”,",
        "Mobil: 030 1234567",
        "030 1234567 extension 12",
        "๐๓๐ ๑๒๓๔๕๖๗",  # Thai digits
        "+49 (0)30 12",
        "49301",
    ],
)
def test_a_person_is_found_by_a_number_in_any_writing(typed: str) -> None:
    Workspace.objects.create(organisation="Skyward", country="DE")
    ida = Profile.objects.create(network="phone", key=e164(BERLIN), name="Ida Kern")
    Profile.objects.create(network="phone", key="+49401234567", name="Somebody Else")
    assert list(profiles_named(typed)) == [ida]
    assert [person.name for person in find(typed)] == ["Ida Kern"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("country", "stored", "typed"),
    [
        ("GB", "+442079460958", "020 79"),
        ("GB", "+442079460958", "+44 (0)20 79"),
        ("FR", "+33142685300", "+33 (0)1 42"),
        ("CH", "+41446681800", "044 668"),
        ("JP", "+81312345678", "03-1234"),
        ("IT", "+390612345678", "06 1234"),
    ],
)
def test_a_person_is_found_by_the_beginning_of_a_number(
    country: str, stored: str, typed: str
) -> None:
    Workspace.objects.create(organisation="Skyward", country=country)
    person = Profile.objects.create(network="phone", key=stored, name="Ida Kern")
    assert list(profiles_named(typed)) == [person]


@pytest.mark.django_db
def test_without_a_country_a_number_needs_its_country_code() -> None:
    Workspace.objects.create(organisation="Skyward")
    ida = Profile.objects.create(network="phone", key=BERLIN, name="Ida Kern")
    assert list(profiles_named("+49 (0)30 1234567")) == [ida]
    assert not profiles_named("030 1234567").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "typed",
    [
        "7" * 200_000,
        "+" * 200_000,
        "0 " * 100_000,
        "+49 (" * 40_000,
        "030 1234567" + " " * 60 + "7" * 3_000,
    ],
)
def test_a_hostile_number_finds_nobody(typed: str) -> None:
    Workspace.objects.create(organisation="Skyward", country="DE")
    assert not profiles_named(typed).exists()
