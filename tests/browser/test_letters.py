"""Answering by letter: the sheet in a new tab, then one click that logs the letter as sent."""

from __future__ import annotations

from playwright.sync_api import expect

from crm.models import Interaction, User
from responses.models import Delivery
from routing.reference import reference
from tests.browser.conftest import Windows
from tests.browser.world import World


def test_a_letter_is_printed_and_then_logged_once(
    windows: Windows, agent: User, world: World
) -> None:
    """Fails if htmx takes the button of the sheet, which the browser must submit to a new tab."""
    case = world["ron"]
    page = windows.open(agent, f"/cases/{case.pk}/")
    page.locator("#compose-text").click()  # the collapsed composer hides its last tabs
    page.get_by_role("link", name="Log response").click()
    page.get_by_label("How you answered").select_option("letter")
    page.get_by_label("Postal address").fill("Ron Calder\nRoad 1\nTown")
    page.locator("#compose-text").fill("Dear Mr Calder\n\nWe are sorry.")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Open print view").click()
    sheet = opened.value
    expect(sheet.locator("address")).to_have_text("Ron Calder\nRoad 1\nTown")
    expect(sheet.locator("main")).to_contain_text(reference(case.pk))
    sheet.emulate_media(media="print")
    expect(sheet.get_by_role("button", name="Print")).to_be_hidden()
    sheet.close()
    assert not Delivery.objects.exists()
    page.get_by_role("button", name="Log as sent").dblclick()
    expect(page.locator("body")).to_contain_text("Response logged.")
    assert Interaction.objects.get(direction="out").letter
    assert Delivery.objects.count() == 1
