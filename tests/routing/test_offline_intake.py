from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from crm.models import Contact, Department, Interaction, Profile, User
from routing.models import Case, RoutingRule

As = Callable[[User], Client]


def typed(**facts: Any) -> dict[str, Any]:
    return {"form": uuid.uuid4(), "kind": "call", "text": "The seat was broken"} | facts


def html(page: Any) -> str:
    text: str = page.content.decode()
    return text


def test_a_call_of_a_stranger_becomes_a_case(as_: As, agent: User) -> None:
    page = as_(agent).post("/new/", typed(name="Ron Calder", phone="+1 212 555 0100"), follow=True)
    case = Case.objects.get()
    assert page.redirect_chain == [(f"/cases/{case.pk}/", 302)]
    assert str(case.profile) == "Ron Calder"
    assert case.profile.key == "+12125550100"
    assert "The seat was broken" in html(page)
    assert "logged by Anna Agent" in html(page)


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
    assert "No one found with these words" in html(as_(agent).get("/new/?profile_q=xyzzy"))


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
    form = typed(text="", said_at=later, phone="call me", kind="other")
    page = as_(agent).post("/new/", form)
    assert page.status_code == 422
    errors = page.context["form"].errors
    assert set(errors) == {"text", "said_at", "phone"}
    for words in (later, "call me", 'value="other" selected', str(form["form"])):
        assert words in html(page)


def test_somebody_has_to_be_named(as_: As, agent: User) -> None:
    page = as_(agent).post("/new/", typed())
    assert page.status_code == 422
    assert "Choose a person" in html(page)
    assert "The seat was broken" in html(page)


def test_what_the_rules_give_to_others_is_logged_and_said(
    as_: As, agent: User, admin: User, sales: Department
) -> None:
    rule = RoutingRule.objects.create(name="All", owner=admin)
    rule.revise(conditions={"all": []}, department=sales, by=admin)
    page = as_(agent).post("/new/", typed(name="Ron Calder"), follow=True)
    assert page.status_code == 200
    assert "The routing rules assigned it to Sales" in html(page)


def test_readers_see_no_button_to_log_an_interaction(
    as_: As, agent: User, supervisor: User, reader: User
) -> None:
    for user, may_log in ((agent, True), (supervisor, True), (reader, False)):
        assert ('href="/new/"' in html(as_(user).get("/"))) is may_log


def test_the_next_one_is_offered(as_: As, agent: User) -> None:
    page = as_(agent).post("/new/", typed(name="Ron", kind="letter"), follow=True)
    assert 'href="/new/?kind=letter">Log another interaction</a>' in html(page)


def test_whoever_is_looked_up_and_not_known_is_named_by_these_words(as_: As, agent: User) -> None:
    for words in ("Marta Lee", "+1 212 555 0100", "Marta@Lee.example"):
        as_(agent).post("/new/", typed(profile_q=words))
    mail, name, phone = Profile.objects.order_by("network")
    assert (mail.network, mail.key, mail.name) == ("email", "marta@lee.example", "")
    assert (name.network, name.name) == ("offline", "Marta Lee")
    assert (phone.network, phone.key, phone.name) == ("phone", "+12125550100", "")


def test_somebody_new_may_have_the_name_of_somebody_known(as_: As, agent: User, case: Case) -> None:
    same = typed(profile_q=str(case.profile))
    page = as_(agent).post("/new/", same)
    assert page.status_code == 422
    assert "Choose a person" in html(page)
    as_(agent).post("/new/", same | {"profile": "new"})
    assert Profile.objects.filter(name=str(case.profile)).count() == 2


def test_an_address_is_a_profile_and_found_again(as_: As, agent: User) -> None:
    for address in ("Ron@Calder.example", "ron@calder.EXAMPLE"):
        as_(agent).post("/new/", typed(kind="letter", name="Ron", phone=address))
    profile = Profile.objects.get()
    assert (profile.network, profile.key) == ("email", "ron@calder.example")
    assert Interaction.objects.count() == 2


def test_a_contact_without_a_profile_gets_one(as_: As, agent: User) -> None:
    ron = Contact.objects.create(name="Calder, Ronald")
    for _ in range(2):
        as_(agent).post("/new/", typed(kind="letter", profile=f"contact-{ron.pk}"))
    profile = Profile.objects.get()
    assert (str(profile), profile.contact) == ("Calder, Ronald", ron)
    as_(agent).post("/new/", typed(profile=f"contact-{ron.pk}", phone="+1 212 555 0100"))
    assert Profile.objects.get(network="phone").contact == ron
    assert Case.objects.count() == 1


