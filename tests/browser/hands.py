"""Two ways to use a page: with the keyboard only, or with the mouse."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from routing.models import Case

WRITES = "document.activeElement.matches('textarea, input:not([type=checkbox], [type=radio])')"
FAR = 120
"""More presses of Tab than any page should require."""


class Hand:
    """The actions of a user in the inbox.

    Most methods return when the page shows the result of the action.
    """

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def opened(self) -> Locator:
        return self.page.locator("#open")

    @property
    def said(self) -> Locator:
        """Return the element with the messages about the last action."""
        return self.page.locator("#messages")

    @property
    def writing(self) -> Locator:
        return self.page.locator("#compose-text")

    def row(self, case: Case) -> Locator:
        return self.page.locator(f"#row-{case.pk}")

    def is_at(self, case: Case) -> None:
        """Check that this case is open beside the list and that its composer is loaded."""
        expect(self.page.locator(f"#open[data-case='{case.pk}']")).to_be_visible()
        expect(self.page.locator("#open #composing :is(form, .empty)").first).to_be_visible()

    # Methods that differ between keyboard and mouse

    def press(self, key: str, what: Locator) -> None:
        """Use an action for which the page has both a shortcut key and a button."""
        raise NotImplementedError

    def go(self, to: Locator) -> None:
        """Follow a link or press a button that has no shortcut key."""
        raise NotImplementedError

    def into(self, field: Locator) -> None:
        """Move the focus into a field."""
        raise NotImplementedError

    def open(self, case: Case) -> None:
        raise NotImplementedError

    def pick(self, *cases: Case) -> None:
        raise NotImplementedError

    def choose(self, field: Locator, option: str) -> None:
        raise NotImplementedError

    def tick(self, box: Locator) -> None:
        raise NotImplementedError

    # Methods that are the same for keyboard and mouse

    def type(self, field: Locator, text: str) -> None:
        """Replace the content of a field by the given text."""
        self.into(field)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def verb(self, name: str) -> Locator:
        """Return the button of an action of the open case.

        The button is in the row above the case, and `name` is its label.
        """
        return self.opened.locator(".case-title :is(button, summary)", has_text=name)

    def take(self) -> None:
        self.press("m", self.verb("Take case"))
        expect(self.verb("Take case")).to_have_count(0)  # the buttons must have been updated too
        expect(self.opened.locator(".case-facts")).to_contain_text("you")

    def finish(self, number: int = 2) -> None:
        """Mark the case as done; every unanswered message gets the reason with this number."""
        asks = self.opened.locator(".case-title summary[data-verb=done]").count()
        box = self.opened.locator("[data-decide]")
        if not box.is_visible():
            self.press("e", self.verb("Done"))
        if asks:
            expect(box).to_be_visible()
            self.decide(box, number)

    def decide(self, box: Locator, number: int) -> None:
        """Choose the reason with this number for every message, and submit the form."""
        raise NotImplementedError

    def tab(self, key: str, name: str) -> None:
        """Open a tab of the composer with its shortcut key or by its name."""
        self.press(key, self.opened.locator(".composer .tabs a", has_text=name))
        expect(self.opened.locator(".composer .tabs a[aria-current]")).to_contain_text(name)

    def write(self, text: str) -> None:
        self.into(self.writing)
        self.page.keyboard.insert_text(text)

    def send(self) -> None:
        self.press("Control+Enter", self.opened.locator(".composer .foot button.primary"))


class Keyboard(Hand):
    """Uses the page with the keyboard only.

    The keys are Tab, the arrow keys, Enter, Space and the shortcuts. The key `?` shows the list of
    shortcuts.
    """

    def press(self, key: str, what: Locator) -> None:
        expect(what.first).to_be_visible()
        self.page.wait_for_load_state("domcontentloaded")  # from now on the shortcuts work
        if len(key) == 1 and self.page.evaluate(WRITES):
            self.page.keyboard.press("Escape")
        self.page.keyboard.press(key)

    def go(self, to: Locator) -> None:
        self.into(to)
        self.page.keyboard.press("Enter")

    def into(self, field: Locator) -> None:
        expect(field).to_be_visible()
        for _ in range(FAR):
            if field.evaluate("each => each === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {field}")

    def open(self, case: Case) -> None:
        self._move_to(case)
        self.page.keyboard.press("Enter")
        self.is_at(case)

    def pick(self, *cases: Case) -> None:
        for case in cases:
            self._move_to(case)
            self.page.keyboard.press("x")
            expect(self.row(case).locator(".pick input")).to_be_checked()

    def choose(self, field: Locator, option: str) -> None:
        self.into(field)
        self.page.keyboard.type(option)
        expect(field.locator("option:checked")).to_have_text(option)

    def tick(self, box: Locator) -> None:
        if box.get_attribute("type") == "radio":
            self._turn_to(box)
        else:
            self.into(box)
            self.page.keyboard.press("Space")
        expect(box).to_be_checked()

    def decide(self, box: Locator, number: int) -> None:
        self.page.keyboard.press(f"Shift+Digit{number}")

    def _move_to(self, case: Case) -> None:
        link = self.row(case).locator(".who-link")
        for key in "j" * FAR + "k" * FAR:
            if link.evaluate("each => each === document.activeElement"):
                return
            self.page.keyboard.press(key)
        raise AssertionError(f"j and k do not reach {case}")

    def _turn_to(self, radio: Locator) -> None:
        """Choose a radio button.

        The Tab key reaches the selected radio button of the group, or the first one if none is
        selected. Then the arrow key selects the next radio button, until the wanted one is
        selected.
        """
        name = f"input[name={radio.get_attribute('name')}]"
        chosen = self.page.locator(f"{name}:checked")
        self.into(chosen if chosen.count() else self.page.locator(name).first)
        self.page.keyboard.press("Space")
        for _ in range(self.page.locator(name).count()):
            if radio.is_checked():
                return
            self.page.keyboard.press("ArrowDown")


class Mouse(Hand):
    """Uses the page with the mouse, and uses keys only to type text."""

    def press(self, key: str, what: Locator) -> None:
        # On a phone, the menu “…” has the actions that stand in the head of the case elsewhere.
        menu = self.opened.locator(".more-verbs:not([open]):has(.head-verbs) > summary")
        if menu.is_visible() and what.first.evaluate("each => !!each.closest('.head-verbs')"):
            menu.click()
        # At rest, a narrow composer shows its last tabs only while it is used.
        if what.first.evaluate("each => !!each.closest('.composer.collapsed > .tabs')"):
            self.writing.click()
        what.first.click()

    def go(self, to: Locator) -> None:
        to.click()

    def into(self, field: Locator) -> None:
        field.click()

    def open(self, case: Case) -> None:
        self.row(case).click()
        self.is_at(case)

    def pick(self, *cases: Case) -> None:
        for case in cases:
            self.row(case).locator(".pick input").click()

    def choose(self, field: Locator, option: str) -> None:
        field.select_option(label=option)

    def tick(self, box: Locator) -> None:
        if self.opened.locator(".composer.collapsed").filter(has=box).count():
            self.writing.click()
        box.check()

    def decide(self, box: Locator, number: int) -> None:
        for fieldset in box.locator("fieldset:not([data-every])").all():
            fieldset.locator("label").nth(number - 1).click()
        box.locator("xpath=..").locator("button.primary").click()


HANDS: dict[str, type[Hand]] = {"keyboard": Keyboard, "mouse": Mouse}
