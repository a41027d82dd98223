"""Approvals, corrections, takedowns and campaigns on a phone with a screen 390 px wide.

The tests run in both themes.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from playwright.sync_api import expect

from crm.models import Account, Department, User
from responses.compose import Words, places_for, reply, state_publicly
from responses.default_rules import create_default_rules
from responses.models import Campaign, Delivery, Response
from routing.models import Issue
from tests.browser.conftest import Windows, leaves
from tests.browser.hands import Mouse
from tests.browser.outside import heard, ours, source_of
from tests.browser.test_phone import fits
from tests.browser.world import World
from tests.machinery import eventually

pytestmark = pytest.mark.parametrize("theme", ["light", "dark"])
SAID = "We have found your bags. They fly tonight."
NEW = "We have found your bags. They fly tomorrow at six."


@pytest.fixture
def phone(windows: Windows, lead: User, world: World, theme: Any) -> Mouse:
    return Mouse(windows.open(lead, "/approvals/", theme=theme, phone=True))


@pytest.fixture
def stated(world: World, microblog: Account, service: Department, lead: User) -> Response:
    """Return a statement that the team lead has published on the microblog."""
    bags = Issue.objects.create(name="Lost bags in Athens", owner=lead)
    world["ron"].group(bags, by=lead)
    words = Words(uuid.uuid4(), SAID, "public")
    said = state_publicly(words, accounts=[microblog], by=lead, department=service, issue=bags)
    leaves(said.deliveries.get())
    return said


def test_one_is_sent_back_and_one_is_approved(
    phone: Mouse, world: World, agent: User, admin: User
) -> None:
    """On a phone, a user sends one held response back and approves another one.

    The button “Send back” opens a form, which must be wider than 300 px. Fails if the CSS class
    `.pop.left` places the form beside its button on a phone too, because then the form is only 225
    px wide.
    """
    create_default_rules(admin, except_names=("No posts at night",))
    first, second = (_held(world, key, agent) for key in ("ron", "layla"))
    page = phone.page
    page.reload()
    fits(page)
    row = page.locator(f"#response-{first.pk}")
    row.locator("summary", has_text="Send back").click()
    back = row.get_by_role("button", name="Send back to Anna Agent")
    expect(back).to_be_in_viewport(ratio=1)
    box = row.locator("details.pop form").bounding_box()
    assert box
    assert box["width"] > 300
    fits(page)
    phone.type(row.get_by_label("Requested changes"), "No number, please.")
    back.click()
    expect(phone.said).to_contain_text("Sent back to Anna Agent.")
    page.locator(f"#response-{second.pk}").get_by_role("button", name="Approve and send").click()
    expect(phone.said).to_contain_text("Approved.")
    expect(page.locator("main")).to_contain_text("No responses to approve.")
    fits(page)
    assert [Response.objects.get(pk=each.pk).state for each in (first, second)] == [
        "draft",
        "released",
    ]


def test_one_is_corrected_and_taken_down(phone: Mouse, stated: Response) -> None:
    """On a phone, a user corrects a statement and then takes it down.

    Fails if the page for the takedown does not show the corrected text.
    """
    page = phone.page
    page.goto(stated.get_absolute_url())
    fits(page)
    page.get_by_role("link", name="Correct the post").click()
    text = page.get_by_label("Text", exact=True)
    expect(text).to_have_value(SAID)
    fits(page)
    phone.type(text, NEW)
    phone.button("Publish correction").click()
    expect(phone.said).to_contain_text("is sent in")
    fits(page)
    leaves(Delivery.objects.get(act="amend"))
    assert ours() == [NEW]
    page.goto(stated.get_absolute_url())
    expect(page.locator("ol.rows .words")).to_contain_text(NEW)
    page.get_by_role("link", name="Take down").click()
    expect(page.locator(".old")).to_contain_text(NEW)
    fits(page)
    phone.type(page.get_by_label("Reason"), "They flew already.")
    phone.button("Take down").click()
    expect(phone.said).to_contain_text("The post is being taken down.")
    fits(page)
    eventually(lambda: Delivery.objects.filter(act="withdraw", state="sent"), within=60)
    assert ours() == []


def test_a_campaign_says_who_answered(
    phone: Mouse, stated: Response, microblog: Account, service: Department, lead: User
) -> None:
    campaign = Campaign.objects.create(
        name="Bags on time", aim="Nobody waits for a bag.", owner=lead, department=service
    )
    campaign.add(stated, by=lead)
    post = stated.deliveries.get().sent_key
    heard(source_of(microblog), "zoe", "Thank you!", name="Zoë Marsh", to=post)
    page = phone.page
    page.goto(campaign.get_absolute_url())
    fits(page)
    zoe = page.locator("tr", has_text="Zoë Marsh")
    expect(zoe).to_be_visible()
    expect(page.locator("thead").first).to_be_hidden()
    zoe.locator("[data-label=Answers] a").click()
    expect(page.locator(".answers-list")).to_contain_text("Thank you!")
    fits(page)


def _held(world: World, key: str, by: User) -> Response:
    case = world[key]
    words = Words(
        uuid.uuid4(), "Your booking X7K2P9 is refunded.", "public", seen=case.last_inbound_id
    )
    return reply(case, words, place=places_for(case)[0], by=by)
