"""Decisions about messages: number keys at Done, thanks with one key, and a sensitive case."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import expect

from crm.ledger import Entry, record
from crm.models import User
from routing.intake import Arrival, take_in
from routing.models import Case, ItemDecision, Procedure
from routing.rules import Facts
from scrm.channels.base import Author
from scrm.channels.sandbox import community
from tests.browser.conftest import Windows
from tests.browser.hands import Keyboard
from tests.browser.world import US, World, says
from tests.machinery import eventually


def reasons(case: Case) -> list[tuple[str, str]]:
    rows = ItemDecision.objects.current().filter(case=case).order_by("interaction")
    return [(row.interaction.text, row.reason) for row in rows.select_related("interaction")]


def add_message(case: Case, text: str) -> None:
    """Record and route a further message in the conversation of the case."""
    now, there = timezone.now(), case.conversations.get()
    author = Author(case.profile.network, case.profile.key)
    post = community.post(there.network, author.key, text, at=now, to=US)
    entry = Entry(
        there.network, post, author, "sandbox", "message", "private", text,
        conversation=there.pk,
    )  # fmt: skip
    row = record([entry], now=now)[0]
    facts = Facts(text=text, visibility="private")
    take_in([Arrival(row.interaction, there.pk, row.profile or 0, None, now, facts)], now=now)


def test_each_message_is_decided_with_a_number_key(
    windows: Windows, agent: User, world: World
) -> None:
    """Two messages take two keys; the last key closes the case, and `u` takes all back."""
    says("ron", "Anyone??")
    hand = Keyboard(windows.open(agent))
    hand.open(world["ron"])
    hand.press("e", hand.verb("Done"))
    box = hand.opened.locator("[data-decide]")
    expect(box.locator("fieldset")).to_have_count(3)  # two messages, and all the others
    hand.page.keyboard.press("3")
    expect(box.locator("input:checked")).to_have_count(1)
    hand.page.keyboard.press("2")
    expect(hand.said).to_contain_text("Marked done.")
    assert [reason for _text, reason in reasons(world["ron"])] == [
        "Answered elsewhere",
        "No question",
    ]
    hand.page.keyboard.press("u")
    hand.is_at(world["ron"])
    eventually(lambda: reasons(world["ron"]) == [])


def test_shift_gives_one_reason_to_all(windows: Windows, agent: User, world: World) -> None:
    says("ron", "Anyone??")
    hand = Keyboard(windows.open(agent))
    hand.open(world["ron"])
    hand.press("e", hand.verb("Done"))
    expect(hand.opened.locator("[data-decide]")).to_be_visible()
    hand.page.keyboard.press("Shift+Digit4")
    expect(hand.said).to_contain_text("Marked done.")
    assert {reason for _text, reason in reasons(world["ron"])} == {"Not our responsibility"}


def test_enter_without_a_reason_closes_nothing(windows: Windows, agent: User, world: World) -> None:
    windows.expect("409")
    hand = Keyboard(windows.open(agent))
    hand.open(world["ron"])
    hand.press("e", hand.verb("Done"))
    form = hand.opened.locator("form:has([data-decide])")
    form.locator("button.primary").click()
    expect(hand.opened.get_by_role("alert")).to_contain_text("1 message is unanswered.")
    assert world["ron"].status == "new"
    hand.page.keyboard.press("1")  # the form is still open
    expect(hand.said).to_contain_text("Marked done.")


def test_thanks_after_done_take_one_key(windows: Windows, agent: User, world: World) -> None:
    tom = says("tom", "Where is my bag?", name="Tom", visibility="private")
    tom.finish(by=agent, seen=tom.last_inbound_id, reasons="Other")
    add_message(tom, "Thanks ❤️")
    hand = Keyboard(windows.open(agent, "/?view=done"))
    expect(hand.row(tom)).to_contain_text("1 × thanks")
    hand.open(tom)
    hand.press("+", hand.verb("Like or dismiss thanks"))
    expect(hand.said).to_contain_text("Thanks liked or dismissed.")
    expect(hand.verb("Like or dismiss thanks")).to_have_count(0)
    assert Case.objects.get(pk=tom.pk).status == "done"


def test_a_sensitive_case_is_on_top_with_its_procedure(
    windows: Windows, agent: User, world: World
) -> None:
    Procedure.objects.create(kind="data request", text="Ask Legal first.", days=30)
    last = world["long"]
    at = timezone.now() + timedelta(days=30)
    Case.objects.filter(pk=last.pk).update(sensitive="data request", statutory_due_at=at)
    hand = Keyboard(windows.open(agent))
    expect(hand.page.locator("#case-rows > li").first).to_have_id(f"row-{last.pk}")
    hand.open(last)
    panel = hand.opened.locator(".sensitive")
    expect(panel).to_contain_text("Ask Legal first.")
    expect(panel).to_contain_text("30 calendar days left")
    hand.pick(last)
    hand.press("e", hand.page.locator("#bulk summary", has_text="Done"))
    hand.page.keyboard.press("2")
    expect(hand.said).to_contain_text("This case is sensitive.")
    eventually(lambda: Case.objects.get(pk=last.pk).status == "new")
