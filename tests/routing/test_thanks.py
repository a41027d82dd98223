"""Thanks, emoji and likes never reopen a case; one key likes or dismisses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crm.models import Account, Attachment, Department, Interaction, User
from listening.models import Enclosure, Fetch, Mention
from responses.models import Moderation
from routing import pending_thanks
from routing.answering import count_as_answered
from routing.join import join_message
from routing.models import Case
from routing.thanks_detection import is_thanks
from routing.unanswered import unanswered
from tests.routing.hearing import HOUR, MINUTE, NOW, arrival, hear, place

As = Callable[[User], Client]
Say = Callable[..., Interaction]

THANKS = [
    "Thanks", "thanks!!", "Thank you so much ❤️", "@SkywardAir thx 🙏", "ty!", "Many thanks",
    "Danke", "Vielen Dank für die schnelle Hilfe!", "Herzlichen Dank 😊", "Merci beaucoup",
    "Je vous remercie", "Muchas gracias por la ayuda", "Teşekkürler", "Çok teşekkür ederim",
    "Sağol", "❤️", "👍🏽", "🙏🙏",
]  # fmt: skip
MORE = [
    "", "   ", "...", "!!!", "ok", "Thanks, but where is my bag", "Thanks?", "Thanks for nothing",
    "Danke für nichts", "Thanks, my number is 12345", "No thanks", "thanks, still waiting", "😡",
    "👍😡", "5", "Merci de me rappeler", "Gracias, pero no funciona",
    "Teşekkürler ama hala bekliyorum", "@SkywardAir",
    "Thank you " * 20, "🤦", "🙁", "😱", "❌", "🥺", "📞", "👍😕", "Thanks 😡", "👍？",
]  # fmt: skip


@pytest.mark.parametrize("text", THANKS)
def test_is_thanks(text: str) -> None:
    assert is_thanks(text)


@pytest.mark.parametrize("text", MORE)
def test_is_not_thanks(text: str) -> None:
    """A message that is wrongly taken for thanks is never answered, so a doubt means no."""
    assert not is_thanks(text)


@given(st.sampled_from(THANKS), st.text(min_size=1))
def test_a_question_mark_is_never_thanks(text: str, more: str) -> None:
    assert not is_thanks(f"{text} {more}?")


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert is_thanks(text) in {True, False}


def answered(case: Case) -> None:
    count_as_answered(case, at=timezone.now(), seen=case.last_inbound_id, answered_by=None)


def thank(say: Say, text: str = "Thanks ❤️") -> Interaction:
    """The person answers in the conversation of the first message."""
    return say(text, in_reply_to="post-1")


def test_thanks_after_done_reopens_nothing_and_is_counted(
    as_: As, agent: User, case: Case, say: Say
) -> None:
    """Fails on the old behaviour: the case was open again, with a new due time."""
    answered(case)
    case.claim(by=agent)
    case.finish(by=agent, seen=case.last_inbound_id)
    thank(say)
    thank(say, "👍")
    case.refresh_from_db()
    assert (case.status, case.due_at) == ("done", None)
    assert Case.objects.count() == 1
    assert not unanswered([case.pk])
    assert not agent.notices.filter(kind="reopened").exists()
    client = as_(agent)
    assert "2 × thanks" in client.get("/?view=done").content.decode()
    page = client.get(f"/cases/{case.pk}/").content.decode()
    assert 'data-verb="thanks" data-key="+"' in page


@pytest.mark.parametrize("status", ["waiting", "snoozed"])
def test_thanks_wakes_no_case_that_waits(case: Case, say: Say, status: str) -> None:
    answered(case)
    Case.objects.filter(pk=case.pk).update(status=status)
    thank(say)
    case.refresh_from_db()
    assert (case.status, case.due_at) == (status, None)


def test_thanks_in_an_open_case_settles_no_question(case: Case, say: Say) -> None:
    thank(say)
    assert [item.text for item in unanswered([case.pk])] == ["My bag is gone"]


def test_a_question_after_done_still_reopens(agent: User, case: Case, say: Say) -> None:
    case.finish(by=agent, seen=case.last_inbound_id, reasons="Other")
    thank(say, "Thanks, but where is it?")
    case.refresh_from_db()
    assert case.status == "open"


def test_thanks_to_a_case_that_was_noise_is_new_work(agent: User, case: Case, say: Say) -> None:
    case.set_aside(by=agent)
    thank(say)
    assert Case.objects.exclude(pk=case.pk).get().was_set_aside


def test_thanks_of_somebody_else_is_not_the_thanks_of_the_party(service: Department) -> None:
    """Ann and Ben write in one private thread, and only Ann has asked us something.

    Fails if the thanks of Ben are counted as the thanks of Ann, so that nobody reads his message.
    """
    case = hear("ann", "Where is our bag?", thread="family")
    answered(case)
    ben = arrival("ben", "Thanks", thread="family", at=NOW + MINUTE)
    assert place(ben, now=NOW + MINUTE) == [case]
    assert not pending_thanks.pending([case.pk]).exists()
    assert [item.pk for item in unanswered([case.pk])] == [ben.interaction]
    place(arrival("ann", "Thanks", thread="family", at=NOW + HOUR), now=NOW + HOUR)
    assert pending_thanks.pending([case.pk]).count() == 1


def test_thanks_that_came_before_the_delivery_was_confirmed_reopen_nothing(
    agent: User, case: Case, say: Say
) -> None:
    """The party thanks in a conversation that is joined to the case only later."""
    answered(case)
    case.finish(by=agent, seen=case.last_inbound_id)
    other = say("Thanks!")
    join_message(case, other, now=timezone.now(), why="Late.")
    case.refresh_from_db()
    assert (case.status, case.last_inbound) == ("done", other)
    assert pending_thanks.pending([case.pk]).count() == 1


def test_one_click_dismisses_the_thanks(as_: As, agent: User, case: Case, say: Say) -> None:
    answered(case)
    thank(say)
    client = as_(agent)
    client.post(f"/cases/{case.pk}/dismiss-thanks/")
    assert not pending_thanks.pending([case.pk]).exists()
    decision = case.item_decisions.current().latest("pk")
    assert (decision.outcome, decision.reason, decision.by) == ("no reply", "Thanks", agent)
    assert 'data-verb="thanks"' not in client.get(f"/cases/{case.pk}/").content.decode()


def test_one_key_likes_it_where_the_network_can_and_dismisses_it(
    as_: As, agent: User, case: Case, say: Say, microblog: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(case)
    thank(say)
    asked: list[str] = []
    monkeypatch.setattr("responses.moderation._act", lambda row, action: asked.append(action.name))
    as_(agent).post(f"/cases/{case.pk}/thanks/")
    assert asked == ["like"]
    assert Moderation.objects.get().state == "done"
    assert not pending_thanks.pending([case.pk]).exists()
    assert case.item_decisions.current().latest("pk").why == "Liked"


def test_a_like_that_the_network_refuses_keeps_the_thanks(
    as_: As, agent: User, case: Case, say: Say, microblog: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scrm.channels.base import ChannelError

    def refuse(*_: Any) -> None:
        raise ChannelError("Likes are closed.", permanent=True)

    answered(case)
    thank(say)
    monkeypatch.setattr("responses.moderation._act", refuse)
    page = as_(agent).post(f"/cases/{case.pk}/thanks/")
    assert "Likes are closed." in page.content.decode()
    assert pending_thanks.pending([case.pk]).exists()


def test_two_agents_dismiss_the_same_thanks_once(agent: User, case: Case, say: Say) -> None:
    answered(case)
    items = [thank(say)]
    assert [pending_thanks.settle(case, items, by=agent) for _ in range(2)] == [1, 0]


def test_a_file_is_never_thanks() -> None:
    """Fails on the old behaviour: the photo that we asked for was overlooked."""
    assert not is_thanks("Thanks! 👍", has_files=True)


@pytest.mark.parametrize(
    ("title", "only_thanks"),
    [("Re: Booking 4711", True), ("AW: Wo ist sie?", True), ("Thanks", True), ("No refund", False)],
)
def test_the_title_of_an_answer_repeats_and_any_other_title_counts(
    title: str, only_thanks: bool
) -> None:
    assert is_thanks("Thanks", title=title) is only_thanks


def test_a_mail_that_only_says_thanks_reopens_nothing(case: Case, say: Say) -> None:
    answered(case)
    say("Thanks", in_reply_to="post-1", title="Re: Booking 4711")
    case.refresh_from_db()
    assert case.status == "waiting"


def test_a_late_message_with_another_title_is_read(case: Case, say: Say) -> None:
    answered(case)
    other = say("Thanks", title="Still no refund")
    Case.objects.filter(pk=case.pk).update(status="waiting")
    join_message(case, other, now=timezone.now(), why="Late.")
    case.refresh_from_db()
    assert case.status == "open"


def test_a_photo_with_thanks_is_read_although_its_file_is_not_attached_yet(
    case: Case, say: Say, make_source: Callable[..., Any]
) -> None:
    answered(case)
    mention = Mention.objects.create(
        scope="sandbox.microblog",
        key="post-2",
        fetch=Fetch.objects.create(source=make_source()),
        author_network="sandbox.microblog",
        author_key="roncalder",
    )
    photo = Attachment.objects.create(name="receipt.jpg", content_type="image/jpeg", size=1)
    Enclosure.objects.create(mention=mention, attachment=photo)
    thank(say)
    case.refresh_from_db()
    assert case.status == "open"
