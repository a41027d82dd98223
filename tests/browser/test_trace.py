"""The response history can be filtered, saved as a view and exported.

Each response links to its origin and to its feedback.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from crm.models import Account, User
from listening.models import Source
from responses.models import HistoryView, Response
from routing.models import Case, RoutingRule
from tests.browser.conftest import TWO_WAYS, Windows, leaves
from tests.browser.hands import Hand, Mouse
from tests.browser.outside import heard, source_of
from tests.browser.world import World

pytestmark = TWO_WAYS
SitDown = Callable[..., Hand]
ASKED = "@SkywardAir my boarding pass shows the wrong gate."
SAID = "We are sorry: it is gate 12."


@pytest.fixture
def source(microblog: Account) -> Source:
    return source_of(microblog)


@pytest.fixture
def asked(world: World, source: Source, brand_rule: RoutingRule) -> Case:
    """Return a case whose post was found by a fetch, matches a topic, and was routed by a rule."""
    said = heard(source, "zoe", ASKED, name="Zoë Marsh")
    return Case.objects.get(conversation_links__conversation=said.conversation)


@pytest.fixture
def answered(windows: Windows, agent: User, world: World, asked: Case) -> Response:
    """Return the agent's public reply in the case of the fixture `asked`.

    The agent has also replied in another case.
    """
    hand = Mouse(windows.open(agent, world["ron"].get_absolute_url()))
    for case, text in ((world["ron"], "It will not happen again."), (asked, SAID)):
        hand.page.goto(case.get_absolute_url())
        hand.is_at(case)
        hand.write(text)
        hand.send()
        expect(hand.said).to_contain_text("is sent in")
        leaves(Response.objects.get(text=text).deliveries.get())
    return Response.objects.get(text=SAID)


def test_the_history_is_filtered_kept_shared_and_exported(
    sit_down: SitDown, windows: Windows, agent: User, lead: User, answered: Response, tmp_path: Path
) -> None:
    """A user filters the response history, saves and shares the filters, and exports the history.

    Fails if the export ignores the filters.
    """
    hand = sit_down(agent, "/responses/")
    page = hand.page
    rows = page.locator(".rows > .response")
    expect(rows).to_have_count(2)
    hand.type(page.get_by_label("Text", exact=True), "gate")
    hand.choose(page.get_by_label("State"), "Released")
    hand.go(hand.button("Apply"))
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(SAID)
    hand.go(page.locator("summary", has_text="Save these filters"))
    hand.type(page.get_by_label("View name"), "Gates")
    hand.tick(page.get_by_label("Shared with everyone"))
    hand.go(hand.button("Save this view"))
    expect(hand.said).to_contain_text("View “Gates” saved.")
    expect(page.locator(".saved-views [aria-current]")).to_contain_text("Gates")
    with page.expect_download() as download:
        hand.go(page.get_by_role("link", name="Export as CSV"))
    file = tmp_path / "responses.csv"
    download.value.save_as(file)
    assert download.value.suggested_filename == f"responses-{timezone.localdate():%Y-%m-%d}.csv"
    with file.open(encoding="utf-8-sig", newline="") as lines:
        exported = list(csv.DictReader(lines))
    assert [(row["text"], row["author"]) for row in exported] == [(SAID, "Anna Agent")]
    assert "Sent" in exported[0]["deliveries"]

    theirs = windows.open(lead, "/responses/")
    expect(theirs.locator(".rows > .response")).to_have_count(2)
    theirs.locator(".saved-views a", has_text="Gates · Anna Agent").click()
    expect(theirs.locator(".rows > .response")).to_have_count(1)
    hand.go(hand.button("Delete view"))
    expect(hand.said).to_contain_text("View “Gates” deleted.")
    assert not HistoryView.objects.exists()


def test_from_a_row_one_walks_back_to_the_visit_and_forth_to_the_outcome(
    sit_down: SitDown, admin: User, answered: Response, asked: Case, source: Source
) -> None:
    """From a response in the history, links lead back to the source and forward to the feedback.

    The user is an admin, who may open each of these pages. Fails without the event `judged`, after
    which the page loads the numbers of outcomes again.
    """
    post = answered.deliveries.get().sent_key
    heard(source, "zoe", "Thank you, found it!", name="Zoë Marsh", to=post)
    hand = sit_down(admin, "/responses/")
    page = hand.page
    row = page.locator(".rows > .response", has_text=SAID)
    hand.go(row.get_by_role("link", name="origin", exact=True))
    came = page.locator("aside")
    expect(came).to_contain_text("Reply to one (micro)")
    expect(came.locator(".trace")).to_contain_text("Anna Agent")
    expect(came.locator(".trace")).to_contain_text("Brand")
    found = came.locator(".found").first
    expect(found).to_contain_text(ASKED)
    expect(found.locator(".chip")).to_contain_text("Brand")
    hand.go(found.get_by_role("link", name="Mentions of us"))
    expect(page.locator("main h1")).to_contain_text("Mentions of us")
    fetch = source.fetches.earliest("started_at")
    expect(page.locator("main")).to_contain_text(f"{fetch.found} found, {fetch.new} new")
    page.go_back()
    hand.go(came.locator(".trace").get_by_role("link", name=str(asked)))
    hand.is_at(asked)
    expect(hand.opened.locator(".timeline")).to_contain_text(SAID)
    page.go_back()
    page.go_back()
    hand.go(row.get_by_role("link", name="feedback", exact=True))
    answer = page.locator(".answers-list > li")
    expect(answer).to_contain_text("Thank you, found it!")
    hand.go(answer.get_by_role("button", name="Thanks"))
    expect(answer.get_by_role("button", name="Thanks")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#tally .chip.ok")).to_have_text("1 thanks")
    page.goto("/responses/?outcome=thanks")
    expect(page.locator(".rows > .response")).to_have_count(1)
    expect(row).to_contain_text("1 thanks")
