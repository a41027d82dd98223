from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from crm.models import (
    Attachment,
    Contact,
    ContactRelation,
    Conversation,
    Department,
    Interaction,
    Profile,
    User,
)
from routing.models import Case, CaseConversation
from tests.pages import press


@pytest.fixture
def ron(db: None) -> Profile:
    return Profile.objects.create(
        network="sandbox.microblog", key="7", handle="roncalder", name="Ron Calder"
    )


@pytest.fixture
def director(ron: Profile, agent: User) -> Contact:
    contact = Contact.objects.create(name="R. Calder", kind="influencer", owner=agent)
    ron.link_to(contact, by=agent, evidence="Said so on the phone")
    return contact


@pytest.fixture
def assistant(db: None) -> Contact:
    return Contact.objects.create(name="Marta Janssen")


@pytest.fixture
def say(ron: Profile) -> Callable[..., Interaction]:
    def said(
        text: str, *, restricted_to: Department | None = None, profile: Profile = ron, **facts: Any
    ) -> Interaction:
        talk = Conversation.objects.create(
            network="x",
            key=facts.get("key", text),
            visibility="public",
            restricted_to=restricted_to,
        )
        told = {"direction": "in", "channel": "sandbox", "kind": "post", "visibility": "public"}
        return Interaction.objects.create(
            scope="x", conversation=talk, profile=profile, text=text, **{"key": text} | told | facts
        )

    return said


def give(interaction: Interaction, department: Department) -> Case:
    case = Case.objects.create(profile=interaction.profile, department=department)
    CaseConversation.objects.create(case=case, conversation=interaction.conversation)
    return case


def typed(**facts: Any) -> dict[str, Any]:
    return {"name": "Ron", "kind": "press", "about": "", "owner": ""} | facts


def body(browser: Client, page: str, **query: Any) -> str:
    return browser.get(page, query).content.decode()


def shown(browser: Client, contact: Contact, **query: Any) -> list[str]:
    """Return the texts of the timeline as the page shows them, from top to bottom."""
    days = browser.get(contact.get_absolute_url(), query).context["days"]
    return [touch.interaction.text for _day, touches in days for touch in touches]


# List


@pytest.mark.parametrize("words", ["calder", "@RonCalder", "r. c"])
def test_a_contact_is_found_by_name_and_by_handle(
    agent: User, as_: Any, director: Contact, words: str
) -> None:
    Contact.objects.create(name="Somebody else")
    response = as_(agent).get("/contacts/", {"q": words})
    assert response.context["contacts"] == [director]


def test_a_former_link_no_longer_finds_the_contact_but_the_stranger_below(
    agent: User, as_: Any, director: Contact, ron: Profile
) -> None:
    ron.unlink(by=agent)
    response = as_(agent).get("/contacts/", {"q": "roncalder"})
    assert response.context["contacts"] == []
    assert list(response.context["strangers"]) == [ron]
    assert "see below" in response.content.decode()


def test_kind_owner_and_tag_narrow_the_list_together(
    agent: User, teammate: User, as_: Any, director: Contact
) -> None:
    Contact.objects.create(name="Other", kind="influencer", owner=teammate, tags=["vip"])
    director.tag("vip")
    browser = as_(agent)

    def found(**query: Any) -> list[str]:
        return [row.name for row in browser.get("/contacts/", query).context["contacts"]]

    assert found(tag="vip", kind="influencer") == ["Other", "R. Calder"]
    assert found(tag="vip", kind="influencer", owner=agent.pk) == ["R. Calder"]
    assert found(kind="press") == []
    assert found(kind="no such", owner="x") == ["Other", "R. Calder"]


def test_many_contacts_come_in_pages_without_loss_or_double(agent: User, as_: Any) -> None:
    Contact.objects.bulk_create(Contact(name=f"C{number % 60:03}") for number in range(120))
    browser, seen, after = as_(agent), [], 0
    while True:
        page = browser.get("/contacts/", {"after": after} if after else {})
        seen += [row.pk for row in page.context["contacts"]]
        if not (after := page.context["older"]):
            break
    assert seen == list(Contact.objects.values_list("pk", flat=True))
    assert page.context["count"] == "120"


