"""A statement can be scheduled for two places, corrected, taken down, and added to a campaign."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, expect

from crm.models import Account, Department, Interaction, User
from responses.compose import Words, state_publicly
from responses.default_rules import create_default_rules
from responses.models import Campaign, Delivery, Response
from routing.models import Issue
from scrm.channels.sandbox.networks import BLOG
from tests.browser.conftest import TWO_WAYS, Site, leaves
from tests.browser.hands import Hand, Keyboard
from tests.browser.outside import heard, nudged_again, ours, source_of
from tests.browser.world import World
from tests.machinery import eventually

SitDown = Callable[..., Hand]
SHORT = "We have found your bags. They fly tonight."
LONG = "We have found all bags that stayed in Athens. They fly tonight, on SK 12."
NEW = "We have found your bags. They fly tomorrow at six."


@pytest.fixture
def blog(service: Department, admin: User) -> Account:
    """Create a second account, which the department may use for its posts."""
    account = Account.objects.create(
        kind="sandbox", network=BLOG, self_key="skyward-blog", name="Skyward Blog", owner=admin
    )
    service.accounts.add(account)
    return account


@pytest.fixture
def bags(world: World, blog: Account, agent: User, admin: User) -> Issue:
    """Return an issue with five complaints, and create the business rules of a new workspace.

    The rule that depends on the time of day is left out.
    """
    create_default_rules(admin, except_names=("No posts at night",))
    issue = Issue.objects.create(name="Lost bags in Athens", owner=agent)
    for key in ("ron", "layla", "noa", "olena", "eleni"):
        world[key].group(issue, by=agent)
    return issue


@pytest.fixture
def stated(bags: Issue, microblog: Account, service: Department, lead: User) -> Response:
    """Return a statement that the team lead has published on the microblog."""
    words = Words(uuid.uuid4(), SHORT, "public")
    said = state_publicly(words, accounts=[microblog], by=lead, department=service, issue=bags)
    leaves(said.deliveries.get())
    return said


def preview(hand: Hand, where: str) -> Locator:
    return hand.page.get_by_label(f"Preview for {where}")


def set_time(hand: Hand, field: Locator, moment: datetime) -> None:
    if isinstance(hand, Keyboard):
        hand.into(field)
        hand.page.keyboard.type(f"{moment:%m%d%Y}")
        hand.page.keyboard.press("Tab")
        hand.page.keyboard.type(f"{moment:%I%M%p}")
    else:
        field.fill(f"{moment:%Y-%m-%dT%H:%M}")
    expect(field).to_have_value(f"{moment:%Y-%m-%dT%H:%M}")


def test_one_is_written_for_two_places_planned_and_leaves_in_its_time(
    sit_down: SitDown, site: Site, lead: User, bags: Issue
) -> None:
    """A scheduled statement is not sent early, and each of its two places gets its own text.

    Fails if `send_at` is ignored, or if both places get the same text.
    """
    hand, tomorrow = sit_down(lead, bags.get_absolute_url()), timezone.localtime()
    tomorrow = (tomorrow + timedelta(days=1)).replace(hour=9, minute=30, second=0, microsecond=0)
    page = hand.page
    hand.press("p", page.locator("main a[data-key=p]"))
    for place in ("@SkywardAir", "Skyward Blog"):
        hand.tick(page.get_by_role("checkbox", name=place))
        expect(preview(hand, place)).to_contain_text("Your text appears here.")
    hand.go(page.locator("summary", has_text="Schedule"))
    set_time(hand, page.get_by_label("Send at"), tomorrow)
    hand.go(page.locator("summary", has_text="Different text per channel"))
    hand.type(page.get_by_label("Skyward Blog (empty: same text as below)"), LONG)
    hand.type(page.get_by_label("Your statement"), SHORT)
    expect(preview(hand, "@SkywardAir").locator(".text")).to_have_text(SHORT)
    expect(preview(hand, "@SkywardAir")).to_contain_text(f"{len(SHORT)} of 500 characters")
    expect(preview(hand, "@SkywardAir")).to_contain_text(f"{tomorrow:%Y-%m-%d %H:%M}")
    expect(preview(hand, "Skyward Blog").locator(".text")).to_have_text(LONG)
    expect(page.locator("#speaks")).to_contain_text("Review after sending")
    hand.press("Control+Enter", hand.button("Publish to everyone"))
    expect(hand.said).to_contain_text("is scheduled for")

    deliveries = list(Delivery.objects.all())
    assert [each.send_after for each in deliveries] == [tomorrow, tomorrow]
    for each in deliveries:
        nudged_again(site, each)
    assert [*ours(), *ours(BLOG)] == []
    hand.go(page.locator(".nav a", has_text="Calendar"))
    if tomorrow.month != timezone.localdate().month:
        hand.go(page.locator("a[rel=next]"))
    entry = page.locator("a.entry.is-planned", has_text=SHORT)
    expect(entry).to_contain_text("scheduled")
    expect(page.locator("td", has=entry).locator(".date")).to_contain_text(f"{tomorrow.day}")
    hand.go(entry)
    expect(page.locator("main .said-text").nth(1)).to_contain_text(LONG)
    for each in deliveries:
        leaves(each)
    assert (ours(), ours(BLOG)) == ([SHORT], [LONG])


def test_one_is_corrected_where_it_stands_and_then_taken_down(
    sit_down: SitDown, lead: User, stated: Response
) -> None:
    """A correction replaces the published text of the statement; the record keeps both texts.

    After that, the statement is taken down, and the record also keeps the reason. Fails if a
    correction is sent as a new statement.
    """
    hand = sit_down(lead, stated.get_absolute_url())
    page = hand.page
    hand.go(page.get_by_role("link", name="Correct the post"))
    expect(page.locator(".old")).to_contain_text(SHORT)
    hand.type(page.get_by_label("Text", exact=True), NEW)
    hand.press("Control+Enter", hand.button("Publish correction"))
    expect(hand.said).to_contain_text("is sent in")
    assert ours() == [SHORT]
    leaves(Delivery.objects.get(act="amend"))
    assert ours() == [NEW]

    page.goto(stated.get_absolute_url())
    first, later = page.locator("article.words .said-text"), page.locator("ol.rows .words")
    expect(first).to_contain_text(SHORT)
    expect(later).to_contain_text(NEW)
    expect(later).to_contain_text("Corrected")
    hand.go(page.get_by_role("link", name="Take down"))
    expect(page.locator(".old")).to_contain_text(NEW)
    hand.type(page.get_by_label("Reason"), "They flew already.")
    hand.go(hand.button("Take down"))
    expect(hand.said).to_contain_text("The post is being taken down.")
    eventually(lambda: Delivery.objects.filter(act="withdraw", state="sent"), within=60)
    assert ours() == []

    page.reload()
    expect(first).to_contain_text(SHORT)
    expect(later).to_contain_text(NEW)
    expect(page.locator("article.words .deliveries")).to_contain_text("Taken down")
    expect(page.locator("article.words .deliveries")).to_contain_text("They flew already.")
    expect(page.get_by_role("link", name="Correct the post")).to_be_hidden()
    assert list(
        Interaction.objects.filter(direction="out").order_by("pk").values_list("kind", "text")
    ) == [
        ("statement", SHORT),
        ("correction", NEW),
        ("withdrawal", "Taken down: They flew already."),
    ]


@TWO_WAYS
def test_a_campaign_shows_what_its_statement_drew_by_channel_and_by_person(
    sit_down: SitDown, lead: User, stated: Response, microblog: Account
) -> None:
    """A campaign shows the number of answers to its statement, per account and per person.

    Fails if the list behind a number contains rows that the number does not count.
    """
    hand = sit_down(lead, "/campaigns/")
    page = hand.page
    hand.go(page.get_by_role("link", name="New campaign"))
    hand.type(page.get_by_label("Name", exact=True), "Bags on time")
    hand.type(page.get_by_label("Goal"), "Nobody waits for a bag.")
    hand.type(page.get_by_label("Hashtags"), "#BagsOnTime")
    hand.go(hand.button("Start campaign"))
    expect(page.locator("main h1")).to_contain_text("Bags on time")
    expect(page.locator("main")).to_contain_text("Nothing was sent yet.")
    hand.go(page.get_by_role("button", name=f"Add to campaign: {SHORT[:40]}"))
    expect(hand.said).to_contain_text("Added to the campaign “Bags on time”.")
    campaign = Campaign.objects.get()
    assert (campaign.owner, campaign.words) == (lead, ["#BagsOnTime"])

    post = stated.deliveries.get().sent_key
    source = source_of(microblog)
    heard(source, "zoe", "Thank you!", name="Zoë", to=post)
    heard(source, "omar", "And mine?", name="Omar Haddad", to=post)
    page.reload()
    assert figures(hand, "@SkywardAir") == {"Deliveries": "1", "Answers": "2", "Not judged": "2"}
    assert figures(hand, "Zoë") == {"Answers": "1", "Not judged": "1"}
    zoe = page.locator("tr", has_text="Zoë")
    hand.go(zoe.locator("[data-label=Answers] a"))
    expect(page.locator(".answers-list > li")).to_have_count(1)
    expect(page.locator(".answers-list")).to_contain_text("Thank you!")
    thanks = page.locator(".judge").get_by_role("button", name="Thanks")
    hand.go(thanks)
    expect(thanks).to_have_attribute("aria-pressed", "true")
    hand.go(page.locator("main h1 a"))
    assert figures(hand, "Zoë") == {"Answers": "1", "Thanks": "1"}
    assert figures(hand, "Omar Haddad") == {"Answers": "1", "Not judged": "1"}
    assert figures(hand, "@SkywardAir") == {
        "Deliveries": "1", "Answers": "2", "Thanks": "1", "Not judged": "1",
    }  # fmt: skip


def figures(hand: Hand, row: str) -> dict[str, str]:
    """Return the numbers in one row of the results, as a dict with the column labels as keys.

    Numbers that are zero are left out.
    """
    found = hand.page.locator("tr", has_text=row)
    expect(found).to_be_visible()
    cells = found.locator("td:has(a)").all()
    return {str(each.get_attribute("data-label")): each.inner_text() for each in cells}
