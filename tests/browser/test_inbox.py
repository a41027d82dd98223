"""Work in the inbox, in both themes: with the keyboard only, and with the mouse."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import expect

from crm.models import Department, User
from responses.decisions import answer_nothing
from responses.models import Delivery
from routing.models import Case, Issue
from tests.browser.conftest import Windows, leaves
from tests.browser.hands import Hand, Keyboard, Mouse
from tests.browser.world import PEOPLE, World
from tests.machinery import eventually

ON_TOP = """(element) => {
  const box = element.getBoundingClientRect();
  const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return element.contains(there);
}"""
"""Whether nothing covers the middle of an element."""

SitDown = Callable[..., Hand]


def test_ten_cases_are_triaged(sit_down: SitDown, agent: User, world: World) -> None:
    """A user closes ten cases: each is marked as done, marked as noise or closed without reply.

    When a case is closed, the next case opens. Some cases are claimed first.
    """
    hand = sit_down(agent)
    keys = list(PEOPLE)[:10]
    hand.open(world[keys[0]])
    for n, key in enumerate(keys):
        hand.is_at(world[key])
        if n % 5 == 0:
            hand.take()
        [hand.finish, lambda: _noise(hand), lambda: _nothing(hand)][n % 3]()
        expect(hand.opened).not_to_have_attribute("data-case", str(world[key].pk))
    assert [world[key].status for key in keys] == ["done", "noise", "done"] * 3 + ["done"]


def _noise(hand: Hand) -> None:
    hand.press("l", hand.opened.locator("summary[aria-label^=More]"))
    hand.go(hand.button("Mark as noise"))


def _nothing(hand: Hand) -> None:
    """Close the open case without reply, and give a reason.

    The form already contains the reason that the user typed last, if there is one.
    """
    hand.tab("z", "Close without reply")
    why = hand.page.locator("#composing").get_by_label("Reason")
    if not why.input_value():
        hand.type(why, "Only praise.")
    hand.press("Enter", hand.button("Close without reply"))


def test_a_typed_reason_replaces_the_last_one(windows: Windows, agent: User, world: World) -> None:
    """The form contains the last reason of the user, and typed text replaces this reason.

    Fails if the last reason is not selected in the field, because then the typed text is appended
    to the last reason.
    """
    answer_nothing(
        world["layla"], by=agent, why="Only praise.", seen=world["layla"].last_inbound_id
    )
    hand = Keyboard(windows.open(agent))
    hand.open(world["ron"])
    hand.tab("z", "Close without reply")
    why = hand.page.locator("#composing").get_by_label("Reason")
    expect(why).to_be_focused()
    expect(why).to_have_value("Only praise.")
    hand.page.keyboard.insert_text("Spam.")
    expect(why).to_have_value("Spam.")


def test_one_is_answered(sit_down: SitDown, agent: User, world: World) -> None:
    hand = sit_down(agent)
    hand.open(world["ron"])
    hand.take()
    hand.tab("n", "Note")
    hand.write("He was on SK 590.")
    hand.send()
    expect(hand.opened.locator(".timeline")).to_contain_text("He was on SK 590.")
    hand.tab("r", "Reply")
    hand.press(";", hand.opened.locator("summary", has_text="Saved replies"))
    hand.go(hand.button("Sorry"))
    expect(hand.writing).to_have_value("We are sorry to hear it.")
    hand.write(" May we call you?")
    hand.tick(hand.page.get_by_label("Message privately"))
    expect(hand.opened.locator(".private-line")).to_be_visible()
    expect(hand.opened.locator(".public-line")).to_be_hidden()
    hand.send()
    expect(hand.said).to_contain_text("is sent in")
    sent = Delivery.objects.get()
    assert sent.response.text == "We are sorry to hear it. May we call you?"
    assert (sent.response.author, sent.response.visibility) == (agent, "private")
    hand.is_at(world["layla"])
    leaves(sent)
    assert world["ron"].status == "waiting"


def test_an_answer_is_undone_before_it_leaves(sit_down: SitDown, agent: User, world: World) -> None:
    """If a reply is undone, its delivery is cancelled.

    The case opens again, and the text is back in the composer as a draft.
    """
    hand = sit_down(agent)
    hand.open(world["ron"])
    hand.write("Too soon.")
    hand.send()
    hand.press("u", hand.said.get_by_role("button", name="Undo"))
    expect(hand.said).to_contain_text("Nothing was sent. The text is a draft again.")
    assert Delivery.objects.get().state == "cancelled"
    hand.is_at(world["ron"])
    expect(hand.writing).to_have_value("Too soon.")


def test_a_case_is_handed_over(
    sit_down: SitDown, agent: User, sales: Department, world: World
) -> None:
    hand = sit_down(agent)
    hand.open(world["priya"])
    hand.press("h", hand.verb("Transfer"))
    hand.choose(hand.opened.locator(".case-title").get_by_label("Department"), "Sales")
    hand.type(hand.page.get_by_label("Reason", exact=True), "A choir wants an offer.")
    hand.go(hand.opened.locator(".case-title form button", has_text="Transfer"))
    expect(hand.said).to_contain_text("Transferred to Sales")
    hand.is_at(world["somchai"])
    assert world["priya"].department == sales
    assert world["priya"].events.get(kind="transferred").why == "A choir wants an offer."


def test_a_case_is_put_off(sit_down: SitDown, agent: User, world: World) -> None:
    hand = sit_down(agent)
    hand.open(world["wei"])
    hand.press("s", hand.verb("Snooze"))
    hand.choose(hand.page.get_by_label("Until", exact=True), "In four hours")
    hand.go(hand.opened.locator(".case-title form button", has_text="Snooze"))
    expect(hand.said).to_contain_text("Snoozed.")
    case = world["wei"]
    assert case.status == "snoozed"
    assert case.snoozed_until is not None
    assert abs(case.snoozed_until - timezone.now() - timedelta(hours=4)) < timedelta(minutes=1)


def test_several_are_done_at_once_and_taken_back(
    sit_down: SitDown, agent: User, world: World
) -> None:
    """A user marks three selected cases as done with one action, and then undoes the action.

    Fails if the undo does not restore the cases, or if the list is not loaded again.
    """
    hand = sit_down(agent)
    keys = ["layla", "noa", "olena"]
    hand.pick(*(world[key] for key in keys))
    bulk = hand.page.locator("#bulk")
    expect(bulk.locator(".n")).to_have_text("3 selected")
    hand.press("e", bulk.locator("summary", has_text="Done"))
    reasons = bulk.locator("[data-decide]")
    expect(reasons).to_be_visible()
    if isinstance(hand, Keyboard):
        hand.page.keyboard.press("2")
    else:
        reasons.get_by_text("No question").click()
        bulk.locator("button[value=done]").click()
    expect(hand.said).to_contain_text("3 cases.")
    expect(hand.row(world["layla"])).to_be_hidden()
    assert {world[key].status for key in keys} == {"done"}
    hand.press("u", hand.said.get_by_role("button", name="Undo"))
    expect(hand.said).to_contain_text("Undone for 3 cases.")
    expect(hand.row(world["layla"])).to_be_visible()
    assert {world[key].status for key in keys} == {"new"}


def test_enter_in_a_field_of_the_bar_runs_the_action_of_that_field(
    sit_down: SitDown, agent: User, world: World
) -> None:
    """Enter under More presses the button beside the field, even if another field has a text.

    Before, Enter posted an empty action: nothing was done, and the selection was lost.
    """
    hand = sit_down(agent)
    hand.pick(world["layla"], world["noa"])
    hand.go(hand.page.locator("#bulk summary", has_text="More"))
    hand.type(hand.page.locator("#bulk").get_by_label("Issue"), "Half typed")
    hand.type(hand.page.locator("#bulk").get_by_label("Tag"), "bags")
    hand.page.keyboard.press("Enter")
    expect(hand.said).to_contain_text("Tagged: 2 cases.")
    assert [world[key].tags for key in ("layla", "noa", "ron")] == [["bags"], ["bags"], []]
    assert not Issue.objects.exists()


def test_no_message_covers_a_row(windows: Windows, agent: User, world: World) -> None:
    """The list keeps room for the message at its end. Before, messages lay over the rows."""
    hand = Mouse(windows.open(agent))
    hand.open(world["ron"])
    hand.finish()
    expect(hand.said.locator("li")).to_be_visible()
    message, list_ = hand.said.bounding_box(), hand.page.locator("#cases").bounding_box()
    assert message
    assert list_
    assert list_["y"] + list_["height"] <= message["y"]


def test_a_semicolon_offers_saved_replies_while_one_types(
    windows: Windows, agent: User, world: World
) -> None:
    """The list is above the composer, the letters after the semicolon narrow it, Enter inserts.

    Before, the list opened inside the composer, which cut it off, and only by a key outside the
    text. A semicolon within a word or a sentence opens nothing.
    """
    hand = Mouse(windows.open(agent, world["ron"].get_absolute_url()))
    hand.is_at(world["ron"])
    hand.into(hand.writing)
    keyboard = hand.page.keyboard
    replies = hand.opened.locator("[data-completes=';'] ul")
    keyboard.type("Dear Ron; ")
    expect(replies).to_be_hidden()
    keyboard.type(";so")
    expect(replies).to_be_visible()
    expect(hand.writing).to_be_focused()
    above, composer = replies.bounding_box(), hand.opened.locator(".composer").bounding_box()
    assert above
    assert composer
    assert above["y"] + above["height"] <= composer["y"]
    line = hand.opened.locator(".public-line")
    expect(line).to_be_visible()
    assert line.evaluate(ON_TOP), "the list covers the line that says public or private"
    keyboard.press("Enter")
    expect(hand.writing).to_have_value("Dear Ron; We are sorry to hear it.")
    expect(replies).to_be_hidden()
    keyboard.type(" ;")
    keyboard.press("Escape")
    expect(replies).to_be_hidden()
    expect(hand.writing).to_be_focused()


def test_the_composer_is_collapsed_until_it_has_the_focus(
    windows: Windows, agent: User, world: World
) -> None:
    """While it is collapsed, the messages have the room, and the end stays in sight."""
    hand = Mouse(windows.open(agent, world["ron"].get_absolute_url()))
    hand.is_at(world["ron"])
    composer = hand.opened.locator(".composer")

    def height() -> float:
        box = composer.bounding_box()
        assert box
        return box["height"]

    assert height() < 70
    expect(composer.get_by_text("Public", exact=True)).to_be_visible()
    hand.page.keyboard.press("r")
    expect(hand.writing).to_be_focused()
    assert height() > 150
    hand.opened.locator(".timeline").click()
    expect(composer).to_have_class(re.compile("collapsed"))
    hand.write("We are sorry.")
    hand.opened.locator(".timeline").click()
    expect(composer).not_to_have_class(re.compile(r"\bcollapsed\b"))
    expect(hand.writing).to_have_value("We are sorry.")


def test_the_people_of_a_transfer_follow_the_department(
    windows: Windows, agent: User, outsider: User, sales: Department, world: World
) -> None:
    hand = Mouse(windows.open(agent, world["ron"].get_absolute_url()))
    hand.is_at(world["ron"])
    hand.press("h", hand.verb("Transfer"))
    people = hand.opened.locator("#transfer_person")
    expect(people.locator("option")).to_have_text(["Unassigned"])
    hand.choose(hand.opened.locator("#transfer_department"), "Sales")
    expect(people.locator("option")).to_have_text(["Unassigned", str(outsider)])


def test_a_list_is_filtered_saved_and_shared(
    sit_down: SitDown, windows: Windows, agent: User, teammate: User, world: World
) -> None:
    """A filtered list can be saved as a view, and a colleague who opens its URL sees the same list.

    Fails if a saved view does not contain the filters, or if an open case has no URL.
    """
    Case.objects.filter(pk=world["misaki"].pk).update(priority="urgent")
    hand = sit_down(agent)
    hand.go(hand.page.locator(".list summary", has_text="Filter"))
    hand.choose(hand.page.get_by_label("Priority"), "Urgent")
    hand.go(hand.button("Apply"))
    rows = hand.page.locator("#case-rows > li")
    expect(rows).to_have_count(1)
    expect(hand.page).to_have_url(re.compile(r"/\?view=\w+&sort=\w+&priority=urgent$"))
    hand.go(hand.page.locator(".list summary", has_text="Save view"))
    hand.type(hand.page.get_by_label("Name"), "On fire")
    hand.go(hand.button("Save this view"))
    expect(hand.page.locator(".menu a[aria-current]")).to_have_text("On fire")
    theirs = windows.open(teammate, hand.page.url.removeprefix(windows.site.url))
    expect(theirs.locator("#case-rows > li")).to_have_count(1)
    expect(theirs.locator(f"#row-{world['misaki'].pk}")).to_be_visible()
    hand.open(world["misaki"])
    expect(hand.page).to_have_url(re.compile(rf"/cases/{world['misaki'].pk}/\?.*priority=urgent"))
    hand.page.go_back()
    expect(rows).to_have_count(1)
    expect(hand.page.locator("#open.nothing")).to_be_visible()


def test_the_last_of_a_list_is_done_and_comes_back(
    sit_down: SitDown, agent: User, world: World
) -> None:
    """When the last case of a list is done, the page shows a message with an undo button.

    Fails if the page is loaded again, because then the message is lost.
    """
    ron = world["ron"]
    ron.claim(by=agent)
    hand = sit_down(agent, "/?view=mine")
    hand.open(ron)
    hand.finish()
    expect(hand.said).to_contain_text("Marked done. A new message")
    expect(hand.page.locator("#open.nothing")).to_be_visible()
    expect(hand.page.locator("#cases .empty")).to_contain_text("You have no cases")
    hand.press("u", hand.said.get_by_role("button", name="Undo"))
    hand.is_at(ron)
    eventually(lambda: Case.objects.get(pk=ron.pk).status == "open")


def test_next_takes_the_most_urgent(sit_down: SitDown, agent: User, world: World) -> None:
    hand = sit_down(agent)
    Case.objects.filter(pk=world["ron"].pk).update(priority="urgent")
    hand.press("t", hand.button("Take next"))
    hand.is_at(world["ron"])
    expect(hand.opened.locator(".case-facts")).to_contain_text("you")


def test_what_is_open_is_not_replaced_by_news(
    sit_down: SitDown, agent: User, teammate: User, world: World
) -> None:
    """When the case changes, the page does not close a small form that the user has opened.

    In this test, a colleague tags the case while the agent chooses an assignee. Fails without the
    check in requests.js, because then the refresh of the case replaces the form.
    """
    hand = sit_down(agent)
    hand.open(world["ron"])
    hand.press("a", hand.opened.locator(".case-facts summary[data-key=a]"))
    shown = hand.opened.locator(".case-facts form").first
    expect(shown).to_be_visible()
    with hand.page.expect_response(
        lambda answer: answer.url.endswith(f"/cases/{world['ron'].pk}/")
    ):
        world["ron"].tag(add=["gate"], by=teammate)
    expect(shown).to_be_visible()


def test_the_head_of_a_case_has_two_rows_however_much_is_set(
    sit_down: SitDown, agent: User, world: World
) -> None:
    """The header of a case has at most two lines, even if all its fields are set.

    The fields are priority, issue, tags and assignee. Fails if the header wraps its content,
    because then it has four lines.
    """
    Case.objects.filter(pk=world["ron"].pk).update(
        priority="urgent",
        issue=Issue.objects.create(name="Seat policy", owner=agent),
        tags=["influencer", "seats", "refund"],
        assignee=agent,
    )
    hand = sit_down(agent)
    hand.page.set_viewport_size({"width": 1280, "height": 800})
    hand.page.goto(hand.page.url.split("?")[0] + f"cases/{world['ron'].pk}/")
    head = hand.page.locator(".case .pane-head")
    box = head.bounding_box()
    assert box
    assert box["height"] < 80
    # The menu is a rail of icons here, and a button opens all of it.
    nav = hand.page.locator(".nav")
    assert (nav.bounding_box() or {})["width"] == 56
    expect(nav.get_by_role("link", name="Contacts")).to_be_hidden()
    nav.get_by_role("link", name="Menu", exact=True).click()
    expect(nav.get_by_role("link", name="Contacts")).to_be_visible()
    hand.page.keyboard.press("Escape")
    expect(nav.get_by_role("link", name="Contacts")).to_be_hidden()
    assert head.evaluate("head => head.scrollWidth <= head.clientWidth")
