"""After a private message, the default reply is private, and a public reply must be confirmed.

In these tests, a place is where a reply is sent: from which account, to which profile, and publicly
or privately.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.ledger import Entry, record
from crm.models import Account, Contact, Conversation, Department, Profile, User
from responses.compose import Place, default_place
from responses.models import Draft, Response, ResponseRule
from responses.recipients import private_words
from routing.models import Case
from scrm.channels.base import Author

As = Callable[[User], Client]
CONFIRM = "Answer publicly although this person wrote privately"


@pytest.fixture
def in_private(complaint: Case, hear: Callable[..., Case]) -> Case:
    """Return a case in which the customer first complained in public.

    The customer then wrote a private message.
    """
    assert hear("My booking is X7K2P9.", visibility="private", thread_key="dm") == complaint
    complaint.refresh_from_db()
    return complaint


def places(case: Case, microblog: Account) -> dict[str, str]:
    start = f"{microblog.pk}:{case.profile_id}"
    return {way: f"{start}:{way}" for way in ("public", "private")}


def typed(case: Case, place: str, **more: Any) -> dict[str, Any]:
    case.refresh_from_db()
    fields = {"form": uuid.uuid4(), "seen": case.last_inbound_id, "place": place}
    return fields | {"text": "We are so sorry."} | more


def composer(client: Client, case: Case) -> Any:
    return client.get(reverse("responses:composer", args=[case.pk]), {"tab": "reply"})


def selected(page: Any) -> str:
    (radio,) = (each for each in page.context["form"]["place"] if each.data["selected"])
    return str(radio.data["value"])


def test_private_is_selected_once_something_private_was_said(
    complaint: Case, microblog: Account, hear: Callable[..., Case], agent: User, as_: As
) -> None:
    """After a private message, the composer selects the private place.

    This is true even if the customer's last message is public. Fails if the first place of the
    person is selected, because the first place is public in this test.
    """
    client, ways = as_(agent), places(complaint, microblog)
    page = composer(client, complaint)
    assert (selected(page), CONFIRM in page.content.decode()) == (ways["public"], False)
    hear("My booking is X7K2P9.", visibility="private", thread_key="dm")
    hear("@SkywardAir and?", thread_key=complaint.last_inbound.key)  # the last message is public
    page = composer(client, complaint)
    assert (selected(page), CONFIRM in page.content.decode()) == (ways["private"], True)


def test_a_public_answer_without_the_confirmation_is_refused_and_the_text_is_kept(
    in_private: Case, microblog: Account, agent: User, as_: As
) -> None:
    client, ways = as_(agent), places(in_private, microblog)
    url = reverse("responses:reply", args=[in_private.pk])
    refused = client.post(url, typed(in_private, ways["public"]))
    assert refused.status_code == 422
    assert list(refused.context["form"].errors) == ["publicly"]
    assert "We are so sorry." in refused.content.decode()
    assert not Response.objects.exists()
    client.post(url, typed(in_private, ways["public"], publicly="on"))
    assert Response.objects.get().visibility == "public"


def test_a_private_answer_needs_no_confirmation(
    in_private: Case, microblog: Account, agent: User, as_: As
) -> None:
    url = reverse("responses:reply", args=[in_private.pk])
    as_(agent).post(url, typed(in_private, places(in_private, microblog)["private"]))
    assert Response.objects.get().visibility == "private"


def test_a_draft_from_before_does_not_bring_the_public_place_back(
    complaint: Case, microblog: Account, hear: Callable[..., Case], agent: User, as_: As
) -> None:
    """A stored draft selects a public place only if the user has confirmed that place.

    Fails if the place of the draft is always selected.
    """
    client, ways = as_(agent), places(complaint, microblog)
    keep = reverse("responses:draft", args=[complaint.pk])
    draft = {"draft_kind": "reply", "text": "We are", "place": ways["public"]}
    client.post(keep, draft | {"draft_version": 0})
    hear("My booking is X7K2P9.", visibility="private", thread_key="dm")
    page = composer(client, complaint)
    assert selected(page) == ways["private"]
    assert ">We are</textarea>" in page.content.decode()
    client.post(keep, draft | {"draft_version": Draft.objects.get().version, "publicly": "on"})
    page = composer(client, complaint)
    assert selected(page) == ways["public"]
    assert page.context["form"]["publicly"].value()


def test_a_confirmed_public_answer_that_is_undone_comes_back_as_it_was(
    in_private: Case, microblog: Account, hear: Callable[..., Case], agent: User, as_: As
) -> None:
    """If a confirmed public reply is undone, the composer selects the public place again.

    If a private message arrived meanwhile, the composer selects the private place.
    """
    client, ways = as_(agent), places(in_private, microblog)
    for since in (False, True):
        url = reverse("responses:reply", args=[in_private.pk])
        client.post(url, typed(in_private, ways["public"], publicly="on"))
        if since:
            hear("Are you there?", visibility="private", thread_key="dm")
        client.post(reverse("responses:cancel", args=[Response.objects.latest("pk").pk]))
        assert selected(composer(client, in_private)) == ways["private" if since else "public"]
        Draft.objects.all().delete()


def test_a_call_or_another_profile_of_theirs_counts_and_a_bystander_does_not(
    complaint: Case, microblog: Account, service: Department, agent: User
) -> None:
    def say(key: str, network: str = "phone") -> None:
        entry = Entry(
            scope=network, key=uuid.uuid4().hex, author=Author(network, key), channel="manual",
            kind="call", text="It is me.", visibility="private", occurred_at=timezone.now(),
        )  # fmt: skip
        row = record([entry], now=timezone.now())[0]
        complaint.conversation_links.create(conversation_id=row.conversation)

    assert not private_words(complaint.pk).exists()
    say("+15550142")
    assert not private_words(complaint.pk).exists()
    ron = Contact.objects.create(name="Ron Calder")
    for profile in (complaint.profile, Profile.objects.get(network="phone")):
        profile.link_to(ron, by=agent, evidence="Says so.")
    said = private_words(complaint.pk).get()
    assert said.text == "It is me."
    complaint.conversation_links.filter(conversation=said.conversation).update(
        ended_at=timezone.now()
    )
    assert not private_words(complaint.pk).exists()


def test_what_is_held_says_that_they_wrote_privately(
    complaint: Case,
    microblog: Account,
    make_rule: Callable[..., ResponseRule],
    hear: Callable[..., Case],
    agent: User,
    lead: User,
    as_: As,
) -> None:
    make_rule("sorry")
    url = reverse("responses:reply", args=[complaint.pk])
    as_(agent).post(url, typed(complaint, places(complaint, microblog)["public"]))
    held, says = (
        Response.objects.get(),
        "This person has written privately since this reply was written.",
    )
    pages = [reverse("responses:approvals"), held.get_absolute_url()]
    pages += [reverse("responses:case_responses", args=[complaint.pk])]
    client = as_(lead)
    assert not any(says in client.get(page).content.decode() for page in pages)
    hear("My booking is X7K2P9.", visibility="private", thread_key="dm")
    assert all(says in client.get(page).content.decode() for page in pages)


PROFILES = [Profile(pk=n) for n in (1, 2)]
TALKS = [Conversation(pk=n) for n in (1, 2)]
PLACES = st.builds(
    Place,
    account=st.just(Account(pk=1)),
    profile=st.sampled_from(PROFILES),
    conversation=st.sampled_from([None, *TALKS]),
    visibility=st.sampled_from(["public", "private"]),
)


@given(st.lists(PLACES), st.sampled_from([None, *TALKS]))
def test_the_default_is_private_where_it_can_be(
    offered: list[Place], private_in: Conversation | None
) -> None:
    """If the customer wrote privately, the default place is private if any private place exists.

    Otherwise the first place of the case's profile is the default. Fails if the places are sorted
    only by profile, and not by their visibility.
    """
    found = default_place(offered, party=PROFILES[0], private_in=private_in)
    assert (found is None) == (not offered)
    if not found:
        return
    assert found in offered
    if private_in is None:
        theirs = [each for each in offered if each.profile == PROFILES[0]]
        assert found == (theirs or offered)[0]
    elif any(each.visibility == "private" for each in offered):
        assert found.visibility == "private"
        there = [e for e in offered if (e.visibility, e.conversation) == ("private", private_in)]
        assert not there or found.conversation == private_in


def test_each_item_of_a_timeline_says_public_or_private(
    in_private: Case, stated: Response, agent: User, as_: As
) -> None:
    """Each item of a timeline has the label “Public” or “Private”."""
    in_private.group(stated.issue, by=agent)
    client = as_(agent)
    pages = [
        (in_private.get_absolute_url(), '<article class="said'),
        (in_private.profile.get_absolute_url(), "<article class="),
    ]
    for url, start in pages:
        items = client.get(url).content.decode().split(start)[1:]
        assert len(items) == 3
        said = [{word for word in ("Public", "Private") if f">{word}</span>" in each.replace(
            "</svg>", ">")} for each in items]  # fmt: skip
        assert sorted(map(sorted, said)) == [["Private"], ["Public"], ["Public"]]
