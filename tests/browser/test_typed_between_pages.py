"""Text that is typed while another page loads belongs to the new page and is not lost."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from crm.models import User
from responses.models import Draft
from tests.browser.conftest import Windows
from tests.browser.hands import Mouse
from tests.browser.test_list import NEWS, Late, tell, until
from tests.browser.test_typeahead import FAST, at_list, kept, standing, typed
from tests.browser.world import World

PERSISTED = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"


def held(page: Page, address: str, times: int | None = None) -> list[Route]:
    """Hold back the requests to a URL, and return the list that collects them.

    The test later passes them on with `let_go`. `times` is the number of requests that are held
    back; None means all.
    """
    routes: list[Route] = []
    page.route(address, lambda route: routes.append(route), times=times)
    return routes


def let_go(page: Page, routes: list[Route]) -> None:
    until(page, lambda: routes)
    for route in routes:
        route.continue_()


@pytest.mark.parametrize("way", ["palette", "link", "back"])
def test_a_reply_that_is_typed_after_a_link_belongs_to_the_case_behind_it(
    windows: Windows, agent: User, world: World, way: str
) -> None:
    """A reply that is typed after a click on a link belongs to the case that the link opens.

    The same is true for a choice in the palette and for the back button. After a click or the event
    `popstate`, the old page must take no more text. Otherwise the text goes into the old case.
    """
    ron, layla = world["ron"], world["layla"]
    hand = at_list(windows, agent)
    page = hand.page
    hand.open(layla)
    hand.open(ron)
    before = standing(world)
    coming = held(page, f"**/cases/{layla.pk}/*")
    if way == "palette":
        page.keyboard.press("Control+k")
        page.keyboard.type("layla")
        expect(page.locator("#palette-server a").first).to_be_visible()
        page.keyboard.press("Enter")
    elif way == "back":
        page.evaluate("history.back()")
    else:
        page.evaluate(
            "(href) => document.querySelector('#open .who .name a').setAttribute('href', href)",
            f"{layla.get_absolute_url()}?",
        )
        page.locator("#open .who .name a").click(no_wait_after=True)
    until(page, lambda: coming)
    typed(page)
    with page.expect_navigation(wait_until="domcontentloaded"):
        let_go(page, coming)
    kept(page, layla)
    assert standing(world) == before
    assert not Draft.objects.filter(case=ron).exists()


@pytest.mark.parametrize(
    ("keys", "field", "text"),
    [
        ("lpriority", "#tag_tags", "priority"),
        ("/refund", "#find", "refund"),
        ("crita", "#profile_q", "rita"),
    ],
)
def test_the_first_key_that_leads_to_a_field_counts_while_the_page_loads(
    windows: Windows, agent: User, world: World, keys: str, field: str, text: str
) -> None:
    """While the page loads, the first key that opens a field decides where the text goes.

    Fails if only the keys of the composer's tabs count as such a key, because then a later letter
    opens a tab.
    """
    page = windows.browser(agent).new_page()
    script = held(page, "**/typeahead.js", times=1)
    page.goto(world["layla"].get_absolute_url(), wait_until="commit")
    expect(page.locator("#open .case-title h1")).to_be_visible()
    page.keyboard.type(keys, delay=FAST)
    let_go(page, script)
    expect(page.locator(field)).to_have_value(text)
    expect(page.locator(field)).to_be_focused()


def test_text_for_a_page_that_fails_goes_into_no_other(
    windows: Windows, agent: User, world: World
) -> None:
    """If a page fails to load, the text for this page goes into the field of no other page.

    A box on the screen keeps the text until the right page opens. Fails if the text goes into the
    first field of any page.
    """
    windows.expect("500")
    page = windows.open(agent, world["ron"].get_absolute_url())
    coming = held(page, "**/new/")
    page.keyboard.type("cerika", delay=FAST)
    until(page, lambda: coming)
    coming[0].fulfill(status=500, body="It broke.")
    expect(page.locator("body")).to_have_text("It broke.")
    page.goto(world["layla"].get_absolute_url())
    box = page.locator(".typed")
    expect(box).to_contain_text("The page for this text did not open.")
    expect(box.locator("textarea")).to_have_value("erika")
    expect(box.locator("textarea")).not_to_be_focused()
    expect(page.locator("#find")).to_have_value("")
    page.unroute_all()
    page.goto("/new/")
    expect(page.locator("#profile_q")).to_have_value("erika")


def test_a_page_that_comes_back_shows_only_what_still_has_no_place(
    windows: Windows, agent: User, world: World
) -> None:
    """A page that the browser restores from its cache does not show text that was already used.

    In this test, the text has been removed from the session storage, so the box that shows the text
    must disappear. Fails without the handler of the event `pageshow` in typed_resume.js.
    """
    page = windows.open(agent, world["ron"].get_absolute_url())
    page.route("**/new/", lambda route: route.fulfill(status=204))
    page.keyboard.type("cerika", delay=FAST)
    expect(page.locator(".typed textarea")).to_have_value("erika")
    page.evaluate("sessionStorage.clear()")
    page.evaluate(PERSISTED)
    expect(page.locator(".typed")).to_have_count(0)
    page.unroute_all()


@pytest.mark.parametrize("keys", ["azzz", ";zzz"])
def test_text_that_fits_no_choice_is_kept(
    windows: Windows, agent: User, world: World, keys: str
) -> None:
    """If the typed text matches no option of a list of choices, a box on the page keeps the text.

    Fails if the list of choices has the focus, because then the text is lost.
    """
    hand = at_list(windows, agent)
    hand._move_to(world["layla"])
    hand.page.keyboard.press("Enter")
    hand.page.keyboard.type(keys, delay=FAST)
    box = hand.page.locator(".typed")
    expect(box).to_contain_text("No option starts with what you typed.")
    expect(box.locator("textarea")).to_have_value("zzz")
    expect(box.get_by_role("button", name="Copy")).to_be_visible()


def test_a_page_that_does_not_come_gives_the_keys_back(
    windows: Windows, agent: User, world: World
) -> None:
    """If a page does not load in time, the shortcuts of the old page work again.

    The page is requested twice, and each request has its own time limit. Fails if the page does not
    say that the time is over, or if the time limit of the first request ends the second wait.
    """
    page = windows.browser(agent).new_page()
    page.clock.install()
    page.goto(world["ron"].get_absolute_url())
    page.route("**/new/", lambda route: route.fulfill(status=204))
    page.keyboard.type("cerika", delay=FAST)
    page.clock.fast_forward(6000)
    page.locator(".nav a.new").click()
    page.clock.fast_forward(6000)
    box = page.locator(".typed")
    expect(box.locator("textarea")).to_have_value("erika")
    expect(box).to_contain_text("The field is loading.")
    page.clock.fast_forward(6000)
    expect(box).to_contain_text("The page for this text did not open.")
    page.locator("h1").first.click()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()


def test_escape_stops_the_wait_and_gives_the_keys_back(
    windows: Windows, agent: User, world: World
) -> None:
    """The Escape key ends the wait for a page: the text is kept, and the shortcuts work again."""
    page = windows.open(agent, world["ron"].get_absolute_url())
    page.route("**/new/", lambda route: route.fulfill(status=204))
    page.keyboard.type("cerika", delay=FAST)
    page.keyboard.press("Escape")
    expect(page.locator(".typed")).to_contain_text("Your text stays here")
    page.locator("h1").first.click()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()


@pytest.mark.parametrize("text", ["", "For them"])
def test_escape_takes_the_press_back_and_keeps_the_text(
    windows: Windows, agent: User, world: World, text: str
) -> None:
    """The Escape key cancels the shortcut that was pressed, and keeps the text typed after it.

    A box on the page shows the kept text, and has a button that discards the text. If the user
    typed no text, the page shows no such box. Fails if Escape deletes the text.
    """
    hand = at_list(windows, agent)
    hand.open(world["layla"])
    # This also stops the request after a live event of the case, because that request would load
    # the field too.
    hand.page.route(re.compile("/composer/"), lambda route: None)
    hand.page.keyboard.type(f"n{text}", delay=FAST)
    hand.page.keyboard.press("Escape")
    box = hand.page.locator(".typed")
    expect(box).to_have_count(1 if text else 0)
    if text:
        expect(box.locator("textarea")).to_have_value(text)
        box.get_by_role("button", name="Discard").click()
        expect(box).to_have_count(0)
    hand.page.unroute_all()


def test_a_slow_field_is_asked_for_once(windows: Windows, agent: User, world: World) -> None:
    """A field that loads slowly is requested only once.

    Meanwhile, a box on the page keeps the typed text. Fails if the code of the box forgets the
    running request, because then the code requests the field again.
    """
    hand = at_list(windows, agent)
    hand.open(world["layla"])
    asked = held(hand.page, "**/composer/?tab=note")
    hand.page.keyboard.type("nFor them", delay=FAST)
    expect(hand.page.locator(".typed")).to_contain_text("The field is loading.")
    hand.page.evaluate("document.dispatchEvent(new CustomEvent('desk-settled'))")
    hand.page.wait_for_timeout(300)  # nothing may happen, so there is no condition to wait for
    assert len(asked) == 1
    let_go(hand.page, asked)
    expect(hand.writing).to_have_value("For them")


def test_a_form_that_a_case_does_not_have_is_named_so(
    windows: Windows, agent: User, world: World
) -> None:
    """If the case does not have the form of the pressed shortcut, the page says so.

    The message is in the box that keeps the typed text. Fails if the box says that the user cannot
    write in the case at all.
    """
    layla = world["layla"]
    layla.finish(by=agent, seen=layla.last_inbound_id, reasons="No question")
    hand = at_list(windows, agent)
    hand._move_to(layla)
    hand.page.keyboard.press("Enter")
    hand.page.keyboard.type("smonday", delay=FAST)
    box = hand.page.locator(".typed")
    expect(box).to_contain_text("This case has no form for that shortcut now.")


def test_a_case_that_is_refused_is_not_called_a_lost_connection(
    windows: Windows, agent: User, world: World
) -> None:
    """If the server returns status 404 for a case, the page says that the case could not be opened.

    The message does not mention the connection.
    """
    windows.expect("404", "Response Status Error")
    hand = at_list(windows, agent)
    hand.page.route(
        f"**/cases/{world['layla'].pk}/*", lambda route: route.fulfill(status=404, body="")
    )
    hand.row(world["layla"]).click()
    expect(hand.opened).to_contain_text("The case could not be opened.")
    expect(hand.opened).not_to_contain_text("connection")


def test_news_that_could_not_be_asked_for_are_asked_for_again(
    windows: Windows, agent: User, world: World
) -> None:
    """If the request for changed cases fails, the next request asks for these cases again.

    Fails if the browser forgets the ids of the changed cases.
    """
    windows.expect("ERR_FAILED", "500", "Response Status Error")
    context = windows.browser(agent)
    context.route("**/live/?token=*", lambda route: route.abort())
    page = context.new_page()
    page.goto("/?view=all")
    ron, layla = str(world["ron"].pk), str(world["layla"].pk)
    page.route(NEWS, lambda route: route.fulfill(status=500, body=""), times=1)
    with page.expect_response(NEWS):
        tell(page, "live:case", id=layla)
    with page.expect_request(NEWS) as asked:
        tell(page, "live:case", id=ron)
    ids = re.search(r"ids=([^&]*)", asked.value.url)
    assert ids is not None
    assert set(ids[1].split("%2C")) == {ron, layla}


def test_a_field_without_a_caret_takes_the_text(
    windows: Windows, agent: User, world: World
) -> None:
    """Text that was typed early also goes into a field of the type `email`.

    Fails if the code sets the position of the caret in this field, because browsers then raise an
    error.
    """
    page = windows.open(agent, world["ron"].get_absolute_url())

    coming = held(page, "**/new/")
    page.keyboard.type("cerika@example.org", delay=FAST)
    until(page, lambda: coming)
    answer = coming[0].fetch()
    body = re.sub(r'<input (?=[^>]*id="profile_q")', '<input type="email" ', answer.text())
    coming[0].fulfill(response=answer, body=body)
    expect(page.locator("#profile_q[type=email]")).to_have_value("erika@example.org")


def test_an_older_list_does_not_replace_a_newer_one(
    windows: Windows, agent: User, world: World
) -> None:
    """A list that was requested earlier does not replace a list that was requested later.

    The user clicked the link “Older”, and the server's answer arrives late. Meanwhile the page
    loaded the list again. The late answer must change neither the list nor the URL in the browser.
    Fails if the page accepts the late answer.
    """
    hand = Mouse(windows.open(agent, "/?view=unassigned"))
    page = hand.page
    page.evaluate("""() => {
      const more = document.createElement("p");
      more.innerHTML = `<a id="more" href="/" hx-get="/?view=unassigned&page=2"
        hx-target="#cases" hx-swap="outerHTML" hx-push-url="true">Older</a>`;
      document.getElementById("cases").append(more);
      htmx.process(more);
    }""")
    late = Late(page, "**/?view=unassigned&page=2")
    page.locator("#more").click()
    late.come()
    world["wei"].claim(by=agent)
    with page.expect_response(re.compile(r"/\?(?!token)")):
        tell(page, "list-changed")
    expect(page.locator("#more")).to_have_count(0)
    late.let_go()
    page.wait_for_timeout(300)
    expect(hand.row(world["wei"])).to_have_count(0)
    assert "page=2" not in page.url
