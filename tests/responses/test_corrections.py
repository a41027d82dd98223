"""Corrections and takedowns of published statements; the record keeps both versions of a text."""

from __future__ import annotations

import csv
import io
import signal
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from crm.models import Account, Department, Interaction, User
from responses import check_sending, corrections, outbox, release, throttle
from responses.compose import Words, state_publicly
from responses.corrections import current, newest
from responses.models import Delivery, Response, ResponseRule
from responses.models.delivery_state import DeliveryAction, DeliveryState
from routing.models import Case, Issue
from routing.models.status import Stale
from scrm import pipeline
from scrm.channels.sandbox.models import Fault, Post
from tests.killing import killed_at
from tests.together import at_once

pytestmark = pytest.mark.django_db(transaction=True)
As = Callable[[User], Client]
BLOG = "sandbox.blog"

STEPS = [
    ("responses.outbox:claim", "before"),
    ("responses.outbox:claim", "after"),
    ("scrm.channels.sandbox.channel:{change}", "before"),
    ("scrm.channels.sandbox.channel:{change}", "after"),
    ("responses.outbox:mark_sent", "before"),
    ("responses.outbox:record", "after"),
    ("responses.outbox:mark_sent", "after"),
]


@pytest.fixture(autouse=True)
def no_undo(settings: Any) -> None:
    settings.UNDO_SECONDS = 0


@pytest.fixture
def blog(service: Department, admin: User) -> Account:
    account = Account.objects.create(
        kind="sandbox", network=BLOG, self_key="skyward", name="Skyward blog", owner=admin
    )
    service.accounts.add(account)
    return account


@pytest.fixture
def stated(blog: Account, service: Department, agent: User) -> Response:
    """Return a statement that is published on the blog."""
    issue = Issue.objects.create(name="Seat policy", owner=agent)
    words = Words(uuid.uuid4(), "He had a second seat.", "public", subject="Not a size")
    said = state_publicly(words, accounts=[blog], by=agent, department=service, issue=issue)
    sweep()
    return said


def sweep() -> None:
    """Make all waiting deliveries due, and process them.

    This is done three times. All leases lapse first, as after the death of a worker.
    """
    for _ in range(3):
        past = timezone.now() - timedelta(seconds=1)
        Delivery.objects.filter(state=DeliveryState.SENDING).update(lease_until=past)
        Delivery.objects.filter(state=DeliveryState.UNKNOWN, settled_at=None).update(
            settle_after=past
        )
        Delivery.objects.filter(state=DeliveryState.QUEUED).update(send_after=timezone.now())
        pipeline.tick()
        for pk in Delivery.objects.to_settle(timezone.now()).values_list("pk", flat=True):
            pipeline.settle(pk)
        for pk in Delivery.objects.due(timezone.now()).values_list("pk", flat=True):
            pipeline.deliver(pk)


def words(text: str = "We wrote too much about him.", **facts: Any) -> Words:
    return Words(uuid.uuid4(), text, "public", **{"subject": "We are sorry", **facts})


def correct(said: Response, words: Words, *, by: User) -> Response:
    """Correct the statement as a user whose page shows the newest version."""
    return corrections.correct(said, words, over=newest(said).pk, by=by)


def take_down(said: Response, *, why: str, by: User) -> None:
    corrections.take_down(said, why=why, over=newest(said).pk, by=by)


def change(act: str) -> Delivery:
    return Delivery.objects.get(act=act)


def ledger() -> list[tuple[str, str]]:
    return list(Interaction.objects.order_by("pk").values_list("kind", "text"))


def test_a_correction_changes_the_post_and_both_versions_stay(
    stated: Response, agent: User
) -> None:
    correction = correct(stated, words(), by=agent)
    sweep()
    post = Post.objects.get(network=BLOG)
    assert (post.title, post.text) == ("We are sorry", "We wrote too much about him.")
    assert ledger() == [
        ("statement", "He had a second seat."),
        ("correction", "We wrote too much about him."),
    ]
    first, second = Interaction.objects.order_by("pk")
    assert second.revises == first
    assert second.conversation == first.conversation
    assert (correction.corrects, current(stated)) == (stated, correction)
    assert change("amend").in_words == "Corrected"


