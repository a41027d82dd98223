"""Somebody writes under the handle of a known contact: the inbox and the case say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from crm.models import Account, Contact, Department, Profile, User
from listening.fetch import fetch_source
from listening.models import Source
from routing.models import Case
from scrm import pipeline
from scrm.channels.sandbox import community

pytestmark = pytest.mark.django_db(transaction=True)
MARK = "This account took the handle of Ron Calder"


@pytest.fixture
def hear(
    microblog: Account, make_source: Callable[..., Source], service: Department
) -> Callable[[str, str, str], Case]:
    """Let an account write to us; return its case."""
    source = make_source(kind="sandbox", address="mentions", account=microblog, stance="for us")

    def hear(author: str, handle: str, name: str) -> Case:
        community.post("sandbox.microblog", author, "@SkywardAir hi", handle=handle, name=name)
        source.fetch_now()
        fetch_source(source)
        pipeline.process()
        return Case.objects.get(profile__key=author)

    return hear


def test_an_impostor_gets_a_case_of_its_own_and_is_marked(
    hear: Callable[[str, str, str], Case], agent: User, as_: Callable[[User], Client]
) -> None:
    """Fails if the impostor's message is in Ron's case, or if a page leaves out the mark."""
    his = hear("1001", "calder", "Ron Calder")
    ron = Contact.objects.create(name="Ron Calder")
    his.profile.link_to(ron, by=agent, evidence="He said so")
    other = hear("2002", "calder", "Ron Calder")
    assert other != his
    browser = as_(agent)
    owner = his.profile.get_absolute_url()
    page = browser.get(other.get_absolute_url()).content.decode()
    assert page.count(MARK) == 2  # in the list and in the head of the case; beside it as a link
    assert page.count("reused handle") == 2
    assert page.count(f'href="{owner}"') == 3
    assert "This account took" not in browser.get(ron.get_absolute_url()).content.decode()
    inbox = browser.get("/?view=unassigned").content.decode()
    assert (inbox.count(MARK), inbox.count(f'href="{owner}"')) == (1, 1)


def test_a_renamed_account_stays_in_its_case_and_says_how_it_was_called(
    hear: Callable[[str, str, str], Case], agent: User, as_: Callable[[User], Client]
) -> None:
    case = hear("1001", "calder", "Ron Calder")
    assert hear("1001", "calderfilms", "Ron Calder") == case
    assert Profile.objects.get().past_names.count() == 1
    page = as_(agent).get(case.get_absolute_url()).content.decode()
    assert "was calder until" in page
    assert "This account took" not in page
