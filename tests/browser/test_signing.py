"""A reply that a rule holds can be sent back, edited and approved, and is sent once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from crm.models import User
from responses.default_rules import PRIVACY, create_default_rules
from responses.models import Delivery, Response, ResponseRule
from tests.browser.conftest import TWO_WAYS, Site, Windows, leaves
from tests.browser.hands import Hand, Mouse
from tests.browser.outside import nudged_again, ours
from tests.browser.test_together import listening
from tests.browser.world import World

SitDown = Callable[..., Hand]
TOLD = "Your booking X7K2P9 is refunded."
AGAIN = "Your booking X7K2P9 is refunded in full."
WHY = "The world need not know the number."


@pytest.fixture(autouse=True)
def rules(admin: User) -> None:
    """Create the business rules that a new workspace has.

    The rule that depends on the time of day is left out.
    """
    create_default_rules(admin, except_names=("No posts at night",))


@pytest.fixture
def at_the_case(sit_down: SitDown, agent: User, world: World) -> Hand:
    """Open the case in the agent's browser, with live updates connected."""
    hand = sit_down(agent, world["ron"].get_absolute_url())
    listening(hand.page)
    hand.is_at(world["ron"])
    return hand


@pytest.fixture
def held(at_the_case: Hand) -> Response:
    """Return a reply of the agent that waits for approval by a team lead."""
    return asks(at_the_case)


def asks(hand: Hand) -> Response:
    hand.write(TOLD)
    hand.send()
    expect(hand.said).to_contain_text("Held for approval by a team lead")
    return Response.objects.get()


def waits(hand: Hand) -> Locator:
    """Return the card that shows the unsent responses of the open case."""
    return hand.opened.locator("#case-responses article")


def in_queue(hand: Hand, response: Response) -> Locator:
    return hand.page.locator(f"#response-{response.pk}")


def approve(hand: Hand, response: Response) -> None:
    hand.go(in_queue(hand, response).get_by_role("button", name="Approve and send"))
    expect(hand.said).to_contain_text("Approved.")


def rewrite(hand: Hand, text: str, button: str) -> None:
    hand.type(hand.page.get_by_label("Text", exact=True), text)
    hand.press("Control+Enter", hand.button(button))


def test_what_tells_a_booking_is_held_with_its_words(
    at_the_case: Hand, agent: User, lead: User, site: Site
) -> None:
    """A reply that contains a booking number is held, and the page marks the number.

    Fails if `Response.send` releases a text that a rule holds.
    """
    hand = at_the_case
    hand.write(TOLD)
    speaks = hand.opened.locator("#speaks")
    expect(speaks).to_contain_text("Will be held for approval by a team lead")
    expect(speaks).to_contain_text(f"Rule “{PRIVACY}”")
    expect(speaks.locator(".quotes mark")).to_have_text("X7K2P9")
    hand.send()
    expect(hand.said).to_contain_text("Held for approval by a team lead")
    expect(waits(hand)).to_contain_text(TOLD)
    expect(waits(hand)).to_contain_text("Held for approval by a team lead")
    expect(hand.writing).to_be_empty()
    response = Response.objects.get()
    assert (response.state, response.text, response.author) == ("held", TOLD, agent)
    nudged_again(site, response.deliveries.get())
    assert ours() == []


