"""The inbox on a touch screen 390 px wide.

The screen shows either the list or the case, with the composer at the bottom.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from crm.models import Department, Interaction, User
from responses.models import Delivery
from tests.browser.conftest import Windows
from tests.browser.hands import Mouse
from tests.browser.test_records import log_a_call
from tests.browser.world import PEOPLE, World, says

pytestmark = pytest.mark.parametrize("theme", ["light", "dark"])


@pytest.fixture
def phone(windows: Windows, agent: User, world: World, theme: Any) -> Mouse:
    return Mouse(windows.open(agent, theme=theme, phone=True))


def fits(page: Page) -> None:
    """Check that the page is not wider than 390 px, so that it needs no horizontal scrolling."""
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, f"{wide} px at {page.url}"


def test_ten_cases_are_triaged(phone: Mouse, world: World) -> None:
    """On a phone, a user marks ten cases as done, one after the other.

    Fails if the list and the case are shown at the same time, or if the page is wider than the
    screen.
    """
    fits(phone.page)
    keys = list(PEOPLE)[:10]
    phone.open(world[keys[0]])
    for n, key in enumerate(keys):
        phone.is_at(world[key])
        expect(phone.row(world[key])).to_be_hidden()
        fits(phone.page)
        if n % 5 == 0:
            phone.take()
        phone.finish()
        expect(phone.opened).not_to_have_attribute("data-case", str(world[key].pk))
    assert {world[key].status for key in keys} == {"done"}


def test_one_is_answered_and_one_goes_back_to_the_list(phone: Mouse, world: World) -> None:
    phone.open(world["layla"])
    expect(phone.opened.locator(".who")).to_be_hidden()
    phone.opened.get_by_role("link", name="About this person").click()
    expect(phone.opened.locator(".who")).to_be_visible()
    fits(phone.page)
    phone.page.get_by_role("button", name="Close").click()
    expect(phone.opened.locator(".who")).to_be_hidden()
    phone.write("نأسف لذلك.")
    expect(phone.opened.locator(".composer .foot button.primary")).to_be_in_viewport(ratio=1)
    phone.send()
    expect(phone.said).to_contain_text("is sent in")
    assert Delivery.objects.get().response.text == "نأسف لذلك."
    phone.is_at(world["noa"])
    phone.opened.locator(".back").click()
    expect(phone.row(world["noa"])).to_be_visible()
    expect(phone.page.locator("#open.nothing")).to_be_hidden()


@pytest.mark.parametrize("size", [(390, 844), (640, 400)], ids=["phone", "zoom 200 %"])
def test_a_case_opens_at_its_newest_message(
    windows: Windows, phone: Mouse, world: World, size: tuple[int, int]
) -> None:
    """The head has two rows, the composer is one line, and the newest message is in sight.

    Before, the page began at the oldest message, and the composer hid the others.
    """
    for number in range(12):
        says("ron", f"Message {number}. " + "It goes on and on. " * 8)
    phone.page.set_viewport_size({"width": size[0], "height": size[1]})
    phone.open(world["ron"])
    newest = phone.opened.locator(".timeline").get_by_text("Message 11.")
    expect(newest).to_be_in_viewport(ratio=0.9)
    head = phone.opened.locator(".case .pane-head").bounding_box()
    composer = phone.opened.locator(".composer").bounding_box()
    assert head
    assert composer
    assert head["height"] < 90
    assert composer["height"] < 70
    windows.expect("ERR_INTERNET_DISCONNECTED")
    phone.page.context.set_offline(True)
    expect(phone.page.locator("#offline")).to_be_visible()
    phone.into(phone.writing)
    expect(phone.opened.locator(".composer .foot button.primary")).to_be_in_viewport(ratio=1)
    phone.page.context.set_offline(False)


def test_one_is_handed_over_and_one_put_off(phone: Mouse, sales: Department, world: World) -> None:
    """On a phone, a user transfers one case and snoozes another one.

    Fails if the composer covers the small form of the action.
    """
    phone.open(world["priya"])
    phone.press("h", phone.verb("Transfer"))
    fits(phone.page)
    phone.choose(phone.opened.locator(".case-title").get_by_label("Department"), "Sales")
    phone.type(phone.page.get_by_label("Reason", exact=True), "A choir wants an offer.")
    phone.go(phone.opened.locator(".case-title form button", has_text="Transfer"))
    phone.is_at(world["somchai"])
    phone.press("s", phone.verb("Snooze"))
    fits(phone.page)
    phone.choose(phone.page.get_by_label("Until", exact=True), "In four hours")
    phone.go(phone.opened.locator(".case-title form button", has_text="Snooze"))
    expect(phone.said).to_contain_text("Snoozed.")
    assert world["priya"].department == sales
    assert world["somchai"].status == "snoozed"


def test_several_are_done_at_once_and_taken_back(phone: Mouse, world: World) -> None:
    keys = ["layla", "noa"]
    phone.pick(*(world[key] for key in keys))
    fits(phone.page)
    bulk = phone.page.locator("#bulk")
    bulk.locator("summary", has_text="Done").click()
    bulk.get_by_text("No question").click()
    bulk.locator("button[value=done]").click()
    expect(phone.said).to_contain_text("2 cases.")
    expect(phone.row(world["layla"])).to_be_hidden()
    fits(phone.page)
    phone.said.get_by_role("button", name="Undo").click()
    expect(phone.row(world["layla"])).to_be_visible()
    assert {world[key].status for key in keys} == {"new"}


def test_a_call_is_logged(phone: Mouse) -> None:
    log_a_call(phone)
    fits(phone.page)
    assert Interaction.objects.filter(channel="manual").count() == 1


def test_the_menu_opens_and_closes(phone: Mouse) -> None:
    menu = phone.page.locator("#menu")
    expect(menu).to_be_hidden()
    phone.page.get_by_role("link", name="Menu", exact=True).click()
    expect(menu).to_be_visible()
    fits(phone.page)
    menu.get_by_role("link", name="Contacts").click()
    expect(phone.page.locator("main h1")).to_have_text("Contacts")
    fits(phone.page)