def test_taken_down_it_is_gone_there_and_stays_here(stated: Response, lead: User) -> None:
    take_down(stated, why="It told the world about his seat.", by=lead)
    assert change("withdraw").in_words == "Removal: queued"
    sweep()
    assert not Post.objects.filter(network=BLOG).exists()
    withdrawn = Interaction.objects.get(kind="withdrawal")
    assert withdrawn.staff == lead
    assert withdrawn.text == "Taken down: It told the world about his seat."
    assert withdrawn.revises == Interaction.objects.get(kind="statement")
    assert change("withdraw").in_words == "Taken down"


def test_wherever_it_is_read_it_says_that_it_was_taken_down(
    stated: Response, hear: Callable[..., Case], lead: User, as_: As
) -> None:
    """Each page that shows a statement also says that the statement was taken down.

    The pages are the statement itself, its correction, the history, the calendar, its issue, a
    case, and a profile.
    """
    case = hear("Me too", handle="@rita")
    case.group(stated.issue, by=lead)
    correction = correct(stated, words(), by=lead)
    sweep()
    pages = [
        stated.get_absolute_url(),
        correction.get_absolute_url(),
        reverse("responses:history"),
        reverse("responses:calendar"),
        reverse("responses:issue_said", args=[stated.issue_id]),
        case.get_absolute_url(),
        case.profile.get_absolute_url(),
    ]
    read = lambda page: as_(lead).get(page).content.decode().lower()  # noqa: E731
    take_down(stated, why="It told the world.", by=lead)
    assert [page for page in pages if ">taken down" in read(page)] == []  # not yet removed
    sweep()
    assert [page for page in pages if ">taken down" not in read(page)] == []
    Delivery.objects.filter(act="amend").update(state="cancelled")
    assert ">taken down<" not in read(correction.get_absolute_url())  # the text was never published


def test_taking_down_shows_what_stands_and_what_was_about_to(
    stated: Response, agent: User, lead: User, as_: As
) -> None:
    """The page for a takedown shows the published text and the correction that waits to be sent.

    When the correction is sent, the page shows only the correction. Fails if a queued correction is
    shown as the published text.
    """
    correct(stated, words("Not there yet."), by=agent)
    page = as_(lead).get(reverse("responses:take_down", args=[stated.pk])).content.decode()
    places = [
        page.index(each)
        for each in ("He had a second seat.", "is being sent and will be stopped", "Not there yet.")
    ]
    assert places == sorted(places)
    sweep()
    page = as_(lead).get(reverse("responses:take_down", args=[stated.pk])).content.decode()
    assert "Not there yet." in page
    assert "He had a second seat." not in page
    assert "is being sent and will be stopped" not in page


def test_who_signs_a_correction_reads_what_it_takes_the_place_of(
    stated: Response, agent: User, lead: User, as_: As
) -> None:
    correct(stated, words("Second."), by=agent)
    sweep()
    ResponseRule.objects.create(
        name="Held", owner=agent, conditions={"all": []}, verdict="hold", reason="Wait."
    )
    correct(stated, words("Third."), by=agent)
    page = as_(lead).get(reverse("responses:approvals")).content.decode()
    places = [page.index(each) for each in ("replaces the current text", "Second.", "Third.")]
    assert places == sorted(places)
    assert "He had a second seat." not in page


def test_an_export_says_what_was_corrected_and_taken_down(
    stated: Response, lead: User, as_: As
) -> None:
    """The export shows the states as “Corrected” and “Taken down”, not by their internal names."""
    correct(stated, words(), by=lead)
    sweep()
    take_down(stated, why="It told the world.", by=lead)
    sweep()
    body = b"".join(as_(lead).get(reverse("responses:export")).streaming_content)  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert [row["state"] for row in rows] == ["Taken down", "Taken down"]
    assert "Corrected" in rows[0]["deliveries"]
    assert "Taken down" in rows[1]["deliveries"]