def test_a_long_list_says_only_that_it_is_long(agent: User, as_: Any) -> None:
    Contact.objects.bulk_create(Contact(name=f"C{number}") for number in range(1_001))
    assert as_(agent).get("/contacts/").context["count"] == "1,000+"


def test_an_empty_list_says_where_contacts_come_from(agent: User, as_: Any) -> None:
    browser = as_(agent)
    assert "Create one from a person who wrote to you" in body(browser, "/contacts/")
    assert "No contacts match." in body(browser, "/contacts/", q="nobody")
    assert "nobody has written yet" in body(browser, "/contacts/strangers/")


def test_strangers_are_listed_newest_first_or_by_name(
    agent: User, as_: Any, director: Contact
) -> None:
    one, two = (
        Profile.objects.create(network="x", key=str(key), name=f"Zoe {key}") for key in (2, 1)
    )
    browser = as_(agent)
    assert browser.get("/contacts/strangers/").context["strangers"] == [two, one]
    found = browser.get("/contacts/strangers/", {"q": "zoe"}).context
    assert (found["strangers"], found["count"]) == ([two, one], "2")
    assert browser.get("/contacts/strangers/", {"q": "calder"}).context["strangers"] == []


# Page


def test_the_page_shows_who_says_that_a_profile_is_them_and_why(
    outsider: User, as_: Any, director: Contact
) -> None:
    page = body(as_(outsider), director.get_absolute_url())
    assert "Said so on the phone" in page
    assert "confirmed by Anna Agent" in page


def test_a_restricted_conversation_shows_as_one_with_its_department_and_nothing_else(
    agent: User, outsider: User, sales: Department, as_: Any, director: Contact, say: Any
) -> None:
    row = say("My lawyer says", restricted_to=sales, kind="letter", title="Re: the seat")
    case = give(row, sales)
    page = body(as_(agent), director.get_absolute_url())
    assert "A conversation with Sales" in page
    for hidden in ("My lawyer says", "Re: the seat", f'href="/cases/{case.pk}/"'):
        assert hidden not in page
    page = body(as_(outsider), director.get_absolute_url())
    for readable in ("My lawyer says", "Re: the seat", f'href="/cases/{case.pk}/"'):
        assert readable in page


def test_asking_for_kinds_tells_nothing_about_a_restricted_conversation(
    agent: User, sales: Department, as_: Any, director: Contact, say: Any
) -> None:
    """The filters of the timeline find no messages that the user may not read.

    Fails if the filter by kind also searches interactions that the user may not read.
    """
    give(say("My lawyer says", restricted_to=sales, kind="letter"), sales)
    say("A letter", kind="letter")
    browser = as_(agent)
    assert shown(browser, director, kind="letter") == ["A letter"]
    assert shown(browser, director, text="with") == ["A letter"]
    assert len(shown(browser, director, by="them")) == 2


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ({"by": "them"}, ["called", "", "posted"]),
        ({"by": "us"}, ["answered"]),
        ({"by": "many"}, []),
        ({"channel": "manual"}, ["called"]),
        ({"kind": "call"}, ["called"]),
        ({"text": "without"}, [""]),
        ({"text": "with", "by": "them"}, ["called", "posted"]),
        ({"since": "2026-03-02", "until": "2026-03-03"}, ["answered", ""]),
        ({"until": "2026-03-01"}, ["posted"]),
        ({"kind": "no such"}, []),
        ({"by": "no such"}, ["called", "answered", "", "posted"]),
        ({"since": "yesterday", "until": "9999-12-31"}, ["called", "answered", "", "posted"]),
    ],
)
def test_the_address_says_what_of_the_timeline_is_shown(
    agent: User, as_: Any, director: Contact, say: Any, query: dict[str, str], texts: list[str]
) -> None:
    say("posted", occurred_at="2026-03-01T23:59Z")
    say("", key="liked", kind="like", occurred_at="2026-03-02T00:00Z")
    say("answered", direction="out", kind="reply", occurred_at="2026-03-03T12:00Z")
    say("called", channel="manual", kind="call", occurred_at="2026-03-04T12:00Z")
    assert shown(as_(agent), director, **query) == texts


