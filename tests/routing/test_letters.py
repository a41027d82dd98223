"""Letters that staff log: dates, postal address, and the case whose reference they cite."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Interaction, PostalAddress, User
from routing.models import Case
from routing.reference import reference

As = Callable[[User], Client]


def typed(**facts: Any) -> dict[str, Any]:
    return {"form": uuid.uuid4(), "kind": "letter", "text": "Dear Sir or Madam"} | facts


def test_a_letter_keeps_its_dates_and_the_address_with_its_source(
    as_: As, agent: User, service: object
) -> None:
    form = typed(
        name="Ron Calder", written_on="2026-03-01", received_on="2026-03-04",
        address="Ron Calder\nRoad 1\nTown",
    )  # fmt: skip
    page = as_(agent).post("/new/", form, follow=True).content.decode()
    row = Interaction.objects.get()
    assert row.letter
    assert (row.letter.written_on, row.letter.received_on) == ("2026-03-01", "2026-03-04")
    assert row.occurred_at
    assert timezone.localdate(row.occurred_at).isoformat() == "2026-03-04"
    kept = PostalAddress.objects.get()
    assert (kept.profile, kept.source, kept.by) == (row.profile, "Letter from this person", agent)
    assert "Received on 2026-03-04" in page
    person = as_(agent).get(row.profile.get_absolute_url()).content.decode()
    assert "Road 1" in person
    assert "Letter from this person" in person


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"written_on": "1066-10-14"}, "written_on"),
        ({"written_on": "yesterday"}, "written_on"),
        ({"received_on": (timezone.localdate() + timedelta(days=2)).isoformat()}, "received_on"),
        ({"written_on": "2026-03-04", "received_on": "2026-03-01"}, "received_on"),
        ({"address": "x" * 401}, "address"),
        ({"reference": "SC-1-11"}, "reference"),
        ({"text": ""}, "text"),
    ],
)
def test_a_wrong_value_is_an_error_at_its_field(
    as_: As, agent: User, facts: dict[str, str], field: str
) -> None:
    page = as_(agent).post("/new/", typed(name="Ron") | facts)
    assert page.status_code == 422
    assert set(page.context["form"].errors) == {field}
    assert not Interaction.objects.exists()


@pytest.mark.parametrize("where", ["reference", "text"])
def test_a_letter_that_cites_our_reference_joins_the_case(
    as_: As, agent: User, case: Case, where: str
) -> None:
    page = as_(agent).post("/new/", typed() | {where: f"Your {reference(case.pk)}"})
    assert page.headers["Location"] == f"/cases/{case.pk}/"
    row = Interaction.objects.get(kind="letter")
    assert row.profile == case.profile
    assert row.conversation in case.conversations


def test_a_reference_of_another_department_names_no_case(
    as_: As, agent: User, case: Case, sales: Any
) -> None:
    """Fails if the reference of a case opens cases that the user may not see."""
    case.department = sales
    case.save()
    page = as_(agent).post("/new/", typed(name="Ron", reference=reference(case.pk)))
    assert set(page.context["form"].errors) == {"reference"}
    as_(agent).post("/new/", typed(name="Ron", text=f"Your letter {reference(case.pk)}"))
    assert Interaction.objects.get(kind="letter").conversation not in case.conversations
