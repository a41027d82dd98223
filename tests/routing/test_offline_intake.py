from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from crm.models import Contact, Interaction, Profile, User
from routing.models import Case, Department, RoutingRule

As = Callable[[User], Client]


def typed(**facts: Any) -> dict[str, Any]:
    return {"form": uuid.uuid4(), "kind": "call", "text": "The seat was broken"} | facts


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def test_a_call_of_a_stranger_becomes_a_case(as_: As, agent: User) -> None:
    page = as_(agent).post("/new/", typed(name="Ron Calder", phone="+1 555 0100"), follow=True)
    case = Case.objects.get()
    assert page.redirect_chain == [(f"/cases/{case.pk}/", 302)]
    assert str(case.profile) == "Ron Calder"
    assert case.profile.key == "+15550100"
    assert "The seat was broken" in html(page)
    assert "written down by Anna Agent" in html(page)


def test_the_same_form_twice_is_one_case(as_: As, agent: User) -> None:
    form = typed(name="Ron Calder")
    first = as_(agent).post("/new/", form)
    second = as_(agent).post("/new/", form)
    assert first.headers["Location"] == second.headers["Location"]
    assert Interaction.objects.count() == 1


def test_every_blank_form_has_a_number_of_its_own(as_: As, agent: User) -> None:
    client = as_(agent)
    numbers = {client.get("/new/").context["form"]["form"].value() for _ in range(2)}
    assert len(numbers) == 2


def test_a_known_person_is_found_and_keeps_their_profile(
    as_: As, agent: User, admin: User, case: Case
) -> None:
    contact = Contact.objects.create(name="Calder, Ronald")
    case.profile.link_to(contact, by=admin, evidence="says so")
    client = as_(agent)
    search = client.post("/new/", typed(search="1", profile_q="ronald", text="Half typed"))
    assert search.status_code == 200
    assert "Half typed" in html(search)
    assert f'value="{case.profile_id}"' in html(search)
    assert "errorlist" not in html(search)
    client.post("/new/", typed(profile=case.profile_id))
    assert Profile.objects.count() == 1
    assert Interaction.objects.filter(profile=case.profile).count() == 2


def test_a_search_keeps_the_number_of_the_form(as_: As, agent: User) -> None:
    form = typed(search="1", profile_q="ron")
    page = as_(agent).post("/new/", form)
    assert str(page.context["form"]["form"].value()) == str(form["form"])


def test_a_search_by_address_works_too(as_: As, agent: User, case: Case) -> None:
    assert f'value="{case.profile_id}"' in html(as_(agent).get("/new/?profile_q=ronc"))


def test_a_profile_may_be_chosen_beforehand(as_: As, agent: User, case: Case) -> None:
    page = html(as_(agent).get(f"/new/?profile={case.profile_id}"))
    assert f'value="{case.profile_id}"' in page
    assert "checked" in page


def test_a_search_for_nobody_says_so(as_: As, agent: User) -> None:
    assert "Nobody has these words" in html(as_(agent).get("/new/?profile_q=xyzzy"))


def test_it_can_be_added_to_a_case(as_: As, agent: User, case: Case) -> None:
    client = as_(agent)
    assert f'name="case" value="{case.pk}"' in html(client.get(f"/new/?case={case.pk}"))
    client.post("/new/", typed(case=case.pk))
    assert Case.objects.count() == 1
    assert case.conversations.count() == 2


def test_a_case_of_another_department_cannot_be_added_to(
    as_: As, outsider: User, case: Case
) -> None:
    assert as_(outsider).get(f"/new/?case={case.pk}").status_code == 404
    assert as_(outsider).post("/new/", typed(case=case.pk)).status_code == 404
    assert Interaction.objects.count() == 1


def test_who_may_only_read_cannot_add_to_a_case(as_: As, reader: User, case: Case) -> None:
    assert as_(reader).get(f"/new/?case={case.pk}").status_code == 403


def test_errors_stand_at_their_fields_and_nothing_is_lost(as_: As, agent: User) -> None:
    later = (timezone.localtime() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    form = typed(text="", said_at=later, phone="call me", kind="letter")
    page = as_(agent).post("/new/", form)
    assert page.status_code == 422
    errors = page.context["form"].errors
    assert set(errors) == {"text", "said_at", "phone"}
    for words in (later, "call me", '<option value="letter" selected>', str(form["form"])):
        assert words in html(page)


def test_somebody_has_to_be_named(as_: As, agent: User) -> None:
    page = as_(agent).post("/new/", typed())
    assert page.status_code == 422
    assert "Choose who it was" in html(page)
    assert "The seat was broken" in html(page)


def test_what_the_rules_give_to_others_is_logged_and_said(
    as_: As, agent: User, admin: User, sales: Department
) -> None:
    rule = RoutingRule.objects.create(name="All", owner=admin)
    rule.revise(conditions={"all": []}, department=sales, by=admin)
    page = as_(agent).post("/new/", typed(name="Ron Calder"), follow=True)
    assert page.status_code == 200
    assert "The rules gave it to Sales" in html(page)
