"""Merging and splitting sensitive cases: the more serious kind stays, and somebody is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from crm.models import Conversation, Department, Notice, User
from routing.merging import merge, undo_merge
from routing.models import Case, CaseEvent, Procedure
from routing.splitting import split_off_conversation, undo_split
from tests.routing.hearing import DAY, NOW, contact, hear

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]


@pytest.fixture
def on_call(service: Department, teammate: User) -> User:
    for kind in ("safeguarding", "legal"):
        Procedure.objects.create(kind=kind, text="Call.", on_call=teammate)
    return teammate


@pytest.fixture
def pair(on_call: User) -> tuple[Case, Case]:
    """Two open cases of one person."""
    contact("tweets", "mails")
    first, second = hear("tweets"), hear("mails", now=NOW + 8 * DAY)
    if first == second:
        mails = Conversation.objects.get(interactions__profile__key="mails")
        second = split_off_conversation(first, mails, by=on_call)
    return Case.objects.get(pk=first.pk), second


def of_kinds(pair: tuple[Case, Case], target: str, source: str) -> tuple[Case, Case]:
    for case, kind in zip(pair, (target, source), strict=True):
        Case.objects.filter(pk=case.pk).update(sensitive=kind)
        case.refresh_from_db()
    return pair


@pytest.mark.parametrize(
    ("target", "source", "left", "notices"),
    [
        ("legal", "safeguarding", "safeguarding", 1),
        ("", "legal", "legal", 1),
        ("safeguarding", "legal", "safeguarding", 0),
        ("legal", "legal", "legal", 0),
        ("legal", "", "legal", 0),
        ("", "", "", 0),
    ],
)
def test_the_more_serious_kind_stays_and_the_person_on_call_is_told_of_it(
    pair: tuple[Case, Case], agent: User, on_call: User, target: str, source: str, left: str,
    notices: int,
) -> None:  # fmt: skip
    """Fails on the old behaviour: a sensitive case kept its own kind, and nobody was told."""
    stays, goes = of_kinds(pair, target, source)
    event = merge(goes, stays, by=agent)
    stays.refresh_from_db()
    assert stays.sensitive == left
    told = Notice.objects.filter(kind="sensitive")
    assert [(row.user, row.about) for row in told] == [(on_call, f"case:{stays.pk}")] * notices
    undo_merge(event, by=agent)
    kinds = [Case.objects.get(pk=case.pk).sensitive for case in (stays, goes)]
    assert kinds == [target, source]


def test_the_preview_names_the_kind_that_stays(
    pair: tuple[Case, Case], agent: User, as_: As
) -> None:
    stays, goes = of_kinds(pair, "legal", "safeguarding")
    url = reverse("routing:merge", args=[stays.pk])
    page = as_(agent).get(url, {"other": goes.pk}).content.decode()
    assert "<dt>Sensitive</dt><dd>Safeguarding</dd>" in page


def test_an_undone_split_brings_back_the_kind_of_later_messages(
    pair: tuple[Case, Case], agent: User, on_call: User
) -> None:
    """Fails if the case that gets a sensitive message back is not marked."""
    case, other = pair
    merge(other, case, by=agent)
    mails = Conversation.objects.get(interactions__profile__key="mails")
    new = split_off_conversation(Case.objects.get(pk=case.pk), mails, by=agent)
    Case.objects.filter(pk=new.pk).update(sensitive="legal")
    undo_split(case.events.filter(kind=CaseEvent.Kind.SPLIT).latest("pk"), by=agent)
    case.refresh_from_db()
    assert case.sensitive == "legal"
    assert Notice.objects.get(kind="sensitive").user == on_call
