"""Topic profiles of another tool become topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from crm.models import User
from listening.models import Topic

As = Callable[[User], Client]
PROFILES = (
    "Topic profile,Keyword group,Any,All,None\n"
    'Skyward,Brand,"skyward air, @skywardair",,skywards\n'
    'Skyward,Baggage,bag;suitcase,"skyward\nair",\n'
    "Brand,,skyward,,\n"
    ",,word,,\n"
    "Empty,,,,\n"
    "Only signs,,!!!,,\n"
)


@pytest.fixture
def browser(as_: As, admin: User) -> Client:
    return as_(admin)


def send(browser: Client, raw: str) -> HttpResponse:
    file = SimpleUploadedFile("profiles.csv", raw.encode())
    return browser.post("/topics/import/", {"file": file})


def words(name: str) -> list[list[str]]:
    current: Any = Topic.objects.get(name=name).current
    return [current.any_of, current.all_of, current.none_of]


def test_each_keyword_group_becomes_a_topic(browser: Client, admin: User) -> None:
    brand = Topic.objects.create(name="Brand", owner=admin)
    brand.revise(any_of=["old"], all_of=[], none_of=[], by=admin)
    result = send(browser, PROFILES).context["result"]
    assert [topic.name for topic in result.created] == ["Skyward: Brand", "Skyward: Baggage"]
    assert words("Skyward: Brand") == [["skyward air", "@skywardair"], [], ["skywards"]]
    assert words("Skyward: Baggage") == [["bag", "suitcase"], ["skyward", "air"], []]
    assert result.existing == [brand]
    assert words("Brand") == [["old"], [], []]
    assert {bad.row.line for bad in result.bad} == {6, 7, 8}


def test_the_same_file_again_changes_nothing(browser: Client) -> None:
    send(browser, PROFILES)
    page = send(browser, PROFILES)
    assert page.context["result"].created == []
    assert "exist already and were not changed" in page.content.decode()
    assert Topic.objects.count() == 3


@pytest.mark.parametrize("raw", ["a,b\n1,2\n", "profile,none\nA,b\n", "profile,any\n"])
def test_a_file_without_the_columns_is_refused(browser: Client, raw: str) -> None:
    answer = send(browser, raw)
    assert answer.status_code == 422
    assert answer.context["form"].errors["file"]


def test_a_hostile_file_is_reported(browser: Client) -> None:
    raw = "profile,any\n" + "x" * 200_000 + ",a\n" + "y" * 200 + ",b\n<script>1,\nFine,good\n"
    page = send(browser, raw)
    assert [topic.name for topic in page.context["result"].created] == ["Fine"]
    assert "<script>1" not in page.content.decode()


def test_only_admins_import(as_: As, supervisor: User) -> None:
    assert as_(supervisor).get("/topics/import/").status_code == 403
