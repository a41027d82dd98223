"""The command palette offers pages, cases, people and the actions of the open case."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from crm.models import User
from tests.browser.conftest import Windows
from tests.browser.hands import Keyboard
from tests.browser.world import World


def offered(page: Page) -> Locator:
    return page.locator("#palette-verbs li:visible")


def look_for(page: Page, words: str) -> None:
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-words")).to_be_focused()
    page.keyboard.insert_text(words)


def close(page: Page) -> None:
    page.keyboard.press("Escape")  # once: in a search field, it would only clear the words
    expect(page.locator("#palette")).to_be_hidden()


def test_a_verb_is_chosen_by_its_name(windows: Windows, agent: User, world: World) -> None:
    """An action that is chosen in the palette opens its small form.

    An action without a form is done immediately. Fails if the click that closes the palette also
    closes the small form.
    """
    hand = Keyboard(windows.open(agent))
    page = hand.page
    look_for(page, "snooz")
    expect(page.locator("#palette-server a").first).to_be_visible()
    expect(offered(page)).to_have_count(0)  # no case is open
    close(page)
    hand.open(world["ron"])
    look_for(page, "snooz")
    expect(offered(page)).to_have_text(["Snooze s"])
    hand.into(offered(page).locator("button"))
    page.keyboard.press("Enter")
    expect(hand.opened.get_by_label("Until", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    look_for(page, "set pri")
    offered(page).locator("button").click()
    expect(hand.opened.get_by_label("Priority")).to_be_focused()
    page.keyboard.press("Escape")
    look_for(page, "noise")
    offered(page).locator("button").click()
    hand.is_at(world["layla"])
    assert world["ron"].status == "noise"


def test_enter_never_runs_a_verb(windows: Windows, agent: User, world: World) -> None:
    """The Enter key in the palette opens the first link and never runs an action.

    Fails if the actions are listed above the links.
    """
    hand = Keyboard(windows.open(agent))
    hand.open(world["ron"])
    look_for(hand.page, "mark")
    expect(offered(hand.page)).to_have_count(2)
    expect(hand.page.locator("#palette-server a")).to_have_text(["Search all cases for “mark”"])
    choices = hand.page.locator("#palette-found").locator("a, button").locator("visible=true")
    expect(choices.first).to_have_text("Search all cases for “mark”")
    hand.page.keyboard.press("Enter")
    expect(hand.page).to_have_url(re.compile(r"/\?q=mark$"))
    assert world["ron"].status == "new"


def test_with_cases_selected_keys_act_on_all_of_them_and_the_palette_offers_no_verb(
    windows: Windows, agent: User, world: World
) -> None:
    """If cases are selected, a shortcut acts on all of them, and the palette offers no action.

    Fails without the attribute data-bulk-key, because then the key opens the small form of the open
    case.
    """
    hand = Keyboard(windows.open(agent))
    hand.open(world["ron"])
    hand.pick(world["layla"], world["noa"])
    look_for(hand.page, "snooz")
    expect(hand.page.locator("#palette-server a").first).to_be_visible()
    expect(offered(hand.page)).to_have_count(0)
    close(hand.page)
    hand.page.keyboard.press("s")
    expect(hand.page.locator("#bulk [name=preset]")).to_be_focused()
    hand.page.keyboard.press("Tab")
    hand.page.keyboard.press("Enter")
    expect(hand.said).to_contain_text("Snoozed: 2 cases.")
    assert [world[key].status for key in ("ron", "layla", "noa")] == ["new", "snoozed", "snoozed"]
