"""The main actions are plain forms and links, so they work without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from crm.models import Department, Interaction, Profile, User
from responses.models import Response
from routing.models import Case
from tests.browser.conftest import Windows
from tests.browser.world import World


@pytest.fixture
def page(windows: Windows, agent: User, world: World) -> Page:
    return windows.open(agent, world["ron"].get_absolute_url(), java_script_enabled=False)


def verb(page: Page, name: str) -> None:
    """Open the small form of an action. Its button is above the case."""
    page.locator("#open .case-title summary", has_text=name).click()


def test_a_case_is_opened_from_the_list_and_taken(page: Page, agent: User, world: World) -> None:
    page.locator(f"#row-{world['layla'].pk} .who-link").click()
    page.get_by_role("button", name="Take case").click()
    expect(page.locator("#messages")).to_contain_text("The case is assigned to you.")
    assert world["layla"].assignee == agent


def test_a_note_is_kept(page: Page, world: World) -> None:
    """A note can be saved without JavaScript.

    Fails if the server always answers with a part of a page instead of a full page.
    """
    page.get_by_role("link", name="Respond", exact=True).click()
    page.get_by_role("link", name="Note").click()
    page.get_by_label("Internal note").fill("He flew on SK 590.")
    page.get_by_role("button", name="Save note").click()
    expect(page.locator(".timeline")).to_contain_text("He flew on SK 590.")


def test_an_answer_is_sent_and_undone(page: Page, world: World) -> None:
    """A reply can be sent and undone without JavaScript.

    Fails if the form has no `action` URL.
    """
    page.get_by_role("link", name="Respond", exact=True).click()
    page.get_by_label("Message privately").check()
    page.get_by_label("Your reply").fill("We are sorry.")
    page.get_by_role("button", name="Send privately").click()
    expect(page.locator("#messages")).to_contain_text("is sent in")
    assert Response.objects.get().visibility == "private"
    page.locator("#messages").get_by_role("button", name="Undo").click()
    expect(page.locator("#messages")).to_contain_text("Nothing was sent")
    assert Response.objects.get().state != "released"


def test_a_case_is_done_put_off_and_handed_over(
    page: Page, sales: Department, world: World
) -> None:
    verb(page, "Done")
    form = page.locator("#open form:has([data-decide])")
    form.get_by_label("No question").first.check()
    form.get_by_role("button", name="Done").click()
    expect(page.locator(".case-facts")).to_contain_text("done")
    page.locator(f"#row-{world['wei'].pk} .who-link").click()
    verb(page, "Snooze")
    page.locator("#open .case-title form").get_by_role("button", name="Snooze").click()
    expect(page.locator(".case-facts")).to_contain_text("snoozed")
    page.locator(f"#row-{world['priya'].pk} .who-link").click()
    verb(page, "Transfer")
    page.locator("#open .case-title").get_by_label("Department").select_option(label="Sales")
    page.get_by_label("Reason", exact=True).fill("A group.")
    page.locator("#open .case-title form").get_by_role("button", name="Transfer").click()
    expect(page.locator("#messages")).to_contain_text("Transferred to Sales")
    assert [world[key].status for key in ("ron", "wei")] == ["done", "snoozed"]
    assert world["priya"].department == sales


def test_a_call_is_logged(page: Page) -> None:
    page.locator(".nav a.new").click()
    page.get_by_label("Find person").fill("Erika Mustermann")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_label("New person").check()
    page.get_by_label("What was said").fill("Asked about a refund.")
    page.get_by_role("button", name="Log interaction").click()
    expect(page.locator(".case-title h1")).to_have_text("Erika Mustermann")
    assert Interaction.objects.get(channel="manual").text == "Asked about a refund."


def test_a_list_is_filtered_and_several_are_done(page: Page, world: World) -> None:
    """Without JavaScript, the list can be filtered, and an action can be used on selected cases.

    Fails if the form has no `action` URL.
    """
    keys = ["layla", "noa"]
    Case.objects.filter(pk__in=[world[key].pk for key in keys]).update(priority="urgent")
    page.goto("/")
    page.locator(".list summary", has_text="Filter").click()
    page.get_by_label("Priority").select_option(label="Urgent")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#case-rows > li")).to_have_count(2)
    for key in keys:
        page.locator(f"#row-{world[key].pk} .pick input").check()
    page.locator("#bulk summary", has_text="Done").click()
    page.locator("#bulk").get_by_label("No question").check()
    page.locator("#bulk").get_by_role("button", name="Done").click()
    expect(page.locator("#messages")).to_contain_text("2 cases.")
    assert {world[key].status for key in keys} == {"done"}
    page.locator("#messages").get_by_role("button", name="Undo").click()
    assert {world[key].status for key in keys} == {"new"}


def test_a_view_is_saved_and_a_case_closed_without_a_response(page: Page, world: World) -> None:
    page.goto("/?priority=normal")
    page.locator(".list summary", has_text="Save view").click()
    page.get_by_label("Name").fill("As usual")
    page.get_by_role("button", name="Save this view").click()
    expect(page.locator(".menu a[aria-current]")).to_have_text("As usual")
    page.locator(f"#row-{world['wei'].pk} .who-link").click()
    page.get_by_role("link", name="Respond", exact=True).click()
    page.get_by_role("link", name="Close without reply").click()
    page.locator("#composing").get_by_label("Reason").fill("Only praise.")
    page.get_by_role("button", name="Close without reply").click()
    expect(page.locator("#messages")).to_contain_text("without reply")
    expect(page.locator(".case-facts")).to_contain_text("done")
    assert world["wei"].status == "done"


def test_two_profiles_are_linked_and_unlinked(page: Page) -> None:
    """Two profiles can be linked and unlinked without JavaScript.

    Fails if the form has no button that starts the search.
    """
    page.locator(".who .name a").click()
    page.get_by_role("button", name="Create contact").click()
    page.locator("summary", has_text="Link another profile").click()
    page.get_by_label("Profile").fill("Marta")
    page.get_by_role("button", name="Find").click()
    page.get_by_label("Marta Janssen").check()
    page.get_by_label("Evidence").fill("She wrote for him.")
    page.locator("#profiles ~ details form").get_by_role("button", name="Link").click()
    row = page.locator("#profiles + ul > li", has_text="marta")
    expect(row).to_be_visible()
    assert Profile.objects.get(key="marta").link is not None
    row.get_by_role("button", name="Unlink").click()
    expect(row).to_be_hidden()
    assert Profile.objects.get(key="marta").link is None


def test_a_statement_is_published(page: Page) -> None:
    """A statement can be published without JavaScript.

    Fails if the form has no `action` URL.
    """
    page.get_by_role("link", name="Respond", exact=True).click()
    page.locator("#composing").get_by_role("link", name="Post").click()
    page.get_by_role("checkbox", name="@SkywardAir").check()
    page.get_by_label("Your post").fill("We have found the bags.")
    page.get_by_role("button", name="Publish to everyone").click()
    expect(page.locator("#messages")).to_contain_text("is sent in")
    assert Response.objects.get().audience == "many"
