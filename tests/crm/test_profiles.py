from __future__ import annotations

from typing import Any

import pytest

from crm.models import Contact, Conversation, Interaction, Profile, User
from crm.search import alike
from tests.pages import press


@pytest.fixture
def ron(db: None) -> Profile:
    return Profile.objects.create(
        network="sandbox.microblog", key="7", handle="roncalder", name="Ron Calder"
    )


@pytest.fixture
def contact(db: None) -> Contact:
    return Contact.objects.create(name="Ron Calder")


def test_a_stranger_shows_with_former_names_and_what_they_said(
    agent: User, as_: Any, ron: Profile
) -> None:
    ron.past_names.create(handle="calderfilms", name="Calder Films")
    talk = Conversation.objects.create(network="x", key="1", visibility="public")
    Interaction.objects.create(
        scope="x", key="1", conversation=talk, profile=ron, direction="in", channel="sandbox",
        kind="post", visibility="public", text="They put me off the plane",
    )  # fmt: skip
    body = as_(agent).get(ron.get_absolute_url()).content.decode()
    for words in ("no contact yet", "Calder Films", "They put me off the plane", "Create contact"):
        assert words in body


def test_an_address_that_is_no_web_page_is_no_link(agent: User, as_: Any, ron: Profile) -> None:
    Profile.objects.filter(pk=ron.pk).update(url="javascript:alert(1)")
    body = as_(agent).get(ron.get_absolute_url()).content.decode()
    assert "javascript:alert(1)" in body
    assert 'href="javascript' not in body


# Making a contact from a profile


def test_a_contact_is_made_of_a_stranger_with_one_button(
    agent: User, as_: Any, ron: Profile
) -> None:
    make = f"/profiles/{ron.pk}/make-contact/"
    done = press(as_(agent), ron.get_absolute_url(), make, kind="influencer")
    made = Contact.objects.get()
    assert done.url == made.get_absolute_url()
    assert (made.name, made.kind, made.owner) == ("Ron Calder", "influencer", agent)
    link = Profile.objects.get(pk=ron.pk).link
    assert link
    assert (link.contact, link.confirmed_by) == (made, agent)
    assert link.evidence == "The contact was created from this profile."


def test_whoever_became_a_contact_meanwhile_is_not_made_one_twice(
    agent: User, teammate: User, as_: Any, ron: Profile, contact: Contact
) -> None:
    ron.link_to(contact, by=teammate, evidence="He said so")
    told = {"name": "Ron", "kind": "press"}
    page = as_(agent).post(f"/profiles/{ron.pk}/make-contact/", told, follow=True)
    assert "is already linked to Ron Calder" in page.content.decode()
    assert Contact.objects.get() == contact


def test_a_stranger_without_a_name_is_refused_at_the_field(
    agent: User, as_: Any, ron: Profile
) -> None:
    page = as_(agent).post(f"/profiles/{ron.pk}/make-contact/", {"name": " ", "kind": "press"})
    assert page.status_code == 422
    assert page.context["stranger_form"].errors.keys() == {"name"}
    assert not Contact.objects.exists()


def test_similar_contacts_are_offered_first_with_what_speaks_for_them(
    agent: User, as_: Any, ron: Profile
) -> None:
    similar = Contact.objects.create(name="R. Calder")
    Contact.objects.create(name="Marta Janssen")
    browser = as_(agent)
    page = browser.get(ron.get_absolute_url())
    assert [(each.contact, each.why) for each in page.context["alike"]] == [
        (similar, "Similar name")
    ]
    assert "Is it one of these?" in page.content.decode()
    told = {"contact": similar.pk, "evidence": "Similar name, same photo", "seen": ""}
    assert browser.post(f"/profiles/{ron.pk}/link/", told).url == similar.get_absolute_url()
    assert "Is it one of these?" not in browser.get(ron.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("key", "handle", "elsewhere"),
    [
        ("ron@calder.example", "", "ron@calder.example"),
        ("ron@calder.example", "", "Ron@Calder.example"),
        ("+17325550117", "", "+17325550117"),
        ("12345", "thedirector", "thedirector"),
    ],
)
def test_the_same_address_elsewhere_speaks_louder_than_a_name(
    agent: User, key: str, handle: str, elsewhere: str
) -> None:
    stranger = Profile.objects.create(network="x", key=key, handle=handle, name="Ron Calder")
    namesake = Contact.objects.create(name="Ron Calder")
    same = Contact.objects.create(name="The director")
    known = Profile.objects.create(network="y", key="9", handle=elsewhere)
    known.link_to(same, by=agent, evidence="Said so")
    assert [each.contact for each in alike(stranger)] == [same, namesake]
    known.unlink(by=agent)
    assert [each.contact for each in alike(stranger)] == [namesake]