def test_a_date_that_is_none_is_told_at_its_field(
    agent: User, as_: Any, director: Contact, say: Any
) -> None:
    page = as_(agent).get(director.get_absolute_url(), {"since": "yesterday"})
    assert page.context["asked"].errors.keys() == {"since"}
    assert "yesterday" in page.content.decode()


def test_only_the_timeline_comes_when_only_it_is_asked_for(
    agent: User, as_: Any, director: Contact, say: Any
) -> None:
    say("Hello", occurred_at="2026-03-04T12:00Z")
    older = say("Earlier", occurred_at="2026-03-04T11:00Z")
    page = as_(agent).get(director.get_absolute_url(), headers={"HX-Target": "timeline"})
    assert "<html" not in page.content.decode()
    assert "Wednesday 4 March 2026" in page.content.decode()
    under = {"before": Interaction.objects.exclude(pk=older.pk).get().pk}
    page = as_(agent).get(director.get_absolute_url(), under, headers={"HX-Target": "older"})
    assert "Earlier" in page.content.decode()
    assert "Wednesday" not in page.content.decode(), "the day stands above already"


@pytest.mark.parametrize("before", ["x", "-1", "0", "99999999", "²"])
def test_a_made_up_page_key_begins_at_the_newest(
    agent: User, as_: Any, director: Contact, say: Any, before: str
) -> None:
    say("Hello")
    assert shown(as_(agent), director, before=before) == ["Hello"]


def test_attachments_stand_with_what_they_came_with(
    agent: User, as_: Any, director: Contact, say: Any
) -> None:
    scan = Attachment.objects.create(
        interaction=say("Attached."), name="scan.png", content_type="image/png", size=3
    )
    page = body(as_(agent), director.get_absolute_url())
    assert f'href="/attachments/{scan.uuid}/"' in page


def test_their_cases_are_listed_open_ones_first_and_linked_where_one_may_look(
    agent: User, as_: Any, director: Contact, ron: Profile, service: Department, sales: Department
) -> None:
    mine = Case.objects.create(profile=ron, department=service)
    theirs = Case.objects.create(profile=ron, department=sales)
    noise = Case.objects.create(profile=ron, department=service, status="noise")
    page = as_(agent).get(director.get_absolute_url())
    assert page.context["party_cases"] == [theirs, mine, noise]
    assert f'href="/cases/{mine.pk}/"' in page.content.decode()
    assert f'href="/cases/{theirs.pk}/"' not in page.content.decode()


def test_a_name_is_text_whatever_is_in_it(agent: User, as_: Any) -> None:
    row = Contact.objects.create(name="<b>Ron</b>", about="<script>", tags=["<i>"])
    page = body(as_(agent), row.get_absolute_url())
    assert "&lt;b&gt;Ron" in page
    assert "<b>Ron" not in page
    assert "<i>" not in page


# Profile links


def test_another_profile_is_found_and_linked_with_evidence(
    agent: User, as_: Any, director: Contact
) -> None:
    mail = Profile.objects.create(network="email", key="ron@calder.example", name="Ron C")
    browser, link = as_(agent), f"/contacts/{director.pk}/link/"
    page = browser.post(link, {"q": "ron@calder"})
    assert [offer.key for offer in page.context["offers"]] == [mail.pk]
    refused = browser.post(link, {"q": "ron", "profile": mail.pk, "evidence": " "})
    assert refused.status_code == 422
    assert refused.context["link_form"].errors.keys() == {"evidence"}
    assert f'value="{mail.pk}" checked' in refused.content.decode()
    browser.post(link, {"profile": mail.pk, "evidence": "His signature"})
    assert set(Profile.objects.of_contact(director)) >= {mail}


