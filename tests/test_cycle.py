"""The sample story from end to end, with real workers, beat, PostgreSQL and Redis.

In this test, the staff use only the pages, and the public uses only the networks of the sandbox.
Only the workers and beat carry texts from one side to the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Interaction, Profile, ProfileLink, User
from listening.models import Mention, Source
from responses.models import Delivery, Feedback, Gap, RecordCheck, Response, ResponseRule
from responses.record_check.run import check_record
from responses.trace import trace
from routing.models import Case, CaseEvent, Issue
from scrm.channels.sandbox import community
from scrm.channels.sandbox.networks import MAIL, X
from scrm.sample import words
from scrm.sample.people import MARKETING, SALES, SERVICE, TECHNICAL
from scrm.sample.setup import DIRECTOR, DIRECTOR_PHONE, Workspace, furnish
from tests.machinery import Machine, eventually
from tests.pages import press

HIS_MAIL = "ron@calderfilms.example"
CROWD = {
    SERVICE: (120, "Put off for his size? What seat policy is that, @SkywardAir?"),
    TECHNICAL: (50, "And the app of Skyward Air crashes while I read about it."),
    SALES: (30, "Does Skyward Air fly from Oslo to Lyon? I do fit into the seats."),
}
"""Department that should get the posts → (number of authors, text of each post)."""


@pytest.fixture
def skyward(transactional_db: None, settings: Any) -> Workspace:
    """Skyward Air on its first day: all sources are due, and the sandbox has no posts."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.UNDO_SECONDS = 0
    community.reset()
    workspace = furnish(since=timezone.now() - timedelta(days=2))
    Source.objects.update(rhythm=1)
    # This rule depends on the time of day, so it is off.
    ResponseRule.objects.filter(name="No posts at night").update(is_active=False)
    return workspace


@dataclass
class Story:
    """The steps of the story. Each step waits until the workers have produced its result."""

    skyward: Workspace
    as_: Callable[[User], Client]

    def browser(self, name: str) -> Client:
        return self.as_(self.skyward.people[name])

    def his_case(self) -> Case:
        """Return the case with the film director, the customer of this story.

        There is only one case with him, whatever channels he used.
        """
        link = ProfileLink.objects.get(profile__key=DIRECTOR)
        return Case.objects.get(profile__links__contact=link.contact_id)

    def he_tweets(self) -> Case:
        community.post(X, DIRECTOR, words.TWEET, key="sk590")
        eventually(lambda: Case.objects.filter(profile__key=DIRECTOR))
        return self.his_case()

    def hundreds_repeat_it(self) -> None:
        for department, (number, text) in CROWD.items():
            for n in range(number):
                community.post(X, f"{department[:2].lower()}{n}", text, reach=n)
        everybody = sum(number for number, _ in CROWD.values())
        eventually(lambda: Case.objects.count() == everybody + 1, within=30)

    def he_writes_and_calls(self) -> None:
        us = "care@skyward.example"
        community.post(MAIL, HIS_MAIL, words.MAIL, to=us, title=words.MAIL_SUBJECT)
        eventually(lambda: self.his_case().conversations.count() == 2)
        phone = Profile.objects.get(network="phone", key=DIRECTOR_PHONE)
        page = reverse("routing:new") + f"?profile={phone.pk}"
        new = reverse("routing:new")
        press(self.browser("ben"), page, new, kind="call", text=words.CALL, profile=phone.pk)

    def reply(self, name: str, place: str, text: str, **confirmed: str) -> Response:
        """Send a reply with the reply form of a case.

        place: the value of the form field that chooses the place.
        """
        composer, action = self._answering("reply")
        press(self.browser(name), composer, action, place=place, text=text, **confirmed)
        return self._sent(text)

    def take_over(self, name: str) -> None:
        page = self.his_case().get_absolute_url()
        press(self.browser(name), page, reverse("routing:claim", args=[self.his_case().pk]))

    def tell_by_phone(self, name: str, text: str) -> Response:
        composer, action = self._answering("by_hand", "?tab=by-hand")
        press(self.browser(name), composer, action, how="call", text=text)
        return self._sent(text)

    def _answering(self, way: str, tab: str = "") -> tuple[str, str]:
        case = self.his_case()
        composer = reverse("responses:composer", args=[case.pk])
        return composer + tab, reverse(f"responses:{way}", args=[case.pk])

    def _sent(self, text: str) -> Response:
        response = Response.objects.get(text=text)
        eventually(lambda: not response.deliveries.exclude(state="sent"))
        return response

    def way(self, account: str, profile_key: str, visibility: str) -> str:
        profile = Profile.objects.get(key=profile_key)
        return f"{self.skyward.accounts[account].pk}:{profile.pk}:{visibility}"

    def open_the_issue(self) -> Issue:
        carla = self.browser("carla")
        new = reverse("routing:issue_new")
        press(carla, new, new, name="Seat policy", about="SK 590")
        issue = Issue.objects.get(name="Seat policy")
        about = Case.objects.filter(department__name=SERVICE).values_list("pk", flat=True)
        page, add = (reverse(f"routing:{n}", args=[issue.pk]) for n in ("issue", "issue_add"))
        press(carla, page, add, numbers=" ".join(str(pk) for pk in about))
        return issue

    def state(self, name: str, issue: Issue, text: str, **typed: object) -> Response:
        """Publish a statement on the blog for the department Marketing."""
        action = reverse("responses:issue_statement", args=[issue.pk])
        page = f"{action}?department={self.skyward.departments[MARKETING].pk}"
        blog = self.skyward.accounts["blog"].pk
        press(self.browser(name), page, action, accounts=[blog], text=text, **typed)
        return Response.objects.get(text=text)

    def approve(self, name: str, response: Response) -> None:
        page = reverse("responses:approvals")
        press(self.browser(name), page, reverse("responses:approve", args=[response.pk]))
        self._sent(response.text)

    def answer(self, response: Response, who: str, text: str) -> Feedback:
        """Post an answer to a response as the simulated person `who`.

        Waits until the answer is recorded as feedback, and returns the feedback.
        """
        sent = response.deliveries.get()
        key = community.post(sent.scope, who, text, in_reply_to=sent.sent_key)
        eventually(lambda: Feedback.objects.filter(interaction__key=key))
        return Feedback.objects.get(interaction__key=key)


