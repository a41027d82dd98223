from __future__ import annotations

from typing import Any

import pytest

from crm.models import Contact, Conversation, Interaction, Profile, User


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
    for words in ("stranger", "Calder Films", "They put me off the plane", "Make a contact"):
        assert words in body


def test_a_profile_is_linked_with_evidence_and_its_history_survives_the_unlinking(
    agent: User, as_: Any, ron: Profile, contact: Contact
) -> None:
    browser = as_(agent)
    page = browser.get(ron.get_absolute_url(), {"find": "Calder"})
    assert list(page.context["form"].fields["contact"].queryset) == [contact]
    told = {"contact": contact.pk, "evidence": "Same photo", "seen": ""}
    assert browser.post(f"/profiles/{ron.pk}/link/", told).url == contact.get_absolute_url()
    ron = Profile.objects.get(pk=ron.pk)
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
    assert Profile.objects.get(pk=ron.pk).contact == theirs


def test_a_link_changed_meanwhile_is_not_ended_unseen(
    agent: User, teammate: User, as_: Any, ron: Profile, contact: Contact
) -> None:
    old = ron.link_to(contact, by=agent, evidence="Same photo")
    theirs = Contact.objects.create(name="Another Ron")
    ron.link_to(theirs, by=teammate, evidence="He said so")
    response = as_(agent).post(f"/profiles/{ron.pk}/unlink/", {"seen": old.pk}, follow=True)
    assert "changed meanwhile" in response.content.decode()
    assert Profile.objects.get(pk=ron.pk).contact == theirs


def test_readers_may_look_but_not_link(
    reader: User, as_: Any, ron: Profile, contact: Contact
) -> None:
    browser = as_(reader)
    assert browser.get(ron.get_absolute_url()).status_code == 200
    told = {"contact": contact.pk, "evidence": "Same photo", "seen": ""}
    assert browser.post(f"/profiles/{ron.pk}/link/", told).status_code == 403
    assert browser.post(f"/profiles/{ron.pk}/unlink/", {"seen": ""}).status_code == 403
