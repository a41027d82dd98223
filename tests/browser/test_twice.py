"""A button that is pressed twice, or while the browser is busy, acts only once.

The server's answer to the second press does not change the page.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from crm.models import Interaction, User
from responses.models import Delivery, Response
from tests.browser.conftest import Windows
from tests.browser.hands import Mouse
from tests.browser.world import World


class Held:
    """The requests to a URL, which are held back before they reach the server.

    `first` is the number of requests that reach the server before the others are held back.
    """

    def __init__(self, hand: Mouse, address: str, *, first: int) -> None:
        self.all: list[Route] = []
        self.page, self.first = hand.page, first
        self.page.route(address, self._take)

    def _take(self, route: Route) -> None:
        self.all.append(route)
        if len(self.all) <= self.first:
            route.continue_()

    def come(self, n: int) -> None:
        """Wait until the browser has made `n` requests to the URL."""
        for _ in range(100):
            if len(self.all) >= n:
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{len(self.all)} of {n} came")

    def let_go(self) -> None:
        for route in self.all[self.first :]:
            route.continue_()
        self.first = 1000


@pytest.fixture
def hand(windows: Windows, agent: User, world: World) -> Mouse:
    hand = Mouse(windows.open(agent, world["ron"].get_absolute_url()))
    hand.is_at(world["ron"])
    return hand


def test_send_is_one_response(hand: Mouse, world: World) -> None:
    """If “Send” is pressed twice, one response is sent.

    The server's answer to the second press arrives when the next case is already open. That case
    stays open. Fails if the form has no UUID, or if the answer to the second press changes the
    page.
    """
    requests = Held(hand, "**/reply/", first=1)
    hand.write("We are sorry.")
    expect(hand.opened.locator("#speaks")).to_contain_text("Draft saved")
    hand.opened.locator(".composer .foot button.primary").dblclick()
    expect(hand.said).to_contain_text("is sent in")
    hand.is_at(world["layla"])
    expect(hand.row(world["ron"])).to_have_count(0)
    requests.come(2)
    with hand.page.expect_response("**/reply/"):
        requests.let_go()
    hand.page.wait_for_timeout(300)
    expect(hand.page.locator("#messages li", has_text="is sent in")).to_have_count(1)
    hand.is_at(world["layla"])
    assert hand.page.url.endswith(f"/cases/{world['layla'].pk}/")
    assert Response.objects.count() == Delivery.objects.count() == 1


def test_send_is_not_lost_to_a_draft_that_is_slow(hand: Mouse, world: World) -> None:
    """If “Send” is pressed while the draft is being saved, the reply is sent after the save.

    When the user leaves the field, the draft is saved a second time. Fails with "queue last" in
    _write.html, because then the second save replaces the send.
    """
    drafts = Held(hand, "**/draft/", first=0)
    hand.write("We are sorry.")
    drafts.come(1)
    hand.send()
    hand.page.wait_for_timeout(300)
    drafts.let_go()
    expect(hand.said).to_contain_text("is sent in")
    hand.is_at(world["layla"])
    assert Response.objects.get().text == "We are sorry."


def test_done_is_taken_back_by_one_undo(hand: Mouse, world: World) -> None:
    """If “Done” is pressed twice, one undo is enough to open the case again.

    Fails if the second press, which changes nothing, also offers an undo.
    """
    hand.opened.locator(".case-title summary[data-verb=done]").click()
    box = hand.opened.locator("[data-decide]")
    box.get_by_label("No question").first.check()
    hand.opened.locator("form:has([data-decide]) button.primary").dblclick()
    hand.is_at(world["layla"])
    hand.said.get_by_role("button", name="Undo").last.click()
    hand.is_at(world["ron"])
    case = world["ron"]
    assert case.status == "new"
    assert case.events.filter(kind="done").count() == 1


def test_a_call_is_logged_once(hand: Mouse) -> None:
    page = hand.page
    page.goto("/new/")
    page.locator("#profile_q").fill("Erika Mustermann")
    page.get_by_label("New person").check()
    page.get_by_label("What was said").fill("Asked about a refund.")
    page.get_by_role("button", name="Log interaction").dblclick()
    expect(page.locator(".case-title h1")).to_have_text("Erika Mustermann")
    assert Interaction.objects.filter(channel="manual").count() == 1