def test_a_correction_of_others_that_is_held_is_no_secret_told_on_the_issue(
    stated: Response, agent: User, outsider: User, as_: As
) -> None:
    ResponseRule.objects.create(
        name="Held", owner=agent, conditions={"all": []}, verdict="hold", reason="Wait."
    )
    correct(stated, words("Held."), by=agent)
    page = reverse("responses:issue_said", args=[stated.issue_id])
    theirs = as_(agent).get(page).content.decode()
    assert "correction pending" in theirs
    assert "corrected later" not in theirs  # so far, the correction was not published
    assert "Correction pending" in as_(agent).get(stated.get_absolute_url()).content.decode()
    shown = as_(outsider).get(page).content.decode()
    assert "He had a second seat." in shown
    assert "correction pending" not in shown


@pytest.mark.parametrize("act", ["amend", "withdraw"])
@pytest.mark.parametrize(("where", "when"), STEPS)
def test_a_change_survives_kill_9_at_every_step(
    stated: Response, agent: User, act: str, where: str, when: str
) -> None:
    if act == "amend":
        correct(stated, words(), by=agent)
    else:
        take_down(stated, why="A slip.", by=agent)
    pk = change(act).pk
    where = where.format(change="rewrite" if act == "amend" else "remove")
    assert killed_at(where, when, lambda: pipeline.deliver(pk)) == signal.SIGKILL
    assert change(act).state in {DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.SENT}

    sweep()
    assert change(act).state == DeliveryState.SENT
    assert Interaction.objects.filter(revises__isnull=False).count() == 1
    texts = list(Post.objects.filter(network=BLOG).values_list("text", flat=True))
    assert texts == (["We wrote too much about him."] if act == "amend" else [])


def test_a_lost_answer_is_no_success_and_is_made_good(stated: Response, agent: User) -> None:
    correct(stated, words(), by=agent)
    Fault.objects.create(network=BLOG, call="send", mode="answer lost")
    outbox.deliver(change("amend"))
    assert change("amend").state == DeliveryState.UNKNOWN
    assert change("amend").trouble == "It may or may not have been changed."
    sweep()
    assert change("amend").state == DeliveryState.SENT
    assert Interaction.objects.filter(kind="correction").count() == 1


def test_a_refused_change_says_that_the_post_stands_as_it_was(
    stated: Response, agent: User, as_: As
) -> None:
    correct(stated, words(), by=agent)
    Fault.objects.create(network=BLOG, call="send", mode="refused")
    sweep()
    assert change("amend").state == DeliveryState.FAILED
    page = as_(agent).get(reverse("responses:delivery_problems")).content.decode()
    assert "The change failed." in page
    assert "The network rejected the message." in page
    assert Post.objects.get(network=BLOG).text == "He had a second seat."
    assert current(stated) == stated

    again = check_sending.send_again(change("amend"), by=agent)
    sweep()
    again.refresh_from_db()
    assert again.state == DeliveryState.SENT
    assert Post.objects.get(network=BLOG).text == "We wrote too much about him."


def test_a_later_change_is_never_undone_by_an_earlier_one(stated: Response, agent: User) -> None:
    """If a later correction is already published, an earlier correction is not sent any more.

    Fails without `is_overtaken`, because then the earlier text replaces the later one.
    """
    correct(stated, words("Second."), by=agent)
    first = change("amend")
    Delivery.objects.filter(pk=first.pk).update(
        state=DeliveryState.UNKNOWN, attempts=1, settle_after=timezone.now() + timedelta(hours=1)
    )
    correct(stated, words("Third."), by=agent)
    third = Delivery.objects.latest("pk")
    outbox.deliver(third)
    assert third.state == DeliveryState.QUEUED, "while one change is on its way, the next one waits"

    Delivery.objects.filter(pk=first.pk).update(settle_after=None)
    outbox.deliver(third)
    Delivery.objects.filter(pk=first.pk).update(state=DeliveryState.QUEUED)
    sweep()
    first.refresh_from_db()
    assert Post.objects.get(network=BLOG).text == "Third."
    assert first.state == DeliveryState.FAILED
    assert first.error == "A later change to this post was already published."