def test_a_number_of_somebody_else_is_not_taken_for_a_contacts(
    as_: As, agent: User, admin: User
) -> None:
    rita = Contact.objects.create(name="Rita")
    theirs = Profile.objects.create(network="phone", key="+12125550100")
    theirs.link_to(rita, by=admin, evidence="x")
    ron = Contact.objects.create(name="Ron")
    page = as_(agent).post("/new/", typed(profile=f"contact-{ron.pk}", phone="+1 212 555 0100"))
    assert page.status_code == 422
    assert "This belongs to Rita" in str(page.context["form"].errors["phone"])


def test_a_number_beside_somebody_known_is_written_down(as_: As, agent: User, case: Case) -> None:
    as_(agent).post("/new/", typed(profile=case.profile_id, phone="+1 212 555 0100"))
    call = Interaction.objects.get(kind="call").call
    assert call
    assert call.number == "+12125550100"
    form = typed(profile=case.profile_id, phone="+1 212 555 0100", kind="other")
    as_(agent).post("/new/", form)
    assert "Phone: +12125550100" in Interaction.objects.get(kind="other").text


def test_somebody_else_may_call_about_a_case(as_: As, agent: User, case: Case) -> None:
    as_(agent).post("/new/", typed(case=case.pk, name="Marta, his assistant"))
    said = Interaction.objects.get(kind="call")
    assert str(said.profile) == "Marta, his assistant"
    assert Case.objects.get() == case


def test_a_person_who_is_gone_is_said(as_: As, agent: User) -> None:
    for value in ("999999", "contact-999999", "x", "9" * 40):
        page = as_(agent).post("/new/", typed(profile=value))
        assert page.status_code == 422
        assert "This person no longer exists" in html(page)


def test_other_words_in_a_form_that_was_logged_are_kept_and_said(as_: As, agent: User) -> None:
    """If a user logs a form and submits it again with another text, the second text is not lost.

    The page shows the text again and tells the user. Fails if `log` always returns the case of the
    first submission, because the changed text is then lost.
    """
    form = typed(name="Ron", text="First")
    as_(agent).post("/new/", form)
    page = as_(agent).post("/new/", form | {"text": "Second"})
    assert page.status_code == 409
    assert "This form was already logged" in html(page)
    assert "Second" in html(page)
    assert str(form["form"]) not in html(page)
    assert Interaction.objects.get().text == "First"


def test_another_tab_takes_along_what_was_typed(as_: As, agent: User) -> None:
    form = typed(tab="letter", text="Half typed", name="Ron")
    page = as_(agent).post("/new/", form)
    assert page.status_code == 200
    for words in ("Half typed", "Ron", str(form["form"]), 'name="kind" value="letter"', "scans"):
        assert words in html(page)


def test_in_a_case_one_logs_what_belongs_to_one_case(as_: As, agent: User, case: Case) -> None:
    page = html(as_(agent).get(f"/new/?case={case.pk}&kind=letter"))
    assert f"/new/?kind=call&amp;case={case.pk}" in page
    assert "/new/cards/" not in page
    assert 'name="scans"' in page


def test_each_other_kind_can_be_logged_by_itself(as_: As, agent: User) -> None:
    for kind in ("other", "survey answer", "comment card", "event"):
        assert as_(agent).post("/new/", typed(kind=kind, name="Ron")).status_code == 302
    assert Interaction.objects.count() == 4
    assert as_(agent).post("/new/", typed(kind="tweet", name="Ron")).status_code == 422


NAMES = [
    "Zoë", "Ελένη", "Анна", "عائشة الحسن", "נועה לוי", "अनिता", "สมชาย", "王小明", "さくら",
    "김민지",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_script_is_written_down_and_kept_apart(
    as_: As, agent: User, name: str
) -> None:
    as_(agent).post("/new/", typed(name=name, text=f"{name} called."))
    page = html(as_(agent).get(f"/new/who/?profile_q={name}"))
    assert f"<bdi>{name}</bdi>" in page
    assert Interaction.objects.get().text == f"{name} called."
