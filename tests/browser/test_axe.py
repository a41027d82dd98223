"""The accessibility checker axe finds no problem on any page, in the light and the dark theme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from crm.models import User
from tests.browser.conftest import Windows, missing
from tests.browser.hands import Mouse
from tests.browser.world import World
from tests.test_access import ANYONE, GET, MINE, address, build, table
from tests.test_access import World as Things

AXE = Path("var/tools/node_modules/axe-core/axe.min.js")
PARTS = 4
"""Number of tests among which the pages are divided, so that several processes can share them."""
NOT_PAGES = {"account_logout"}
CHECK = """() => axe.run({ resultTypes: ["violations"] }).then(({ violations }) =>
  violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) =>
    `${id} at ${target.join(" ")}: ${failureSummary.split("\\n").slice(1).join(" ").trim()}`)))"""


@pytest.fixture
def inspected(windows: Windows) -> Windows:
    if not AXE.exists():
        missing("axe is not there")
    return windows


def opened(windows: Windows, user: User | None, address: str, **options: Any) -> Page:
    """Open a page with the script of axe.

    Playwright adds the script, so the content security policy of scrm need not allow the script.
    """
    context = windows.browser(user, **options)
    context.add_init_script(path=AXE)
    page = context.new_page()
    page.goto(address)
    return page


def found(page: Page, what: str) -> list[str]:
    """Return the problems that axe finds on the current page, in the light and the dark theme."""
    said = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        said += [f"{what}, {theme}: {each}" for each in page.evaluate(CHECK)]
    return said


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page(inspected: Windows, part: int) -> None:
    """Axe finds no problem on any page of the table of URLs.

    Each page is opened by a user whose role may see most parts of the page.
    """
    inspected.expect("400", "404", "501", "503")
    things = build()
    said: list[str] = []
    looked = 0
    pages: dict[User | None, Page] = {}
    for n, (name, rights) in enumerate(sorted(table(GET))):
        if n % PARTS != part or name in NOT_PAGES:
            continue
        who = _viewer(things, rights)
        if who not in pages:
            pages[who] = opened(inspected, who, "/")
        page = pages[who]
        if _shows(page, address(name, things.ids)):
            looked += 1
            said += found(page, name)
    assert looked > 8
    assert not said, "\n".join(said)


def test_the_desk_in_all_its_states(inspected: Windows, agent: User, world: World) -> None:
    """Axe finds no problem in the small forms, tabs, dialogs, messages and errors of the inbox."""
    inspected.expect("404", "409", "422")
    page = opened(inspected, agent, world["ron"].get_absolute_url())
    hand = Mouse(page)
    hand.is_at(world["ron"])
    said = found(page, "case")
    heads = ":is(.list .pane-head, .case-title, .case-facts, .nav)"
    for summary in page.locator(f"{heads} summary").all():
        what = summary.text_content() or ""
        summary.click()
        said += found(page, what.strip() or "menu")
        page.keyboard.press("Escape")
    for key, name in (("p", "Post"), ("n", "Note"), ("z", "Close without reply"), ("r", "Reply")):
        hand.tab(key, name)
        said += found(page, name)
    hand.opened.locator("summary", has_text="Saved replies").click()
    said += found(page, "Saved replies")
    page.keyboard.press("Escape")
    hand.write("We are sorry.")
    hand.send()
    expect(hand.said).to_contain_text("is sent in")
    said += found(page, "sent")
    hand.is_at(world["layla"])
    hand.write("a" * 600)
    expect(page.locator("#speaks .errors")).to_be_visible()
    hand.send()
    expect(page.locator(".composer .errorlist")).to_be_visible()
    said += found(page, "too long")
    hand.pick(world["wei"], world["noa"])
    page.locator("#bulk summary", has_text="More").click()
    said += found(page, "bulk")
    for dialog in ("#keys", "#palette"):
        page.evaluate(f"document.querySelector('{dialog}').showModal()")
        said += found(page, dialog)
        page.keyboard.press("Escape")
    said += _lists(page)
    assert not said, "\n".join(said)


def _lists(page: Page) -> list[str]:
    page.goto("/?q=nobody+says+this")
    said = found(page, "nothing found")
    page.goto("/?priority=urgent")
    page.locator(".list summary", has_text="Save view").click()
    said += found(page, "save view")
    page.goto("/cases/999999/")
    return said + found(page, "not there")


def test_the_phone(inspected: Windows, agent: User, world: World) -> None:
    page = opened(inspected, agent, "/", phone=True)
    said = found(page, "list")
    page.get_by_role("link", name="Menu", exact=True).click()
    said += found(page, "menu")
    page.goto(world["layla"].get_absolute_url())
    Mouse(page).is_at(world["layla"])
    said += found(page, "case")
    page.get_by_role("link", name="About this person").click()
    said += found(page, "who")
    page.goto("/new/")
    said += found(page, "new")
    assert not said, "\n".join(said)


def _viewer(things: Things, rights: str) -> User | None:
    if rights == ANYONE:
        return None
    return things.people["agent" if rights == MINE else "admin"]


def _shows(page: Page, address: str) -> bool:
    """Open the URL if it returns a full page.

    Returns False if the URL returns only a part of a page, a file or a stream.
    """
    kind = page.request.get(address, max_redirects=0).headers.get("content-type", "")
    if not kind.startswith("text/html"):
        return False
    page.goto(address)
    return bool(page.evaluate("Boolean(document.doctype)"))
