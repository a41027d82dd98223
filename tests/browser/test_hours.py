"""The page “Targets and hours”, and the order of the inbox by due time."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import expect

from crm.models import User
from routing.models import Calendar, Case, ResponseTarget
from tests.browser.conftest import Windows
from tests.browser.world import World


def test_an_edge_is_dragged_and_the_try_out_follows(
    windows: Windows, admin: User, agent: User, world: World
) -> None:
    """Monday opens at 10:00 after the drag, so Friday's message is due 40 minutes later."""
    ResponseTarget.objects.create(
        department=world["ron"].department, priority="urgent", first=60, next=60
    )
    page = windows.browser(admin).new_page()
    page.goto("/hours/")
    name = page.get_by_label("Name", exact=True)
    name.fill("Desk")
    name.press("Tab")
    expect(page.locator("#tried")).to_contain_text("is due Monday at 09:40")
    bar = page.locator(".bar").first.bounding_box()
    assert bar
    y = bar["y"] + bar["height"] / 2
    page.mouse.move(bar["x"] + bar["width"] * 9 / 24, y)
    page.mouse.down()
    page.mouse.move(bar["x"] + bar["width"] * 10 / 24, y, steps=3)
    page.mouse.up()
    expect(page.get_by_label("Mon", exact=True)).to_have_value("10:00-18:00")
    expect(page.locator("#tried")).to_contain_text("is due Monday at 10:40")
    page.get_by_role("button", name="Save hours").click()
    expect(page.locator("main h1")).to_contain_text("Desk")
    assert Calendar.objects.get().in_force().hours.week[0] == ((600, 1080),)


def test_a_click_changes_no_hours_and_a_night_stays_a_night(
    windows: Windows, admin: User, world: World
) -> None:
    page = windows.browser(admin).new_page()
    page.goto("/hours/")
    monday = page.get_by_label("Mon", exact=True)
    for hours in ("09:00-18:00", "22:00-06:00"):
        monday.fill(hours)
        bar = page.locator(".bar").first.bounding_box()
        assert bar
        y = bar["y"] + bar["height"] / 2
        page.mouse.click(bar["x"] + bar["width"] * 23 / 24, y)
        expect(monday).to_have_value(hours)
    page.mouse.move(bar["x"] + bar["width"] * 23.9 / 24, y)
    page.mouse.down()
    page.mouse.move(bar["x"] + bar["width"] * 21 / 24, y, steps=3)
    page.mouse.up()
    expect(monday).to_have_value("21:00-06:00")


def test_the_list_begins_with_what_is_due_first(
    windows: Windows, agent: User, world: World
) -> None:
    now = timezone.now()
    Case.objects.filter(pk=world["wei"].pk).update(due_at=now + timedelta(minutes=109, seconds=30))
    Case.objects.filter(pk=world["noa"].pk).update(due_at=now - timedelta(minutes=12, seconds=30))
    page = windows.browser(agent).new_page()
    page.goto("/?view=unassigned")
    rows = page.locator(".case-row")
    expect(rows.nth(0)).to_contain_text("12 min overdue")
    expect(rows.nth(0)).to_contain_text(world.name("noa"))
    expect(rows.nth(1)).to_contain_text("due in 1 h 49 min")
