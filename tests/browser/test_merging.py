"""Merge two cases, split a message off, and read a stack of bystanders, in the browser."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import expect

from crm.ledger import Entry, record
from crm.models import Interaction, User
from routing.intake import Arrival, take_in
from routing.models import Case
from routing.rules import Facts
from scrm.channels.base import Author
from scrm.channels.sandbox.networks import MICROBLOG
from tests.browser.conftest import Windows
from tests.browser.world import World, says


def answered(case: Case) -> None:
    """Let us answer the case nine days ago, so that the next post is another matter."""
    long_ago = timezone.now() - timedelta(days=9)
    Case.objects.filter(pk=case.pk).update(
        status="waiting", first_response_at=long_ago, last_inbound_at=long_ago
    )


def test_two_cases_of_one_person_are_merged_and_the_merge_is_undone(
    windows: Windows, agent: User, world: World
) -> None:
    answered(world["ron"])
    other = says("ron", "Now about the taxi, @SkywardAir.")
    assert other.pk != world["ron"].pk
    page = windows.open(agent)
    page.goto(world["ron"].get_absolute_url())
    strip = page.locator(".strip", has_text="Also open from this person")
    expect(strip).to_contain_text(f"#{other.pk}")
    strip.get_by_role("link", name="Merge").click()
    expect(page.get_by_role("heading", name="is merged into case")).to_be_visible()
    page.get_by_role("button", name="Merge cases").click()
    expect(page.locator(".timeline")).to_contain_text("Now about the taxi")
    assert Case.objects.get(pk=other.pk).merged_into == world["ron"]
    page.locator(".messages, #messages").get_by_role("button", name="Undo").click()
    expect(strip).to_be_visible()
    expect(page.locator(".timeline")).not_to_contain_text("Now about the taxi")
    assert Case.objects.get(pk=other.pk).merged_into is None


def test_a_message_is_split_off_and_the_timeline_undoes_it(
    windows: Windows, agent: User, world: World
) -> None:
    assert says("ron", "Now about the taxi, @SkywardAir.") == world["ron"]
    page = windows.open(agent)
    page.goto(world["ron"].get_absolute_url())
    message = page.locator(".said", has_text="Now about the taxi")
    message.get_by_title("Split off…").click()
    message.get_by_role("button", name="Split off this message").click()
    expect(page.locator(".timeline .said", has_text="Now about the taxi")).to_have_count(0)
    new = Case.objects.order_by("pk").last()
    assert new
    expect(page.locator("body")).to_contain_text(f"Split off into the new case #{new.pk}.")
    page.locator(".timeline").get_by_role("button", name="Undo").click()
    expect(page.locator(".timeline")).to_contain_text("Now about the taxi")
    assert Case.objects.get(pk=new.pk).merged_into == world["ron"]


def test_the_replies_of_bystanders_are_one_stack(
    windows: Windows, agent: User, world: World
) -> None:
    now = timezone.now()
    post = Interaction.objects.get(pk=world["ron"].last_inbound_id)
    crowd = [
        Entry(
            MICROBLOG, f"crowd-{n}", Author(MICROBLOG, f"fan{n}", name=f"Fan {n}"), "sandbox",
            "post", "public", f"lol {n}", occurred_at=now, in_reply_to=post.key,
        )
        for n in range(12)
    ]  # fmt: skip
    facts = Facts(channel="sandbox", network=MICROBLOG, kind="post", visibility="public")
    rows = record(crowd, now=now)
    take_in(
        [Arrival(r.interaction, r.conversation, r.profile or 0, None, now, facts) for r in rows],
        now=now,
    )
    page = windows.open(agent)
    page.goto(world["ron"].get_absolute_url())
    stack = page.locator(".stack")
    expect(stack).to_have_count(1)
    expect(stack.locator("summary")).to_contain_text("12 replies from others")
    expect(stack.get_by_text("lol 3", exact=True)).to_be_hidden()
    stack.locator("summary").click()
    expect(stack.get_by_text("lol 3", exact=True)).to_be_visible()