def test_it_is_sent_back_mended_held_again_and_said_once(
    at_the_case: Hand, held: Response, sit_down: SitDown, lead: User, site: Site
) -> None:
    """A held reply is sent back, edited, held again, approved, and sent once.

    Fails if `Delivery.claim` does not check the state of the delivery, because then the text is
    sent twice.
    """
    anna, lea = at_the_case, sit_down(lead, "/approvals/")
    row = in_queue(lea, held)
    expect(row).to_contain_text(TOLD)
    expect(row.locator(".quotes mark")).to_have_text("X7K2P9")
    lea.go(row.locator("summary", has_text="Send back"))
    lea.type(row.get_by_label("Requested changes"), WHY)
    lea.go(row.get_by_role("button", name="Send back to Anna Agent"))
    expect(lea.said).to_contain_text("Sent back to Anna Agent.")
    expect(row).to_be_hidden()

    expect(waits(anna)).to_contain_text(f"Sent back by Lea Lead: {WHY}")
    anna.go(waits(anna).get_by_role("link", name="Edit and send"))
    expect(anna.page.locator("main .held")).to_contain_text(WHY)
    expect(anna.page.get_by_label("Text", exact=True)).to_have_value(TOLD)
    rewrite(anna, AGAIN, "Send")
    expect(anna.said).to_contain_text("Held for approval by a team lead.")
    listening(anna.page)

    lea.page.reload()
    expect(row).to_contain_text(AGAIN)
    approve(lea, held)
    sent = Delivery.objects.get()
    leaves(sent)
    nudged_again(site, sent)
    assert ours() == [AGAIN]
    expect(anna.opened.locator(".timeline")).to_contain_text(AGAIN)
    expect(waits(anna)).to_be_hidden()
    expect(anna.page.locator("#bell")).to_have_attribute("aria-label", "2 new notices")
    assert [(each.by, each.approved) for each in held.approvals.order_by("pk")] == [
        (lead, False),
        (lead, True),
    ]


@TWO_WAYS
def test_a_lead_edits_it_and_signs_in_one_go(
    at_the_case: Hand, held: Response, sit_down: SitDown, agent: User, lead: User
) -> None:
    """A team lead edits a held reply and approves it in one step.

    Fails if `rewrite_and_send` does not approve the edited text.
    """
    lea = sit_down(lead, "/approvals/")
    lea.go(in_queue(lea, held).get_by_role("link", name="Edit"))
    expect(lea.page.get_by_label("Text", exact=True)).to_have_value(TOLD)
    rewrite(lea, AGAIN, "Edit and approve")
    expect(lea.said).to_contain_text("The text is being sent.")
    leaves(Delivery.objects.get())
    assert ours() == [AGAIN]
    signed = held.approvals.get()
    held.refresh_from_db()
    assert (held.author, signed.by, signed.content_hash) == (agent, lead, held.content_hash)
    expect(at_the_case.opened.locator(".timeline")).to_contain_text(AGAIN)


@TWO_WAYS
def test_an_edit_voids_the_signature_that_was_given(
    windows: Windows, at_the_case: Hand, lead: User, supervisor: User, site: Site
) -> None:
    """If two users must approve a text, an edit after the first approval makes that approval void.

    The page of the second approver still shows the old text, so their approval is refused. Fails if
    `shown` (the content on the page) is not checked. Fails also if the message to the author names
    only a team lead as approver, because this text needs a team lead and a supervisor.
    """
    windows.expect("409")
    ResponseRule.objects.filter(name=PRIVACY).update(steps="lead supervisor")
    anna, held = at_the_case, asks(at_the_case)
    lea, sue = (Mouse(windows.open(each, "/approvals/")) for each in (lead, supervisor))
    approve(lea, held)
    sue.page.reload()
    expect(in_queue(sue, held)).to_contain_text("Approved by Lea Lead.")

    anna.page.goto(held.get_absolute_url())
    anna.go(anna.page.get_by_role("link", name="Edit"))
    rewrite(anna, AGAIN, "Send")
    expect(anna.said).to_contain_text("Held for approval by a team lead, then a supervisor.")

    sue.go(in_queue(sue, held).get_by_role("button", name="Approve and send"))
    expect(sue.page.get_by_role("alert")).to_contain_text("Another user changed this")
    expect(in_queue(sue, held)).to_contain_text(AGAIN)
    expect(in_queue(sue, held)).not_to_contain_text("Approved by")
    held.refresh_from_db()
    assert (held.state, held.approval_request.next_step) == ("held", "lead")
    nudged_again(site, held.deliveries.get())
    assert ours() == []