def test_what_still_waits_is_overtaken_by_taking_it_down(stated: Response, agent: User) -> None:
    correction = correct(stated, words(), by=agent)
    take_down(stated, why="All of it.", by=agent)
    sweep()
    assert correction.deliveries.get().state == DeliveryState.CANCELLED
    assert not Post.objects.filter(network=BLOG).exists()
    assert corrections.posts_of(stated) == []
    with pytest.raises(Stale, match="This post cannot be changed"):
        correct(stated, words(), by=agent)
    with pytest.raises(Stale, match="This post cannot be changed"):
        take_down(stated, why="Again.", by=agent)


def test_one_click_is_one_correction(stated: Response, agent: User) -> None:
    typed = words()
    assert correct(stated, typed, by=agent) == correct(stated, typed, by=agent)
    assert Delivery.objects.filter(act=DeliveryAction.AMEND).count() == 1


def test_the_rules_hold_a_correction_like_any_statement(
    stated: Response, agent: User, lead: User, admin: User
) -> None:
    ResponseRule.objects.create(
        name="Much", owner=admin, verdict="hold", reason="A second pair of eyes.",
        conditions={"all": [{"field": "text", "op": "contains", "value": "much"}]},
    )  # fmt: skip
    held = correct(stated, words(), by=agent)
    sweep()
    assert held.state == "held"
    assert Post.objects.get(network=BLOG).text == "He had a second seat."
    release.approve(held, by=lead)
    sweep()
    assert Post.objects.get(network=BLOG).text == "We wrote too much about him."


def test_feedback_stays_with_the_post_whichever_version_it_has(
    stated: Response, agent: User
) -> None:
    correct(stated, words(), by=agent)
    sweep()
    assert change("amend").sent_key == ""
    assert stated.deliveries.get().sent_key == Post.objects.get(network=BLOG).key


@pytest.mark.parametrize("other", ["correct", "take down"])
def test_of_two_at_the_same_moment_the_second_is_told(
    stated: Response, agent: User, teammate: User, as_: As, other: str
) -> None:
    """If two users change the same version at the same moment, the second one gets an error.

    The page keeps what this user typed. Fails if `over` (the version that the user saw) is checked
    before the lock is taken.
    """
    correcting = reverse("responses:correct", args=[stated.pk])
    typed = {"form": uuid.uuid4(), "seen": stated.pk, "subject": "Mine", "text": "What I typed."}
    url = reverse("responses:take_down", args=[stated.pk])
    theirs = {"seen": stated.pk, "why": "Theirs."}
    if other == "correct":
        url, theirs = correcting, typed | {"form": uuid.uuid4(), "text": "Theirs."}
    first, second = as_(agent), as_(teammate)
    answers = at_once(lambda: first.post(correcting, typed), lambda: second.post(url, theirs))
    assert sorted(each.status_code for each in answers) == [302, 409]
    loser = next(n for n, each in enumerate(answers) if each.status_code == 409)
    assert ("What I typed.", "Theirs.")[loser] in answers[loser].content.decode()
    assert Delivery.objects.exclude(act=DeliveryAction.SAY).count() == 1