def test_the_search_button_keeps_the_evidence_that_was_typed(
    agent: User, as_: Any, director: Contact
) -> None:
    told = {"find": "1", "q": "nobody", "evidence": "His signature"}
    page = as_(agent).post(f"/contacts/{director.pk}/link/", told)
    assert page.status_code == 200
    assert "His signature" in page.content.decode()
    assert "No matches." in page.content.decode()


def test_a_profile_of_somebody_else_moves_only_if_told_so(
    agent: User, as_: Any, director: Contact, assistant: Contact
) -> None:
    mail = Profile.objects.create(network="email", key="office@calder.example")
    claim = mail.link_to(assistant, by=agent, evidence="Her signature")
    browser, link = as_(agent), f"/contacts/{director.pk}/link/"
    told = {"profile": mail.pk, "evidence": "He says so"}
    page = browser.post(link, told)
    assert page.status_code == 409
    assert "currently linked to Marta Janssen" in page.content.decode()
    assert "He says so" in page.content.decode()
    assert Profile.objects.get(pk=mail.pk).contact == assistant
    browser.post(link, told | {"move": claim.pk})
    assert Profile.objects.get(pk=mail.pk).contact == director


def test_an_unlinking_is_undone_by_linking_again(
    agent: User, as_: Any, director: Contact, ron: Profile
) -> None:
    browser, page = as_(agent), director.get_absolute_url()
    done = press(browser, page, f"/profiles/{ron.pk}/unlink/")
    assert done.url == page
    claim = ron.links.get()
    again = f"/links/{claim.pk}/again/"
    assert Profile.objects.get(pk=ron.pk).contact is None
    press(browser, page, again)
    link = Profile.objects.get(pk=ron.pk).link
    assert link
    assert (link.contact, link.evidence) == (director, "Said so on the phone")
    assert link.confirmed_by == agent


def test_undo_comes_too_late_where_somebody_else_linked_meanwhile(
    agent: User, teammate: User, as_: Any, director: Contact, assistant: Contact, ron: Profile
) -> None:
    claim = ron.link
    assert claim
    ron.unlink(by=agent)
    ron.link_to(assistant, by=teammate, evidence="She said so")
    page = as_(agent).post(f"/links/{claim.pk}/again/", follow=True)
    assert "was linked to Marta Janssen in the meantime" in page.content.decode()
    assert Profile.objects.get(pk=ron.pk).contact == assistant


def test_a_likely_link_is_confirmed_by_name(
    agent: User, as_: Any, assistant: Contact, ron: Profile
) -> None:
    claim = ron.link_to(assistant, by=None, evidence="Same name", confidence=0.7)
    browser = as_(agent)
    page = body(browser, assistant.get_absolute_url())
    assert "not confirmed" in page
    assert "0.70" in page
    press(browser, assistant.get_absolute_url(), f"/links/{claim.pk}/confirm/")
    page = body(browser, assistant.get_absolute_url())
    assert "confirmed by Anna Agent" in page
    assert "0.70" not in page


def test_an_undone_unlinking_of_a_guess_leaves_it_a_guess(
    agent: User, as_: Any, assistant: Contact, ron: Profile
) -> None:
    claim = ron.link_to(assistant, by=None, evidence="Same name", confidence=0.7)
    ron.unlink(by=agent)
    browser = as_(agent)
    press(browser, assistant.get_absolute_url(), f"/links/{claim.pk}/again/")
    link = Profile.objects.get(pk=ron.pk).link
    assert link
    assert (link.confirmed_by, link.confidence) == (None, 0.7)


