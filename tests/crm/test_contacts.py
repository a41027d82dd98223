from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.models import Contact, Conversation, Interaction, Profile, User
from routing.models import Case, CaseConversation, Department


@pytest.fixture
def ron(db: None) -> Profile:
    return Profile.objects.create(
        network="sandbox.microblog", key="7", handle="roncalder", name="Ron Calder"
    )


@pytest.fixture
def director(ron: Profile, agent: User) -> Contact:
    contact = Contact.objects.create(name="R. Calder", kind="influencer")
    ron.link_to(contact, by=agent, evidence="Said so on the phone")
    return contact


@pytest.fixture
def say(ron: Profile) -> Callable[..., Interaction]:
    def said(text: str, *, restricted: bool = False, profile: Profile = ron) -> Interaction:
        talk = Conversation.objects.create(
            network="sandbox.microblog", key=text, visibility="public", restricted=restricted
        )
        return Interaction.objects.create(
            scope="sandbox.microblog", key=text, conversation=talk, profile=profile,
            direction="in", channel="sandbox", kind="post", visibility="public", text=text,
        )  # fmt: skip

    return said


def give(interaction: Interaction, department: Department) -> Case:
    case = Case.objects.create(profile=interaction.profile, department=department)
    CaseConversation.objects.create(case=case, conversation=interaction.conversation)
    return case


def typed(**facts: Any) -> dict[str, Any]:
    return {"name": "Ron", "kind": "press", "about": "", "owner": ""} | facts


@pytest.mark.parametrize("words", ["calder", "@RonCalder", "r. c"])
def test_a_contact_is_found_by_name_and_by_handle(
    agent: User, as_: Any, director: Contact, words: str
) -> None:
    Contact.objects.create(name="Somebody else")
    response = as_(agent).get("/contacts/", {"q": words})
    assert response.context["contacts"] == [director]


def test_a_former_link_no_longer_finds_the_contact(
    agent: User, as_: Any, director: Contact, ron: Profile
) -> None:
    ron.unlink(by=agent)
    response = as_(agent).get("/contacts/", {"q": "roncalder"})
    assert response.context["contacts"] == []
    assert list(response.context["strangers"]) == [ron]


def test_kinds_narrow_the_list_and_a_wrong_kind_is_passed_over(
    agent: User, as_: Any, director: Contact
) -> None:
    browser = as_(agent)
    assert browser.get("/contacts/", {"kind": "press"}).context["contacts"] == []
    assert browser.get("/contacts/", {"kind": "influencer"}).context["contacts"] == [director]
    assert browser.get("/contacts/", {"kind": "no such"}).context["contacts"] == [director]


def test_more_than_fifty_ask_for_another_word(agent: User, as_: Any) -> None:
    Contact.objects.bulk_create(Contact(name=f"C{number:03}") for number in range(51))
    response = as_(agent).get("/contacts/")
    assert len(response.context["contacts"]) == 50
    assert "Add a word" in response.content.decode()


def test_the_page_shows_who_says_that_a_profile_is_them_and_why(
    outsider: User, as_: Any, director: Contact
) -> None:
    body = as_(outsider).get(director.get_absolute_url()).content.decode()
    assert "Said so on the phone" in body
    assert "confirmed by Anna Agent" in body


def test_the_timeline_joins_all_profiles_newest_first(
    agent: User, as_: Any, director: Contact, say: Any
) -> None:
    mail = Profile.objects.create(network="email", key="ron@calder.example")
    mail.link_to(director, by=agent, evidence="His signature")
    first, second = say("A post"), say("A mail", profile=mail)
    touches = as_(agent).get(director.get_absolute_url()).context["touches"]
    assert [touch.interaction for touch in touches] == [second, first]


def test_a_restricted_conversation_shows_as_one_with_its_department_without_text(
    agent: User, outsider: User, sales: Department, as_: Any, director: Contact, say: Any
) -> None:
    case = give(say("My lawyer says", restricted=True), sales)
    body = as_(agent).get(director.get_absolute_url()).content.decode()
    assert "My lawyer says" not in body
    assert "A conversation with Sales" in body
    assert f"case #{case.pk}" not in body
    body = as_(outsider).get(director.get_absolute_url()).content.decode()
    assert "My lawyer says" in body
    assert f"case #{case.pk}" in body


def test_the_timeline_comes_in_pages_without_loss_or_double(
    agent: User, as_: Any, director: Contact, say: Any
) -> None:
    said = [say(str(number)).pk for number in range(120)]
    browser, seen, older = as_(agent), [], 0
    while True:
        page = browser.get(director.get_absolute_url(), {"before": older} if older else {})
        seen += [touch.interaction.pk for touch in page.context["touches"]]
        if not (older := page.context["older"]):
            break
    assert seen == said[::-1]


@pytest.mark.parametrize("before", ["x", "-1", "0", "99999999", "²"])
def test_a_made_up_page_key_begins_at_the_newest(
    agent: User, as_: Any, director: Contact, say: Any, before: str
) -> None:
    say("Hello")
    page = as_(agent).get(director.get_absolute_url(), {"before": before})
    assert len(page.context["touches"]) == 1


def test_a_new_contact_of_a_stranger_is_linked_with_that_as_evidence(
    agent: User, as_: Any, ron: Profile
) -> None:
    browser, address = as_(agent), f"/contacts/new/?profile={ron.pk}"
    assert 'value="Ron Calder"' in browser.get(address).content.decode()
    browser.post(address, typed(name="Ron Calder"))
    ron.refresh_from_db()
    assert ron.contact.name == "Ron Calder"
    assert ron.link.confirmed_by == agent


def test_a_contact_without_a_name_is_refused_and_the_rest_kept(agent: User, as_: Any) -> None:
    response = as_(agent).post("/contacts/new/", typed(name="", about="Films planes"))
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"name"}
    assert "Films planes" in response.content.decode()
    assert not Contact.objects.exists()


def test_facts_are_edited(agent: User, as_: Any, director: Contact) -> None:
    page = f"/contacts/{director.pk}/edit/"
    assert as_(agent).post(page, typed(about="Flies often")).url == director.get_absolute_url()
    director.refresh_from_db()
    assert (director.name, director.kind, director.about) == ("Ron", "press", "Flies often")


def test_another_profile_is_found_and_linked_with_evidence(
    agent: User, as_: Any, director: Contact
) -> None:
    mail = Profile.objects.create(network="email", key="ron@calder.example", name="Ron C")
    browser, link = as_(agent), f"/contacts/{director.pk}/link/"
    page = browser.get(director.get_absolute_url(), {"find": "calder.example"})
    assert list(page.context["candidates"]) == [mail]
    refused = browser.post(link, {"profile": mail.pk, "evidence": " "})
    assert refused.status_code == 422
    assert refused.context["form"].errors.keys() == {"evidence"}
    browser.post(link, {"profile": mail.pk, "evidence": "His signature"})
    assert set(Profile.objects.of_contact(director)) >= {mail}


def test_readers_may_look_but_not_change(
    reader: User, as_: Any, director: Contact, ron: Profile
) -> None:
    browser = as_(reader)
    page = browser.get(director.get_absolute_url())
    assert page.status_code == 200
    assert "unlink" not in page.content.decode()
    for address in ("/contacts/new/", f"/contacts/{director.pk}/edit/"):
        assert browser.get(address).status_code == 403
        assert browser.post(address, typed()).status_code == 403
    assert browser.post(f"/contacts/{director.pk}/link/").status_code == 403
    assert ron.contact == director