class TestPages:
    def typed(self, stated: Response, **more: Any) -> dict[str, Any]:
        facts = {"form": uuid.uuid4(), "seen": current(stated).pk, "subject": "New", "text": "New."}
        return facts | more

    def test_from_its_page_to_the_record(self, stated: Response, agent: User, as_: As) -> None:
        browser, page = as_(agent), reverse("responses:correct", args=[stated.pk])
        assert page in browser.get(stated.get_absolute_url()).content.decode()
        assert "He had a second seat." in browser.get(page).content.decode()
        answer = browser.post(page, self.typed(stated))
        correction = Response.objects.latest("pk")
        assert answer["Location"] == correction.get_absolute_url()
        sweep()
        shown = browser.get(stated.get_absolute_url()).content.decode()
        assert "Versions" in shown
        assert "Corrected" in shown
        issue = browser.get(reverse("responses:issue_said", args=[stated.issue_id]))
        assert "Corrected" in issue.content.decode()
        assert "New." in browser.get(reverse("responses:history")).content.decode()

    def test_taking_down_wants_a_reason(self, stated: Response, agent: User, as_: As) -> None:
        page = reverse("responses:take_down", args=[stated.pk])
        assert as_(agent).post(page, {"why": " "}).status_code == 422
        assert not Delivery.objects.filter(act=DeliveryAction.WITHDRAW).exists()
        assert as_(agent).post(page, {"why": "A slip.", "seen": stated.pk}).status_code == 302
        sweep()
        shown = as_(agent).get(stated.get_absolute_url()).content.decode()
        assert "Taken down" in shown
        assert "A slip." in shown
        assert page not in shown

    def test_nothing_typed_is_lost_when_a_colleague_was_faster(
        self, stated: Response, agent: User, as_: As
    ) -> None:
        mine = self.typed(stated, text="What I typed.")
        correct(stated, words("Theirs."), by=agent)
        page = as_(agent).post(reverse("responses:correct", args=[stated.pk]), mine)
        assert page.status_code == 409
        assert "What I typed." in page.content.decode()
        assert "Theirs." in page.content.decode()
        assert Delivery.objects.filter(act=DeliveryAction.AMEND).count() == 1

    def test_a_reason_is_not_lost_either_and_the_new_words_are_shown(
        self, stated: Response, agent: User, as_: As
    ) -> None:
        """If the text was corrected meanwhile, the form for a takedown shows the new text.

        The typed reason is kept. Fails if `over` (the version that the user saw) is not checked,
        because then the user takes down a statement without having seen its new text.
        """
        page = reverse("responses:take_down", args=[stated.pk])
        mine = {"why": "It names him.", "seen": stated.pk}
        correct(stated, words("Theirs."), by=agent)
        answer = as_(agent).post(page, mine)
        shown = answer.content.decode()
        assert answer.status_code == 409
        assert "Another user corrected this post meanwhile." in shown
        assert "Theirs." in shown
        assert 'value="It names him."' in shown
        assert not Delivery.objects.filter(act=DeliveryAction.WITHDRAW).exists()
        mine["seen"] = newest(stated).pk
        assert f'name="seen" value="{mine["seen"]}"' in shown
        assert as_(agent).post(page, mine).status_code == 302

    def test_a_reason_stays_where_a_colleague_took_it_down_first(
        self, stated: Response, agent: User, as_: As
    ) -> None:
        take_down(stated, why="First.", by=agent)
        page = reverse("responses:take_down", args=[stated.pk])
        answer = as_(agent).post(page, {"why": "It names him.", "seen": stated.pk})
        assert answer.status_code == 409
        assert "It names him." in answer.content.decode()

    def test_a_correction_that_is_held_is_told_of_as_well(
        self, stated: Response, agent: User, admin: User, as_: As
    ) -> None:
        ResponseRule.objects.create(
            name="All", owner=admin, conditions={"all": []}, verdict="hold", reason="Read it."
        )
        mine = self.typed(stated, text="What I typed.")
        correct(stated, words("Theirs."), by=agent)
        page = as_(agent).post(reverse("responses:correct", args=[stated.pk]), mine)
        assert page.status_code == 409
        assert "That correction waits for approval" in page.content.decode()
        assert "What I typed." in page.content.decode()

    def test_pressed_twice_it_is_one_correction(
        self, stated: Response, agent: User, as_: As
    ) -> None:
        mine, browser = self.typed(stated), as_(agent)
        page = reverse("responses:correct", args=[stated.pk])
        assert browser.post(page, mine)["Location"] == browser.post(page, mine)["Location"]
        assert Delivery.objects.filter(act=DeliveryAction.AMEND).count() == 1

    def test_the_same_words_are_no_correction(self, stated: Response, agent: User, as_: As) -> None:
        same = self.typed(stated, subject="Not a size", text="He had a second seat.")
        page = as_(agent).post(reverse("responses:correct", args=[stated.pk]), same)
        assert page.status_code == 422
        assert "The text is unchanged" in page.content.decode()

    @pytest.mark.parametrize(("who", "may"), [("lead", True), ("admin", True), ("reader", False)])
    def test_whoever_may_state_something_may_change_it(
        self, stated: Response, as_: As, request: pytest.FixtureRequest, who: str, may: bool
    ) -> None:
        browser = as_(request.getfixturevalue(who))
        for name in ("responses:correct", "responses:take_down"):
            status = browser.get(reverse(name, args=[stated.pk])).status_code
            assert status == (200 if may else 403)

    def test_an_outsider_reads_it_and_changes_nothing(
        self, stated: Response, outsider: User, as_: As
    ) -> None:
        browser = as_(outsider)
        shown = browser.get(stated.get_absolute_url()).content.decode()
        assert "Take down" not in shown
        page = reverse("responses:take_down", args=[stated.pk])
        assert browser.post(page, {"why": "Mischief."}).status_code == 403
        assert not Delivery.objects.filter(act=DeliveryAction.WITHDRAW).exists()