def test_a_guess_that_was_ended_meanwhile_is_not_confirmed(
    agent: User, teammate: User, as_: Any, assistant: Contact, ron: Profile
) -> None:
    claim = ron.link_to(assistant, by=None, evidence="Same name", confidence=0.7)
    ron.unlink(by=teammate)
    page = as_(agent).post(f"/links/{claim.pk}/confirm/", follow=True)
    assert "changed in the meantime" in page.content.decode()
    assert Profile.objects.get(pk=ron.pk).contact is None


# Tags


def test_a_tag_is_put_on_once_and_taken_off(agent: User, as_: Any, director: Contact) -> None:
    Contact.objects.create(name="Other", tags=["VIP"])
    browser, page = as_(agent), director.get_absolute_url()
    for spelled in ("vip", "  ViP ", "press  list"):
        press(browser, page, f"/contacts/{director.pk}/tag/", tag=spelled)
    director.refresh_from_db()
    assert director.tags == ["VIP", "press list"]
    browser.post(f"/contacts/{director.pk}/untag/", {"tag": "VIP"})
    director.refresh_from_db()
    assert director.tags == ["press list"]


def test_tags_change_in_place_and_known_ones_are_offered(
    agent: User, as_: Any, director: Contact
) -> None:
    Contact.objects.create(name="Other", tags=["known before"])
    answer = as_(agent).post(
        f"/contacts/{director.pk}/tag/", {"tag": "new"}, headers={"HX-Request": "true"}
    )
    page = answer.content.decode()
    assert "<html" not in page
    assert "?tag=new" in page
    assert '<option value="known before">' in page


def test_a_tag_without_words_is_refused(agent: User, as_: Any, director: Contact) -> None:
    answer = as_(agent).post(f"/contacts/{director.pk}/tag/", {"tag": "  "})
    assert answer.status_code == 422
    director.refresh_from_db()
    assert director.tags == []


# Relations


def test_a_relation_shows_from_both_sides_and_its_end_can_be_undone(
    agent: User, as_: Any, director: Contact, assistant: Contact
) -> None:
    browser, page = as_(agent), director.get_absolute_url()
    told = {"kind": "assistant of", "way": "back", "contact": assistant.pk}
    press(browser, page, f"/contacts/{director.pk}/relate/", **told)
    relation = ContactRelation.objects.get()
    assert (relation.one, relation.other) == (assistant, director)
    for each in (director, assistant):
        assert "added by Anna Agent" in body(browser, each.get_absolute_url())
    done = press(browser, page, f"/relations/{relation.pk}/end/")
    assert done.url == page
    assert not ContactRelation.objects.of(director)
    press(browser, page, f"/relations/{relation.pk}/again/")
    assert str(ContactRelation.objects.of(director).get()) == "Marta Janssen assistant of R. Calder"
    assert ContactRelation.objects.count() == 2, "the ended one stays in the record"


def test_a_relation_said_twice_stands_once(
    agent: User, director: Contact, assistant: Contact
) -> None:
    for _time in range(2):
        assistant.relate(director, kind="assistant of", by=agent)
    assert ContactRelation.objects.count() == 1


def test_a_relation_needs_another_one_and_keeps_what_was_typed(
    agent: User, as_: Any, director: Contact, assistant: Contact
) -> None:
    browser, relate = as_(agent), f"/contacts/{director.pk}/relate/"
    for wrong in ("", director.pk):
        told = {"kind": "works at", "way": "forth", "q": "mar", "contact": wrong}
        page = browser.post(relate, told)
        assert page.status_code == 422
        assert page.context["relation_form"].errors.keys() == {"contact"}
        assert 'value="works at"' in page.content.decode()
        assert "Marta Janssen" in page.content.decode()
    assert not ContactRelation.objects.exists()


