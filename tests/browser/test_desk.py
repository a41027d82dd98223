"""A day at the desk, with the keyboard alone and again with the mouse, in both themes."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone
from playwright.sync_api import expect

from crm.models import User
from responses.models import Delivery
from routing.models import Case
from scrm.nudge import nudge
from tests.browser.hands import Hand
from tests.browser.world import PEOPLE, World
from tests.machinery import eventually

SitDown = Callable[..., Hand]


def leaves(delivery: Delivery) -> None:
    """The time to undo it is over: the sender takes it."""
    Delivery.objects.filter(pk=delivery.pk).update(send_after=timezone.now())
    nudge("scrm.pipeline.deliver", delivery.pk)
    eventually(lambda: Delivery.objects.filter(pk=delivery.pk, state="sent"))


def test_ten_cases_are_triaged(sit_down: SitDown, agent: User, world: World) -> None:
    """Taken, put off, finished, set aside or closed without a response: the next one opens."""
    hand = sit_down(agent)
    first, *others = [world[key] for key in list(PEOPLE)[:10]]
    hand.open(first)
    for n, case in enumerate([first, *others]):
        hand.is_at(case)
        if n % 5 == 0:
            hand.take()
        [hand.finish, lambda: _noise(hand), lambda: _nothing(hand)][n % 3]()
        expect(hand.opened).not_to_have_attribute("data-case", str(case.pk))
    left = [Case.objects.get(pk=case.pk).status for case in (first, *others)]
    assert left == ["done", "noise", "done"] * 3 + ["done"]


def _noise(hand: Hand) -> None:
    hand.press("l", hand.opened.locator("summary[aria-label^=More]"))
    hand.go(hand.button("Noise"))


def _nothing(hand: Hand) -> None:
    """The reason of the last time stands there already, and Enter takes it."""
    hand.tab("z", "No response")
    why = hand.page.get_by_label("Why there is no response")
    if not why.input_value():
        hand.type(why, "Only praise.")
    hand.press("Enter", hand.button("Done, without a response"))


def test_one_is_answered(sit_down: SitDown, agent: User, world: World) -> None:
    ron = world["ron"]
    hand = sit_down(agent)
    hand.open(ron)
    hand.take()
    hand.tab("r", "Reply")
    hand.write("We are sorry, Ron. May we call you?")
    hand.send()
    expect(hand.said).to_contain_text("Leaves in")
    sent = Delivery.objects.get()
    assert (sent.response.text, sent.response.author) == ("We are sorry, Ron. May we call you?", agent)
    leaves(sent)
    assert world["ron"].status == "waiting"