@pytest.fixture
def story(skyward: Workspace, as_: Callable[[User], Client]) -> Story:
    return Story(skyward, as_)


@pytest.mark.slow
@pytest.mark.live
def test_the_story_runs_and_every_link_can_be_walked(story: Story, tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        machine.wait()
        case = story.he_tweets()
        assert (case.department.name, case.priority) == (SERVICE, "urgent")
        story.hundreds_repeat_it()
        everybody_is_where_they_belong()
        story.he_writes_and_calls()
        his_tweet_mail_and_call_are_one_case(story)
        tweeted = three_micro_responses_answer_it(story)
        feedback = his_answer_reopens_it(story, tweeted)
        issue = story.open_the_issue()
        statement, comment = a_statement_draws_a_comment(story, issue)
        a_correction_keeps_both(story, issue, statement)
        nobody_was_heard_twice()
        the_record_is_whole()
    from_the_feedback_back_to_the_poll(feedback)
    from_the_comment_back_to_the_approval(comment)
    from_the_source_forth_to_the_feedback(feedback)


def everybody_is_where_they_belong() -> None:
    crowd = Case.objects.exclude(profile__key=DIRECTOR)
    for department, (number, text) in CROWD.items():
        cases = crowd.filter(department__name=department, last_inbound__text=text)
        assert cases.count() == number


def his_tweet_mail_and_call_are_one_case(story: Story) -> None:
    said = Interaction.objects.filter(conversation__in=story.his_case().conversations)
    assert sorted(said.values_list("kind", flat=True)) == ["call", "message", "post"]


def three_micro_responses_answer_it(story: Story) -> Response:
    publicly = story.way("x", DIRECTOR, "public")
    # The director also wrote a mail and called, so a public reply to him must be confirmed.
    tweeted = story.reply("carla", publicly, words.REPLY_BY_TWEET, publicly="on")
    story.take_over("ben")
    story.reply("ben", story.way("mail", HIS_MAIL, "private"), words.REPLY_BY_MAIL)
    story.tell_by_phone("carla", words.REPLY_BY_PHONE)
    case = story.his_case()
    assert [each.audience for each in case.responses.all()] == ["one", "one", "one"]
    assert case.status == "waiting"
    ledger = Interaction.objects.filter(conversation__in=case.conversations, direction="out")
    assert set(ledger.values_list("channel", "visibility")) == {
        ("sandbox.x", "public"),
        ("sandbox.mail", "private"),
        ("manual", "private"),
    }
    return tweeted


def his_answer_reopens_it(story: Story, tweeted: Response) -> Feedback:
    """The film director's answer to our reply is recorded and reopens the case.

    The answer is recorded although the answer matches no topic.
    """
    feedback = story.answer(tweeted, DIRECTOR, words.HIS_ANSWER)
    assert not feedback.interaction.mention.matches.exists()
    assert feedback.response == tweeted
    case = story.his_case()
    assert (case.status, case.last_inbound) == ("open", feedback.interaction)
    return feedback


def a_statement_draws_a_comment(story: Story, issue: Issue) -> tuple[Response, Feedback]:
    statement = story.state("tim", issue, words.STATEMENT, subject=words.STATEMENT_SUBJECT)
    assert statement.state == "held"
    story.approve("nora", statement)
    before = story.his_case().last_inbound
    comment = story.answer(statement, "gracembeki", "Did you ask him first?")
    hers = Case.objects.get(profile__key="gracembeki")
    assert (hers.issue, hers.last_inbound) == (issue, comment.interaction)
    assert comment.response == statement
    assert story.his_case().last_inbound == before
    return statement, comment


def a_correction_keeps_both(story: Story, issue: Issue, statement: Response) -> None:
    correction = story.state("nora", issue, words.CORRECTION, corrects=statement.pk)
    eventually(lambda: correction.deliveries.filter(state="sent"))
    kept = Interaction.objects.filter(kind="statement").values_list("text", flat=True)
    assert list(kept.order_by("pk")) == [words.STATEMENT, words.CORRECTION]
    assert list(statement.corrections.all()) == [correction]


def nobody_was_heard_twice() -> None:
    eventually(lambda: not Mention.objects.unprocessed().exists())
    assert Delivery.objects.exclude(state="sent").count() == 0
    own = Interaction.objects.filter(direction="out")
    assert own.count() == Delivery.objects.count()
    routed = CaseEvent.objects.filter(kind="routed").values("interaction")
    assert routed.distinct().count() == routed.count() == Case.objects.count()


def the_record_is_whole() -> None:
    record_check = RecordCheck.objects.create()
    check_record(record_check)
    assert not record_check.missed
    assert not Gap.objects.exists()


def from_the_feedback_back_to_the_poll(feedback: Feedback) -> None:
    response = feedback.delivery.response
    way = trace(response)
    assert way.decision.by.name == "Carla Mendes"
    assert way.deliveries == [feedback.delivery]
    assert way.deliveries[0].interaction == Interaction.objects.get(text=response.text)
    assert way.case is not None
    assert way.rule_revision is not None
    assert way.rule_revision.rule.name == "Wide reach about seats"
    tweet = next(mention for mention in way.mentions if mention.key == "sk590")
    matched = [match.revision for match in way.matches if match.mention == tweet]
    assert {(each.topic.name, each.number) for each in matched} == {
        ("Seat policy", 1),
        ("Skyward Air", 1),
    }
    assert tweet.fetch in way.fetches
    assert tweet.fetch.source in way.sources


def from_the_comment_back_to_the_approval(comment: Feedback) -> None:
    way = trace(comment.delivery.response)
    assert way.issue is not None
    assert [approval.by.name for approval in way.approvals] == ["Nora Haddad"]
    assert way.approvals[0].content_hash == way.response.content_hash
    assert way.decision.by.name == "Tim Byrne"
    assert len(way.cases) == CROWD[SERVICE][0] + 2
    assert [(echo.feedback, echo.case) for echo in way.feedback] == [
        (comment, Case.objects.get(profile__key="gracembeki"))
    ]


def from_the_source_forth_to_the_feedback(feedback: Feedback) -> None:
    heard = Mention.objects.filter(sightings__source__address="mentions", key="sk590").get()
    assert heard.interaction is not None
    case = Case.objects.get(conversation_links__conversation=heard.interaction.conversation_id)
    answers = Response.objects.filter(case=case, in_reply_to=heard.interaction)
    assert [each.feedback.get() for each in answers] == [feedback]
