"""Before a reply is sent: a public reply must be confirmed, and files can be removed.

If the customer has written privately, the form selects a private reply, and the user must confirm a
public reply.
"""

from __future__ import annotations

import uuid

import pytest
from playwright.sync_api import Locator, Page, expect

from crm.models import Attachment, User
from responses.compose import Words, places_for, reply
from responses.models import Response, ResponseRule
from routing.models import Case
from tests.browser.conftest import Windows
from tests.browser.test_axe import AXE, found
from tests.browser.world import World, says

CONFIRM = "Answer publicly although this person wrote privately"


@pytest.fixture
def ron(world: World) -> Case:
    """Return the case of Ron, who first wrote a public post and then a private message."""
    says("ron", "My booking is X7K2P9.", visibility="private")
    return world["ron"]


def answer(page: Page) -> Locator:
    return page.locator("#composing")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_public_answer_after_private_words_is_confirmed(
    windows: Windows, agent: User, ron: Case, script: bool
) -> None:
    windows.expect("422")
    page = windows.open(agent, ron.get_absolute_url(), java_script_enabled=script)
    if not script:
        page.get_by_role("link", name="Respond", exact=True).click()
    expect(page.get_by_label("Reply privately")).to_be_checked()
    page.get_by_label("Your reply").focus()
    expect(page.get_by_label(CONFIRM)).to_be_hidden()
    page.get_by_label("Reply publicly").check()
    expect(page.get_by_label(CONFIRM)).to_be_visible()
    page.get_by_label("Your reply").fill("We are sorry.")
    answer(page).get_by_role("button", name="Send publicly").click()
    expect(answer(page)).to_contain_text("Nothing was sent, and your text was kept.")
    expect(page.get_by_label("Your reply")).to_have_value("We are sorry.")
    assert not Response.objects.exists()
    page.get_by_label(CONFIRM).check()
    answer(page).get_by_role("button", name="Send publicly").click()
    expect(page.locator("#messages")).to_contain_text("is sent in")
    assert Response.objects.get().visibility == "public"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_file_is_taken_off_before_it_leaves(
    windows: Windows, agent: User, lead: User, admin: User, ron: Case, script: bool
) -> None:
    """Files of a held reply can be removed before the reply is sent, with and without JavaScript.

    The author removes one file in the case. The approver removes another file in the edit form.
    """
    ResponseRule.objects.create(
        name="All", owner=admin, conditions={"all": []}, verdict="hold", reason="Look first."
    )
    files = [
        Attachment.objects.create(by=agent, name=name, content_type="a/b", size=3, file=name)
        for name in ("passport.pdf", "draft.pdf")
    ]
    words = Words(uuid.uuid4(), "We are sorry.", "private", seen=ron.last_inbound_id)
    place = next(each for each in places_for(ron) if each.visibility == "private")
    held = reply(ron, words, place=place, by=agent, along=files)
    browser = windows.browser(agent, java_script_enabled=script)
    page = browser.new_page()
    page.goto(ron.get_absolute_url() if script else f"/cases/{ron.pk}/responses/")
    page.get_by_role("button", name="Remove passport.pdf").click()
    expect(page.locator("#messages")).to_contain_text("“passport.pdf” was removed.")
    expect(page.get_by_role("button", name="Remove passport.pdf")).to_have_count(0)
    theirs = windows.open(lead, "/approvals/", java_script_enabled=script)
    expect(theirs.get_by_role("main")).not_to_contain_text("passport.pdf")
    theirs.get_by_role("link", name="Edit").click()
    theirs.get_by_label("Attach draft.pdf").uncheck()
    theirs.get_by_role("button", name="Edit and approve").click()
    expect(theirs.locator("#messages")).to_contain_text("The text is being sent.")
    assert not held.attachments.exists()


@pytest.mark.skipif(not AXE.exists(), reason="axe is not there. `make browser` puts it there.")
def test_axe_finds_nothing(windows: Windows, agent: User, lead: User, ron: Case) -> None:
    windows.expect("422")
    place = next(each for each in places_for(ron) if each.visibility == "public")
    words = Words(uuid.uuid4(), "We are sorry.", "public", seen=ron.last_inbound_id)
    file = Attachment.objects.create(by=agent, name="a.pdf", content_type="a/b", size=3, file="a")
    said = reply(ron, words, place=place, by=agent, along=[file])
    context = windows.browser(lead)
    context.add_init_script(path=AXE)
    complaints: list[str] = []
    for address in (said.get_absolute_url(), f"/responses/{said.pk}/edit/", "/calendar/"):
        page = context.new_page()
        page.goto(address)
        complaints += found(page, address)
    page = context.new_page()
    page.goto(ron.get_absolute_url())
    page.get_by_label("Your reply").focus()
    page.get_by_label("Reply publicly").check()
    page.get_by_label("Your reply").fill("We are sorry.")
    answer(page).get_by_role("button", name="Send publicly").click()
    expect(answer(page)).to_contain_text("Nothing was sent")
    complaints += found(page, "composer")
    assert not complaints