# A statement in two places, and a delivery that is sent again


@pytest.fixture
def half_out(blog: Account, service: Department, agent: User, admin: User) -> Response:
    """Return a statement that is published on the blog and still queued for the microblog."""
    other = Account.objects.create(
        kind="sandbox", network="sandbox.microblog", self_key="us", name="@us", owner=admin,
        paused_at=timezone.now(),
    )  # fmt: skip
    service.accounts.add(other)
    issue = Issue.objects.create(name="Seat policy", owner=agent)
    both = [blog, other]
    said = state_publicly(words("He had a second seat."), accounts=both, by=agent,
                          department=service, issue=issue)  # fmt: skip
    sweep()
    assert set(said.deliveries.values_list("state", flat=True)) == {"sent", "queued"}
    return said


@pytest.mark.parametrize("act", ["correct", "take down"])
def test_what_still_waits_elsewhere_does_not_leave_any_more(
    half_out: Response, agent: User, act: str
) -> None:
    """After a correction or a takedown, the old text is not sent to the places where it is queued.

    Fails without `_stop_what_waits`, because then the old text is published on the microblog.
    """
    if act == "correct":
        correct(half_out, words(), by=agent)
    else:
        take_down(half_out, why="A slip.", by=agent)
    Account.objects.update(paused_at=None)
    sweep()
    assert not Post.objects.filter(text="He had a second seat.").exists()
    assert half_out.deliveries.get(account__name="@us").state == DeliveryState.CANCELLED


@pytest.mark.parametrize("act", ["correct", "take down"])
def test_while_it_is_just_leaving_elsewhere_nothing_is_changed(
    half_out: Response, agent: User, act: str
) -> None:
    half_out.deliveries.filter(state="queued").update(state=DeliveryState.UNKNOWN)
    change = {
        "correct": lambda: correct(half_out, words(), by=agent),
        "take down": lambda: take_down(half_out, why="A slip.", by=agent),
    }[act]
    with pytest.raises(Stale, match="being sent to another channel"):
        change()
    assert not Delivery.objects.exclude(act=DeliveryAction.SAY).exists()


def test_an_old_correction_that_is_sent_again_does_not_undo_a_newer_one(
    stated: Response, agent: User
) -> None:
    """If a user sends an old correction again, the newer correction stays published.

    Fails if the order of the deliveries decides which correction is newer, because then the old
    text returns.
    """
    old = correct(stated, words("The old correction."), by=agent)
    failed = old.deliveries.get()
    Delivery.objects.filter(pk=failed.pk).update(state=DeliveryState.FAILED)
    correct(stated, words("The new correction."), by=agent)
    sweep()
    again = check_sending.send_again(Delivery.objects.get(pk=failed.pk), by=agent)
    sweep()
    again.refresh_from_db()
    assert Post.objects.get(network=BLOG).text == "The new correction."
    assert again.state == DeliveryState.FAILED


