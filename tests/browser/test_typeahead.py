"""The user presses the key that opens a field and goes on typing before the field is there.

All typed letters go into the field, and none of them acts as a shortcut.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from crm.models import Account, Department, Pause, User
from responses.compose import Words, places_for, reply
from responses.default_rules import create_default_rules
from responses.models import Draft
from routing.models import Case, Decision, ItemDecision
from routing.offline import record
from routing.unanswered import unanswered
from tests.browser.conftest import Windows
from tests.browser.hands import Keyboard
from tests.browser.world import World
from tests.machinery import eventually

LOST = "ERR_INTERNET_DISCONNECTED"
SENTENCE = "e, z! a s h l m u x t o p n c g i j k ? / ; . Sorry"
"""Every key that is a shortcut, in one sentence."""
FAST = 20
"""Milliseconds between two keys."""
FIELDS = """(words) => [...document.querySelectorAll("#open textarea, .typed textarea")]
  .filter((each) => each.checkVisibility({ opacityProperty: true }))
  .filter((each) => each.value.includes(words)).length"""


def _new(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    pass


def _mine(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    case.claim(by=agent)


def _theirs(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    case.claim(by=teammate)


def _done(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    case.finish(by=agent, seen=case.last_inbound_id, reasons="No question")


def _snoozed(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    case.snooze(until=tomorrow, by=agent, seen=case.last_inbound_id)


def _noise(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    case.set_aside(by=agent)


def _confidential(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    """Transfer the case to a restricted department.

    The agent can still open the case, but can neither read its messages nor write in it.
    """
    Department.objects.filter(pk=sales.pk).update(is_restricted=True)
    case.transfer(to=Department.objects.get(pk=sales.pk), by=agent, why="A contract")


def _mute(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    """Remove all accounts from the department, so that no reply can be sent on this network."""
    case.department.accounts.clear()


def _draft(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    Draft.keep(kind="reply", by=agent, text="Dear Layla, ", seen=0, case=case, fields={})


def _note_begun(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    """Save a draft of a note, so that the composer opens the tab for notes.

    In this state, the key `r` must first load the tab for replies.
    """
    Draft.keep(kind="note", by=agent, text="Ask the captain. ", seen=0, case=case, fields={})


def _held(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    create_default_rules(agent, except_names=("No posts at night",))
    words = Words(uuid.uuid4(), "Your booking X7K2P9.", "public", seen=case.last_inbound_id)
    reply(case, words, place=places_for(case)[0], by=agent)


def _paused(world: World, case: Case, agent: User, teammate: User, sales: Department) -> None:
    Pause.objects.begin(by=agent, why="An accident")


KINDS = [
    _new, _mine, _theirs, _done, _snoozed, _noise, _confidential, _mute, _draft, _note_begun,
    _held, _paused,
]  # fmt: skip
Prepare = Callable[[World, Case, User, User, Department], None]


def at_list(windows: Windows, user: User) -> Keyboard:
    hand = Keyboard(windows.open(user, "/?view=all"))
    hand.page.wait_for_load_state("load")
    return hand


def typed(page: Page, text: str = SENTENCE) -> None:
    page.keyboard.type(f"r{text}", delay=FAST)


def standing(world: World) -> list[Any]:
    """Return all values that an action could change, for all cases."""
    rows = Case.objects.order_by("pk").values_list("status", "assignee", "tags", "snoozed_until")
    return [*rows, Decision.objects.count()]


def kept(page: Page, case: Case, text: str = SENTENCE) -> None:
    """Check that exactly one visible field contains the whole text and that the case is open."""
    for _ in range(400):
        if page.evaluate(FIELDS, text) == 1:
            break
        page.wait_for_timeout(50)
    assert page.evaluate(FIELDS, text) == 1, page.evaluate(
        "() => [...document.querySelectorAll('textarea')].map((each) => each.value)"
    )
    expect(page.locator("#open")).to_have_attribute("data-case", str(case.pk))
    expect(page.locator("dialog[open], details.pop[open]")).to_have_count(0)


@pytest.mark.parametrize("prepare", KINDS, ids=lambda each: each.__name__[1:])
def test_a_reply_is_typed_from_the_moment_that_a_case_opens(
    windows: Windows, agent: User, teammate: User, sales: Department, world: World, prepare: Prepare
) -> None:
    """A user can type a reply as soon as they open a case from the list.

    Another case was open before, and that case must not receive the text. Fails without
    typeahead.js, for each kind of case.
    """
    case = world["layla"]
    prepare(world, case, agent, teammate, sales)
    hand = at_list(windows, agent)
    hand.open(world["ron"])
    hand._move_to(case)
    before = standing(world)
    hand.page.keyboard.press("Enter")
    typed(hand.page)
    kept(hand.page, case)
    assert standing(world) == before
    assert not Draft.objects.filter(case=world["ron"]).exists()


@pytest.mark.parametrize("prepare", [_new, _mute, _confidential], ids=["new", "mute", "closed"])
def test_a_reply_is_typed_while_the_page_of_a_case_loads(
    windows: Windows, agent: User, teammate: User, sales: Department, world: World, prepare: Prepare
) -> None:
    """A user can type a reply before all scripts of the page are loaded.

    Fails without early.js, or if the letter `x` acts as a shortcut before the last script is
    loaded.
    """
    case = world["layla"]
    prepare(world, case, agent, teammate, sales)
    before = standing(world)
    page = windows.browser(agent).new_page()
    held: list[Route] = []
    page.route("**/typeahead.js", lambda route: held.append(route))
    page.goto(case.get_absolute_url(), wait_until="commit")
    expect(page.locator("#open .case-title h1")).to_be_visible()
    page.keyboard.type(f"r{SENTENCE[:20]}", delay=FAST)
    for route in held:
        route.continue_()
    page.keyboard.type(SENTENCE[20:], delay=FAST)
    kept(page, case)
    assert standing(world) == before
    expect(page.locator(".pick input:checked")).to_have_count(0)


def test_a_reader_keeps_what_they_typed(windows: Windows, reader: User, world: World) -> None:
    """If a read-only member types a reply, a box on the page keeps the text.

    The box says that the member cannot write here. After a reload of the page, the box has the same
    text. Fails without typeahead.js.
    """
    case = world["layla"]
    page = windows.open(reader, case.get_absolute_url())
    typed(page)
    kept(page, case)
    box = page.locator(".typed")
    expect(box).to_contain_text("You can read this case, but not write in it.")
    page.reload()
    kept(page, case)
    box.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == SENTENCE
    box.get_by_role("button", name="Discard").click()
    expect(box).to_have_count(0)
    page.reload()
    expect(page.locator("#open")).to_be_visible()
    expect(box).to_have_count(0)


def test_a_logged_call_is_answered_in_words_that_are_kept(
    windows: Windows, agent: User, world: World
) -> None:
    """The text that a user types in the case of a logged call becomes a draft, and then a note.

    No account can reach the caller, so no reply can be sent. Fails if the composer shows only an
    explanation and no field.
    """
    said = record.OfflineContact(uuid.uuid4(), "call", "Call me back.", name="Erika Mustermann")
    case = record.log(said, by=agent)
    page = windows.open(agent, case.get_absolute_url())
    typed(page)
    kept(page, case)
    composing = page.locator("#composing")
    expect(composing).to_contain_text("has no account that can reach Erika Mustermann")
    expect(page.locator("#compose-text")).to_be_focused()
    eventually(lambda: Draft.objects.filter(case=case, kind="reply", text=SENTENCE))
    page.keyboard.press("Control+Enter")
    expect(page.locator(".timeline .said.inside")).to_contain_text(SENTENCE)
    assert not Draft.objects.filter(case=case).exists()


@pytest.mark.parametrize("begun", ["reply", "note"])
def test_a_reply_is_typed_without_a_connection(
    windows: Windows, agent: User, world: World, begun: str
) -> None:
    """A reply that is typed without a connection goes into its field when the connection is back.

    If the field is not loaded yet, a box on the page keeps the text until the field is loaded.
    Fails without typeahead.js.
    """
    windows.expect(LOST)
    case = world["layla"]
    Draft.keep(kind=begun, by=agent, text="Begun. ", seen=0, case=case, fields={})
    hand = at_list(windows, agent)
    hand.open(case)
    before = standing(world)
    hand.page.context.set_offline(True)
    expect(hand.page.locator("#offline")).to_be_visible()
    hand.page.keyboard.press("Escape")
    typed(hand.page)
    kept(hand.page, case)
    if begun == "note":
        expect(hand.page.locator(".typed")).to_contain_text("The connection is lost.")
    hand.page.context.set_offline(False)
    text = f"Begun. {SENTENCE}" if begun == "reply" else SENTENCE
    expect(hand.writing).to_have_value(text)
    eventually(lambda: Draft.objects.filter(case=case, kind="reply", text=text))
    assert standing(world) == before


def test_what_is_typed_for_a_case_that_cannot_be_loaded_waits_for_it(
    windows: Windows, agent: User, world: World
) -> None:
    """If a case cannot be loaded, the text for it does not go into the case that was open before.

    When the connection is back, the text goes into the right case. Fails if the page shows the old
    case although the URL names the new case.
    """
    windows.expect(LOST)
    ron, layla = world["ron"], world["layla"]
    hand = at_list(windows, agent)
    hand.open(ron)
    hand._move_to(layla)
    address = hand.page.url
    hand.page.context.set_offline(True)
    hand.page.keyboard.press("Enter")
    expect(hand.opened).to_contain_text("The case could not be loaded.")
    typed(hand.page)
    box = hand.page.locator(".typed")
    expect(box).to_contain_text(f"You typed this for case #{layla.pk}, which is not open.")
    expect(box.locator("textarea")).to_have_value(SENTENCE)
    assert hand.page.url == address
    hand.page.context.set_offline(False)
    kept(hand.page, layla)
    expect(hand.writing).to_have_value(SENTENCE)
    expect(box).to_have_count(0)
    assert not Draft.objects.filter(case=ron).exists()


def test_a_note_is_typed_while_the_verb_before_is_on_its_way(
    windows: Windows, agent: User, world: World
) -> None:
    """If a user marks a case as done and immediately types a note, the note is for the next case.

    Fails without typeahead.js, because then the text goes into the case that is done.
    """
    hand = at_list(windows, agent)
    hand.open(world["ron"])
    hand.press("e", hand.verb("Done"))
    expect(hand.opened.locator("[data-decide]")).to_be_visible()
    hand.page.keyboard.type(f"2n{SENTENCE}", delay=FAST)
    kept(hand.page, world["layla"])
    expect(hand.opened.locator(".tabs a[aria-current]")).to_contain_text("Note")
    assert world["ron"].status == "done"
    assert {case.status for key in ("layla", "noa", "olena") for case in [world[key]]} == {"new"}


def test_tags_are_typed_while_the_case_opens(windows: Windows, agent: User, world: World) -> None:
    """Tags that are typed while a case is loading go into the form for tags of this case.

    Fails without SMALL_FORM_KEYS in typeahead.js.
    """
    hand = at_list(windows, agent)
    hand.open(world["ron"])
    hand._move_to(world["layla"])
    hand.page.keyboard.press("Enter")
    hand.page.keyboard.type("lbaggage, gate", delay=FAST)
    expect(hand.page.locator("#tag_tags")).to_have_value("baggage, gate")
    hand.page.keyboard.press("Enter")
    expect(hand.said).to_contain_text("Tagged: baggage, gate.")
    assert (world["ron"].tags, world["layla"].tags) == ([], ["baggage", "gate"])


def test_a_verb_that_is_pressed_while_a_case_opens_does_nothing_to_the_last_one(
    windows: Windows, agent: User, world: World
) -> None:
    """Shortcuts that are pressed while a case is loading do not act on the previous case.

    Fails without `comingCase` in typeahead.js, because then the key marks the previous case as
    done.
    """
    hand = at_list(windows, agent)
    hand.open(world["ron"])
    hand._move_to(world["layla"])
    held: list[Route] = []
    hand.page.route(f"**/cases/{world['layla'].pk}/*", lambda route: held.append(route))
    hand.page.keyboard.press("Enter")
    before = standing(world)
    hand.page.keyboard.type("e!mz", delay=FAST)
    for route in held:
        route.continue_()
    hand.is_at(world["layla"])
    assert standing(world) == before


def test_who_it_was_is_typed_before_the_page_for_it_is_there(
    windows: Windows, agent: User, world: World
) -> None:
    """The user presses `c` (record an offline contact) and types a name before the page is loaded.

    The name goes into the field for the person. Fails without typeahead.js, because then the letter
    `e` acts as the shortcut that marks the case as done.
    """
    page = windows.open(agent, world["ron"].get_absolute_url())
    before = standing(world)
    held: list[Route] = []
    page.route("**/new/", lambda route: held.append(route))
    page.keyboard.type("cerika ", delay=FAST)
    held[0].continue_()
    expect(page).to_have_url(re.compile("/new/"))
    expect(page.locator("#profile_q")).to_be_focused()
    page.keyboard.type("mustermann", delay=FAST)
    expect(page.locator("#profile_q")).to_have_value("erika mustermann")
    assert standing(world) == before


def test_whoever_writes_elsewhere_by_then_is_left_there(
    windows: Windows, agent: User, world: World
) -> None:
    """The composer appears late, while the user already types in the search field.

    The search field keeps the focus.
    """
    hand = at_list(windows, agent)
    hand.open(world["layla"])
    held: list[Route] = []
    hand.page.route("**/composer/?tab=note", lambda route: held.append(route))
    hand.page.keyboard.type("nFor them", delay=FAST)
    search = hand.page.locator("#find")
    search.click()
    hand.page.keyboard.type("gate")
    for route in held:
        route.continue_()
    expect(hand.writing).to_have_value("For them")
    hand.page.keyboard.type("way")
    expect(search).to_have_value("gateway")


def test_a_key_that_is_held_down_acts_once(
    windows: Windows, agent: User, world: World, microblog: Account
) -> None:
    """A shortcut key that is held down acts only once.

    Fails without `heldKey` in shortcuts.js, because then one case after another is marked as done.
    """
    for key in ("ron", "layla", "noa"):
        items = unanswered([world[key].pk])
        now = timezone.now()
        ItemDecision.objects.record(items, "answered", case=world[key], by=agent, now=now)
    hand = at_list(windows, agent)
    hand.open(world["ron"])
    for _ in range(20):
        hand.page.keyboard.down("e")
        hand.page.wait_for_timeout(30)
    hand.page.keyboard.up("e")
    hand.is_at(world["layla"])
    assert [world[key].status for key in ("ron", "layla", "noa")] == ["done", "new", "new"]


def test_letters_in_a_small_form_act_on_nothing_beyond_it(
    windows: Windows, agent: User, world: World
) -> None:
    """Letters that are typed in a small form do not act as shortcuts of the page.

    The typed text has no space, because a space would press the button that has the focus. Fails if
    the letters act as shortcuts although a button of the form has the focus, for example if `j`
    opens the next case of the list.
    """
    hand = at_list(windows, agent)
    hand.open(world["ron"])
    before = standing(world)
    hand.press(";", hand.opened.locator("summary", has_text="Saved replies"))
    hand.page.keyboard.type(SENTENCE.replace(" ", ""), delay=FAST)
    hand.page.keyboard.press("Enter")
    expect(hand.writing).to_have_value("We are sorry to hear it.")
    assert standing(world) == before


def test_the_mouse_and_switched_off_keys_find_the_field_too(
    windows: Windows, agent: User, world: World
) -> None:
    """After a click on a tab of the composer, all typed letters go into its field.

    The user has switched the shortcuts off. Fails without the click handler in typeahead.js,
    because then the first letters are lost.
    """
    agent.shortcuts = False
    agent.save()
    page = windows.open(agent, world["ron"].get_absolute_url())
    page.locator("#composing .tabs a", has_text="Note").click()
    page.keyboard.type(SENTENCE, delay=FAST)
    expect(page.locator("#compose-text")).to_have_value(SENTENCE)