def test_people_are_found_while_one_types(
    reader: User, as_: Any, director: Contact, assistant: Contact, ron: Profile
) -> None:
    browser = as_(reader)
    assert "Marta Janssen" in body(browser, "/contacts/find/", q="mar")
    assert "R. Calder" not in body(browser, "/contacts/find/", q="cal", besides=director.pk)
    assert "roncalder" in body(browser, "/profiles/find/", q="cal")
    assert "roncalder" not in body(browser, "/profiles/find/", q="cal", besides=director.pk)
    assert "Is it one of these?" in body(browser, "/contacts/namesakes/", name="Marta J")
    assert body(browser, "/contacts/find/", q=" ").strip() == ""


# Details


def test_a_new_contact_is_made_by_hand(agent: User, as_: Any) -> None:
    done = as_(agent).post("/contacts/new/", typed(name="Ron Calder"))
    assert done.url == Contact.objects.get(name="Ron Calder").get_absolute_url()


def test_a_contact_without_a_name_is_refused_and_the_rest_kept(agent: User, as_: Any) -> None:
    response = as_(agent).post("/contacts/new/", typed(name="", about="Films planes"))
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {"name"}
    assert "Films planes" in response.content.decode()
    assert not Contact.objects.exists()


def test_facts_are_edited(agent: User, as_: Any, director: Contact) -> None:
    page = f"/contacts/{director.pk}/edit/"
    done = press(as_(agent), page, page, **typed(about="Flies often"))
    assert done.url == director.get_absolute_url()
    director.refresh_from_db()
    assert (director.name, director.kind, director.about) == ("Ron", "press", "Flies often")


def test_an_edit_of_what_changed_meanwhile_is_refused_with_both_shown(
    agent: User, as_: Any, director: Contact
) -> None:
    """If two users edit the same contact, the second edit is refused.

    The page shows both values. Fails if the versions are not compared: the second edit then
    replaces the first without a warning.
    """
    browser, page = as_(agent), f"/contacts/{director.pk}/edit/"
    seen = browser.get(page).context["form"]["seen"].value()
    Contact.objects.filter(pk=director.pk).update(about="Theirs", kind="partner")
    response = browser.post(page, typed(about="Mine", seen=seen))
    assert response.status_code == 409
    assert dict(response.context["changed"])["About"] == "Theirs"
    assert dict(response.context["changed"])["Kind"] == "Partner"
    assert "Mine" in response.content.decode()
    director.refresh_from_db()
    assert director.about == "Theirs"
    seen = response.context["form"]["seen"].value()
    assert browser.post(page, typed(about="Mine", seen=seen)).status_code == 302
    director.refresh_from_db()
    assert director.about == "Mine"


def test_tags_and_links_are_no_reason_to_refuse_an_edit(
    agent: User, as_: Any, director: Contact, ron: Profile
) -> None:
    browser, page = as_(agent), f"/contacts/{director.pk}/edit/"
    seen = browser.get(page).context["form"]["seen"].value()
    director.tag("vip")
    ron.unlink(by=agent)
    assert browser.post(page, typed(seen=seen)).status_code == 302
    director.refresh_from_db()
    assert director.tags == ["vip"]


def test_readers_may_look_but_not_change(
    reader: User, agent: User, as_: Any, director: Contact, assistant: Contact, ron: Profile
) -> None:
    director.tag("vip")
    relation = assistant.relate(director, kind="assistant of", by=agent)
    browser = as_(reader)
    page = browser.get(director.get_absolute_url()).content.decode()
    assert "vip" in page
    assert "assistant of" in page
    assert 'method="post" action="/contacts' not in page
    for address in ("/contacts/new/", f"/contacts/{director.pk}/edit/"):
        assert browser.get(address).status_code == 403
    for address in (
        "/contacts/new/", f"/contacts/{director.pk}/edit/", f"/contacts/{director.pk}/link/",
        f"/contacts/{director.pk}/tag/", f"/contacts/{director.pk}/untag/",
        f"/contacts/{director.pk}/relate/", f"/relations/{relation.pk}/end/",
        f"/relations/{relation.pk}/again/",
    ):  # fmt: skip
        assert browser.post(address, typed(tag="vip")).status_code == 403
    assert ron.contact == director