def test_a_number_that_only_counts_is_no_address(agent: User) -> None:
    stranger = Profile.objects.create(network="x", key="7", name="!")
    known = Profile.objects.create(network="y", key="7", name="Somebody")
    known.link_to(Contact.objects.create(name="Somebody"), by=agent, evidence="Said so")
    assert alike(stranger) == []


# Profile links


def test_a_profile_is_linked_with_evidence_and_its_history_survives_the_unlinking(
    agent: User, as_: Any, ron: Profile, contact: Contact
) -> None:
    browser, link = as_(agent), f"/profiles/{ron.pk}/link/"
    page = browser.post(link, {"q": "Cald", "seen": ""})
    assert [offer.key for offer in page.context["offers"]] == [contact.pk]
    told = {"contact": contact.pk, "evidence": "Same photo", "seen": ""}
    assert browser.post(link, told).url == contact.get_absolute_url()
    ron = Profile.objects.get(pk=ron.pk)
    assert ron.link
    assert (ron.contact, ron.link.evidence) == (contact, "Same photo")
    browser.post(f"/profiles/{ron.pk}/unlink/", {"seen": ron.link.pk})
    body = browser.get(ron.get_absolute_url()).content.decode()
    assert "Was linked to" in body
    assert Profile.objects.get(pk=ron.pk).contact is None


def test_a_link_without_evidence_is_refused_with_the_choice_kept(
    agent: User, as_: Any, ron: Profile, contact: Contact
) -> None:
    told = {"contact": contact.pk, "evidence": "", "seen": ""}
    response = as_(agent).post(f"/profiles/{ron.pk}/link/", told)
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"evidence"}
    assert "checked" in response.content.decode()


def test_a_link_made_meanwhile_is_not_replaced_unseen(
    agent: User, teammate: User, as_: Any, ron: Profile, contact: Contact
) -> None:
    theirs = Contact.objects.create(name="Another Ron")
    ron.link_to(theirs, by=teammate, evidence="He said so")
    told = {"contact": contact.pk, "evidence": "Same photo", "seen": ""}
    response = as_(agent).post(f"/profiles/{ron.pk}/link/", told)
    assert response.status_code == 409
    assert "Same photo" in response.content.decode()
    assert "currently linked to Another Ron" in response.content.decode()
    assert Profile.objects.get(pk=ron.pk).contact == theirs


def test_a_link_changed_meanwhile_is_not_ended_unseen(
    agent: User, teammate: User, as_: Any, ron: Profile, contact: Contact
) -> None:
    old = ron.link_to(contact, by=agent, evidence="Same photo")
    theirs = Contact.objects.create(name="Another Ron")
    ron.link_to(theirs, by=teammate, evidence="He said so")
    response = as_(agent).post(f"/profiles/{ron.pk}/unlink/", {"seen": old.pk}, follow=True)
    assert "changed in the meantime" in response.content.decode()
    assert Profile.objects.get(pk=ron.pk).contact == theirs


def test_two_profiles_on_one_network_may_be_one_contact(
    agent: User, as_: Any, ron: Profile, contact: Contact
) -> None:
    second = Profile.objects.create(network=ron.network, key="8", handle="calderfilms")
    for each in (ron, second):
        each.link_to(contact, by=agent, evidence="Said so")
    body = as_(agent).get(contact.get_absolute_url()).content.decode()
    assert "roncalder" in body
    assert "calderfilms" in body


def test_readers_may_look_but_not_link(
    reader: User, as_: Any, ron: Profile, contact: Contact
) -> None:
    browser = as_(reader)
    page = browser.get(ron.get_absolute_url())
    assert page.status_code == 200
    assert "Make a contact" not in page.content.decode()
    told = {"contact": contact.pk, "evidence": "Same photo", "seen": "", "name": "Ron"}
    for verb in ("link", "unlink", "make-contact"):
        assert browser.post(f"/profiles/{ron.pk}/{verb}/", told).status_code == 403
    claim = ron.link_to(contact, by=None, evidence="Same photo")
    for verb in ("confirm", "again"):
        assert browser.post(f"/links/{claim.pk}/{verb}/").status_code == 403