def test_taking_down_waits_for_no_budget(stated: Response, blog: Account, lead: User) -> None:
    """The rate limit of the account does not delay a takedown.

    Fails if the limit applies to takedowns, because then this takedown waits for an hour.
    """
    blog.config["per_hour"] = 1
    blog.save()
    take_down(stated, why="A slip.", by=lead)
    now = timezone.now()
    throttle.hold_back(now)
    assert outbox.claim(change("withdraw"), now=now)


def test_who_only_drafts_takes_nothing_down(stated: Response, service: Department, as_: As) -> None:
    drafter = User.objects.create_user("drew@scrm.example", name="Drew Drafter")
    service.memberships.create(user=drafter, role="drafter")
    browser, url = as_(drafter), reverse("responses:take_down", args=[stated.pk])
    assert browser.post(url, {"why": "No."}).status_code == 403
    assert not Delivery.objects.filter(act=DeliveryAction.WITHDRAW).exists()


def test_a_correction_that_is_held_is_not_read_by_other_departments(
    stated: Response, agent: User, outsider: User, admin: User, as_: As
) -> None:
    """Users of other departments can read a published statement, but not a held correction of it.

    Fails if each user who may read the statement may also read the held correction.
    """
    ResponseRule.objects.create(
        name="All", owner=admin, conditions={"all": []}, verdict="hold", reason="Read it."
    )
    correct(stated, words("Nobody signed this."), by=agent)
    url = stated.get_absolute_url()
    assert "Nobody signed this." in as_(agent).get(url).content.decode()
    assert "Nobody signed this." not in as_(outsider).get(url).content.decode()


# Undoing a correction before it is sent


def undo(browser: Client, correction: Response) -> Any:
    return browser.post(reverse("responses:cancel", args=[correction.pk]), follow=True)


def test_an_undone_correction_lets_go_what_it_had_stopped(
    stated: Response, agent: User, teammate: User, as_: As
) -> None:
    """If a correction is undone, scrm sends the earlier correction that the undone one had stopped.

    Fails without `_stopped_at`, because then the earlier correction is never sent.
    """
    theirs = correct(stated, words("Theirs."), by=teammate)
    mine = correct(stated, words("Mine."), by=agent)
    page = undo(as_(agent), mine).content.decode()
    assert "The earlier text will be sent instead." in page
    assert ">\nMine.</textarea>" in page, "its words are there to go on with"
    assert theirs.deliveries.get().state == DeliveryState.QUEUED
    assert "after all" in theirs.events.latest("pk").why
    sweep()
    assert Post.objects.get(network=BLOG).text == "Theirs."
    assert Interaction.objects.filter(kind="correction").count() == 1


def test_an_undone_correction_in_the_middle_lets_nothing_go(
    stated: Response, agent: User, as_: As
) -> None:
    """If the second of three corrections is undone, the first one is not queued again.

    Fails if `_stopped_at` ignores `last`, which is the newest correction that was not undone. Here
    it is the third correction.
    """
    first, second = (correct(stated, words(each), by=agent) for each in ("First.", "Second."))
    third = correct(stated, words("Third."), by=agent)
    undo(as_(agent), second)
    sweep()
    assert Post.objects.get(network=BLOG).text == "Third."
    assert [each.deliveries.get().state for each in (first, second, third)] == [
        "cancelled", "cancelled", "sent",
    ]  # fmt: skip


def test_an_undone_correction_lets_nothing_go_to_what_was_taken_down(
    stated: Response, agent: User, as_: As
) -> None:
    correct(stated, words("First."), by=agent)
    second = correct(stated, words("Second."), by=agent)
    take_down(stated, why="All of it.", by=agent)
    undo(as_(agent), second)
    sweep()
    assert not Post.objects.filter(network=BLOG).exists()
    assert not Delivery.objects.filter(state=DeliveryState.QUEUED).exists()


