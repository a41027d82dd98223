"""Add followers and participants to a case, and remove them, in the browser."""

from __future__ import annotations

from playwright.sync_api import expect

from crm.models import Contact, User
from tests.browser.conftest import Windows
from tests.browser.hands import Mouse
from tests.browser.world import World


def test_a_colleague_follows_and_a_participant_is_added(
    windows: Windows, agent: User, teammate: User, world: World
) -> None:
    case = world["ron"]
    Contact.objects.create(name="Lena Lawyer", kind="press")
    page = windows.open(agent, case.get_absolute_url())
    Mouse(page).is_at(case)
    followers = page.locator(".followers")
    followers.get_by_label("Colleague").select_option(str(teammate.pk))
    followers.get_by_role("button", name="Add").click()
    expect(followers.get_by_role("listitem")).to_contain_text(str(teammate))
    followers.get_by_role("button", name=f"Remove {teammate}").click()
    expect(followers.get_by_role("listitem")).to_have_text("None")

    page.get_by_role("link", name="Add a participant").click()
    page.get_by_label("Person", exact=True).fill("lena")
    page.get_by_role("radio", name="Lena Lawyer").check()
    page.get_by_label("Role").select_option("influencer")
    page.get_by_role("button", name="Add participant").click()
    participants = page.locator(".participants")
    expect(participants).to_contain_text("Lena Lawyer")
    expect(page.locator(".timeline")).to_contain_text("Added Lena Lawyer as influencer.")
    participants.get_by_role("link", name="influencer").click()
    expect(page.locator("#rows, .cases").first).to_contain_text("Ron Calder")
    expect(page.locator(".list")).not_to_contain_text(world.name("layla"))
