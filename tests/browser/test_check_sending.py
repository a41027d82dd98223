"""Undone replies and unknown deliveries: no text is lost, and no text is sent twice by mistake."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, expect

from crm.models import Account, User
from responses.models import Delivery, Response
from scrm.bus.nudge import nudge
from scrm.channels.sandbox import community
from scrm.channels.sandbox.networks import MICROBLOG
from tests.browser.conftest import TWO_WAYS, Site, Windows
from tests.browser.hands import Hand, Mouse
from tests.browser.outside import nudged_again, ours
from tests.browser.test_together import listening
from tests.browser.world import World
from tests.machinery import eventually

pytestmark = TWO_WAYS
SitDown = Callable[..., Hand]
SAID = "We are sorry. May we call you?"


@pytest.fixture
def cannot_tell(microblog: Account) -> None:
    """Configure the microblog so that scrm cannot look up whether a post arrived."""
    microblog.config |= {"idempotence": "none"}
    microblog.save()


def says_it(hand: Hand) -> Delivery:
    """Reply in the open case, and return the delivery, which waits to be sent."""
    hand.write(SAID)
    hand.send()
    expect(hand.said).to_contain_text("is sent in")
    return Delivery.objects.get()


def in_doubt(windows: Windows, agent: User, world: World) -> Delivery:
    """Return an unknown delivery whose text was published.

    The state is unknown because the answer of the network was lost.
    """
    community.fail(MICROBLOG, "answer lost")
    hand = Mouse(windows.open(agent, world["ron"].get_absolute_url()))
    listening(hand.page)
    hand.is_at(world["ron"])
    sending = says_it(hand)
    Delivery.objects.filter(pk=sending.pk).update(send_after=timezone.now())
    nudge("scrm.pipeline.deliver", sending.pk)
    # The author gets a notice when the network could not say whether the text arrived.
    expect(hand.page.locator("#bell")).to_have_attribute("aria-label", "1 new notice")
    sending.refresh_from_db()
    assert sending.state == "unknown"
    return sending


def row(hand: Hand, sending: Delivery) -> Locator:
    return hand.page.locator(f"#sending-{sending.pk}")


def test_what_is_undone_in_time_comes_back_and_never_leaves(
    sit_down: SitDown, agent: User, world: World, site: Site
) -> None:
    """If a reply is undone in time, its text becomes a draft again and is never sent."""
    hand = sit_down(agent)
    hand.open(world["ron"])
    private = hand.page.get_by_label("Message privately")
    hand.tick(private)
    sending = says_it(hand)
    hand.is_at(world["layla"])
    hand.press("u", hand.said.get_by_role("button", name="Undo"))
    expect(hand.said).to_contain_text("Nothing was sent. The text is a draft again.")
    hand.is_at(world["ron"])
    expect(hand.writing).to_have_value(SAID)
    expect(private).to_be_checked()
    Delivery.objects.filter(pk=sending.pk).update(send_after=timezone.now())
    nudged_again(site, sending)
    assert ours() == []
    assert Response.objects.get().state == "cancelled"
    assert world["ron"].status == "open"


def test_an_unknown_one_is_looked_up_and_is_not_sent_again(
    sit_down: SitDown, windows: Windows, agent: User, world: World, site: Site
) -> None:
    """An unknown delivery is looked up again on the network when a user asks for it.

    The network was down at the first look-up. The second look-up finds the post, so the delivery
    becomes sent. Fails if an unknown delivery is simply sent again.
    """
    community.fail(MICROBLOG, "down", call="find")
    sending = in_doubt(windows, agent, world)
    hand = sit_down(agent, "/delivery-problems/")
    expect(row(hand, sending)).to_contain_text("It may or may not have been sent.")
    hand.go(row(hand, sending).get_by_role("button", name="Check with the network"))
    expect(hand.said).to_contain_text("Checking with the network.")
    eventually(lambda: Delivery.objects.filter(pk=sending.pk, state="sent"), within=60)
    hand.page.reload()
    expect(hand.page.locator("main")).to_contain_text("No delivery problems.")
    nudged_again(site, sending)
    assert ours() == [SAID]


def test_one_that_was_seen_over_there_is_marked_as_sent(
    sit_down: SitDown, windows: Windows, agent: User, world: World, cannot_tell: None, site: Site
) -> None:
    """A user who saw the post on the network marks its delivery as sent and enters its URL.

    Fails if the URL is not stored.
    """
    sending = in_doubt(windows, agent, world)
    hand = sit_down(agent, "/delivery-problems/")
    it = row(hand, sending)
    hand.go(it.locator("summary", has_text="Mark as sent…"))
    hand.type(it.get_by_label("Link (optional)"), "https://microblog.example/77")
    hand.go(it.get_by_role("button", name="Mark as sent", exact=True))
    expect(hand.said).to_contain_text("Marked as sent.")
    expect(it).to_be_hidden()
    nudged_again(site, sending)
    assert ours() == [SAID]
    hand.page.goto(sending.response.get_absolute_url())
    original = hand.page.locator(".deliveries").get_by_role("link", name="Open original")
    expect(original).to_have_attribute("href", "https://microblog.example/77")
    expect(hand.page.locator(".happened")).to_contain_text("Manually marked as sent.")
    assert world["ron"].status == "waiting"


def test_one_is_sent_again_with_the_old_one_beside_it(
    sit_down: SitDown, windows: Windows, agent: User, world: World, cannot_tell: None
) -> None:
    """A user can send an unknown delivery again.

    The page first shows the old delivery and warns that the recipient may get a second copy. In
    this test the network really gets the text twice. Fails if the old delivery is not marked as
    resolved.
    """
    sending = in_doubt(windows, agent, world)
    hand = sit_down(agent, "/delivery-problems/")
    hand.go(row(hand, sending).get_by_role("link", name="Send again"))
    old, new = (hand.page.locator(".beside article").nth(n) for n in range(2))
    expect(old).to_contain_text("The sandbox did not answer in time.")
    expect(old).to_contain_text(SAID)
    expect(new).to_contain_text("The previous delivery may have arrived.")
    expect(new).to_contain_text(SAID)
    assert ours() == [SAID]
    hand.go(hand.button("Send again"))
    expect(hand.said).to_contain_text("The text is being sent again.")
    expect(row(hand, sending)).to_be_hidden()
    again = Delivery.objects.get(replaces=sending)
    eventually(lambda: Delivery.objects.filter(pk=again.pk, state="sent"), within=60)
    assert ours() == [SAID, SAID]
    sending.refresh_from_db()
    assert (sending.state, sending.settled_at is None) == ("unknown", False)
