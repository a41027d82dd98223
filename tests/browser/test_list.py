"""The list and the open case show the newest state even if the server's answers arrive late.

The answers can also arrive in another order than the requests were made.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from crm.models import User
from tests.browser.conftest import Windows
from tests.browser.hands import Mouse
from tests.browser.world import World

NEWS = re.compile(r"/inbox/news/")
LIST = re.compile(r"/\?(?!token)")
TELL = """([event, detail]) => htmx.trigger(document.body, event, detail)"""
MARKED = """() => document.body.addEventListener(
  "case-finished", () => { window.finished = true; })"""


class Late:
    """The server's answers for a URL, which are held back from the browser.

    The test calls `let_go` to pass them on.
    """

    def __init__(self, page: Page, address: str | re.Pattern[str], times: int = 1) -> None:
        self.page = page
        self.answers: list[tuple[Route, APIResponse]] = []
        page.route(address, self._take, times=times)

    def _take(self, route: Route) -> None:
        self.answers.append((route, route.fetch()))

    def come(self) -> None:
        """Wait until the server has answered the request."""
        until(self.page, lambda: self.answers)

    def let_go(self) -> None:
        for route, answer in self.answers:
            route.fulfill(response=answer)


def until(page: Page, told: Callable[[], object]) -> None:
    for _ in range(200):
        if told():
            return
        page.wait_for_timeout(20)
    raise AssertionError("It did not come about")


def tell(page: Page, event: str, **detail: object) -> None:
    page.evaluate(TELL, [event, detail])


@pytest.fixture
def hand(windows: Windows, agent: User, world: World) -> Mouse:
    """Open the second case in the list of unassigned cases, in a page without live updates."""
    context = windows.browser(agent)
    context.route("**/live/?token=*", lambda route: route.abort())
    windows.expect("ERR_FAILED")
    page = context.new_page()
    page.goto(f"/cases/{world['layla'].pk}/")
    hand = Mouse(page)
    hand.is_at(world["layla"])
    return hand


def test_a_refresh_that_was_asked_for_before_brings_no_finished_case_back(
    hand: Mouse, world: World
) -> None:
    """A late answer of the server does not bring the row of a finished case back into the list.

    The page requested the row before the case was finished. Fails if the old row stays in the page
    for 400 ms after the case was finished, because then the late answer shows the case again.
    """
    page, layla = hand.page, world["layla"]
    page.evaluate(MARKED)
    news = Late(page, NEWS)
    tell(page, "live:case", id=str(layla.pk))
    news.come()
    hand.finish()
    until(page, lambda: page.evaluate("window.finished"))
    news.let_go()
    hand.is_at(world["noa"])
    page.wait_for_timeout(600)  # nothing may happen, so there is no condition to wait for
    expect(hand.row(layla)).to_have_count(0)


def test_a_list_that_was_asked_for_before_brings_no_finished_case_back(
    hand: Mouse, world: World
) -> None:
    """If the server's answer with the list arrives late, a finished case does not appear again.

    The page requested the list before the case was finished. Fails without `turnFinished` in
    list_versions.js.
    """
    page, layla = hand.page, world["layla"]
    late = Late(page, LIST)
    page.evaluate("document.querySelector('#open .pane-head').dataset.old = ''")
    tell(page, "list-changed")
    late.come()
    # The event loads the case again too, which closes an open form of its head.
    expect(page.locator("#open .pane-head[data-old]")).to_have_count(0)
    hand.finish()
    hand.is_at(world["noa"])
    with page.expect_response(LIST):
        late.let_go()
    expect(page.locator("#cases")).to_have_attribute("data-turn", re.compile(r"\d"))
    expect(hand.row(world["ron"])).to_be_visible()
    expect(hand.row(layla)).to_have_count(0)


def test_an_older_row_does_not_replace_a_newer_one(hand: Mouse, world: World) -> None:
    """If an older answer for a row arrives after a newer one, the page keeps the newer row.

    Fails if list_versions.js does not compare the order in which the answers were requested.
    """
    page = hand.page
    news = Late(page, NEWS)
    tell(page, "live:case", id=str(world["layla"].pk))
    news.come()
    hand.take()
    mark = hand.row(world["layla"]).locator(".chip", has_text="assigned to you")
    expect(mark).to_be_visible()
    with page.expect_response(NEWS):
        news.let_go()
    page.wait_for_timeout(300)
    expect(mark).to_be_visible()


def test_changes_that_keep_coming_do_not_put_off_the_refresh(hand: Mouse, world: World) -> None:
    """In a crisis, a change comes every 50 ms, and the list is refreshed all the same.

    Fails if each change starts the delay of the refresh again.
    """
    page = hand.page
    stream = """id => { window.stream = setInterval(
      () => htmx.trigger(document.body, "live:case", {id}), 50); }"""
    with page.expect_response(NEWS, timeout=15_000) as first:
        page.evaluate(stream, str(world["layla"].pk))
    with page.expect_response(NEWS, timeout=15_000) as second:
        assert first.value.ok
    page.evaluate("clearInterval(window.stream)")
    assert second.value.ok


def test_a_list_without_a_named_view_keeps_the_one_that_it_shows(hand: Mouse, world: World) -> None:
    """A list whose URL names no view shows the same view after a refresh.

    When an agent claims their first case, the default view becomes “Mine”. Fails if the request
    does not contain the parameter "shows", because then the refresh changes to “Mine” and marks all
    other rows as gone.
    """
    page = hand.page
    hand.take()
    with page.expect_response(NEWS):
        tell(page, "live:case", id="0")
    expect(page.locator("#case-rows > li.gone")).to_have_count(1)
    expect(hand.row(world["layla"])).to_contain_text("assigned to you")
    with page.expect_response(LIST):
        tell(page, "list-changed")
    expect(hand.row(world["layla"])).to_have_count(0)
    expect(hand.row(world["ron"])).to_be_visible()


def test_a_slow_send_takes_nobody_away_from_the_next_case(hand: Mouse, world: World) -> None:
    """A late answer of the server to “Send” does not close the case that was opened meanwhile.

    Fails if the answer of the server always opens the next case of the list.
    """
    page = hand.page
    hand.write("We are sorry.")
    expect(hand.opened.locator("#speaks")).to_contain_text("Draft saved")
    sent = Late(page, "**/reply/")
    hand.send()
    sent.come()
    hand.open(world["wei"])
    hand.into(hand.writing)
    page.keyboard.insert_text("Dear Wei, ")
    sent.let_go()
    expect(hand.row(world["layla"])).to_have_count(0)
    page.keyboard.insert_text("we will call you.")
    hand.is_at(world["wei"])
    expect(hand.writing).to_have_value("Dear Wei, we will call you.")


def test_an_older_view_of_the_case_does_not_replace_what_a_verb_did(
    hand: Mouse, world: World
) -> None:
    """The result of an action is shown although an older request for the case has no answer yet.

    Fails if the answer to the action has to wait for the answer to the older request.
    """
    page = hand.page
    older = Late(page, f"**/cases/{world['layla'].pk}/")
    tell(page, "list-changed")
    older.come()
    hand.take()
    page.unroute_all()
    page.wait_for_timeout(300)
    expect(hand.verb("Take case")).to_have_count(0)


def test_a_verb_whose_form_was_drawn_anew_still_shows_what_it_did(
    hand: Mouse, world: World
) -> None:
    """If the case is refreshed while an action runs, the page still shows the result of the action.

    Fails if the answer to the action shows only its message and not the new buttons of the case.
    """
    page = hand.page
    held: list[Route] = []
    page.route("**/claim/", lambda route: held.append(route))
    hand.verb("Take case").click()
    until(page, lambda: held)
    with page.expect_response(f"**/cases/{world['layla'].pk}/"):
        tell(page, "list-changed")
    held[0].continue_()
    expect(hand.verb("Take case")).to_have_count(0)
    expect(hand.said).to_contain_text("The case is assigned to you.")


def test_an_older_keep_does_not_make_the_browser_forget_what_was_typed_since(
    windows: Windows, hand: Mouse, world: World
) -> None:
    """When the server confirms an older save of a draft, the browser keeps the text typed later.

    In this test, the next save fails, and the page is loaded again. Fails if each successful save
    deletes the copy of the text in the browser.
    """
    page = hand.page
    keep = Late(page, "**/draft/")
    hand.write("Dear Layla, ")
    keep.come()
    page.keyboard.insert_text("we have found it.")
    page.route("**/draft/", lambda route: route.abort())
    with page.expect_response("**/draft/"):
        keep.let_go()
    page.reload()
    expect(hand.writing).to_have_value("Dear Layla, we have found it.")


def test_enter_takes_nobody_from_an_older_search(hand: Mouse, world: World) -> None:
    """The Enter key chooses no person from the result of an older search.

    Fails if each answer counts as the newest result, because then Enter chooses the wrong person.
    """
    page = hand.page
    page.goto("/new/")
    older = Late(page, "**/new/who/?*")
    page.locator("#profile_q").press_sequentially("Ron")
    older.come()
    page.locator("#profile_q").fill("Marta")
    older.let_go()
    page.locator("#profile_q").press("Enter")
    expect(page.get_by_label("Marta Janssen")).to_be_checked()
