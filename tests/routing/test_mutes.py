"""Mute: public items of a profile open no case for 30 days; the rest always passes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.ledger import Entry, record
from crm.models import Department, Notice, Profile, User
from listening.topic_hits import FoundTopic
from routing import mutes
from routing.intake import Arrival, take_in
from routing.models import Case, ItemDecision, Mute
from routing.rules import Facts
from routing.tick import run_tick
from scrm.channels.base import Author, Visibility

As = Callable[[User], Client]
NOW = timezone.now()


@pytest.fixture
def hear(service: Department) -> Callable[..., Case | None]:
    """Return a function that routes an item of the troll and returns its case, if it has one."""

    def heard(
        text: str = "You are awful",
        *,
        visibility: Visibility = "public",
        kind: str = "",
        at: datetime = NOW,
    ) -> Case | None:
        entry = Entry("x", uuid.uuid4().hex, Author("x", "troll"), "x", "post", visibility, text)
        row = record([entry], now=at)[0]
        arrival = Arrival(
            row.interaction, row.conversation, row.profile or 0, None, at,
            Facts(text=text, visibility=visibility),
            topics=(FoundTopic("T", 1, 1, [], sensitivity=kind),),
        )  # fmt: skip
        found = take_in([arrival], now=at)
        return Case.objects.filter(pk=found.get(row.interaction)).first()

    return heard


@pytest.fixture
def muted(hear: Any, service: Department, agent: User) -> Mute:
    hear()
    case = Case.objects.get()
    case.set_aside(by=agent)
    return mutes.mute(case.profile, service, reason="Insults", by=agent, now=NOW)


def test_public_items_are_recorded_and_decided_but_open_no_case(muted: Mute, hear: Any) -> None:
    assert hear() is None
    assert Case.objects.count() == 1
    decision = ItemDecision.objects.current().latest("pk")
    assert (decision.outcome, decision.by) == ("muted", None)


@pytest.mark.parametrize(
    "passing", [{"visibility": "private"}, {"kind": "safeguarding"}, {"kind": "legal"}]
)
def test_private_safety_and_legal_items_always_pass(
    muted: Mute, hear: Any, passing: dict[str, Any]
) -> None:
    assert hear("I want to die", **passing) is not None


def test_it_ends_after_thirty_days_or_by_hand(muted: Mute, hear: Any, agent: User) -> None:
    assert muted.until == NOW + timedelta(days=30)
    assert hear(at=NOW + timedelta(days=31)) is not None
    Mute.objects.update(until=NOW + timedelta(days=90))
    assert hear(at=NOW + timedelta(days=31)) is None
    mutes.unmute(muted, by=agent)
    assert hear(at=NOW + timedelta(days=31)) is not None


def test_another_department_still_hears_them(
    muted: Mute, hear: Any, service: Department, sales: Department
) -> None:
    Department.objects.filter(pk=service.pk).update(is_fallback=False)
    Department.objects.filter(pk=sales.pk).update(is_fallback=True)
    case = hear()
    assert case is not None
    assert case.department == sales


def test_an_agent_mutes_on_the_case_and_the_list_ends_or_renews_it(
    as_: As, agent: User, hear: Any
) -> None:
    case, client = hear(), as_(agent)
    assert client.post(f"/cases/{case.pk}/mute/", {"reason": " "}).status_code == 422
    client.post(f"/cases/{case.pk}/mute/", {"reason": "Insults"})
    row = Mute.objects.get()
    assert (row.reason, row.by) == ("Insults", agent)
    hear()
    page = client.get("/mutes/").content.decode()
    assert "Insults" in page
    assert "1 item muted" in page
    Mute.objects.update(until=timezone.now() + timedelta(days=1))
    client.post(f"/mutes/{row.pk}/renew/")
    row.refresh_from_db()
    assert row.until > timezone.now() + timedelta(days=29)
    client.post(f"/mutes/{row.pk}/end/")
    assert "Nobody is muted" in client.get("/mutes/").content.decode()


def test_who_works_elsewhere_cannot_unmute(as_: As, outsider: User, muted: Mute) -> None:
    assert as_(outsider).post(f"/mutes/{muted.pk}/end/").status_code == 404


def test_the_leads_get_one_digest_a_week(muted: Mute, hear: Any, lead: User) -> None:
    hear()
    later = NOW + timedelta(hours=1)
    for at in (later, later, later + timedelta(days=3), later + timedelta(days=8)):
        mutes.weekly_digest(now=at)
    digests = Notice.objects.filter(kind="mute digest", user=lead).order_by("pk")
    assert [row.text for row in digests] == [
        "1 profile is muted; 1 item this week.",
        "1 profile is muted; 0 items this week.",
    ]


def test_a_mute_of_a_profile_is_not_a_mute_of_another(muted: Mute, service: Department) -> None:
    other = Profile.objects.create(network="x", key="other")
    assert mutes.muted_pairs({other.pk}, NOW) == set()


def test_the_tick_tells_the_leads(muted: Mute, lead: User) -> None:
    """Fails if nothing calls `weekly_digest`."""
    run_tick(now=NOW + timedelta(hours=1))
    assert Notice.objects.filter(kind="mute digest", user=lead).count() == 1
