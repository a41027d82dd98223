"""With a real WordPress: a post is published once, commented on, found, corrected and removed."""

from __future__ import annotations

import re
import signal
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Department, Interaction, Notice, User
from listening.fetch import fetch_source
from listening.models import Mention, MentionChange, Source
from responses import check_sending, outbox
from responses.compose import Words, places_for, reply, state_publicly
from responses.corrections import correct, newest, take_down
from responses.models import Delivery, Feedback, Response
from responses.models.delivery_state import DeliveryState
from routing.models import Case, Issue
from scrm import pipeline
from scrm.channels.base import FetchRequest
from scrm.channels.registry import channel
from scrm.net import http
from scrm.net.addresses import networks
from tests.killing import killed_at
from tests.real.wordpress import WordPress, missing

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.real,
    pytest.mark.skipif(bool(missing()), reason=f"not on this machine: {', '.join(missing())}"),
]
As = Callable[[User], Client]


@pytest.fixture(scope="module", params=["pretty", "plain"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WordPress]:
    """A real WordPress. Each test runs twice: with readable URLs of posts, and with `?p=5`."""
    with WordPress(tmp_path_factory.mktemp("wp"), pretty=request.param == "pretty") as blog:
        yield blog


@pytest.fixture(autouse=True)
def quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UNDO_SECONDS = 0
    monkeypatch.setattr(http, "allow", networks("127.0.0.1/32"))


@pytest.fixture
def blog(site: WordPress, service: Department, admin: User, as_: As) -> WordPress:
    """A blog without posts, which an admin has connected with the form."""
    site.php(
        "foreach (get_posts(['numberposts'=>-1,'post_status'=>'any,trash']) as $p)"
        "  wp_delete_post($p->ID, true);"
        "foreach (get_comments(['status'=>'any']) as $c) wp_delete_comment($c, true);"
    )
    answer = as_(admin).post(reverse("crm:connect", args=["wordpress"]), typed(site, admin))
    assert answer.status_code == 302, answer.content.decode()
    service.accounts.add(Account.objects.get())
    pipeline.tick()
    return site


def typed(site: WordPress, owner: User, **more: Any) -> dict[str, Any]:
    return {
        "address": site.address, "user": site.user, "password": site.password, "owner": owner.pk,
    } | more  # fmt: skip


def source() -> Source:
    return Source.objects.get(kind="wordpress")


def listen() -> None:
    """Fetch the blog once and process the new items."""
    Source.objects.update(lease_until=None)
    Mention.objects.update(lease_until=None)
    each = source()
    each.fetch_now()
    assert fetch_source(each)
    pipeline.process()


def sweep() -> None:
    """Do the work of the tick on deliveries, as if every delivery were due now."""
    for _ in range(4):
        now = timezone.now()
        Delivery.objects.filter(state=DeliveryState.SENDING).update(lease_until=now - timedelta(1))
        Delivery.objects.filter(state=DeliveryState.QUEUED).update(send_after=now)
        Delivery.objects.give_up_on_the_dead(now)
        Delivery.objects.filter(state=DeliveryState.UNKNOWN).update(settle_after=now)
        for each in Delivery.objects.to_settle(now):
            outbox.settle(each)
        for each in Delivery.objects.due(timezone.now()):
            outbox.deliver(each)


@pytest.fixture
def state(blog: WordPress, service: Department, agent: User) -> Callable[..., Response]:
    """Return a function that writes a statement for the blog.

    If its argument `sent` is true, the statement is sent immediately.
    """

    def say(text: str = "He had a second seat.", *, sent: bool = True) -> Response:
        issue, _ = Issue.objects.get_or_create(name="Seat policy", defaults={"owner": agent})
        response = state_publicly(
            Words(uuid.uuid4(), text, "public", subject="Not a size: “sorry” & <thanks>"),
            accounts=[Account.objects.get()], by=agent, department=service, issue=issue,
        )  # fmt: skip
        if sent:
            sweep()
        return response

    return say


def there(blog: WordPress) -> str:
    """Return the text of the blog's front page, as a visitor sees it."""
    return unescape(blog.get(""))


def number(post: Delivery) -> int:
    found = re.search(r"\?p=(\d+)$", post.sent_key)
    assert found, post.sent_key
    return int(found[1])


def answer_to(case: Case, agent: User, text: str) -> Delivery:
    case.refresh_from_db()
    place = places_for(case)[0]
    words = Words(uuid.uuid4(), text, "public", seen=case.last_inbound_id)
    sent = reply(case, words, place=place, by=agent)
    sweep()
    return sent.deliveries.get()


def approve_all(blog: WordPress) -> None:
    blog.php("foreach (get_comments(['status'=>'hold']) as $c)"
             " wp_set_comment_status($c->comment_ID, 'approve');")  # fmt: skip


class TestTheRound:
    def test_from_a_statement_to_its_end(
        self, blog: WordPress, state: Callable[..., Response], agent: User, lead: User, as_: As
    ) -> None:
        said = state("He had a second seat.\n\nSee https://skyward.example/seats")
        sending = said.deliveries.get()
        assert sending.state == DeliveryState.SENT
        assert len(blog.posts()) == 1
        page = blog.get(sending.url.partition(f":{blog.port}/")[2])
        assert '<a href="https://skyward.example/seats"' in page
        slug = r"/not-a-size-sorry-thanks-[0-9a-f]{10}/$" if blog.pretty else r"\?p=\d+$"
        assert re.search(slug, sending.url)

        # A reader comments. WordPress keeps the comment back for moderation, but our source finds
        # it.
        blog.comment(number(sending), "Ann", "You told <b>everyone</b> about his seat!")
        listen()
        comment = Feedback.objects.get(response=said).interaction
        assert comment.text == "You told everyone about his seat!"
        assert "held for moderation on the blog" in comment.title
        case = Case.objects.get()
        assert case.profile.name == "Ann"
        shown = as_(agent).get(case.get_absolute_url()).content.decode()
        assert "held for moderation on the blog" in shown
        assert comment.text in as_(agent).get(said.get_absolute_url()).content.decode()

        # Our reply waits until the comment is approved. Then it is published once, below the
        # comment.
        refused = answer_to(case, agent, "Dear Ann, you are right.")
        assert refused.state == DeliveryState.FAILED
        assert "still held for moderation" in refused.error
        approve_all(blog)
        check_sending.send_again(refused, by=agent)
        sweep()
        parents = {each["id"]: each["parent"] for each in blog.comments()}
        ours = [parent for parent in parents.values() if parent]
        assert ours == [min(parents)]
        assert "Dear Ann, you are right." in page_of(blog, sending)

        # Ann answers our reply; her answer joins the same case.
        blog.comment(number(sending), "Ann", "Thank you.", parent=max(parents))
        listen()
        assert Case.objects.get().pk == case.pk
        assert Feedback.objects.count() == 2

        # Correct the post and then take it down, on the blog and in the record.
        new = Words(uuid.uuid4(), "We wrote too much.", "public")
        correct(said, new, over=said.pk, by=agent)
        sweep()
        assert "We wrote too much." in there(blog)
        assert "second seat" not in there(blog)
        assert len(blog.posts()) == 1
        take_down(said, why="It told the world.", over=newest(said).pk, by=lead)
        sweep()
        assert blog.posts() == []
        assert "We wrote too much." not in there(blog)
        kinds = Interaction.objects.filter(profile=None).order_by("pk").values_list("kind", "text")
        assert [kind for kind, _ in kinds] == ["statement", "correction", "withdrawal"]
        history = as_(agent).get(said.get_absolute_url()).content.decode()
        for words in ("He had a second seat.", "We wrote too much.", "Taken down"):
            assert words in history
        timeline = as_(agent).get(case.get_absolute_url()).content.decode()
        for words in ("second seat", "corrects an earlier post", "takes down an earlier post"):
            assert words in timeline
        listen()
        assert Interaction.objects.filter(profile=None).count() == 3

    def test_what_an_administrator_posts_is_heard_as_ours_and_harmless(
        self, blog: WordPress, admin: User, as_: As
    ) -> None:
        title, text = "News <script>alert(1)</script>", "<p onclick=x>Hi</p>"
        text += "<script>alert(2)</script><img src=x onerror=y>"
        facts = f"'post_status'=>'publish','post_title'=>'{title}','post_content'=>'{text}'"
        blog.php(f"wp_insert_post([{facts}]);")
        assert "<script>alert(2)" in blog.posts()[0]["content"]["rendered"]
        listen()
        post = Interaction.objects.get()
        assert post.is_ours
        assert not Case.objects.exists()
        assert post.title.startswith("News")
        assert re.sub(r"\s|<p></p>", "", post.html) == "<p>Hi</p>"
        assert post.text == "Hi"
        page = as_(admin).get(source().get_absolute_url()).content.decode()
        assert "<script>alert" not in page
        assert "onerror" not in page


def page_of(blog: WordPress, sending: Delivery) -> str:
    return unescape(blog.get(sending.url.partition(f":{blog.port}/")[2]))


class TestOneItemByFeedAndByRest:
    FEEDS = ("?feed=rss2", "?feed=atom", "?feed=comments-rss2", "?feed=comments-atom")

    def test_the_pairs_are_the_same(self, blog: WordPress, state: Callable[..., Response]) -> None:
        said = state()
        blog.php("wp_insert_post(['post_title'=>'By hand','post_status'=>'publish',"
                 "'post_content'=>'Hi']);")  # fmt: skip
        blog.comment(number(said.deliveries.get()), "Ann", "Well.")
        approve_all(blog)
        ours = Account.objects.get().credentials
        listener = channel("wordpress").listener
        assert listener
        by_rest = {(i.scope, i.key): i for i in listener.listen(FetchRequest("", {}, ours)).items}
        feed = channel("feed").listener
        assert feed
        seen = set()
        for each in self.FEEDS:
            for item in feed.listen(FetchRequest(f"{blog.address}/{each}")).items:
                pair = (item.scope, item.key)
                assert pair in by_rest, (each, pair)
                assert item.thread_key == by_rest[pair].thread_key
                assert item.in_reply_to == by_rest[pair].in_reply_to
                seen.add(pair)
        assert seen == set(by_rest)

    def test_heard_by_a_feed_first_it_is_ours_and_its_comment_is_feedback(
        self, blog: WordPress, state: Callable[..., Response], make_source: Any
    ) -> None:
        said = state()
        blog.comment(number(said.deliveries.get()), "Ann", "Well.")
        approve_all(blog)
        for each in self.FEEDS:
            assert fetch_source(make_source(address=f"{blog.address}/{each}", stance="for us"))
            pipeline.process()
        assert Case.objects.count() == 1
        assert Feedback.objects.get().response == said
        listen()
        assert Mention.objects.count() == 2
        assert Interaction.objects.count() == 2
        assert Case.objects.count() == 1


class TestKilled:
    PUBLISH = [
        ("responses.outbox:claim", "after"),
        ("scrm.channels.wordpress.speak:_find_post", "after"),
        ("scrm.channels.wordpress.site:Site.post", "before"),
        ("scrm.channels.wordpress.site:Site.post", "after"),  # the draft is stored at this point
        ("scrm.channels.wordpress.speak:_publish", "after"),
        ("responses.outbox:mark_sent", "before"),
        ("responses.outbox:record", "after"),
        ("responses.outbox:mark_sent", "after"),
    ]
    FETCH = [
        ("scrm.channels.wordpress.hear:_comments", "after"),
        ("scrm.channels.wordpress.hear:WordPressListener.listen", "after"),
        ("listening.fetch:_store", "after"),
        ("listening.models:Source.record_success", "after"),
    ]

    @pytest.mark.parametrize(("where", "when"), PUBLISH)
    def test_while_it_publishes(
        self, blog: WordPress, state: Callable[..., Response], where: str, when: str
    ) -> None:
        sending = state(sent=False).deliveries.get()
        assert killed_at(where, when, lambda: pipeline.deliver(sending.pk)) == signal.SIGKILL
        sweep()
        sending.refresh_from_db()
        assert sending.state == DeliveryState.SENT
        assert len(blog.posts()) == 1
        drafts = "echo count(get_posts(['post_status'=>'draft,trash','numberposts'=>-1]));"
        assert blog.php(drafts) == "0"
        listen()
        assert Interaction.objects.count() == 1

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_while_it_answers(
        self, blog: WordPress, state: Callable[..., Response], agent: User, when: str
    ) -> None:
        blog.comment(number(state().deliveries.get()), "Ann", "Well.")
        approve_all(blog)
        listen()
        case = Case.objects.get()
        words = Words(uuid.uuid4(), "Dear Ann.", "public", seen=case.last_inbound_id)
        sending = reply(case, words, place=places_for(case)[0], by=agent).deliveries.get()
        where = "scrm.channels.wordpress.speak:_answer"
        assert killed_at(where, when, lambda: pipeline.deliver(sending.pk)) == signal.SIGKILL
        sweep()
        sending.refresh_from_db()
        assert sending.state == DeliveryState.SENT
        assert len([each for each in blog.comments() if each["parent"]]) == 1
        listen()
        assert Interaction.objects.count() == 3

    @pytest.mark.parametrize(("where", "when"), FETCH)
    def test_while_it_fetches(
        self, blog: WordPress, state: Callable[..., Response], where: str, when: str
    ) -> None:
        post = number(state().deliveries.get())
        for name in ("Ann", "Bob", "Eve"):
            blog.comment(post, name, f"{name} says so.")
        each = source()
        each.fetch_now()
        assert killed_at(where, when, lambda: fetch_source(each)) == signal.SIGKILL
        listen()
        assert Mention.objects.filter(kind="comment").count() == 3
        assert Case.objects.count() == Feedback.objects.count() == 3


class TestChanges:
    @pytest.fixture
    def planned(
        self, blog: WordPress, state: Callable[..., Response], agent: User
    ) -> tuple[Case, Delivery, int]:
        """A case with a comment, a reply to it that is planned, and the number of the comment."""
        blog.comment(number(state().deliveries.get()), "Ann", "You told everyone.")
        approve_all(blog)
        listen()
        case = Case.objects.get()
        words = Words(
            uuid.uuid4(), "Dear Ann.", "public", seen=case.last_inbound_id,
            send_at=timezone.now() + timedelta(hours=2),
        )  # fmt: skip
        sending = reply(case, words, place=places_for(case)[0], by=agent).deliveries.get()
        return case, sending, blog.comments()[0]["id"]

    def test_a_comment_is_edited_and_then_trashed_while_a_reply_is_planned(
        self, blog: WordPress, planned: tuple[Case, Delivery, int], agent: User, as_: As
    ) -> None:
        case, sending, comment = planned
        edit = "wp_update_comment(['comment_ID'=>%d,'comment_content'=>'I was wrong.']);"
        blog.php(edit % comment)
        listen()
        pages = [
            as_(agent).get(case.get_absolute_url()).content.decode(),
            as_(agent).get(reverse("responses:composer", args=[case.pk])).content.decode(),
            as_(agent).get(reverse("responses:case_responses", args=[case.pk])).content.decode(),
        ]
        assert all("edited at the source" in page.lower() for page in pages)
        assert "I was wrong." in pages[0]
        assert Notice.objects.filter(user=agent, kind=Notice.Kind.CHANGED).count() == 1
        version = Interaction.objects.get(kind="edit")
        assert (version.text, version.revises.text) == ("I was wrong.", "You told everyone.")
        sweep()
        sending.refresh_from_db()
        assert sending.state == DeliveryState.FAILED
        assert "edited at the source after the reply was released" in sending.error

        # The agent has read the new text and sends the reply again, but the comment is trashed.
        again = check_sending.send_again(sending, by=agent)
        blog.php(f"wp_trash_comment({comment});")
        listen()
        sweep()
        again.refresh_from_db()
        assert again.state == DeliveryState.FAILED
        assert "deleted at the source" in again.error
        assert "Deleted at the source" in as_(agent).get(case.get_absolute_url()).content.decode()
        assert blog.comments() == []

        # It comes back out of the trash: that is a change too, and the reply can be sent.
        blog.php(f"wp_untrash_comment({comment});")
        listen()
        assert [row.kind for row in MentionChange.objects.order_by("pk")] == [
            "edited", "deleted", "edited",
        ]  # fmt: skip
        last = check_sending.send_again(again, by=agent)
        sweep()
        last.refresh_from_db()
        assert last.state == DeliveryState.SENT

    @pytest.mark.parametrize("there", ["wp_spam_comment(%d);", "wp_delete_comment(%d, true);"])
    def test_a_comment_that_became_spam_or_was_deleted_is_not_answered(
        self, blog: WordPress, planned: tuple[Case, Delivery, int], there: str
    ) -> None:
        _case, sending, comment = planned
        blog.php(there % comment)
        listen()
        assert MentionChange.objects.get().kind == "deleted"
        sweep()
        sending.refresh_from_db()
        assert "deleted at the source" in sending.error

    def test_a_pingback_is_heard(self, blog: WordPress, state: Callable[..., Response]) -> None:
        post = number(state().deliveries.get())
        blog.php(
            f"wp_insert_comment(['comment_post_ID'=>{post},'comment_type'=>'pingback',"
            "'comment_author'=>'Fly blog','comment_author_url'=>'https://fly.example/seats/',"
            "'comment_content'=>'[…] said the airline […]','comment_approved'=>1]);"
        )
        listen()
        ping = Mention.objects.get(kind="comment")
        assert ping.title.startswith("Pingback")
        assert ping.author_key == "site:fly.example"


class TestTrouble:
    def test_it_dies_in_the_middle_of_a_post(
        self, blog: WordPress, state: Callable[..., Response], agent: User, as_: As
    ) -> None:
        sending = state(sent=False).deliveries.get()
        blog.die_at_next_publish()
        outbox.deliver(sending)
        sending.refresh_from_db()
        assert sending.state == DeliveryState.UNKNOWN
        page = as_(agent).get(reverse("responses:delivery_problems")).content.decode()
        assert "It may or may not have been sent." in page
        assert "closed the connection" in page
        blog.stop()
        outbox.settle(sending)
        sending.refresh_from_db()
        assert sending.state == DeliveryState.UNKNOWN
        blog.start()
        sweep()
        sending.refresh_from_db()
        assert sending.state == DeliveryState.SENT
        assert len(blog.posts()) == 1

    def test_it_is_down_before_a_post(
        self, blog: WordPress, state: Callable[..., Response]
    ) -> None:
        sending = state(sent=False).deliveries.get()
        blog.stop()
        outbox.deliver(sending)
        sending.refresh_from_db()
        assert sending.state == DeliveryState.QUEUED
        assert "cannot be reached" in sending.error
        blog.start()
        sweep()
        assert len(blog.posts()) == 1

    @pytest.mark.parametrize(
        ("there", "words"),
        [
            ("wp_delete_comment(%d, true);", "The comment was deleted at"),
            ("wp_trash_comment(%d);", "moved to the trash"),
            ("wp_spam_comment(%d);", "moved to the spam"),
        ],
    )
    def test_the_comment_is_gone_when_we_answer(
        self, blog: WordPress, state: Callable[..., Response], agent: User, as_: As, there: str,
        words: str,
    ) -> None:  # fmt: skip
        blog.comment(number(state().deliveries.get()), "Ann", "Well.")
        approve_all(blog)
        listen()
        (comment,) = blog.comments()
        blog.php(there % comment["id"])
        sending = answer_to(Case.objects.get(), agent, "Dear Ann.")
        assert sending.state == DeliveryState.FAILED
        assert words in sending.error
        assert words in as_(agent).get(reverse("responses:delivery_problems")).content.decode()
        assert blog.comments() == []

    @pytest.mark.parametrize(
        ("there", "words"),
        [
            ("wp_delete_post(%d, true);", "The post was deleted at"),
            ("wp_trash_post(%d);", "is in the trash"),
        ],
    )
    def test_the_post_is_gone_when_we_correct_it(
        self, blog: WordPress, state: Callable[..., Response], agent: User, as_: As, there: str,
        words: str,
    ) -> None:  # fmt: skip
        said = state()
        blog.php(there % number(said.deliveries.get()))
        new = Words(uuid.uuid4(), "New.", "public")
        correction = correct(said, new, over=said.pk, by=agent)
        sweep()
        sending = correction.deliveries.get()
        assert sending.state == DeliveryState.FAILED
        assert words in sending.error
        assert words in as_(agent).get(correction.get_absolute_url()).content.decode()
        take_down(said, why="Gone anyway.", over=newest(said).pk, by=agent)
        sweep()
        assert said.deliveries.get(act="withdraw").state == DeliveryState.SENT
        assert blog.posts() == []

    def test_a_password_that_was_revoked(
        self, blog: WordPress, state: Callable[..., Response], admin: User, agent: User, as_: As
    ) -> None:
        account = Account.objects.get()
        account.secrets = {**account.secrets, "password": "revoked"}
        account.save()
        sending = state().deliveries.get()
        words = "does not accept this user name and application password"
        assert sending.state == DeliveryState.FAILED
        assert words in sending.error
        assert words in as_(agent).get(reverse("responses:delivery_problems")).content.decode()
        each = source()
        each.fetch_now()
        fetch_source(each)
        pages = as_(admin)
        assert words in pages.get(source().get_absolute_url()).content.decode()
        answer = pages.post(
            reverse("crm:reconnect", args=[account.pk]), typed(blog, admin, password="wrong")
        )
        assert words in answer.content.decode()
        pages.post(reverse("crm:reconnect", args=[account.pk]), typed(blog, admin))
        check_sending.send_again(sending, by=agent)
        sweep()
        assert len(blog.posts()) == 1

    def test_a_user_who_may_not(self, blog: WordPress, admin: User, as_: As) -> None:
        login = f"sub{uuid.uuid4().hex[:8]}"
        password = blog.user_password(login, "subscriber")
        answer = as_(admin).post(
            reverse("crm:connect", args=["wordpress"]),
            typed(blog, admin, user=login, password=password, do="test"),
        )
        assert answer.status_code == 422
        assert "may not publish posts" in answer.content.decode()

    def test_both_forms_of_the_interface(
        self, blog: WordPress, state: Callable[..., Response]
    ) -> None:
        account = Account.objects.get()
        for api in ("/index.php?rest_route=/", "/wp-json/" if blog.pretty else "/?rest_route=/"):
            account.config = {**account.config, "api": f"{blog.address}{api}"}
            account.save()
            assert state(api).deliveries.get().state == DeliveryState.SENT
            listen()
        assert len(blog.posts()) == 2
