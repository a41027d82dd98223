"""Lost connections, outdated pages and bad input do not lose any text that a user typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, Route, expect

from crm.models import Account, Contact, Department, Profile, User
from responses.models import Delivery, Draft, Response
from routing.models import Case
from tests.browser.conftest import Windows
from tests.browser.hands import Mouse
from tests.browser.world import PEOPLE, RIGHT_TO_LEFT, World, says
from tests.machinery import eventually

LOST = "ERR_INTERNET_DISCONNECTED"
EMOJI = "😀🛫🧳👩🏽‍🚀" * 72


@pytest.fixture
def hand(windows: Windows, agent: User, world: World) -> Mouse:
    hand = Mouse(windows.open(agent, world["ron"].get_absolute_url()))
    hand.is_at(world["ron"])
    return hand


def test_a_lost_connection_keeps_the_text_and_sends_once_it_is_back(
    windows: Windows, hand: Mouse
) -> None:
    """A reply that is sent without a connection is sent again when the connection is back.

    The reply is stored once. Fails if connection.js does not send the form again.
    """
    windows.expect(LOST)
    banner = hand.page.locator("#offline")
    hand.page.context.set_offline(True)
    expect(banner).to_be_visible()
    hand.write("We are sorry.")
    hand.send()
    expect(banner.get_by_text("retried")).to_be_visible()
    expect(hand.writing).to_have_value("We are sorry.")
    assert not Response.objects.exists()
    hand.page.context.set_offline(False)
    expect(banner).to_be_hidden()
    expect(hand.said).to_contain_text("is sent in")
    assert Response.objects.get().text == "We are sorry."


def test_a_text_that_was_begun_without_a_connection_is_saved_when_it_is_back(
    windows: Windows, hand: Mouse, world: World
) -> None:
    """A text that is typed without a connection is saved as a draft when the connection is back.

    Fails if the browser keeps no copy of the text, or if the copy is not saved at the event
    `connected`.
    """
    windows.expect(LOST)
    hand.page.context.set_offline(True)
    hand.write("Half an answer")
    expect(hand.page.locator("#offline")).to_be_visible()
    hand.page.wait_for_timeout(1000)
    assert not Draft.objects.exists()
    hand.page.context.set_offline(False)
    eventually(lambda: Draft.objects.filter(text="Half an answer"))
    hand.page.reload()
    expect(hand.writing).to_have_value("Half an answer")


def test_what_was_changed_since_is_not_sent_by_itself(windows: Windows, hand: Mouse) -> None:
    """A reply that waits for the connection is not sent if the user changes its text meanwhile.

    The changed text is saved as a draft. Fails if typing does not cancel the waiting request.
    """
    windows.expect(LOST)
    hand.page.context.set_offline(True)
    hand.write("We are sorry")
    hand.send()
    expect(hand.page.locator("#offline").get_by_text("retried")).to_be_visible()
    hand.write(", but")
    hand.page.context.set_offline(False)
    eventually(lambda: Draft.objects.filter(text="We are sorry, but"))
    assert not Response.objects.exists()


def test_a_send_whose_answer_was_lost_is_tried_again_and_is_one_response(
    windows: Windows, hand: Mouse, world: World
) -> None:
    """If the server's answer to a send is lost, the browser sends the form again.

    The first request reached the server. The second request has the same UUID, so it creates no
    second response and gets the same answer. Fails with "queue last" in _write.html, because then
    the request that saves the draft replaces the second send.
    """
    windows.expect("ERR_CONNECTION_RESET")
    answers: list[int] = []

    def lost(route: Route) -> None:
        answers.append(route.fetch().status)
        route.abort("connectionreset")

    hand.page.route("**/reply/", lost, times=1)
    hand.write("We are sorry.")
    with hand.page.expect_response("**/reply/") as second:
        hand.send()
    assert (answers, second.value.status) == ([200], 200)
    expect(hand.said).to_contain_text("is sent in")
    hand.is_at(world["layla"])
    assert Response.objects.count() == Delivery.objects.count() == 1


def test_a_verb_pressed_without_a_connection_is_done_when_it_is_back(
    windows: Windows, hand: Mouse, world: World
) -> None:
    """If “Done” is pressed without a connection, the case is done when the connection is back.

    Fails if connection.js does not send the form again.
    """
    windows.expect(LOST)
    hand.page.context.set_offline(True)
    hand.finish()
    expect(hand.page.locator("#offline").get_by_text("retried")).to_be_visible()
    assert world["ron"].status == "new"
    hand.page.context.set_offline(False)
    hand.is_at(world["layla"])
    assert world["ron"].events.filter(kind="done").count() == 1


def test_an_expired_session_comes_back_to_the_case_and_the_text(
    hand: Mouse, agent: User, world: World
) -> None:
    """If the session expires before a draft is saved, a new login leads to the case and text.

    Fails if the URL of the login page has no parameter `next`, if the login form appears inside a
    part of the page, or if the browser keeps no copy of the text.
    """
    _expires_at(hand.page, "**/draft/")
    hand.write("We are very sorry.")
    _log_in_again(hand, agent, world["ron"])
    expect(hand.writing).to_have_value("We are very sorry.")
    expect(hand.opened.locator("#speaks")).to_contain_text("Draft saved")
    assert Draft.objects.get().text == "We are very sorry."


def test_a_verb_after_the_session_has_expired_comes_back_to_the_case(
    hand: Mouse, agent: User, world: World
) -> None:
    """If the session expires before “Done” is pressed, the login leads back to the case.

    The case is not done yet. Fails if the URL of the login page has no parameter `next`.
    """
    _expires_at(hand.page, "**/done/")
    hand.finish()
    _log_in_again(hand, agent, world["ron"])
    assert world["ron"].status == "new"
    hand.finish()
    expect(hand.said).to_contain_text("Marked done.")


def _expires_at(page: Page, address: str) -> None:
    """Delete all sessions just before the next request to this URL reaches the server."""

    def expired(route: Route) -> None:
        Session.objects.all().delete()
        route.continue_()

    page.route(address, expired, times=1)


def _log_in_again(hand: Mouse, user: User, case: Case) -> None:
    """Log in on the login page, and check that the case is open afterwards."""
    expect(hand.page).to_have_url(re.compile(rf"/account/login/\?next=/cases/{case.pk}/$"))
    # set the password only now, because a new password also ends all sessions
    user.set_password("correct horse battery")
    user.save()
    hand.page.get_by_label("Email").fill(user.email)
    hand.page.get_by_label("Password").fill("correct horse battery")
    hand.page.get_by_role("button", name="Log in").click()
    hand.is_at(case)


def test_a_case_that_went_to_another_department_says_so_and_keeps_the_text(
    windows: Windows, hand: Mouse, world: World, sales: Department
) -> None:
    """The open page of a case that moved says that nothing is saved any more.

    Fails without refused.js: the page shows “Draft saved” and ignores the button.
    """
    windows.expect("404")
    hand.write("We are sorry.")
    eventually(lambda: Draft.objects.filter(text="We are sorry."))
    Case.objects.filter(pk=world["ron"].pk).update(department=sales)
    hand.write(" It will be")
    banner = hand.page.locator("#refused")
    expect(banner).to_contain_text("It may have moved to another department.")
    expect(banner).to_contain_text("copy it before you leave")
    expect(hand.writing).to_have_value("We are sorry. It will be")


def test_done_in_a_stale_pane_is_refused_and_says_why(
    windows: Windows, hand: Mouse, world: World
) -> None:
    """“Done” is refused if the page does not show the newest message of the case yet.

    The page then shows the message and the reason. Fails without `check_seen`, because then a case
    with an unread message is marked as done.
    """
    windows.expect("409")
    hand.page.route("**/cases/*/", lambda route: route.abort())
    says("ron", "One more thing!")
    hand.page.unroute_all()
    hand.finish()
    expect(hand.opened.get_by_role("alert")).to_be_visible()
    expect(hand.opened.locator(".timeline")).to_contain_text("One more thing!")
    assert world["ron"].status != "done"
    hand.finish()
    expect(hand.said).to_contain_text("Marked done.")


def test_two_thousand_lines_are_counted_refused_and_kept(windows: Windows, hand: Mouse) -> None:
    windows.expect("422")
    lines = "\n".join(f"Line {n} of our log." for n in range(2000))
    hand.page.evaluate("text => navigator.clipboard.writeText(text)", lines)
    hand.into(hand.writing)
    hand.page.keyboard.press("Control+v")
    expect(hand.opened.locator("#speaks")).to_contain_text("characters are too many")
    expect(hand.opened.locator("[data-count]")).to_have_text(str(len(lines)))
    hand.send()
    expect(hand.opened.locator(".composer .errorlist")).to_contain_text("too many")
    expect(hand.writing).to_have_value(lines)
    expect(hand.opened.locator(".composer .foot button.primary")).to_be_in_viewport()
    assert not Response.objects.exists()


def test_two_thousand_lines_that_they_wrote_leave_room_for_the_answer(
    hand: Mouse, world: World
) -> None:
    says("wei", "\n".join(f"Line {n} of my complaint." for n in range(2000)))
    hand.open(world["wei"])
    expect(hand.opened.locator(".timeline")).to_contain_text("Line 1999")
    expect(hand.writing).to_be_in_viewport()


def test_five_hundred_emoji_are_sent_as_they_are(
    windows: Windows, hand: Mouse, world: World
) -> None:
    """A reply of 500 emoji can be sent, because it has as many characters as the limit allows.

    Fails if the browser counts UTF-16 code units instead of characters, because then the reply is
    too long.
    """
    text = EMOJI[:500]
    says("wei", text)
    hand.write(text)
    expect(hand.opened.locator("[data-count]")).to_have_text("500")
    hand.send()
    expect(hand.said).to_contain_text("is sent in")
    assert Response.objects.get().text == text
    hand.page.goto(world["wei"].get_absolute_url())
    expect(hand.opened.locator(".timeline")).to_contain_text(text)
    assert _sticks_out(hand.page) == []


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_names_in_ten_scripts_keep_their_place(
    windows: Windows, agent: User, world: World, phone: bool
) -> None:
    """Each name in the list keeps its own text direction, whatever the direction of its neighbours.

    Fails if the names are not in a `bdi` element.
    """
    page = windows.open(agent, phone=phone)
    assert page.evaluate(OVERLAPS) == []
    assert _sticks_out(page) == []
    for key, (name, _text) in PEOPLE.items():
        who = page.locator(f"#row-{world[key].pk} .who-link bdi")
        expect(who).to_have_text(name)
        way = "rtl" if key in RIGHT_TO_LEFT else "ltr"
        assert who.evaluate("each => getComputedStyle(each).direction") == way, name
    page.goto(world["layla"].get_absolute_url())
    expect(page.locator(".composer form")).to_be_visible()
    assert _sticks_out(page) == []


def test_a_scan_of_thirty_megabytes_is_refused_before_it_is_sent(
    hand: Mouse, tmp_path: Path
) -> None:
    """The browser refuses a file of 30 MB before it uploads the file.

    Fails without file_size.js, because then the file is refused only after the upload.
    """
    scan = tmp_path / "letter.pdf"
    scan.write_bytes(b"%PDF-1.4\n" + b"0" * 30 * 1024 * 1024)
    page = hand.page
    page.goto("/new/?kind=letter")
    text = page.get_by_label("Transcription")
    text.fill("The text of a letter.")
    field = page.locator("input[type=file]")
    field.set_input_files(scan)
    assert "25" in field.evaluate("each => each.validationMessage")
    page.get_by_role("button", name="Log interaction").click()
    expect(page).to_have_url(re.compile(r"/new/\?kind=letter$"))
    expect(text).to_have_value("The text of a letter.")


def test_a_film_of_thirty_megabytes_does_not_go_along_and_the_text_is_kept(
    windows: Windows, hand: Mouse, service: Department, agent: User, world: World, tmp_path: Path
) -> None:
    """A reply with a file of 30 MB is refused with an error at the form, and the text is kept.

    Fails without the size limit for a single file, because then the server refuses the whole
    request.
    """
    windows.expect("422")
    care = _mail_to(world["ron"], service, agent)
    film = tmp_path / "film.mp4"
    film.write_bytes(b"0" * 30 * 1024 * 1024)
    hand.page.reload()
    hand.is_at(world["ron"])
    hand.tick(hand.page.locator(f"input[name=place][value^='{care.pk}:']"))
    hand.page.locator("#composing input[type=file]").set_input_files(film)
    hand.write("This is how your bag was loaded.")
    hand.send()
    errors = hand.opened.locator(".composer .errorlist")
    expect(errors).to_contain_text("The limit is 25 MB. Your text was kept.")
    expect(hand.writing).to_have_value("This is how your bag was loaded.")
    assert not Response.objects.exists()


def _mail_to(case: Case, service: Department, agent: User) -> Account:
    """Link a mail profile to the customer of the case, because a reply by mail can have files.

    Returns our mail account.
    """
    care = Account.objects.create(
        kind="email", network="email", self_key="care@skyward.example", owner=agent,
        name="care@skyward.example", address="care@skyward.example",
    )  # fmt: skip
    service.accounts.add(care)
    who = Contact.objects.create(name="Ron Calder")
    mail = Profile.objects.create(network="email", key="ron@customers.example")
    for profile in (case.profile, mail):
        profile.link_to(who, by=agent, evidence="Says so.")
    return care


def test_a_survey_that_is_read_wrongly_says_so_and_is_put_right(
    windows: Windows, hand: Mouse, tmp_path: Path
) -> None:
    """The preview of a survey file shows an error for a wrong encoding, delimiter or column.

    The user can correct these settings before any survey answer is recorded.
    """
    windows.expect("422")
    file = tmp_path / "umfrage.csv"
    file.write_bytes("Datum;Antwort\n2026-03-04;Schöne Plätze.\n".encode("cp1252"))
    page = hand.page
    page.goto("/new/survey/")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Show preview").click()
    found = page.locator("table.columns")
    expect(found).to_contain_text("Schöne Plätze.")
    page.get_by_label("Encoding").select_option(label="UTF-8")
    expect(page.locator("#survey .errors, #survey .errorlist")).to_be_visible()
    page.get_by_label("Encoding").select_option(label="Windows, Western")
    expect(found).to_contain_text("Schöne Plätze.")
    page.get_by_label("Delimiter").select_option(label="commas")
    expect(page.locator("#survey")).to_contain_text("each row has only one cell")
    page.get_by_label("Delimiter").select_option(label="semicolons")
    expect(found.locator("th")).to_have_count(2)
    page.locator("#column-1").select_option(label="Ignore")
    expect(page.locator("#survey").get_by_role("button", name="Import")).to_be_hidden()
    page.locator("#column-1").select_option(label="Text")
    expect(page.get_by_role("button", name="Import one answer")).to_be_visible()


OVERLAPS = """() => [...document.querySelectorAll("#case-rows .top")].flatMap((top) => {
  const all = [...top.children].map((each) => each.getBoundingClientRect());
  const boxes = all.filter((box) => box.width);
  boxes.sort((a, b) => a.left - b.left);
  return boxes.slice(1).some((box, n) => box.left < boxes[n].right - 1) ? [top.textContent] : [];
})"""


def _sticks_out(page: Page) -> list[str]:
    """Return the elements that extend beyond the right edge of the window."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("main *")]
          .filter((each) => each.checkVisibility() && !each.closest("bdi, .tabs, .hidden"))
          .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
          .map((each) => `${each.localName}.${each.className}`)"""
    )
    return found
