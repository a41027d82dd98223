"""Followers and participants of a case: add and remove them, and filter the inbox by them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Contact, Department, Notice, Profile, User
from routing.answering import count_as_answered
from routing.call_back import plan_call_back
from routing.following import add_follower, follow
from routing.inbox import people, query
from routing.inbox.people import participant_of
from routing.inbox.query import Asked
from routing.merging import merge, undo_merge
from routing.models import BystanderReply, Case, CaseEvent, CaseFollower, CaseParticipant
from routing.models.status import Stale
from routing.participants import add_participant, participants
from tests.routing.hearing import DAY, NOW, contact, hear

pytestmark = pytest.mark.django_db
As = Callable[[User], Client]
DESK = {"HX-Request": "true", "HX-Target": "open"}


@pytest.fixture
def marta() -> Contact:
    known = Contact.objects.create(name="Marta Janssen", kind="press")
    profile = Profile.objects.create(network="x", key="marta", handle="@marta", name="Marta J")
    profile.link_to(known, by=None, evidence="she said so")
    return known


def events(case: Case, kind: str) -> list[str]:
    found = case.events.filter(kind=kind).order_by("pk")
    return list(found.values_list("why", flat=True))


def listed(user: User, **filters: Any) -> set[int]:
    return {case.pk for case in query.page(Asked("all", "newest", filters), user)}


# Followers


def test_a_user_adds_a_colleague_who_is_notified_once(
    as_: As, agent: User, teammate: User, case: Case
) -> None:
    """Fails without `once`, and if a second click is an error."""
    client, typed = as_(agent), {"person": teammate.pk}
    for path in ("add", "add", "remove", "remove", "add"):
        answer = client.post(f"/cases/{case.pk}/followers/{path}/", typed, headers=DESK)
        assert answer.status_code == 200
    assert CaseFollower.objects.get().user == teammate
    notice = Notice.objects.get(user=teammate)
    assert (notice.kind, notice.by, notice.about) == ("follower", agent, f"case:{case.pk}")
    added, removed = f"Added {teammate}.", f"Removed {teammate}."
    assert events(case, CaseEvent.Kind.FOLLOWER) == [added, removed, added]
    page = client.get(case.get_absolute_url()).content.decode()
    assert f'aria-label="Remove {teammate}"' in page


def test_nobody_is_added_who_cannot_see_the_case(
    as_: As, agent: User, outsider: User, reader: User, case: Case
) -> None:
    client = as_(agent)
    address = f"/cases/{case.pk}/followers/add/"
    assert client.post(address, {"person": outsider.pk}, headers=DESK).status_code == 422
    assert client.post(address, {"person": reader.pk}, headers=DESK).status_code == 200
    with pytest.raises(Stale, match="cannot see this case"):
        add_follower(case, outsider, by=agent)
    assert [row.user for row in CaseFollower.objects.all()] == [reader]
    page = client.get(case.get_absolute_url()).content.decode()
    offered = page.partition('aria-label="Colleague"')[2].partition("</select>")[0]
    assert str(outsider) not in offered
    assert str(agent) in offered
    assert str(reader) not in offered, "who follows already is not offered"


def test_a_reader_who_was_added_can_unfollow(
    as_: As, agent: User, reader: User, teammate: User, case: Case
) -> None:
    """Fails if only those who may work on the case can end that they follow it."""
    for user in (reader, teammate):
        add_follower(case, user, by=agent)
    client, address = as_(reader), f"/cases/{case.pk}/unfollow/"
    page = client.get(case.get_absolute_url()).content.decode()
    assert page.count(f'action="{address}') == 1, "one button, in the reader's own row"
    for _click in range(2):
        assert client.post(address, headers=DESK).status_code == 200
    assert [row.user for row in CaseFollower.objects.all()] == [teammate]
    assert f'action="{address}' not in client.get(case.get_absolute_url()).content.decode()


def test_who_does_not_see_the_case_gets_no_page_of_it(as_: As, outsider: User, case: Case) -> None:
    follow(case, by=outsider)
    assert as_(outsider).post(f"/cases/{case.pk}/unfollow/", headers=DESK).status_code == 404


def test_the_inbox_lists_the_cases_that_a_colleague_follows(
    as_: As, agent: User, teammate: User, case: Case, make_case: Callable[..., Case]
) -> None:
    other = make_case(by="layla")
    follow(case, by=teammate)
    follow(other, by=agent)
    assert listed(agent, followed=str(teammate.pk)) == {case.pk}
    assert listed(agent, followed="me") == {other.pk}
    page = as_(agent).get("/", {"followed": teammate.pk}).content.decode()
    assert f"/cases/{case.pk}/" in page
    assert f"/cases/{other.pk}/" not in page


# Participants


def test_an_agent_finds_a_person_adds_and_removes_the_person(
    as_: As, agent: User, case: Case, marta: Contact
) -> None:
    client, address = as_(agent), f"/cases/{case.pk}/participants/add/"
    profile = marta.links.get().profile
    found = client.get(address, {"q": "mart"}).content.decode()
    assert f'value="{profile.pk}"' in found
    assert '<option value="bystander" selected>' in found  # authors are participants already
    search = found.split('id="find"')[1].split(">")[0]
    assert 'value=""' in search  # the words are no search for cases
    part = client.get(address, {"q": "mart"}, headers={"HX-Request": "true"}).content.decode()
    assert "Marta J" in part
    assert "<h1" not in part
    typed = {"person": profile.pk, "role": "influencer", "q": "mart"}
    for _click in range(2):
        answer = client.post(address, typed, follow=True)
        assert "was added to the case" in answer.content.decode()
    row = CaseParticipant.objects.get()
    assert (row.person, row.role, row.by) == (profile, "influencer", agent)
    client.post(address, typed | {"role": "bystander"})
    typed = {"participant": row.pk}
    for _click in range(2):
        address = f"/cases/{case.pk}/participants/remove/"
        assert client.post(address, typed, headers=DESK).status_code == 200
    assert not CaseParticipant.objects.exists()
    assert events(case, CaseEvent.Kind.PARTICIPANT) == [
        f"Added {profile} as influencer.",
        f"{profile} is now bystander.",
        f"Removed {profile}.",
    ]


def test_a_contact_without_a_profile_can_take_part(as_: As, agent: User, case: Case) -> None:
    lawyer = Contact.objects.create(name="Lena Lawyer")
    typed = {"person": f"contact-{lawyer.pk}", "role": "author"}
    page = as_(agent).post(f"/cases/{case.pk}/participants/add/", typed, follow=True)
    shown = page.content.decode()
    assert f'href="/contacts/{lawyer.pk}/"' in shown
    assert f'aria-label="Remove {lawyer}"' in shown
    assert f'participant=contact-{lawyer.pk}"' in shown


def test_the_author_of_the_case_is_shown_once(agent: User, case: Case) -> None:
    add_participant(case, case.profile, role="influencer", by=agent)
    shown = participants(case)
    assert shown.authors == []
    assert [row.person for row in shown.added] == [case.profile]


@pytest.mark.parametrize(
    "typed",
    [
        {"role": "author"},
        {"person": "contact-999999", "role": "author"},
        {"person": "x", "role": "author"},
        {"person": "1", "role": "king"},
    ],
)
def test_a_wrong_person_or_role_is_refused(
    as_: As, agent: User, case: Case, typed: dict[str, str]
) -> None:
    answer = as_(agent).post(f"/cases/{case.pk}/participants/add/", typed | {"q": "ron"})
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()
    assert not CaseParticipant.objects.exists()


def test_the_inbox_is_filtered_by_a_participant(
    as_: As, agent: User, case: Case, make_case: Callable[..., Case], marta: Contact
) -> None:
    """A case of the person, a case to which the person was added, and no other case."""
    profile = marta.links.get().profile
    own = hear("marta", "I write about you")
    make_case(by="layla")
    add_participant(case, marta, role="influencer", by=agent)
    for value in (f"contact-{marta.pk}", f"profile-{profile.pk}", "janssen"):
        assert listed(agent, participant=participant_of(value)) == {own.pk, case.pk}
    page = as_(agent).get("/", {"participant": f"contact-{marta.pk}"}).content.decode()
    assert f"/cases/{case.pk}/" in page
    assert f'<option value="contact-{marta.pk}" selected>Marta Janssen</option>' in page
    typed = as_(agent).get("/", {"participant": "janssen"}).content.decode()
    field = typed.partition('name="participant"')[2].partition(">")[0]
    assert 'value="janssen"' in field


def test_a_bystander_is_found_as_a_participant(agent: User, case: Case, say: Any) -> None:
    said = say("Same here", by="bo")
    own = Case.objects.exclude(pk=case.pk).get()
    BystanderReply.objects.create(case=case, interaction=said)
    assert participants(case).bystanders == 1
    assert listed(agent, participant=participant_of(f"profile-{said.profile_id}")) == {
        case.pk,
        own.pk,
    }


def test_typed_digits_are_words_and_no_key_of_a_profile(
    as_: As, agent: User, case: Case, marta: Contact
) -> None:
    """Fails if the digits of a phone number or a handle select the profile with this key."""
    asked = participant_of(str(case.profile_id))
    assert (asked.is_one, asked.profiles) == (False, frozenset())
    add_participant(case, case.profile, role="author", by=agent)
    shown = as_(agent).get(case.get_absolute_url()).content.decode()
    assert f'participant=profile-{case.profile_id}"' in shown, "the link names the profile"


@pytest.mark.parametrize("value", ["profile-", "profile-x", "profile-999999", "contact-999999"])
def test_a_value_without_a_person_is_words(value: str) -> None:
    assert not participant_of(value).is_one


def test_words_are_looked_up_with_bounded_queries(marta: Contact) -> None:
    """Fails if the contacts are found by the unbounded union: this runs in every list."""
    with CaptureQueriesContext(connection) as statements:
        found = participant_of("marta")
    assert found.contacts == {marta.pk}
    assert found.profiles == {marta.links.get().profile_id}
    assert not any("UNION" in row["sql"] for row in statements)


def test_cases_that_the_user_may_not_see_hide_no_others(
    agent: User, sales: Department, case: Case, say: Any, monkeypatch: pytest.MonkeyPatch,
    make_case: Callable[..., Case], marta: Contact,
) -> None:  # fmt: skip
    """Fails if the newest cases are taken before the cases that the user may see."""
    monkeypatch.setattr(people, "MAX_FOUND", 1)
    secret = make_case(by="layla")
    Case.objects.filter(pk=secret.pk).update(department=sales)
    for each in (case, secret):
        add_participant(each, marta, role="influencer", by=agent)
        bystander = say(f"Same here {each.pk}", by="bo")
        BystanderReply.objects.create(case=each, interaction=bystander)
    assert listed(agent, participant=participant_of(f"contact-{marta.pk}")) == {case.pk}
    of_bo = participant_of(f"profile-{bystander.profile_id}")
    assert case.pk in listed(agent, participant=of_bo)


def test_participants_move_with_a_merge_and_come_back(
    agent: User, service: Department, marta: Contact
) -> None:
    """Fails if a merge leaves the people behind, or if its undo leaves them in the other case."""
    contact("tweets", "mails")
    first = hear("tweets")
    first.claim(by=agent)
    count_as_answered(first, at=NOW, seen=first.last_inbound_id, answered_by=None)
    second = hear("mails", now=NOW + 8 * DAY)
    lena = Contact.objects.create(name="Lena")
    add_participant(second, marta, role="influencer", by=agent)
    add_participant(second, lena, role="staff", by=agent)
    add_participant(first, lena, role="author", by=agent)
    event = merge(second, Case.objects.get(pk=first.pk), by=agent)
    roles = {(row.person, row.role) for row in first.participants.all()}
    assert roles == {(marta, "influencer"), (lena, "author")}
    undo_merge(event, by=agent)
    assert [row.person for row in first.participants.all()] == [lena]
    assert second.participants.count() == 2


def test_a_reader_sees_them_and_changes_nothing(
    as_: As, agent: User, reader: User, teammate: User, case: Case, marta: Contact
) -> None:
    follow(case, by=teammate)
    add_participant(case, marta, role="influencer", by=agent)
    client = as_(reader)
    page = client.get(case.get_absolute_url()).content.decode()
    assert str(teammate) in page
    assert "Marta Janssen" in page
    assert "Add a participant" not in page
    assert 'aria-label="Remove' not in page
    for path in ("followers/add", "followers/remove", "participants/add", "participants/remove"):
        assert client.post(f"/cases/{case.pk}/{path}/", {}).status_code == 404


def test_opening_a_case_reads_its_people_once(
    as_: As, agent: User, teammate: User, lead: User, case: Case,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    """Fails if a part of the page queries again what another part has read, or once per row."""
    for follower in (agent, teammate, lead):
        follow(case, by=follower)
    at = timezone.now() + timedelta(hours=1)
    plan_call_back(case, number="+4420794601", at=at, to=None, by=agent, seen=case.last_inbound_id)
    browser = as_(agent)
    browser.get(case.get_absolute_url(), headers=DESK)
    with django_assert_max_num_queries(50) as statements:
        browser.get(case.get_absolute_url(), headers=DESK)
    for table in ("routing_callback", "routing_casefollower", "crm_membership"):
        said = [row["sql"] for row in statements if f'FROM "{table}" WHERE' in row["sql"]]
        assert len(said) <= 1, said


def test_a_follower_who_was_deactivated_is_marked(
    as_: As, agent: User, teammate: User, case: Case
) -> None:
    follow(case, by=teammate)
    User.objects.filter(pk=teammate.pk).update(is_active=False)
    page = as_(agent).get(case.get_absolute_url()).content.decode()
    assert f'{teammate} <span class="chip warn">deactivated</span>' in page
