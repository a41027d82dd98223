"""An agent is dismissed: access ends at once, and what the agent owns waits for a new owner."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import ForeignKey
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm import leaving
from crm.adapter import password_link
from crm.leaving import owned_by
from crm.models import Account, Department, Membership, Notice, OAuthAttempt, Profile, User
from listening.models import Topic
from responses.compose import Words, state_publicly
from responses.models import Delivery, Draft, Response, ResponseRule
from responses.release import approve
from routing.models import Case, Issue, RoutingRule, SavedView
from scrm.bus import live
from scrm.wiring import owned_kinds
from tests.floor.test_live import refused

As = Callable[[User], Client]

RECORDED = """
crm.ContactRelation.made_by crm.ContactRelation.ended_by crm.Interaction.staff crm.Attachment.by
crm.Pause.by crm.Pause.ended_by crm.ProfileLink.confirmed_by crm.ProfileLink.ended_by
crm.Notice.by crm.PostalAddress.by listening.WebhookSecret.made_by listening.TopicRevision.made_by
routing.RuleRevision.made_by routing.CalendarRevision.by routing.Decision.by
routing.CallBack.made_by routing.Mute.by routing.Mute.ended_by
crm.InteractionMove.by routing.CaseLink.by routing.CaseParticipant.by
routing.CallBack.closed_by routing.CaseEvent.by routing.ItemDecision.by
routing.ItemDecision.withdrawn_by responses.ThreadReading.by responses.ResponseEvent.by
responses.Moderation.by responses.RecordCheck.by responses.CampaignStatement.added_by
responses.Response.reviewed_by responses.Feedback.judged_by responses.Approval.by
responses.Delivery.by
"""
"""Foreign keys that record who did something. They stay for ever."""
OWN = """
crm.Membership.user crm.Notice.user crm.OAuthAttempt.user crm.OAuthAttempt.owner crm.Job.owner
routing.Presence.user routing.CaseFollower.user account.EmailAddress.user
"""
"""Foreign keys of rows that concern nobody but the user, and of work that ends by itself."""


def test_every_foreign_key_to_a_user_is_owned_or_recorded_or_of_no_use_to_others() -> None:
    """Fails if a new foreign key means ownership and the list for re-assignment leaves it out."""
    found = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, ForeignKey) and field.related_model is User
        if not model.__name__.endswith("Change") and model._meta.app_label != "pghistory"
    }
    owned = {kind.field for kind in owned_kinds()}
    other = set(f"{RECORDED} {OWN}".split())
    assert found - other - owned == set()
    assert owned <= found
    assert not owned & other


@pytest.fixture
def token(agent: User) -> Iterator[str]:
    """The token of a stream of the agent. Afterwards, Redis no longer knows that access ended:
    other tests have users with the same ids.
    """
    yield live.token([f"user:{agent.pk}"])
    live._unmark_ended(agent.pk)


@pytest.fixture
def posts(microblog: Account, agent: User, service: Department) -> list[Response]:
    """Three posts about an issue that the agent planned for tomorrow."""
    issue = Issue.objects.create(name="Seats", owner=agent)
    tomorrow = timezone.now() + timedelta(days=1)
    return [
        state_publicly(
            Words(uuid.uuid4(), f"Post {number}", "public", send_at=tomorrow),
            issue=issue, department=service, accounts=[microblog], by=agent,
        )
        for number in range(3)
    ]  # fmt: skip


@pytest.fixture
def belongings(agent: User, service: Department, admin: User) -> None:
    for number in range(9):
        Topic.objects.create(name=f"Topic {number}", owner=agent)
    profile = Profile.objects.create(network="x", key="1")
    case = Case.objects.create(
        profile=profile, department=service, assignee=agent, status="open", due_at=timezone.now()
    )
    Draft.objects.create(case=case, kind="reply", author=agent, text="Dear Tom,")
    SavedView.objects.create(name="Mine", query="q=a", owner=agent)
    rule = RoutingRule.objects.create(name="To the agent", owner=admin)
    rule.revise(conditions={"all": []}, department=service, assign="person", person=agent, by=admin)


def test_deactivating_a_user_holds_planned_posts_and_lists_topics(
    as_: As, admin: User, agent: User, lead: User, posts: list[Response], belongings: None,
    token: str, django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    """Sessions, streams, password links and logins at networks die at once, and posts are held.

    The list of what needs a new owner is complete.
    """
    assert not refused(token)
    browser, link = as_(agent), password_link(agent)
    login = OAuthAttempt.objects.create(state_hash="a", user=agent, owner=agent, kind="mastodon")
    assert browser.get("/contacts/").status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        page = as_(admin).post(f"/people/{agent.pk}/deactivate/", follow=True)
    assert browser.get("/contacts/").url.startswith("/account/login/")
    assert Client().get(link, follow=True).context["token_fail"]
    assert refused(token)
    login.refresh_from_db()
    assert login.used_at
    assert {post.state for post in Response.objects.filter(author=agent)} == {"held"}
    assert not Delivery.objects.due(timezone.now() + timedelta(days=2)).exists()
    assert Notice.objects.filter(user=lead, kind=Notice.Kind.TO_APPROVE).count() == 3
    shown = {each.kind.key: each.count for each in page.context["owned"]}
    assert shown == {
        "cases": 1, "naming_rules": 1, "issues": 1, "views": 1, "drafts": 1, "unsent": 3,
        "topics": 9,
    }  # fmt: skip
    assert "3 planned responses are held." in page.content.decode()


def test_a_held_post_of_somebody_who_left_is_sent_when_a_lead_approves_it(
    agent: User, admin: User, lead: User, posts: list[Response]
) -> None:
    leaving.end_access(agent, by=admin, now=timezone.now())
    post = Response.objects.get(pk=posts[0].pk)
    assert "has left" in post.verdict[-1]["sentence"]
    approve(post, by=lead)
    post.refresh_from_db()
    assert post.state == "released"
    assert post.deliveries.get().send_after == post.send_at


def test_a_planned_post_that_a_lead_approved_before_the_author_left_is_approved_again(
    agent: User, admin: User, lead: User, microblog: Account, service: Department
) -> None:
    """Fails if the earlier approval still counts: then the lead is refused as “You approved it”,
    and supervisors are asked instead.
    """
    ResponseRule.objects.create(
        name="Posts", owner=admin, conditions={"all": []}, verdict="hold", reason="A lead looks."
    )
    issue = Issue.objects.create(name="Seats", owner=agent)
    tomorrow = timezone.now() + timedelta(days=1)
    post = state_publicly(
        Words(uuid.uuid4(), "Post", "public", send_at=tomorrow),
        issue=issue, department=service, accounts=[microblog], by=agent,
    )  # fmt: skip
    approve(post, by=lead)
    Notice.objects.all().delete()
    assert leaving.end_access(agent, by=admin, now=timezone.now()) == 1
    post.refresh_from_db()
    assert (post.state, post.approval_request.next_step) == ("held", "lead")
    assert Notice.objects.get(kind=Notice.Kind.TO_APPROVE).user == lead
    assert str(post.approvals.last()) == f"held by {admin}"
    approve(Response.objects.get(pk=post.pk), by=lead)
    post.refresh_from_db()
    assert post.state == "released"


def test_everything_is_given_in_one_step_and_due_times_stay(
    as_: As, admin: User, agent: User, lead: User, posts: list[Response], belongings: None
) -> None:
    browser = as_(admin)
    browser.post(f"/people/{agent.pk}/deactivate/")
    before = Case.objects.get().due_at
    page = browser.post(f"/people/{agent.pk}/reassign/", {"everything": lead.pk}, follow=True)
    assert page.context["owned"] == []
    assert owned_by(agent) == []
    case = Case.objects.get()
    assert (case.assignee, case.due_at) == (lead, before)
    assert Draft.objects.get().author == lead
    assert Topic.objects.filter(owner=lead).count() == 9
    rule = RoutingRule.objects.get()
    assert rule.current
    assert (rule.current.person, rule.current.number) == (lead, 2)
    assert set(Response.objects.values_list("author", "state")) == {(lead.pk, "draft")}


def test_each_kind_can_have_an_owner_of_its_own(
    as_: As, admin: User, agent: User, lead: User, belongings: None
) -> None:
    typed = {"everything": lead.pk, "topics": admin.pk}
    as_(admin).post(f"/people/{agent.pk}/reassign/", typed)
    assert Topic.objects.filter(owner=admin).count() == 9
    assert Case.objects.get().assignee == lead


def test_what_the_new_owner_cannot_own_stays_in_the_list(
    as_: As, admin: User, agent: User, outsider: User, belongings: None
) -> None:
    SavedView.objects.create(name="Mine", query="q=b", owner=outsider)
    page = as_(admin).post(
        f"/people/{agent.pk}/reassign/", {"everything": outsider.pk}, follow=True
    )
    left = {each.kind.key: each.count for each in page.context["owned"]}
    assert left == {"cases": 1, "naming_rules": 1, "views": 1, "drafts": 1}
    assert "Not reassigned: Open cases (1)" in page.content.decode()


def test_a_user_who_may_only_read_is_no_new_owner(
    as_: As, admin: User, agent: User, reader: User, belongings: None
) -> None:
    """Fails if the page says “0 entries have new owners.”, as if it were done."""
    page = as_(admin).post(f"/people/{agent.pk}/reassign/", {"everything": reader.pk})
    assert page.status_code == 422
    assert "Select a valid choice" in page.content.decode()
    assert Case.objects.get().assignee == agent


def test_reassigning_without_a_new_owner_is_refused(
    as_: As, admin: User, agent: User, belongings: None
) -> None:
    page = as_(admin).post(f"/people/{agent.pk}/reassign/", {"everything": ""})
    assert page.status_code == 422
    assert "Choose at least one new owner." in page.content.decode()


def test_the_list_takes_the_same_number_of_queries_however_much_there_is(
    as_: As, admin: User, agent: User, service: Department, belongings: None,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    browser, url = as_(admin), f"/people/{agent.pk}/reassign/"
    browser.get(url)
    with CaptureQueriesContext(connection) as few:
        browser.get(url)
    profile = Profile.objects.get()
    for number in range(15):
        Topic.objects.create(name=f"More {number}", owner=agent)
        Case.objects.create(profile=profile, department=service, assignee=agent, status="open")
    with django_assert_max_num_queries(len(few) + 1):  # one count of the topics
        browser.get(url)


def test_somebody_who_comes_back_may_listen_again(
    as_: As, admin: User, agent: User, token: str, django_capture_on_commit_callbacks: Any
) -> None:
    browser = as_(admin)
    with django_capture_on_commit_callbacks(execute=True):
        browser.post(f"/people/{agent.pk}/deactivate/")
    assert refused(token)
    with django_capture_on_commit_callbacks(execute=True):
        browser.post(f"/people/{agent.pk}/activate/")
    assert not refused(token)


def test_agents_are_away_until_a_day_and_colleagues_see_it(
    as_: As, agent: User, lead: User, service: Department
) -> None:
    day = timezone.localdate() + timedelta(days=3)
    as_(agent).post(f"/people/{agent.pk}/away/", {"back_on": day.isoformat()})
    agent.refresh_from_db()
    assert agent.is_away
    profile = Profile.objects.create(network="x", key="1")
    case = Case.objects.create(profile=profile, department=service, assignee=agent, status="open")
    page = as_(lead).get(f"/cases/{case.pk}/").content.decode()
    assert f"away, back on {day}" in page
    assert f"/people/{agent.pk}/take-over/" in page
    as_(lead).post(f"/people/{agent.pk}/away/", {"back_on": ""})
    agent.refresh_from_db()
    assert not agent.is_away


@pytest.mark.parametrize("day", ["2020-01-01", "soon", "9999-99-99"])
def test_a_day_in_the_past_is_refused_in_words(as_: As, agent: User, day: str) -> None:
    page = as_(agent).post(f"/people/{agent.pk}/away/", {"back_on": day}, follow=True)
    assert page.status_code == 200
    agent.refresh_from_db()
    assert agent.back_on is None


def test_agents_mark_no_colleague_as_away(as_: As, agent: User, service: Department) -> None:
    other = User.objects.create_user("o@scrm.example", name="Olga")
    Membership.objects.create(user=other, department=service, role="agent")
    answer = as_(agent).post(f"/people/{other.pk}/away/", {"back_on": "2099-01-01"})
    assert answer.status_code == 404
