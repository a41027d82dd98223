"""If a request is too large, the page says so, and the typed text is kept."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from crm.models import User
from tests.browser.conftest import Windows
from tests.browser.world import World

LARGE = 3 * 1024 * 1024
FILL = """(box, size) => {
  box.value = "x".repeat(size);
  box.dispatchEvent(new Event("input", { bubbles: true }));
}"""


@pytest.mark.parametrize(("theme", "phone"), [("light", False), ("dark", True)])
def test_a_whole_page_says_so_and_back_leads_to_what_was_typed(
    windows: Windows, admin: User, world: World, theme: Any, phone: bool
) -> None:
    """If a full page posts a too large form, the browser shows the server's explanation.

    The back button leads to the form with the typed text. The server answers while the browser is
    still sending.
    """
    windows.expect("413")
    page = windows.open(admin, "/topics/new/", theme=theme, phone=phone)
    page.locator("[name=name]").fill("Brand")
    page.locator("main form textarea").first.evaluate(FILL, LARGE)
    page.locator("main form button.primary").first.evaluate("(button) => button.click()")
    expect(page.get_by_role("heading", name="The request was not accepted")).to_be_visible()
    expect(page.locator("main")).to_contain_text("limit of 1 MB")
    page.screenshot(path=f"var/browser/too-large-{theme}.png")
    page.go_back()
    expect(page.locator("[name=name]")).to_have_value("Brand")


def test_beside_a_case_a_message_says_so_and_the_text_stays(
    windows: Windows, agent: User, world: World
) -> None:
    """If a note is too large, a message says so, and the text stays in the composer.

    Fails if 413 is not among the statuses whose content htmx shows, because then there is no
    message.
    """
    windows.expect("413")
    page = windows.open(agent, f"{world['ron'].get_absolute_url()}?tab=note")
    page.locator("#composing .tabs a", has_text="Note").click()
    text = page.locator("#composing.noted textarea[name=text]")
    text.evaluate(FILL, LARGE)
    page.locator("#composing form button.primary").evaluate("(button) => button.click()")
    expect(page.locator("#messages li.error").last).to_contain_text("The request was not accepted")
    page.screenshot(path="var/browser/too-large-note.png")
    assert len(text.input_value()) == LARGE
