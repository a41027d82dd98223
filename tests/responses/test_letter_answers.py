"""Answers by letter: the sheet to print, and the letter that is logged as sent once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from crm.models import Interaction, PostalAddress, User, Workspace
from responses.models import Delivery, Response
from routing.models import Case
from routing.reference import reference

As = Callable[[User], Client]


def typed(case: Case, **facts: Any) -> dict[str, Any]:
    return {
        "form": uuid.uuid4(), "seen": case.last_inbound_id, "how": "letter",
        "text": "Dear Ron\n\nWe are <sorry>.", "address": "Ron Calder\nRoad 1\nTown",
    } | facts  # fmt: skip


def test_the_sheet_shows_the_letter_and_stores_nothing(
    as_: As, agent: User, complaint: Case
) -> None:
    Workspace.objects.create(organisation="Skyward Air", address="Runway 1\nOslo")
    page = as_(agent).post(f"/cases/{complaint.pk}/letter/", typed(complaint))
    text = page.content.decode()
    assert page.status_code == 200
    for shown in (
        "Skyward Air · Runway 1 · Oslo", "Ron Calder\nRoad 1\nTown", "We are &lt;sorry&gt;.",
        reference(complaint.pk),
    ):  # fmt: skip
        assert shown in text
    assert not Response.objects.exists()


def test_a_letter_is_logged_as_sent_once(as_: As, agent: User, complaint: Case) -> None:
    client, form = as_(agent), typed(complaint)
    for _ in range(2):
        assert client.post(f"/cases/{complaint.pk}/by-hand/", form).status_code == 302
    assert Delivery.objects.get().state == "sent"
    row = Interaction.objects.get(direction="out")
    assert row.letter
    assert (row.letter.address, row.letter.reference) == (
        "Ron Calder\nRoad 1\nTown", reference(complaint.pk),
    )  # fmt: skip
    complaint.refresh_from_db()
    assert complaint.status == "waiting"
    again = client.get(f"/letters/{row.uuid}/").content.decode()
    assert "Ron Calder\nRoad 1\nTown" in again
    assert f"/letters/{row.uuid}/" in client.get(f"/cases/{complaint.pk}/").content.decode()


def test_the_address_is_kept_for_the_next_letter(as_: As, agent: User, complaint: Case) -> None:
    client = as_(agent)
    for _ in range(2):
        client.post(f"/cases/{complaint.pk}/by-hand/", typed(complaint))
    kept = PostalAddress.objects.get()
    assert (kept.profile, kept.source) == (complaint.profile, f"Our letter in case #{complaint.pk}")
    page = client.get(f"/cases/{complaint.pk}/composer/?tab=by-hand").content.decode()
    assert "Road 1" in page
    client.post(f"/cases/{complaint.pk}/by-hand/", typed(complaint, address="Ron\nRoad 2"))
    assert PostalAddress.objects.count() == 2


@pytest.mark.parametrize("address", ["", " ", "x" * 401])
@pytest.mark.parametrize("page", ["letter", "by-hand"])
def test_a_letter_needs_an_address(
    as_: As, agent: User, complaint: Case, page: str, address: str
) -> None:
    form = typed(complaint, address=address)
    answer = as_(agent).post(f"/cases/{complaint.pk}/{page}/", form)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"address"}
    assert not Response.objects.exists()


def test_other_ways_need_no_address(as_: As, agent: User, complaint: Case) -> None:
    form = typed(complaint, how="call", address="")
    assert as_(agent).post(f"/cases/{complaint.pk}/by-hand/", form).status_code == 302
    assert Interaction.objects.get(direction="out").details == {}


def test_only_a_letter_has_a_sheet(as_: As, agent: User, complaint: Case) -> None:
    row = complaint.last_inbound
    assert row
    assert as_(agent).get(f"/letters/{row.uuid}/").status_code == 404