def test_an_undone_correction_lets_the_statement_go_on_to_where_it_waited(
    half_out: Response, agent: User, as_: As
) -> None:
    """If a correction is undone, the statement is sent to the places where it was queued before.

    Fails if the cancelled delivery stays cancelled, because then the statement is never published
    on the microblog.
    """
    undo(as_(agent), correct(half_out, words(), by=agent))
    Account.objects.update(paused_at=None)
    sweep()
    assert set(half_out.deliveries.values_list("state", flat=True)) == {"sent"}
    assert Post.objects.filter(text="He had a second seat.").count() == 2


def test_undone_by_the_button_that_is_told_of_it_leads_to_its_page(
    stated: Response, agent: User, as_: As
) -> None:
    correction = correct(stated, words(), by=agent)
    url = reverse("responses:cancel", args=[correction.pk])
    answer = as_(agent).post(url, headers={"HX-Request": "true"})
    page = reverse("responses:correct", args=[stated.pk])
    assert answer["HX-Redirect"] == f"{page}?again={correction.pk}"


def test_nobody_goes_on_with_what_a_colleague_undid(
    stated: Response, agent: User, teammate: User, as_: As
) -> None:
    mine = correct(stated, words("Mine."), by=agent)
    undo(as_(agent), mine)
    page = reverse("responses:correct", args=[stated.pk])
    assert "Mine." not in as_(teammate).get(f"{page}?again={mine.pk}").content.decode()


def test_correct_it_on_an_issue_leads_to_where_it_is_corrected(
    stated: Response, agent: User, as_: As
) -> None:
    """On an issue page, the link “Correct the post…” opens the correction form of the statement.

    After a takedown of the statement, the link opens the form for a new post. Fails if the link
    always opens a new post.
    """
    page = reverse("responses:issue_said", args=[stated.issue_id])
    there = reverse("responses:correct", args=[stated.pk])
    anew = f"?corrects={stated.pk}"
    shown = as_(agent).get(page).content.decode()
    assert f'href="{there}">Correct the post…' in shown
    assert anew not in shown
    take_down(stated, why="All of it.", by=agent)
    shown = as_(agent).get(page).content.decode()
    assert there not in shown
    assert anew in shown


def test_of_a_correction_on_an_issue_the_statement_is_corrected(
    stated: Response, agent: User, as_: As
) -> None:
    correction = correct(stated, words(), by=agent)
    sweep()
    page = reverse("responses:issue_said", args=[stated.issue_id])
    shown = as_(agent).get(page).content.decode()
    assert shown.count(">Correct the post…</a>") == 1
    assert f"?corrects={correction.pk}" not in shown


def test_a_correction_that_never_went_is_not_said_to_be_one(
    stated: Response, agent: User, as_: As
) -> None:
    """If a correction was never sent, the pages do not say that the statement was corrected later.

    Here, a takedown stopped the correction.
    """
    pages = (stated.get_absolute_url(), reverse("responses:issue_said", args=[stated.issue_id]))
    words = Words(uuid.uuid4(), "He needed two seats.", "public")
    corrections.correct(stated, words, over=stated.pk, by=agent)
    for page in pages:
        assert "orrected later" in as_(agent).get(page).content.decode()
    last = newest(stated).pk
    corrections.take_down(stated, why="Wrong facts.", over=last, by=agent)
    for page in pages:
        assert "orrected later" not in as_(agent).get(page).content.decode()


def test_undoing_a_correction_brings_nothing_back_of_what_was_taken_down(
    half_out: Response, agent: User, settings: Any
) -> None:
    """If a correction is undone after a takedown, the statement is not queued again.

    The correction had stopped the queued delivery to the microblog. If the undo queued this
    delivery again, the statement would be published there after its takedown.
    """
    settings.UNDO_SECONDS = 60
    text = Words(uuid.uuid4(), "He needed two seats.", "public")
    correction = corrections.correct(half_out, text, over=half_out.pk, by=agent)
    last = newest(half_out).pk
    corrections.take_down(half_out, why="Wrong facts.", over=last, by=agent)
    corrections.undo(correction, by=agent)
    assert not half_out.deliveries.filter(
        act=DeliveryAction.SAY, state=DeliveryState.QUEUED
    ).exists()
